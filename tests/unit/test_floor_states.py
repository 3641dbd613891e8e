"""Agent states, connection, the roster, and logging out who has no page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim.errors import InactiveAgent, InvalidInput, InvalidTransition, UnknownAgent
from coachsim.events import StateChanged
from coachsim.models import MAX_REASON, Agent, AgentState
from tests.unit.floors import AGENTS, BREAK, IN, MINUTE, OUT, Desk

WAYS = {IN: [IN], BREAK: [IN, BREAK], OUT: []}


@pytest.mark.parametrize("state", list(AgentState))
@pytest.mark.parametrize("target", list(AgentState))
def test_only_the_allowed_transitions(state, target):
    desk = Desk()
    for step in WAYS[state]:
        desk.state("a1", step)
    allowed = {(OUT, IN), (IN, BREAK), (BREAK, IN), (IN, OUT), (BREAK, OUT)}
    if target is state:
        assert desk.state("a1", target) == ()
    elif (state, target) in allowed:
        desk.state("a1", target)
        assert desk.floor.agents["a1"].state is target
    else:
        with pytest.raises(InvalidTransition, match="Ann is logged out"):
            desk.state("a1", target)
        assert desk.floor.agents["a1"].state is state


def test_the_same_state_writes_only_when_the_reason_differs_and_since_stays():
    desk = Desk()
    desk.state("a1", IN)
    desk.state("a1", BREAK, "lunch")
    since = desk.now
    desk.wait(MINUTE)
    assert desk.state("a1", BREAK, "lunch") == ()
    assert len(desk.state("a1", BREAK, "training")) == 1
    row = desk.floor.agents["a1"]
    assert (row.reason, row.since) == ("training", since)


def test_a_reason_is_short_text_and_not_for_being_logged_in():
    desk = Desk()
    with pytest.raises(InvalidInput, match="no reason"):
        desk.state("a1", IN, "because")
    desk.state("a1", IN)
    with pytest.raises(InvalidInput, match="26 characters"):
        desk.state("a1", BREAK, "x" * 26)
    with pytest.raises(InvalidInput, match=r"U\+0007"):
        desk.state("a1", BREAK, "lunch\a!")
    assert desk.floor.agents["a1"].state is IN


@given(st.text(st.characters(exclude_categories=[]), max_size=2 * MAX_REASON))
def test_any_reason_is_kept_trimmed_left_out_or_refused(reason: str):
    desk = Desk()
    desk.state("a1", IN)
    try:
        desk.state("a1", BREAK, reason)
    except InvalidInput as error:
        assert error.field == "reason"
        error.message.encode()  # can be printed
        assert desk.floor.agents["a1"].state is IN
    else:
        row = desk.floor.agents["a1"]
        assert row.state is BREAK
        assert row.reason is None or row.reason == reason.replace("\r\n", "\n").replace("\r", "\n").strip()
        assert row.reason != "" and len(row.reason or "") <= MAX_REASON


def test_a_reason_of_which_nothing_can_be_seen_is_none():
    desk = Desk()
    desk.state("a1", IN)
    desk.state("a1", BREAK, "\u200b\ufeff")
    assert desk.floor.agents["a1"].reason is None


def test_connection_is_a_fact_of_its_own():
    desk = Desk()
    desk.connect("a1")
    assert desk.floor.agents["a1"].state is OUT
    assert desk.connect("a1") == ()
    desk.disconnect("a1")
    assert desk.disconnect("a1") == ()


def test_present_without_a_page_for_five_minutes_is_logged_out():
    desk = Desk()
    desk.log_in("a1")
    desk.state("a1", BREAK)
    desk.disconnect("a1")
    assert desk.wait(5 * MINUTE - 1) == ()
    (event,) = desk.wait(1)
    assert (event.state, event.reason, event.actor) == (OUT, "disconnected", "floor")


def test_a_page_that_comes_back_in_time_keeps_the_agent_in():
    desk = Desk()
    desk.log_in("a1")
    desk.disconnect("a1")
    desk.wait(4 * MINUTE)
    desk.connect("a1")
    desk.wait(60 * MINUTE)
    assert desk.floor.agents["a1"].state is IN
    desk.disconnect("a1")
    desk.wait(4 * MINUTE)
    assert desk.floor.agents["a1"].state is IN


def test_logged_in_by_telephony_without_ever_having_a_page_counts_from_the_log_in():
    desk = Desk()
    desk.state("a1", IN)
    desk.wait(3 * MINUTE)
    desk.state("a1", BREAK)
    desk.wait(2 * MINUTE)
    assert desk.floor.agents["a1"].state is OUT


def test_zero_minutes_means_never():
    desk = Desk(disconnect_after=0)
    desk.state("a1", IN)
    desk.wait(12 * 60 * MINUTE)
    assert desk.floor.agents["a1"].state is IN


def test_a_restart_forgets_pages_and_gives_five_minutes_to_come_back():
    desk = Desk()
    desk.log_in("a1", "a2")
    desk._do(desk.floor.restart)
    assert not desk.floor.agents["a1"].connected
    desk.connect("a2")
    desk.wait(5 * MINUTE)
    assert desk.floor.agents["a1"].state is OUT
    assert desk.floor.agents["a2"].state is IN


def test_inactive_agents_are_logged_out_and_take_no_part():
    desk = Desk()
    desk.log_in("a1")
    gone = Agent("a1", "Ann", "Blue", active=False)
    changed = desk._do(desk.floor.set_agents, [gone], actor="admin")
    assert any(isinstance(event, StateChanged) and event.reason == "inactive" for event in changed)
    assert desk.floor.agents["a1"].state is OUT
    for command in (lambda: desk.state("a1", IN), lambda: desk.connect("a1"), lambda: desk.send("a1")):
        with pytest.raises(InactiveAgent):
            command()


def test_an_unchanged_roster_writes_nothing_and_agents_absent_from_it_stay():
    desk = Desk()
    assert desk._do(desk.floor.set_agents, AGENTS, actor="admin") == ()
    assert desk._do(desk.floor.set_agents, AGENTS[:1], actor="admin") == ()
    assert set(desk.floor.agents) == {agent.agent_id for agent in AGENTS}


def test_unknown_agents_are_an_error_everywhere():
    desk = Desk()
    for command in (
        lambda: desk.state("nobody", IN),
        lambda: desk.connect("nobody"),
        lambda: desk.disconnect("nobody"),
        lambda: desk.read("nobody"),
        lambda: desk.toasts("nobody", 1),
        lambda: desk.send("nobody"),
    ):
        with pytest.raises(UnknownAgent):
            command()


def test_time_does_not_go_back():
    desk = Desk()
    with pytest.raises(ValueError, match="time went back"):
        desk.floor.set_state(desk.now - 1, "a1", IN, actor="a1")
