"""The board of the coaching page: what it keeps event by event is what a fresh look at the floor gives."""

from __future__ import annotations

import copy
import json
import random
from types import SimpleNamespace

import pytest

from coachsim import frames, views
from coachsim.errors import CoachsimError
from coachsim.floor import Floor
from coachsim.models import Agent
from coachsim.pages.board import Board
from coachsim.when import When
from tests.unit.floors import BREAK, HOUR, IN, MINUTE, OUT, SCHEDULE, Desk, team


def look(desk: Desk, scope=None) -> tuple[dict, dict, dict, dict]:
    """What the four questions of a page answer now."""
    seq = desk.floor.seq
    rows = copy.deepcopy(views.agents(desk.floor, scope))
    messages = {"messages": views.messages(desk.floor, scope), "as_of": seq}
    schedules = {"schedules": views.schedules(desk.floor, "sup", scope), "as_of": seq}
    return {}, {"agents": rows, "as_of": seq}, messages, schedules


class Watched(Desk):
    """A desk whose every event is shown to a board as it happens, as the stream would."""

    def __init__(self, scope=None) -> None:
        self.scope = scope
        super().__init__()
        self.shown = Floor(SCHEDULE)
        for event in self.events:
            self.shown.apply(event)
        self.board = Board()
        self.board.load(*look(self, scope))

    def _do(self, command, *args, **kwargs):
        self.now += 1  # a frame's times are those of its event: two commands share no microsecond here
        return self._show((*self.floor.tick(self.now), *command(self.now, *args, **kwargs)))

    def _show(self, events):
        self.events += events
        for event in events:
            self.shown.apply(event)  # watchers see the floor as it was right after each event
            scheduled = frames.schedule_frame(self.shown, event, "sup", self.scope)
            told = frames.supervisor_frames(self.shown, event, self.scope) + ([scheduled] if scheduled else [])
            for name, data in told:
                self.board.apply(event.seq, name, copy.deepcopy(data))
        return events

    def wait(self, micros: int = MINUTE):
        self.now += micros
        return self._show(self.floor.tick(self.now))


def same(board: Board, desk: Desk, scope=None) -> None:
    _, agents, messages, schedules = look(desk, scope)
    assert sorted(board.schedules.values(), key=lambda row: row["schedule_id"]) == sorted(
        schedules["schedules"], key=lambda row: row["schedule_id"]
    )
    assert sorted(board.agents.values(), key=lambda row: row["agent_id"]) == sorted(
        agents["agents"], key=lambda row: row["agent_id"]
    )
    assert board.all_messages() == messages["messages"]
    assert board.counts == views.by_state(row.state for row in views.visible_agents(desk.floor, scope))
    for message_id, rows in board.deliveries.items():
        fresh = {row["agent_id"]: row for row in views.deliveries(desk.floor, message_id, scope)}
        for row in (*rows.values(), *fresh.values()):
            row["cleared_at"] = None  # not shown on the page
        assert rows == fresh


@pytest.mark.parametrize("scope", [None, frozenset({"Blue"})])
@pytest.mark.parametrize("seed", range(15))
def test_following_events_gives_what_a_fresh_look_gives(seed: int, scope) -> None:
    draw = random.Random(seed)
    desk = Watched(scope)
    names = ["a1", "a2", "a3", "a4"]
    for step in range(120):
        agent = draw.choice(names)
        try:
            match draw.randrange(10):
                case 0 | 1:
                    desk.state(agent, draw.choice([IN, BREAK, OUT]))
                case 2:
                    draw.choice([desk.connect, desk.disconnect])(agent)
                case 3:
                    expires = desk.now + draw.randint(1, 20) * MINUTE if draw.random() < 0.4 else None
                    desk.send(
                        audience=draw.choice([team("Blue"), team("Blue", "Green")]),
                        ack_required=draw.random() < 0.5,
                        expires_at=expires,
                    )
                case 4:
                    desk.send(agent)
                case 5:
                    desk.read(agent)
                case 6 if desk.floor.messages:
                    desk.ack(agent, draw.choice(list(desk.floor.messages)))
                case 7 if desk.floor.messages:
                    desk.toasts(agent, draw.choice(list(desk.floor.messages)))
                case 8:
                    desk.wait(draw.randint(1, 8) * MINUTE)
                case 9 if step % 40 == 39:
                    desk.clear_by_hand()
        except CoachsimError:
            continue  # a command the floor refuses is no event
        if step == 60:
            for view in views.messages(desk.floor, scope)[:3]:
                rows = views.deliveries(desk.floor, view["message_id"], scope)
                desk.board.open_message(view["message_id"], {"deliveries": rows, "as_of": desk.floor.seq})
        same(desk.board, desk, scope)
    assert desk.board.messages


def test_an_event_that_an_answer_already_contained_is_not_counted_again() -> None:
    desk = Watched()
    desk.log_in("a1")
    message_id = desk.send("a1")
    events = [(e, f) for e in desk.events for f in frames.supervisor_frames(desk.floor, e, None)]
    late = Board()
    late.load(*look(desk))
    for event, (name, data) in events:
        if event.seq > desk.events[-1].seq - 3 and name != "agent":
            late.apply(event.seq, name, copy.deepcopy(data))
    assert late.agents["a1"]["unread"] == 1
    assert late.messages[message_id]["by_milestone"]["notified"] == 1


def test_a_browser_is_told_only_what_changed_and_once() -> None:
    desk = Watched()
    desk.board.take_changes()
    for _ in range(20):
        desk.state("a1", IN)
        desk.state("a1", BREAK, "tea")
        desk.state("a1", IN)
        desk.state("a1", OUT)
    changes = desk.board.take_changes()
    assert [row["agent_id"] for row in changes.agents] == ["a1"]
    assert "campaigns" not in changes.agents[0], "only the fields that can move"
    assert changes.messages == [] and changes.counts == {"logged_in": 0, "break": 0, "logged_out": 4}
    assert not desk.board.take_changes()


def test_frames_without_end_leave_one_copy_of_what_stays_the_same() -> None:
    desk = Watched()
    board = desk.board
    first = dict(board.agents["a1"])
    keys = [id(key) for key in first]
    for number, state in enumerate(("logged_in", "break", "logged_in"), start=desk.floor.seq + 1):
        board.apply(number, "agent", json.loads(json.dumps(first | {"state": state})))  # as it comes over a line
    row = board.agents["a1"]
    assert row["state"] == "logged_in" and [id(key) for key in row] == keys
    assert all(row[key] is first[key] for key in ("agent_id", "name", "team", "campaigns", "lists", "queues"))


def test_agents_in_the_same_groups_hold_them_once() -> None:
    rows = [{"agent_id": f"a{n}", "state": "break", "campaigns": ["Spring"], "lists": [], "queues": []} for n in (1, 2)]
    board = Board()
    board.load({}, {"agents": rows, "as_of": 1}, {"messages": [], "as_of": 1}, {"schedules": [], "as_of": 1})
    one, two = board.agents.values()
    assert one["campaigns"] == ["Spring"] and one["campaigns"] is two["campaigns"]


def test_a_new_message_goes_whole_and_later_only_its_counts() -> None:
    desk = Watched()
    desk.log_in("a1")
    desk.send("a1", body="Well done")
    assert desk.board.take_changes().messages[0]["body"] == "Well done"
    desk.read("a1")
    (part,) = desk.board.take_changes().messages
    assert "body" not in part and part["by_milestone"]["read"] == 1


def test_an_agent_who_moves_out_of_scope_or_becomes_inactive_leaves_the_list() -> None:
    desk = Watched(frozenset({"Blue"}))
    desk.board.take_changes()
    desk._do(desk.floor.set_agents, [Agent("a1", "Ann", "Green")], actor="admin")
    changes = desk.board.take_changes()
    assert changes.removed == ["a1"] and "a1" not in desk.board.agents
    assert desk.board.counts["logged_out"] == 1
    desk._do(desk.floor.set_agents, [Agent("a1", "Anna", "Blue")], actor="admin")
    changes = desk.board.take_changes()
    assert changes.removed == [] and changes.agents[0]["name"] == "Anna"


def test_the_floors_clock_goes_on_at_its_pace_between_two_notices(monkeypatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("coachsim.pages.board.time", SimpleNamespace(monotonic=lambda: clock[0]))
    board = Board()
    floor = {"now": "2026-03-02T10:30:00.000000Z", "speed": 60, "paused": False, "faults": []}
    board.load(floor, {"agents": [], "as_of": 1}, {"messages": [], "as_of": 1}, {"schedules": [], "as_of": 1})
    clock[0] += 0.5
    assert board.floor_now()["now"] == "2026-03-02T10:30:30+00:00"
    board.apply(2, "floor", floor | {"now": "2026-03-02T10:31:00.000000Z", "paused": True})
    clock[0] += 60
    assert board.floor_now()["now"] == "2026-03-02T10:31:00+00:00"
    assert board.take_changes().floor


def test_what_is_to_go_out_later_is_followed_until_something_became_of_it():
    desk = Watched()
    desk.log_in("a1")
    first = desk.schedule("a1", when=When(release_at=desk.now + HOUR))
    sooner = desk.schedule("a2", when=When(release_at=desk.now + MINUTE))
    lost = desk.schedule(audience=team("Green"), when=When(logged_in_share=1.0, not_after=desk.now + 2 * MINUTE))
    assert [row["schedule_id"] for row in desk.board.take_changes().scheduled] == [sooner, lost, first]
    assert desk.board.take_changes().scheduled is None
    desk.wait(3 * MINUTE)
    same(desk.board, desk)
    assert [row["status"] for row in desk.board.scheduled()] == ["not_released", "scheduled"]
    desk.withdraw(first)
    same(desk.board, desk)
    assert [row["schedule_id"] for row in desk.board.take_changes().scheduled] == [lost]


def test_a_frame_from_before_the_answer_changes_nothing():
    desk = Watched()
    scheduled = desk.schedule("a1")
    late = Board()
    desk.withdraw(scheduled)
    late.load(*look(desk))
    old = desk.board.schedules[scheduled] | {"status": "scheduled"}
    late.apply(scheduled, "scheduled", old)
    assert late.scheduled() == []
