"""A day that array code found, enacted on a floor: so that it leaves the same log as one that the engine played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

import numpy as np

from coachsim.days import Schedule
from coachsim.engine import PLAN
from coachsim.errors import EmptyAudience
from coachsim.evaluate import outcome
from coachsim.events import Event, Events
from coachsim.floor import Floor
from coachsim.models import AgentState
from coachsim.outcome import NEVER
from coachsim.plan import Days, Send, draw, plan_of

_Step = tuple[int, int, int, int, Callable[[Floor, int], Events]]
_CHANGE, _SEND, _READ, _ACKNOWLEDGE = range(4)


def enact(first: Days, days: int = 1) -> list[Event]:
    """The events of the first seed's day, the clear-down that closes it included; and of so many ``days`` from it on.

    Nothing is left to chance or to attention here: who looks when is the outcome's, and the floor says what that means.
    """
    began_at = first.day.began_at
    floor = Floor(Schedule(first.scenario.time_zone, first.scenario.clear_down), disconnect_after=0)
    events = [*floor.open_day(began_at), *floor.set_agents(began_at, first.agents, actor=PLAN)]
    for agent in first.active:
        events += floor.connect(began_at, agent.agent_id, actor=PLAN, page=False)
    for number in range(days):
        assert floor.day is not None
        label = date.fromisoformat(floor.day.day)
        today = draw(first.scenario, first.seeds[:1], day=label, agents=first.agents) if number else first
        if today.day.began_at < today.day.ends_at:
            for at, *_, command in sorted(_steps(today), key=lambda step: step[:4]):
                events += floor.tick(at)
                events += command(floor, at)
        events += floor.tick(today.day.ends_at)
    return events


def _steps(days: Days) -> Iterator[_Step]:
    """Every command of the day: its moment, what orders it among others of that moment, and what it does."""
    plan, found = plan_of(days), outcome(days)
    place = {agent.agent_id: number for number, agent in enumerate(days.active)}
    for change in (*plan.opening, *plan.changes):
        change_state = partial(_change, agent_id=change.agent_id, state=change.state, reason=change.reason)
        yield change.at, _CHANGE, place[change.agent_id], 0, change_state
    for number, send in enumerate(plan.sends):
        yield send.at, _SEND, number, 0, partial(_send, send=send)
    first = found.rep == 0
    looks = np.unique(np.stack([found.read_at, found.agent])[:, first & (found.read_at != NEVER)], axis=1)
    for at, agent in looks.T.tolist():
        yield at, _READ, agent, 0, partial(_look, agent_id=days.active[agent].agent_id)
    for entry in np.flatnonzero(first & (found.acknowledged_at != NEVER)).tolist():
        agent, at = int(found.agent[entry]), int(found.acknowledged_at[entry])
        message_id = int(found.message_id[entry])
        confirm = partial(_acknowledge, agent_id=days.active[agent].agent_id, message_id=message_id)
        yield at, _ACKNOWLEDGE, agent, message_id, confirm


def _change(floor: Floor, at: int, *, agent_id: str, state: AgentState, reason: str | None) -> Events:
    before: Events = ()
    if state is AgentState.BREAK and not floor.agents[agent_id].present:
        before = floor.set_state(at, agent_id, AgentState.LOGGED_IN, actor=PLAN)
    return (*before, *floor.set_state(at, agent_id, state, actor=PLAN, reason=reason))


def _send(floor: Floor, at: int, *, send: Send) -> Events:
    try:
        return floor.send(at, send.draft, actor=send.sender)
    except EmptyAudience as error:
        detail = {"request_id": send.draft.request_id, "because": error.message}
        return floor.audit(at, actor=send.sender, action="not_sent", subject="message", detail=detail)


def _look(floor: Floor, at: int, *, agent_id: str) -> Events:
    return floor.open_inbox(at, agent_id, actor=PLAN)


def _acknowledge(floor: Floor, at: int, *, agent_id: str, message_id: int) -> Events:
    return floor.acknowledge(at, agent_id, message_id, actor=PLAN)
