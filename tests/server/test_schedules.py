"""Scheduled messages on a real server: by the accounts of the moment, through kills, and never twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coachsim.days import SECOND, to_micros
from coachsim.server.accounts import Accounts
from coachsim.server.store import Store
from tests.faults.shifted_clock import ShiftedClock
from tests.serving import Served, listening, next_frame, serve, until


@pytest.fixture
def clock(tmp_path: Path) -> ShiftedClock:
    """The clock of the server of ``shifted``."""
    return ShiftedClock(tmp_path / "ahead")


@pytest.fixture
def shifted(data: Path, clock: ShiftedClock) -> Iterator[Served]:
    """A server whose clock can be set."""
    with serve(data, program=clock.program) as running:
        yield running


def soon(seconds: float) -> dict[str, str]:
    return {"at": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()}


def schedule(client, request_id: str, when: dict, audience: dict | None = None) -> dict:
    draft = {"audience": audience or {"everyone": True}, "body": request_id, "request_id": request_id, "when": when}
    answer = client.post("/api/schedules", json=draft)
    assert answer.status_code == 201, answer.text
    return answer.json()


def statuses(client) -> dict[str, str]:
    return {one["body"]: one["status"] for one in client.get("/api/schedules").json()["schedules"]}


def test_it_goes_out_by_itself_and_agents_and_supervisors_hear_of_it(clock: ShiftedClock, shifted: Served):
    served = shifted
    with served.client("phones") as phones:
        phones.put("/api/agents/a1/state", json={"state": "logged_in"})
    with (
        served.client("sup") as sup,
        served.client("a1") as ann,
        listening(ann) as agent,
        listening(sup) as watching,
    ):
        next(agent), next(watching)
        schedule(sup, "later", soon(200))
        assert next_frame(watching, "scheduled", "message")[1] == "scheduled"
        clock.set(200 * SECOND)
        assert next_frame(agent, "message")[2]["body"] == "later"
        seq, _, message = next_frame(watching, "message")
        again, _, released = next_frame(watching, "released")
        assert (again, released["message_id"]) == (seq, message["message_id"])


def test_an_account_that_was_disabled_sends_nothing_any_more_and_one_with_fewer_teams_less(
    clock: ShiftedClock, shifted: Served
):
    served = shifted
    store = Store(served.data)
    try:
        accounts = Accounts(store)
        with served.client("sup") as sup, served.client("blue") as blue:
            teams = {agent["team"] for agent in sup.get("/api/agents").json()["agents"]}
            assert len(teams) > 1
            schedule(blue, "of blue", soon(200))
            schedule(sup, "of sup", soon(200))
            accounts.change("blue", actor="test", disabled=True)
            accounts.change("sup", actor="test", teams=frozenset({"Blue"}))
        clock.set(201 * SECOND)
        with served.client("sup") as sup:
            until(lambda: statuses(sup) == {"of sup": "released"}, "the release")
            (message,) = sup.get("/api/messages").json()["messages"]
            rows = sup.get(f"/api/messages/{message['message_id']}/deliveries").json()["deliveries"]
        accounts.change("sup", actor="test", teams=None)
        with served.client("sup") as sup:
            assert message["recipients"] == len(rows)
            (everything,) = sup.get("/api/messages").json()["messages"]
            assert (everything["body"], everything["recipients"]) == ("of sup", len(rows))
            (refused,) = [one for one in sup.get("/api/schedules").json()["schedules"] if one["sender"] == "blue"]
            assert refused["status"] == "not_released"
            assert refused["because"] == "The account blue may not send any more."
    finally:
        store.close()


def test_killed_around_the_release_each_goes_out_once(data, clock):
    """Dozens are due all through the life of three servers, each of which is killed while they go out."""
    wanted = [f"m{number}" for number in range(45)]
    with serve(data, program=clock.program) as first, first.client("sup") as sup:
        begin = datetime.now(UTC) + timedelta(seconds=250)
        for number, body in enumerate(wanted):
            schedule(sup, body, {"at": (begin + timedelta(seconds=number * 0.08)).isoformat()})
        assert set(statuses(sup)) == set(wanted)
        clock.set(max(0, to_micros(begin) - clock.wall()))
        until(lambda: "released" in statuses(sup).values(), "the first release")
        first.kill()
    for _ in range(2):
        with serve(data, program=clock.program) as again, again.client("sup") as sup:
            before = Counter(statuses(sup).values())["released"]
            until(lambda sup=sup, n=before: Counter(statuses(sup).values())["released"] > n or done(sup), "another")
            again.kill()
    with serve(data, program=clock.program) as last, last.client("sup") as sup:
        until(lambda: done(sup), "the rest")
        sent = Counter(message["body"] for message in sup.get("/api/messages").json()["messages"])
        assert sent == Counter(wanted)
        # A sender who asks again is told of the first, and nothing goes out a second time.
        draft = {"audience": {"everyone": True}, "body": "m0", "request_id": "m0"}
        assert sup.post("/api/messages", json=draft).json()["error"]["code"] == "request_reused"
        assert len(sup.get("/api/messages").json()["messages"]) == len(wanted)


def done(client) -> bool:
    return set(statuses(client).values()) == {"released"}


def test_what_waits_survives_a_clear_down_and_a_restart_and_can_be_withdrawn(data):
    with serve(data) as first, first.client("sup") as sup, first.client("admin") as admin:
        kept = schedule(sup, "kept", {"logged_in_share": 0.01})
        gone = schedule(sup, "gone", {"at": (datetime.now(UTC) + timedelta(days=3)).isoformat()})
        assert admin.post("/api/clear-down").is_success
        assert first.stop() == 0
    with serve(data) as second, second.client("sup") as sup, second.client("phones") as phones:
        assert statuses(sup) == {"kept": "scheduled", "gone": "scheduled"}
        assert sup.delete(f"/api/schedules/{gone['schedule_id']}").json()["status"] == "withdrawn"
        phones.put("/api/agents/a1/state", json={"state": "logged_in"})
        assert statuses(sup) == {"kept": "released", "gone": "withdrawn"}
        late = sup.delete(f"/api/schedules/{kept['schedule_id']}")
        assert (late.status_code, late.json()["error"]["code"]) == (409, "too_late")
