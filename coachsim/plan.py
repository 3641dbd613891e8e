"""plan(scenario, seed): one day drawn up front, agent by agent and message by message, in whole microseconds.

Everything is drawn by key (``coachsim.draws``), so that a plan is the same however it is cut: a shift that began the
day before is in both days' plans alike, and a variant has the same people on the same day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from coachsim import roster
from coachsim.attention import Sampler
from coachsim.days import HOUR, MINUTE, Day, Schedule
from coachsim.draws import Draws, Keys, key, keys
from coachsim.models import Agent, AgentState, Audience, Draft, Filter, Priority
from coachsim.presence import Presence
from coachsim.scenario import PlannedMessage, Scenario

Micros = NDArray[np.int64]
NOBODY = np.zeros(1, dtype=np.uint64)
_OUT, _IN, _BREAK = AgentState.LOGGED_OUT, AgentState.LOGGED_IN, AgentState.BREAK


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
    """One day of a scenario. ``opening`` are changes at ``day.began_at``, ``changes`` those after it, in order."""

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

    def state_at(self, agent_id: str, at: int) -> tuple[AgentState, str | None]:
        """Where the plan has an agent at a moment of the day, and for what reason."""
        state: tuple[AgentState, str | None] = (_OUT, None)
        for change in (*self.opening, *self.changes):
            if change.at > at:
                break
            if change.agent_id == agent_id:
                state = (change.state, change.reason)
        return state


def plan(scenario: Scenario, seed: int, *, day: date | None = None, agents: Sequence[Agent] | None = None) -> Plan:
    """Draws a day: the scenario's own date unless ``day`` says another; its own floor unless ``agents`` are given."""
    schedule = Schedule(scenario.time_zone, scenario.clear_down)
    label = day or scenario.date
    today = Day(label.isoformat(), schedule.instant(label), schedule.instant(label + timedelta(days=1)))
    people = tuple(sorted(agents if agents is not None else floor_of(scenario), key=lambda agent: agent.agent_id))
    active = [agent for agent in people if agent.active]
    agent_keys = keys([agent.agent_id for agent in active])
    segments = _segments(scenario, seed, label, agent_keys)
    opening: list[Change] = []
    changes: list[Change] = []
    presence = {}
    for agent, shifts in zip(active, segments, strict=True):
        spans = []
        for start, end, breaks in shifts:
            if end <= today.began_at or start >= today.ends_at:
                continue
            spans.append((max(start, today.began_at), min(end, today.ends_at)))
            for at, state, reason in _steps(start, end, breaks):
                if at <= today.began_at:
                    if state is not _OUT:
                        opening.append(Change(today.began_at, agent.agent_id, state, reason))
                elif at < today.ends_at:
                    changes.append(Change(at, agent.agent_id, state, reason))
        presence[agent.agent_id] = Presence.of(spans)
    changes.sort(key=lambda change: (change.at, change.agent_id))
    draws = Draws(seed, label.toordinal())
    sends = sorted(
        (send for message in scenario.messages for send in _sends(message, scenario, today, draws, active)),
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
    width = len(str(shape.agents))

    def some(kind: str, count: int, n: int) -> tuple[str, ...]:
        return () if not count else tuple(sorted({f"{kind} {n % count + 1}", f"{kind} {n * 7 // 3 % count + 1}"}))

    return [
        Agent(
            f"a{n + 1:0{width}}",
            f"Agent {n + 1}",
            f"Team {n % shape.teams + 1}",
            some("Campaign", shape.campaigns, n // shape.teams),
            some("List", shape.lists, n),
            some("Queue", shape.queues, n),
        )
        for n in range(shape.agents)
    ]


# --- people ---

Breaks = list[tuple[int, int, str]]
Shifts = list[tuple[int, int, Breaks]]


def _segments(scenario: Scenario, seed: int, label: date, agents: Keys) -> list[Shifts]:
    """Each agent's shifts of the day before, the day itself and the day after, with their breaks, not overlapping."""
    shifts: list[Shifts] = [[] for _ in agents]
    for day in (label - timedelta(days=1), label, label + timedelta(days=1)):
        draws = Draws(seed, day.toordinal())
        starts, ends = _shift_times(scenario, day, draws, agents)
        breaks = _breaks(scenario, draws, agents, starts, ends)
        present = draws.uniform("absent", agents) >= scenario.absence
        for n in np.flatnonzero(present):
            start, end = int(starts[n]), int(ends[n])
            if shifts[n]:
                start = max(start, shifts[n][-1][1] + MINUTE)
            if start < end:
                shifts[n].append((start, end, [one for one in breaks[n] if one[0] > start]))
    return shifts


def _shift_times(scenario: Scenario, day: date, draws: Draws, agents: Keys) -> tuple[Micros, Micros]:
    # Which pattern an agent works is theirs for good, not drawn anew each day.
    weights = np.cumsum([shift.share for shift in scenario.shifts])
    chosen = np.searchsorted(weights / weights[-1], Draws(draws.seed, 0).uniform("pattern", agents), side="right")
    chosen = np.minimum(chosen, len(scenario.shifts) - 1)
    start = np.array([_instant(scenario, day, shift.start) for shift in scenario.shifts])[chosen]
    length = np.array([shift.length_h * HOUR for shift in scenario.shifts])[chosen]
    start_spread = np.array([shift.start_spread_min * MINUTE for shift in scenario.shifts])[chosen]
    length_spread = np.array([shift.length_spread_min * MINUTE for shift in scenario.shifts])[chosen]
    starts = start + _rounded(start_spread * (2 * draws.uniform("shift start", agents) - 1))
    lengths = _rounded(length + length_spread * (2 * draws.uniform("shift length", agents) - 1))
    return starts, starts + np.maximum(lengths, 0)


def _breaks(scenario: Scenario, draws: Draws, agents: Keys, starts: Micros, ends: Micros) -> list[Breaks]:
    """Each agent's breaks, clipped to the shift and to one another; one that would have no length is left out."""
    wanted: list[tuple[Micros, Micros, str]] = []
    for number, planned in enumerate(scenario.breaks):
        wave = np.floor(Draws(draws.seed, 0).uniform(f"wave {number}", agents) * planned.waves)
        after = (planned.after_min + wave * planned.wave_gap_min) * MINUTE + planned.after_spread_min * MINUTE * (
            2 * draws.uniform(f"break after {number}", agents) - 1
        )
        length = MINUTE * (
            planned.length_min + planned.length_spread_min * (2 * draws.uniform(f"break length {number}", agents) - 1)
        )
        wanted.append((starts + _rounded(after), np.maximum(_rounded(length), 0), planned.reason))
    wanted += _unplanned(scenario, draws, agents, starts, ends)
    found: list[Breaks] = [[] for _ in agents]
    for n in range(len(agents)):
        free = int(starts[n])
        mine = sorted((int(begins[n]), int(lengths[n]), reason) for begins, lengths, reason in wanted)
        for wish, duration, why in mine:
            begin = max(wish, free + 1)
            end = min(begin + duration, int(ends[n]))
            if begin < end:
                found[n].append((begin, end, why))
                free = end
    return found


def _unplanned(
    scenario: Scenario, draws: Draws, agents: Keys, starts: Micros, ends: Micros
) -> list[tuple[Micros, Micros, str]]:
    model = scenario.unplanned_breaks
    wanted: list[tuple[Micros, Micros, str]] = []
    if not model.per_hour or not len(agents):
        return wanted
    begin = starts.copy()
    number = 0
    while True:
        gap = draws.exponential("unplanned gap", agents, HOUR / model.per_hour, n=number)
        begin = begin + _rounded(gap)
        if not (begin < ends).any():
            return wanted
        length = draws.lognormal(
            "unplanned length", agents, model.length_median_min * MINUTE, model.length_sigma, n=number
        )
        wanted.append((begin, np.where(begin < ends, _rounded(length), 0), "short break"))
        number += 1


def _rounded(values: NDArray[np.float64]) -> Micros:
    whole: Micros = np.rint(values).astype(np.int64)
    return whole


def _steps(start: int, end: int, breaks: Breaks) -> list[tuple[int, AgentState, str | None]]:
    """The changes of one shift, in order."""
    steps: list[tuple[int, AgentState, str | None]] = [(start, _IN, None)]
    for begin, finish, reason in breaks:
        steps.append((begin, _BREAK, reason))
        if finish < end:
            steps.append((finish, _IN, None))
    steps.append((end, _OUT, None))
    return steps


def _last_of_each(opening: list[Change]) -> list[Change]:
    """Where each agent stands when the day opens: logged in, then on a break for those who are on one."""
    last = {change.agent_id: change for change in opening}
    found = []
    for change in last.values():
        found.append(Change(change.at, change.agent_id, _IN, None))
        if change.state is _BREAK:
            found.append(change)
    return sorted(found, key=lambda change: change.agent_id)


# --- messages ---


def _instant(scenario: Scenario, day: date, wall: str) -> int:
    return Schedule(scenario.time_zone, wall).instant(day)


def _in_day(scenario: Scenario, today: Day, wall: str) -> int:
    """The moment of the day at which clocks show ``wall``: after midnight, for a time before the clear-down."""
    label = date.fromisoformat(today.label)
    at = _instant(scenario, label, wall)
    return at if at >= today.began_at else _instant(scenario, label + timedelta(days=1), wall)


def _sends(
    message: PlannedMessage, scenario: Scenario, today: Day, draws: Draws, active: Sequence[Agent]
) -> list[Send]:
    if message.at is not None:
        moments = [_in_day(scenario, today, message.at)]
    else:
        assert message.start and message.until and message.every_min
        step = round(message.every_min * MINUTE)
        moments = list(range(_in_day(scenario, today, message.start), _in_day(scenario, today, message.until), step))
    sends = []
    for number, at in enumerate(moments):
        if not today.began_at <= at < today.ends_at:
            continue
        name = message.key if message.at is not None else f"{message.key}-{number}"
        audience = _audience(message, name, draws, active)
        expires_at = None
        if message.expires_after_min is not None:
            expires_at = min(at + round(message.expires_after_min * MINUTE), today.ends_at)
        draft = Draft(
            audience=audience,
            body=message.body,
            request_id=name,
            priority=Priority(message.priority),
            ack_required=message.ack_required,
            expires_at=expires_at,
        )
        sends.append(Send(at, "planner", draft))
    return sends


def _audience(message: PlannedMessage, name: str, draws: Draws, active: Sequence[Agent]) -> Audience:
    if isinstance(message.to, dict):
        return Audience.from_json(message.to)
    if message.to == "everyone":
        return Audience(everyone=True)
    choices = sorted({agent.team for agent in active}) if message.to == "a team" else [one.agent_id for one in active]
    if not choices:
        return Audience(everyone=True)
    pick = choices[int(draws.uniform("audience", NOBODY, key(name))[0] * len(choices))]
    return Audience(filter=Filter(team=(pick,))) if message.to == "a team" else Audience(agents=(pick,))


def practice_start(scenario: Scenario, day: date) -> int:
    """The moment at which a new practice floor begins on ``day``."""
    schedule = Schedule(scenario.time_zone, scenario.clear_down)
    today = Day(day.isoformat(), schedule.instant(day), schedule.instant(day + timedelta(days=1)))
    return _in_day(scenario, today, scenario.practice_from)
