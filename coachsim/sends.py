"""Sends: what a scenario's messages come to on one day; when each goes out, and to whom where that is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coachsim.days import MINUTE, Day, Schedule
from coachsim.models import GROUP_KINDS, Agent, Audience, Filter, Priority
from coachsim.outcome import NEVER, Ints
from coachsim.people.draws import Draws, Keys, keys
from coachsim.scenario import PlannedMessage, Scenario, ScenarioError

Bools = NDArray[np.bool_]
TO_A_TEAM, TO_AN_AGENT = "a team", "an agent"


@dataclass(frozen=True, slots=True)
class Slot:
    """One message of the day: ``key`` is its stable name; ``at`` and ``expires_at`` are the same for all seeds."""

    at: int
    key: str
    message: PlannedMessage
    expires_at: int | None


def day_of(scenario: Scenario, label: date) -> Day:
    """The day with this label on the scenario's floor."""
    schedule = Schedule(scenario.time_zone, scenario.clear_down)
    return Day(label.isoformat(), schedule.instant(label), schedule.instant(label + timedelta(days=1)))


def in_day(scenario: Scenario, today: Day, wall: str) -> int:
    """The moment of the day at which clocks show ``wall``: after midnight, for a time before the clear-down."""
    label = date.fromisoformat(today.label)
    at = Schedule(scenario.time_zone, wall).instant(label)
    return at if at >= today.began_at else Schedule(scenario.time_zone, wall).instant(label + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Sends:
    """The slots of a day as columns: ``at`` and ``expires_at`` in µs since the day began, at the latest its end."""

    at: Ints
    expires_at: Ints
    key: Keys
    urgent: Bools
    ack_required: Bools

    @classmethod
    def of(cls, planned: Sequence[Slot], today: Day) -> Sends:
        """These slots, in their order."""
        ends = [today.ends_at if slot.expires_at is None else slot.expires_at for slot in planned]
        return cls(
            at=np.array([slot.at for slot in planned], np.int64) - today.began_at,
            expires_at=np.array(ends, np.int64) - today.began_at,
            key=keys([slot.key for slot in planned]),
            urgent=np.array([slot.message.priority == Priority.URGENT.value for slot in planned], np.bool_),
            ack_required=np.array([slot.message.ack_required for slot in planned], np.bool_),
        )


def slots(scenario: Scenario, today: Day) -> list[Slot]:
    """Everything that is to be sent in the day, by time, then key."""
    found = []
    for message in scenario.messages:
        for number, at in enumerate(_moments(message, scenario, today)):
            # A time that the night's change of the clocks leaves out may fall out of the day.
            if not today.began_at <= at < today.ends_at:
                continue
            name = message.key if message.at is not None else f"{message.key}#{number}"
            expires_at = None
            if message.expires_after_min is not None:
                expires_at = min(at + round(message.expires_after_min * MINUTE), today.ends_at)
            found.append(Slot(at, name, message, expires_at))
    return sorted(found, key=lambda slot: (slot.at, slot.key))


def _moments(message: PlannedMessage, scenario: Scenario, today: Day) -> Sequence[int]:
    if message.at is not None:
        return [in_day(scenario, today, message.at)]
    assert message.start and message.until and message.every_min
    first = in_day(scenario, today, message.start)
    until = today.ends_at if message.until == scenario.clear_down else in_day(scenario, today, message.until)
    return range(first, until, round(message.every_min * MINUTE))


@dataclass(frozen=True, slots=True)
class Choices:
    """What a drawn audience may be: the active agents and the teams, with the keys of both, and each agent's team."""

    teams: tuple[str, ...]
    team_keys: Keys
    team_of: Ints
    agent_ids: tuple[str, ...]
    agent_keys: Keys

    @classmethod
    def of(cls, active: Sequence[Agent], agent_keys: Keys) -> Choices:
        """Those of these agents, whose keys are given in step."""
        teams = tuple(sorted({agent.team for agent in active}))
        number = {team: n for n, team in enumerate(teams)}
        team_of = np.array([number[agent.team] for agent in active], np.int64)
        return cls(teams, keys(teams), team_of, tuple(agent.agent_id for agent in active), agent_keys)

    def picks(self, planned: Sequence[Slot], draws: Draws, reps: int) -> Ints:
        """Which team or agent each slot goes to in each replication, (slots × reps); NEVER where that is not drawn.

        The highest draw wins: one agent or team more changes only the picks that fall on them.
        """
        picked = np.full((len(planned), reps), NEVER)
        for to, its_keys in ((TO_A_TEAM, self.team_keys), (TO_AN_AGENT, self.agent_keys)):
            those = [number for number, slot in enumerate(planned) if slot.message.to == to]
            if not those or not len(its_keys):
                continue
            names = keys([planned[number].key for number in those])
            shape = len(those), reps, len(its_keys)
            drawn = draws.uniform(
                "audience",
                np.broadcast_to(its_keys, shape).ravel(),
                np.broadcast_to(names[:, None, None], shape).ravel(),
                rep=np.broadcast_to(np.arange(reps)[:, None], shape).ravel(),
            )
            picked[those] = drawn.reshape(shape).argmax(axis=2)
        return picked

    def audience(self, slot: Slot, picked: int) -> Audience:
        """A slot's audience, where this was drawn for it. A draw from nobody is everyone: nobody."""
        to: Any = slot.message.to
        if isinstance(to, dict):
            return Audience.from_json(to)
        if picked == NEVER:
            return Audience(everyone=True)
        if to == TO_A_TEAM:
            return Audience(filter=Filter(team=(self.teams[picked],)))
        return Audience(agents=(self.agent_ids[picked],))


def matches(agent: Agent, audience: Audience) -> bool:
    """Whether an agent is named, or is in one of the filter's groups of each kind that it names; states aside."""
    if audience.filter is None:
        return audience.everyone or agent.agent_id in audience.agents
    given = audience.filter.given
    return all(set(agent.groups(kind)) & set(given[kind]) for kind in GROUP_KINDS if kind in given)


def check_audiences(scenario: Scenario, people: Sequence[Agent]) -> None:
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
