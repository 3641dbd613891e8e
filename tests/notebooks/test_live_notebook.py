"""An analyst's notebook on the log of a running server, with an analyst's token, while messages are sent to it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from coachsim import open_log
from tests.notebooks.running import complaints, run, text
from tests.serving import add_everybody, serve, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def messages_all_the_time(sender: httpx.Client, reader: httpx.Client) -> Iterator[list[int]]:
    """Some ten messages a second to everyone, every other one read at once by the reader; gives their ids."""
    sent: list[int] = []
    enough = threading.Event()

    def work() -> None:
        while not enough.wait(0.1):
            message = {"audience": {"everyone": True}, "body": "Hello", "request_id": f"request-{len(sent)}"}
            sent.append(sender.post("/api/messages", json=message).raise_for_status().json()["message_id"])
            if len(sent) % 2:
                reader.post("/api/inbox/open", json={}).raise_for_status()

    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(work)
        try:
            until(lambda: len(sent) > 2 or working.done(), "the first messages")
            yield sent
        finally:
            enough.set()
            working.result()


def test_the_notebook_runs_unchanged_on_a_server_to_which_messages_are_sent(tmp_path: Path, monkeypatch) -> None:
    add_everybody(tmp_path)
    with serve(tmp_path) as served, served.client("sup") as sup, served.client("a3") as reader:
        with served.client("phones") as phones:
            phones.put("/api/agents/a3/state", json={"state": "logged_in"}).raise_for_status()
        token = served.token("analyst")  # whose team is Red, two of the four
        with messages_all_the_time(sup, reader) as sent:
            before = len(sent)
            cells = run("07_unread_yesterday.ipynb", COACHSIM_URL=served.url, COACHSIM_TOKEN=token)
        assert complaints(cells) == []
        opened = re.fullmatch(r"'(\S+), as of (.+) \(UTC\)'", text(cells, "open"))
        assert opened is not None
        assert opened[1] == served.url
        monkeypatch.setenv("COACHSIM_TOKEN", token)
        with open_log(served.url) as log:
            everything, unread, then = log.sql(
                """SELECT count(*), count(*) FILTER (sent_at <= $then AND NOT coalesce(read_at <= $then, false)),
                          count(*) FILTER (sent_at <= $then)
                   FROM deliveries""",
                {"then": opened[2]},
            ).iloc[0]
            (day,) = log.days().day
    assert text(cells, "answer").startswith(f"'{day}, so far: ")
    assert f"({unread:,} of {then:,}) not read" in text(cells, "answer")
    assert 2 * before <= then < everything == 2 * len(sent)
    assert then / 2 <= unread < then
    assert "Red" in text(cells, "team")
    assert "Blue" not in text(cells, "team")


def test_an_analysts_token_reads_and_cannot_send(tmp_path: Path) -> None:
    add_everybody(tmp_path)
    with serve(tmp_path) as served, served.client("analyst") as analyst:
        message = {"audience": {"agents": ["a3"]}, "body": "Hello", "request_id": "one"}
        assert analyst.get("/api/log/messages.parquet").status_code == 200
        assert analyst.post("/api/messages", json=message).status_code == 403
        with served.client("sup") as sup:
            assert sup.get("/api/messages").json()["messages"] == []
