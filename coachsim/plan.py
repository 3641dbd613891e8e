"""plan(scenario, seed): one day drawn up front, agent by agent and message by message, in whole microseconds.

Everything is drawn by key (``coachsim.draws``), so that a plan is the same however it is cut: a shift that began the
day before is in both days' plans alike, and a variant has the same people on the same day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from coachsim import roster, shifts
from coachsim.attention import Sampler
from coachsim.days import MINUTE, Day, Schedule
from coachsim.draws import Draws, Keys, key, keys
from coachsim.models import GROUP_KINDS, Agent, AgentState, Audience, Draft, Filter, Priority
from coachsim.presence import Presence
from coachsim.scenario import PlannedMessage, Scenario, ScenarioError

SENDER = "planner"
"""The account in whose name a plan sends."""
_OUT = AgentState.LOGGED_OUT


@dataclass(frozen=True, slots=True)
class Change:
    """One planned change of an agent's state."""

    at: int
    agent_id: str
    state: AgentState
    reason: str | None


@dataclass(frozen=True, slots=True)
class Send:
    """One planned message; ``draft.request_id`` is its stable key."""

    at: int
    sender: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class Plan:
    """One day of a scenario. ``opening`` is where those present stand as it begins; ``changes`` come after that."""

    scenario: Scenario
    seed: int
    day: Day
    agents: tuple[Agent, ...]
    opening: tuple[Change, ...]
    changes: tuple[Change, ...]
    presence: dict[str, Presence]
    sends: tuple[Send, ...]
    keys: dict[str, np.uint64]
    sampler: Sampler

    def states_at(self, at: int) -> dict[str, tuple[AgentState, str | None]]:
        """Where the plan has each agent at a moment of the day, and for what reason; the logged out are left out."""
        states: dict[str, tuple[AgentState, str | None]] = {}
        for change in (*self.opening, *self.changes):
            if change.at > at:
                break
            states[change.agent_id] = (change.state, change.reason)
        return {agent_id: known for agent_id, known in states.items() if known[0] is not _OUT}


def plan(scenario: Scenario, seed: int, *, day: date | None = None, agents: Sequence[Agent] | None = None) -> Plan:
    """Draws a day: the scenario's own date unless ``day`` says another; its own floor unless ``agents`` are given.

    Raises ``ScenarioError`` for messages to agents or groups that the floor does not have, and what the roster raises.
    """
    label = day or scenario.date
    today = _day(scenario, label)
    people = tuple(sorted(agents if agents is not None else floor_of(scenario), key=lambda agent: agent.agent_id))
    active = [agent for agent in people if agent.active]
    _check_audiences(scenario, people)
    agent_keys = keys([agent.agent_id for agent in active])
    worked = shifts.segments(scenario, seed, today, agent_keys)
    opening: list[Change] = []
    changes: list[Change] = []
    presence = {}
    for agent, mine in zip(active, worked, strict=True):
        spans = []
        for start, end, breaks in mine:
            spans.append((max(start, today.began_at), min(end, today.ends_at)))
            for at, state, reason in shifts.steps(start, end, breaks):
                if at <= today.began_at:
                    if state is not _OUT:
                        opening.append(Change(today.began_at, agent.agent_id, state, reason))
                elif at < today.ends_at:
                    changes.append(Change(at, agent.agent_id, state, reason))
        presence[agent.agent_id] = Presence.of(spans)
    changes.sort(key=lambda change: (change.at, change.agent_id))
    draws = Draws(seed, label.toordinal())
    teams = sorted({agent.team for agent in active})
    choices = {"a team": (teams, keys(teams)), "an agent": ([agent.agent_id for agent in active], agent_keys)}
    sends = sorted(
        (send for message in scenario.messages for send in _sends(message, scenario, today, draws, choices)),
        key=lambda send: (send.at, send.draft.request_id),
    )
    return Plan(
        scenario=scenario,
        seed=seed,
        day=today,
        agents=people,
        opening=tuple(_last_of_each(opening)),
        changes=tuple(changes),
        presence=presence,
        sends=tuple(sends),
        keys={agent.agent_id: one for agent, one in zip(active, agent_keys, strict=True)},
        sampler=Sampler(scenario, draws),
    )


def floor_of(scenario: Scenario) -> list[Agent]:
    """The scenario's agents: from its roster, or made up to its counts."""
    path = scenario.roster_path()
    if path is not None:
        return roster.load(path)
    shape = scenario.floor

    def some(kind: str, count: int, n: int) -> tuple[str, ...]:
        return () if not count else tuple(sorted({f"{kind} {n % count + 1}", f"{kind} {n * 7 // 3 % count + 1}"}))

    return [
        Agent(
            f"a{n + 1:02}",
            f"Agent {n + 1}",
            f"Team {n % shape.teams + 1}",
            some("Campaign", shape.campaigns, n // shape.teams),
            some("List", shape.lists, n),
            some("Queue", shape.queues, n),
        )
        for n in range(shape.agents)
    ]


def _last_of_each(opening: list[Change]) -> list[Change]:
    """Where each agent stands when the day opens, by agent_id."""
    return sorted({change.agent_id: change for change in opening}.values(), key=lambda change: change.agent_id)


# --- messages ---


def _day(scenario: Scenario, label: date) -> Day:
    schedule = Schedule(scenario.time_zone, scenario.clear_down)
    return Day(label.isoformat(), schedule.instant(label), schedule.instant(label + timedelta(days=1)))


def _in_day(scenario: Scenario, today: Day, wall: str) -> int:
    """The moment of the day at which clocks show ``wall``: after midnight, for a time before the clear-down."""
    label = date.fromisoformat(today.label)
    at = Schedule(scenario.time_zone, wall).instant(label)
    return at if at >= today.began_at else Schedule(scenario.time_zone, wall).instant(label + timedelta(days=1))


def _check_audiences(scenario: Scenario, people: Sequence[Agent]) -> None:
    """Whoever a message names must be on the floor; what is wrong is said of all messages at once."""
    known = {(kind, group) for agent in people for kind in GROUP_KINDS for group in agent.groups(kind)}
    active = {agent.agent_id: agent.active for agent in people}
    faults = []
    for index, message in enumerate(scenario.messages):
        if isinstance(message.to, str):
            continue
        audience = Audience.from_json(message.to)
        given = audience.filter.given if audience.filter else {}
        groups = [(kind, group) for kind, names in given.items() if kind in GROUP_KINDS for group in names]
        faults += [
            f"messages[{index}].to: there is no {kind} {group!r}"
            for kind, group in groups
            if (kind, group) not in known
        ]
        faults += [
            f"messages[{index}].to: agent {agent_id!r} is {'inactive' if agent_id in active else 'not on the roster'}"
            for agent_id in audience.agents
            if not active.get(agent_id)
        ]
    if faults:
        raise ScenarioError(f"The scenario {scenario.name!r}: {'; '.join(faults)}.")


def _sends(
    message: PlannedMessage, scenario: Scenario, today: Day, draws: Draws, choices: dict[str, tuple[list[str], Keys]]
) -> list[Send]:
    if message.at is not None:
        moments = [_in_day(scenario, today, message.at)]
    else:
        assert message.start and message.until and message.every_min
        first = _in_day(scenario, today, message.start)
        until = today.ends_at if message.until == scenario.clear_down else _in_day(scenario, today, message.until)
        moments = list(range(first, until, round(message.every_min * MINUTE)))
    sends = []
    for number, at in enumerate(moments):
        # A time that the night's change of the clocks leaves out may fall out of the day.
        if not today.began_at <= at < today.ends_at:
            continue
        name = message.key if message.at is not None else f"{message.key}#{number}"
        expires_at = None
        if message.expires_after_min is not None:
            expires_at = min(at + round(message.expires_after_min * MINUTE), today.ends_at)
        draft = Draft(
            audience=_audience(message.to, name, draws, choices),
            body=message.body,
            request_id=name,
            priority=Priority(message.priority),
            ack_required=message.ack_required,
            expires_at=expires_at,
        )
        sends.append(Send(at, SENDER, draft))
    return sends


def _audience(to: Any, name: str, draws: Draws, choices: dict[str, tuple[list[str], Keys]]) -> Audience:
    if isinstance(to, dict):
        return Audience.from_json(to)
    names, its_keys = choices.get(to, ([], None))
    if not names or its_keys is None:
        return Audience(everyone=True)
    # The highest draw wins: one agent or team more changes only the picks that fall on them.
    pick = names[int(np.argmax(draws.uniform("audience", its_keys, key(name))))]
    return Audience(filter=Filter(team=(pick,))) if to == "a team" else Audience(agents=(pick,))


def practice_start(scenario: Scenario, day: date) -> int:
    """The moment at which a new practice floor begins on ``day``."""
    return _in_day(scenario, _day(scenario, day), scenario.practice_from)
