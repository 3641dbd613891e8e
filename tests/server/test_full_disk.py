"""A disk without room for accounts.sqlite: whoever signs in or out is told so, and all goes on when there is room."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from coachsim.server.comings import REFUSED
from coachsim.server.store import Store
from tests.serving import Served, until


@contextmanager
def no_room(served: Served) -> Iterator[None]:
    """No file of the server can be written for a while: a limit on their size stands for the full disk."""
    process = served.process.pid
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it has ended
            resource.prlimit(process, resource.RLIMIT_FSIZE, before)


def test_signing_in_and_out_on_a_full_disk_says_so_and_works_afterwards(served: Served):
    with served.browser() as stranger, served.browser("sup") as sup:
        form = {"username": "a1", "password": "correct horse"}
        with no_room(served):
            for answer in (stranger.post("/login", data=form), sup.post("/logout")):
                assert answer.status_code == 503
                assert "free space" in answer.text and "nothing was changed" in answer.text
            assert sup.get("/api/me").status_code == 200, "a sign-out that failed is none"
        assert stranger.post("/login", data=form).status_code == 303
        assert sup.post("/logout").status_code == 303
        assert sup.get("/api/me").status_code == 401


def test_what_was_refused_on_a_full_disk_is_on_record_when_there_is_room(served: Served):
    with served.client("blue") as blue:
        with no_room(served):
            for _ in range(3):
                assert blue.get("/api/roster").status_code == 403
            until(lambda: "accounts.sqlite cannot be written" in faults(blue), "an alarm")
        until(lambda: not faults(blue), "the end of the alarm")
    store = Store(served.data)
    try:
        rows = store.rows("SELECT times FROM coming WHERE action = ?", REFUSED)
        assert sum(row["times"] for row in rows) == 3  # in one row, or two if the clock has struck
    finally:
        store.close()


def faults(client: httpx.Client) -> str:
    return " ".join(client.get("/healthz").raise_for_status().json()["faults"])


def test_a_server_stops_in_good_order_on_a_full_disk(served: Served):
    with served.browser("sup") as sup, no_room(served):
        assert sup.get("/api/me").status_code == 200
        assert served.stop() == 0
    assert "Traceback" not in served.said
