"""plan(scenario, seed): one day drawn up front, agent by agent and message by message, in whole microseconds.

Everything is drawn by key (``coachsim.people.draws``), so that a plan is the same however it is cut: a shift that
began the day before is in both days' plans alike, and a variant has the same people on the same day. ``draw`` gives
the days of many seeds at once as arrays, for whoever evaluates them; a ``Plan`` is one of these days as the engine
plays it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from coachsim import roster
from coachsim.days import Day
from coachsim.errors import InvalidInput
from coachsim.models import Agent, AgentState, Draft, Priority
from coachsim.outcome import NEVER, STATES, Ints
from coachsim.people import shifts
from coachsim.people.attention import Sampler
from coachsim.people.draws import Draws, Keys, keys
from coachsim.people.presence import Presence
from coachsim.people.rota import Rota
from coachsim.scenario import Scenario
from coachsim.sends import Choices, Sends, Slot, check_audiences, day_of, in_day, slots

SENDER = "planner"
"""The account in whose name a plan sends."""
SEEDS = 2**63
"""Seeds are whole numbers below this, from 0: a log keeps them in 64 bits."""
_OUT = AgentState.LOGGED_OUT


def check_seed(seed: int) -> None:
    """Raises ``InvalidInput`` for a seed that there is not."""
    if not 0 <= seed < SEEDS:
        raise InvalidInput(f"A seed is a whole number from 0 to {SEEDS - 1}, not {seed}.", field="seed")


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
class Days:
    """One day of a scenario for each of some seeds, as arrays.

    ``agents`` are the whole floor by agent_id, ``active`` those of them who work, with ``keys`` in step. The rows of
    ``rota`` are the active agents, day after day. ``sends`` are the slots as columns; ``picks`` (slots × seeds) is what
    is drawn of their audiences.
    """

    scenario: Scenario
    seeds: tuple[int, ...]
    day: Day
    agents: tuple[Agent, ...]
    active: tuple[Agent, ...]
    keys: Keys
    rota: Rota
    slots: tuple[Slot, ...]
    sends: Sends
    choices: Choices
    picks: Ints
    sampler: Sampler


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


def draw(
    scenario: Scenario, seeds: Sequence[int], *, day: date | None = None, agents: Sequence[Agent] | None = None
) -> Days:
    """Draws one day for each seed: the scenario's own date unless ``day`` says another; its own floor, or ``agents``.

    Raises ``ScenarioError`` for messages to agents or groups that the floor does not have, for shifts of teams that it
    does not have or teams without a shift, and what the roster raises.
    """
    label = day or scenario.date
    today = day_of(scenario, label)
    people = tuple(sorted(agents if agents is not None else floor_of(scenario), key=lambda agent: agent.agent_id))
    check_audiences(scenario, people)
    active = tuple(agent for agent in people if agent.active)
    shifts.check_teams(scenario, people)
    agent_keys = keys([agent.agent_id for agent in active])
    draws = Draws(tuple(seeds), label.toordinal())
    planned = tuple(slots(scenario, today))
    choices = Choices.of(active, agent_keys)
    return Days(
        scenario=scenario,
        seeds=tuple(seeds),
        day=today,
        agents=people,
        active=active,
        keys=agent_keys,
        rota=shifts.rota(scenario, seeds, today, agent_keys, [agent.team for agent in active]),
        slots=planned,
        sends=Sends.of(planned, today),
        choices=choices,
        picks=choices.picks(planned, draws, len(seeds)),
        sampler=Sampler(scenario.attention, scenario.policy, draws),
    )


def plan(scenario: Scenario, seed: int, *, day: date | None = None, agents: Sequence[Agent] | None = None) -> Plan:
    """Draws the day of one seed, as the engine plays it. The arguments and errors are those of ``draw``."""
    return plan_of(draw(scenario, [seed], day=day, agents=agents))


def plan_of(days: Days) -> Plan:
    """The first of the days."""
    ids = [agent.agent_id for agent in days.active]
    one, began_at = days.rota, days.day.began_at
    order = one.by_time()
    order = order[one.row[order] < len(ids)]
    columns = (each[order].tolist() for each in (one.at, one.row, one.state, one.reason))
    changes = [
        Change(began_at + at, ids[row], STATES[state], None if reason == NEVER else one.reasons[reason])
        for at, row, state, reason in zip(*columns, strict=True)
    ]
    opening = sum(change.at == began_at for change in changes)
    spans: list[list[tuple[int, int]]] = [[] for _ in ids]
    for row, start, end in zip(one.span_row.tolist(), one.span_start.tolist(), one.span_end.tolist(), strict=True):
        if row < len(ids):
            spans[row].append((began_at + start, began_at + end))
    return Plan(
        scenario=days.scenario,
        seed=days.seeds[0],
        day=days.day,
        agents=days.agents,
        opening=tuple(changes[:opening]),
        changes=tuple(changes[opening:]),
        presence={agent_id: Presence.of(mine) for agent_id, mine in zip(ids, spans, strict=True)},
        sends=tuple(
            Send(slot.at, SENDER, _draft(slot, days.choices, picked))
            for slot, picked in zip(days.slots, days.picks[:, 0].tolist(), strict=True)
        ),
        keys=dict(zip(ids, days.keys, strict=True)),
        sampler=days.sampler,
    )


def _draft(slot: Slot, choices: Choices, picked: int) -> Draft:
    return Draft(
        audience=choices.audience(slot, picked),
        body=slot.message.body,
        request_id=slot.key,
        priority=Priority(slot.message.priority),
        ack_required=slot.message.ack_required,
        expires_at=slot.expires_at,
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


def practice_start(scenario: Scenario, day: date) -> int:
    """The moment at which a new practice floor begins on ``day``."""
    return in_day(scenario, day_of(scenario, day), scenario.practice_from)
