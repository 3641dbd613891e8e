"""Shifts and breaks: which parts of a day each agent of a scenario is there, drawn by key."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import numpy as np

from coachsim.attention import Micros, micros
from coachsim.days import HOUR, MINUTE, Day, Schedule
from coachsim.draws import Draws, Keys
from coachsim.models import AgentState
from coachsim.scenario import Scenario

_OUT, _IN, _BREAK = AgentState.LOGGED_OUT, AgentState.LOGGED_IN, AgentState.BREAK

Breaks = list[tuple[int, int, str]]
Shifts = list[tuple[int, int, Breaks]]


def segments(scenario: Scenario, seed: int, today: Day, agents: Keys) -> list[Shifts]:
    """Each agent's shifts that reach into the day, those of the days before and after included, with their breaks."""
    shifts: list[Shifts] = [[] for _ in agents]
    label = date.fromisoformat(today.label)
    for day in (label - timedelta(days=1), label, label + timedelta(days=1)):
        draws = Draws(seed, day.toordinal())
        starts, ends = _shift_times(scenario, day, draws, agents)
        at_work = (draws.uniform("absent", agents) >= scenario.absence) & (starts < ends)
        those = np.flatnonzero(at_work & (ends > today.began_at) & (starts < today.ends_at))
        breaks = _breaks(scenario, draws, agents[those], starts[those], ends[those])
        for n, start, end, mine in zip(
            those.tolist(), starts[those].tolist(), ends[those].tolist(), breaks, strict=True
        ):
            if shifts[n] and start <= shifts[n][-1][1]:
                # Only where a whole date is left out (a move across the date line) do two shifts meet.
                start = shifts[n][-1][1] + MINUTE
                mine = [one for one in mine if one[0] > start]
            if start < min(end, today.ends_at):
                shifts[n].append((start, end, mine))
    return shifts


def _shift_times(scenario: Scenario, day: date, draws: Draws, agents: Keys) -> tuple[Micros, Micros]:
    # Which pattern an agent works is theirs for good, not drawn anew each day.
    weights = np.cumsum([shift.share for shift in scenario.shifts])
    chosen = np.searchsorted(weights / weights[-1], Draws(draws.seed, 0).uniform("pattern", agents), side="right")
    chosen = np.minimum(chosen, len(scenario.shifts) - 1)
    start = np.array([Schedule(scenario.time_zone, shift.start).instant(day) for shift in scenario.shifts])[chosen]
    length = np.array([shift.length_h * HOUR for shift in scenario.shifts])[chosen]
    start_spread = np.array([shift.start_spread_min * MINUTE for shift in scenario.shifts])[chosen]
    length_spread = np.array([shift.length_spread_min * MINUTE for shift in scenario.shifts])[chosen]
    starts = start + micros(start_spread * (2 * draws.uniform("shift start", agents) - 1))
    lengths = micros(length + length_spread * (2 * draws.uniform("shift length", agents) - 1))
    return starts, starts + np.maximum(lengths, 0)


def _breaks(scenario: Scenario, draws: Draws, agents: Keys, starts: Micros, ends: Micros) -> list[Breaks]:
    """Each agent's breaks, clipped to the shift and to one another; one that would have no length is left out."""
    wanted: list[tuple[Micros, Micros, str]] = []
    same_reason: Counter[str] = Counter()
    for planned in scenario.breaks:
        name = f"{planned.reason} {same_reason[planned.reason]}"
        same_reason[planned.reason] += 1
        wave = np.floor(Draws(draws.seed, 0).uniform(f"wave {name}", agents) * planned.waves)
        after = (
            planned.after_min
            + wave * planned.wave_gap_min
            + planned.after_spread_min * (2 * draws.uniform(f"break after {name}", agents) - 1)
        )
        length = planned.length_min + planned.length_spread_min * (
            2 * draws.uniform(f"break length {name}", agents) - 1
        )
        wanted.append((starts + micros(after * MINUTE), micros(length * MINUTE), planned.reason))
    wanted += _unplanned(scenario, draws, agents, starts, ends)
    found: list[Breaks] = []
    wishes = [(begins.tolist(), lengths.tolist(), reason) for begins, lengths, reason in wanted]
    for n, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        mine: Breaks = []
        free = start
        for wish, length, reason in sorted([(begins[n], lengths[n], reason) for begins, lengths, reason in wishes]):
            # A moment of being logged in lies before every break.
            begin = max(wish, free + 1)
            free_again = min(begin + length, end)
            if begin < free_again:
                mine.append((begin, free_again, reason))
                free = free_again
        found.append(mine)
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
        begin = begin + micros(gap)
        if not (begin < ends).any():
            return wanted
        length = draws.lognormal(
            "unplanned length", agents, model.length_median_min * MINUTE, model.length_sigma, n=number
        )
        wanted.append((begin, np.where(begin < ends, micros(length), 0), "short break"))
        number += 1


def steps(start: int, end: int, breaks: Breaks) -> list[tuple[int, AgentState, str | None]]:
    """The changes of one shift, in order."""
    steps: list[tuple[int, AgentState, str | None]] = [(start, _IN, None)]
    for begin, finish, reason in breaks:
        steps.append((begin, _BREAK, reason))
        if finish < end:
            steps.append((finish, _IN, None))
    steps.append((end, _OUT, None))
    return steps
