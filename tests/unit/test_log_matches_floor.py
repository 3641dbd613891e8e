"""The log's SQL and the floor's memory are two statements of the same facts: on random floors they agree row by row."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from datetime import UTC

import pytest

from coachsim.days import to_datetime, to_micros
from coachsim.errors import CoachsimError
from coachsim.events import Sent
from coachsim.floor import Floor
from coachsim.log import LogWriter, open_log
from coachsim.models import Agent, AgentState, Audience, Delivery, Draft, Filter
from coachsim.when import When
from tests.unit.floors import AGENTS, SCHEDULE, TEN

STEPS = (0, 0, 1, 60_000_000, 600_000_000, 3_600_000_000, 8 * 3_600_000_000)
TIMES = ("sent_at", "toast_at", "notified_at", "read_at", "acknowledged_at", "lost_at", "cleared_at")


class RandomFloor:
    """A floor that random people use for a few days; keeps every delivery ever made and the day of its message."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = TEN
        self.floor = Floor(SCHEDULE)
        self.events = []
        self.deliveries: dict[tuple[int, str], Delivery] = {}
        self.days: dict[int, str] = {}
        self.take(self.floor.open_day(TEN))
        self.take(self.floor.set_agents(TEN, AGENTS, actor="admin"))

    def take(self, events):
        self.events += events
        for event in events:
            if isinstance(event, Sent):
                row = self.floor.messages[event.message.message_id]
                self.days[event.message.message_id] = self.floor.day.day
                self.deliveries |= {(d.message_id, d.agent_id): d for d in row.deliveries.values()}

    def step(self) -> None:
        pick = self.random
        self.now += pick.choice(STEPS)
        while (due := self.floor.next_due()) is not None and due <= self.now:
            self.take(self.floor.tick(max(due, self.floor.now)))  # what a day's end closes is looked at before it
        self.take(self.floor.tick(self.now))
        agent = pick.choice(AGENTS)
        who, floor = agent.agent_id, self.floor
        message = pick.choice(list(floor.messages) or [0])
        audience = pick.choice(
            [Audience(agents=(who,)), Audience(everyone=True), Audience(filter=Filter(team=(agent.team,)))]
        )
        expires_at = pick.choice([None, None, self.now + pick.choice(STEPS[2:])])
        ack = pick.random() < 0.5
        draft = Draft(
            audience=audience, body="Hé\nllo", request_id=str(len(self.events)), ack_required=ack, expires_at=expires_at
        )
        moved = Agent(who, agent.name, pick.choice(["Blue", "Green"]), agent.campaigns, active=pick.random() < 0.8)
        state = pick.choice(list(AgentState))
        commands = [
            (4, lambda: floor.set_state(self.now, who, state, actor=who, reason=None)),
            (3, lambda: floor.connect(self.now, who, actor=who, page=pick.random() < 0.7)),
            (1, lambda: floor.disconnect(self.now, who, actor=who)),
            (4, lambda: floor.send(self.now, draft, actor="sup")),
            (3, lambda: floor.show_toasts(self.now, who, [message], actor=who)),
            (3, lambda: floor.open_inbox(self.now, who, actor=who, through=pick.choice([None, floor.seq - 3]))),
            (2, lambda: floor.acknowledge(self.now, who, message, actor=who)),
            (0.3, lambda: floor.clear_down(self.now, actor="admin")),
            (0.5, lambda: floor.set_agents(self.now, [moved], actor="admin")),
            (0.3, lambda: floor.restart(self.now)),
            (0.3, lambda: floor.audit(self.now, actor="admin", action="looked", subject="x", detail={"n": 1})),
        ]
        later = When(release_at=self.now + pick.choice((*STEPS[1:], 3 * 24 * 3_600_000_000)))
        when = pick.choice([later, When(back_from_break=True), When(logged_in_share=pick.choice([0.5, 1.0]))])
        commands += [
            (2, lambda: floor.schedule_send(self.now, replace(draft, expires_at=None), when, actor="sup")),
            (0.5, lambda: floor.withdraw(self.now, pick.choice(list(floor.schedules) or [0]), actor="sup")),
        ]
        weights, choices = zip(*commands, strict=True)
        with suppress(CoachsimError):
            self.take(pick.choices(choices, weights)[0]())


def plain(moment) -> int | None:
    """A DataFrame's time as µs, or None."""
    if moment is None or moment != moment:
        return None
    return to_micros(moment.to_pydatetime().replace(tzinfo=UTC))


def expected(run: RandomFloor) -> list[tuple]:
    return [
        (
            *(d.message_id, d.agent_id, d.team, run.days[d.message_id], str(d.state_at_send), str(d.status)),
            *(getattr(d, name) for name in TIMES),
        )
        for _, d in sorted(run.deliveries.items())
    ]


def written(log) -> list[tuple]:
    rows = []
    for row in log.deliveries().to_dict("records"):
        head = (
            row["message_id"],
            row["agent_id"],
            row["team"],
            str(row["day"])[:10],
            row["state_at_send"],
            row["status"],
        )
        rows.append((*head, *(plain(row[name]) for name in TIMES)))
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_the_deliveries_of_the_log_are_the_deliveries_of_the_floor(tmp_path, seed):
    run = RandomFloor(seed)
    writer = LogWriter.open(tmp_path / "log.duckdb")
    done = 0
    for _ in range(250):
        run.step()
        if run.random.random() < 0.2 and done < len(run.events):
            writer.append(run.events[done:]).result()
            done = len(run.events)
    writer.append(run.events[done:]).result()

    restored = writer.load()
    writer.close()
    again = Floor(SCHEDULE)
    again.restore(restored.openings, restored.events, restored.pending)
    for what in ("messages", "requests", "schedules", "schedule_requests", "day", "now", "seq"):
        assert getattr(again, what) == getattr(run.floor, what), what
    assert again.next_release() == run.floor.next_release()
    released = [event.schedule_id for event in run.events if isinstance(event, Sent) and event.schedule_id]
    assert len(released) == len(set(released)) > 2
    for agent_id, row in run.floor.agents.items():
        mirror = again.agents[agent_id]
        assert (mirror.agent, mirror.state, mirror.since, mirror.reason, mirror.inbox, mirror.unread) == (
            row.agent,
            row.state,
            row.since,
            row.reason,
            row.inbox,
            row.unread,
        )

    with open_log(tmp_path / "log.duckdb") as log:
        assert len(run.days) > 10 and len(set(run.days.values())) > 2, "too little happened to show anything"
        assert written(log) == expected(run)
        messages = {row["message_id"]: row for row in log.messages().to_dict("records")}
        counts = {mid: sum(key[0] == mid for key in run.deliveries) for mid in run.days}
        assert {mid: row["recipients"] for mid, row in messages.items()} == counts
        closed = log.sql("SELECT day::VARCHAR AS day, deliveries, lost FROM days WHERE cleared_at IS NOT NULL")
        assert len(closed) > 2
        for day, total, lost in closed.itertuples(index=False):
            rows = [d for d in run.deliveries.values() if run.days[d.message_id] == str(day)]
            assert (total, lost) == (len(rows), sum(d.lost_at is not None for d in rows))
        last = {e.agent_id: e for e in run.events if type(e).__name__ == "StateChanged"}
        states = log.state_changes().groupby("agent_id").tail(1).set_index("agent_id")["state"].to_dict()
        assert states == {agent_id: str(event.state) for agent_id, event in last.items()}


def test_a_time_is_the_same_in_the_log_to_the_microsecond(tmp_path):
    run = RandomFloor(1)
    run.now += 1
    run.take(run.floor.set_state(run.now, "a1", AgentState.LOGGED_IN, actor="a1"))
    writer = LogWriter.open(tmp_path / "log.duckdb")
    writer.append(run.events).result()
    writer.close()
    with open_log(tmp_path) as log:
        (changed,) = log.state_changes()["changed_at"]
    assert changed == to_datetime(TEN + 1).replace(tzinfo=None)
