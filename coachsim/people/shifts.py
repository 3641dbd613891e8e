"""Shifts and breaks: who of a scenario's people is where when, drawn by key, for one day or for many at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from coachsim.days import HOUR, MINUTE, Day, Schedule
from coachsim.models import Agent
from coachsim.outcome import NEVER, Ints
from coachsim.people.attention import micros
from coachsim.people.draws import Draws, Floats, Keys
from coachsim.people.rota import BREAK, IN, OUT, Rota
from coachsim.scenario import Scenario, ScenarioError

_UNPLANNED = "short break"
_AGES = 1e18  # µs, 30,000 years: what is rarer never happens, and would be too large a number
_NO_BREAK = 2**62  # as the beginning of a break: there is none


@dataclass(frozen=True, slots=True)
class _People:
    """Some rows of a rota: which they are, which of the seeds is theirs, and the agents' keys."""

    row: Ints
    rep: Ints
    keys: Keys

    def __getitem__(self, some: Ints | NDArray[np.bool_]) -> _People:
        return _People(self.row[some], self.rep[some], self.keys[some])

    def uniform(self, draws: Draws, purpose: str, n: int = 0) -> Floats:
        return draws.uniform(purpose, self.keys, n=n, rep=self.rep)

    def spread(self, draws: Draws, purpose: str) -> Floats:
        """Between -1 and 1."""
        return 2 * self.uniform(draws, purpose) - 1


@dataclass(frozen=True, slots=True)
class _Shifts:
    """Shifts that began on one date: a row for each, a column for each break (``_NO_BREAK`` where there is none)."""

    who: _People
    start: Ints
    end: Ints
    begin: Ints
    finish: Ints
    reason: Ints

    def __getitem__(self, some: NDArray[np.bool_]) -> _Shifts:
        return _Shifts(
            self.who[some], self.start[some], self.end[some], self.begin[some], self.finish[some], self.reason[some]
        )


def check_teams(scenario: Scenario, people: Sequence[Agent]) -> None:
    """Every team that a shift names must be on the floor, and every team that is must have a shift to work."""
    named = {team for shift in scenario.shifts for team in shift.teams}
    unknown = named - {agent.team for agent in people}
    faults = [
        f"shifts[{index}].teams: there is no team {team!r}"
        for index, shift in enumerate(scenario.shifts)
        for team in shift.teams
        if team in unknown
    ]
    if all(shift.teams for shift in scenario.shifts):
        without = sorted({agent.team for agent in people if agent.active} - named)
        faults += [f"shifts: no shift is for the team {team!r}" for team in without]
    if faults:
        raise ScenarioError(f"The scenario {scenario.name!r}: {'; '.join(faults)}.")


def rota(scenario: Scenario, seeds: Sequence[int], today: Day, agents: Keys, teams: Sequence[str]) -> Rota:
    """The day for each of the seeds; shifts that began the day before, or that begin the day after, are in it too.

    ``teams`` are the agents' own, in step. They have to be those of ``check_teams``.
    """
    many = len(seeds) * len(agents)
    everybody = _People(np.arange(many), np.repeat(np.arange(len(seeds)), len(agents)), np.tile(agents, len(seeds)))
    # Which pattern an agent works is theirs for good, not drawn anew each day; so is their wave of each break.
    for_good = Draws(tuple(seeds), 0)
    pattern = _dealt(scenario, teams, everybody.uniform(for_good, "pattern"))
    label = date.fromisoformat(today.label)
    worked: list[_Shifts] = []
    free_from = np.full(many, NEVER)
    for day in (label - timedelta(days=1), label, label + timedelta(days=1)):
        draws = Draws(tuple(seeds), day.toordinal())
        shifts = _shifts(scenario, draws, for_good, day, today, everybody, pattern)
        # Only where a whole date is left out (a move across the date line) do two shifts meet.
        before = free_from[shifts.who.row]
        meets = (before != NEVER) & (shifts.start <= before)
        shifts.start[meets] = before[meets] + MINUTE
        shifts.begin[meets[:, None] & (shifts.begin <= shifts.start[:, None])] = _NO_BREAK
        shifts = shifts[shifts.start < np.minimum(shifts.end, today.ends_at)]
        free_from[shifts.who.row] = shifts.end
        worked.append(shifts)
    return _rota(worked, many, today, _reasons(scenario))


def _dealt(scenario: Scenario, teams: Sequence[str], drawn: Floats) -> Ints:
    """The pattern of each agent, of those that are open to their team, from a draw of 0 to 1; by seed, then agent."""
    patterns = range(len(scenario.shifts))
    if not any(shift.teams for shift in scenario.shifts):
        return _by_share(scenario, patterns, drawn)
    of_agents = drawn.reshape(-1, len(teams)) if teams else drawn.reshape(1, 0)
    found = np.zeros(of_agents.shape, np.int64)
    for team in sorted(set(teams)):
        those = [number for number, one in enumerate(teams) if one == team]
        open_to = [n for n in patterns if not scenario.shifts[n].teams or team in scenario.shifts[n].teams]
        found[:, those] = _by_share(scenario, open_to, of_agents[:, those])
    return found.ravel()


def _by_share(scenario: Scenario, patterns: Sequence[int], drawn: Floats) -> Ints:
    weights = np.cumsum([scenario.shifts[n].share for n in patterns])
    place = np.searchsorted(weights / weights[-1], drawn, side="right")
    return np.asarray(patterns)[np.minimum(place, len(patterns) - 1)]


def _reasons(scenario: Scenario) -> tuple[str, ...]:
    return tuple(sorted({_UNPLANNED, *(planned.reason for planned in scenario.breaks)}))


def _shifts(
    scenario: Scenario, draws: Draws, for_good: Draws, day: date, today: Day, everybody: _People, pattern: Ints
) -> _Shifts:
    """The shifts of one date that reach into the day, with their breaks."""
    starts = np.array([Schedule(scenario.time_zone, shift.start).instant(day) for shift in scenario.shifts])
    lengths = np.array([shift.length_h * HOUR for shift in scenario.shifts])
    start_spreads = np.array([shift.start_spread_min * MINUTE for shift in scenario.shifts])
    length_spreads = np.array([shift.length_spread_min * MINUTE for shift in scenario.shifts])
    # Nothing is drawn for patterns that cannot reach into the day.
    latest = starts + start_spreads + lengths + length_spreads + 2
    may_reach = (latest > today.began_at) & (starts - start_spreads - 1 < today.ends_at)
    those = np.flatnonzero(may_reach[pattern])
    who, mine = everybody[those], pattern[those]
    start = starts[mine] + micros(start_spreads[mine] * who.spread(draws, "shift start"))
    length = micros(lengths[mine] + length_spreads[mine] * who.spread(draws, "shift length"))
    end = start + np.maximum(length, 0)
    at_work = (who.uniform(draws, "absent") >= scenario.absence) & (start < end)
    reaches = at_work & (end > today.began_at) & (start < today.ends_at)
    who, start, end = who[reaches], start[reaches], end[reaches]
    return _Shifts(who, start, end, *_breaks(scenario, draws, for_good, who, start, end))


def _breaks(
    scenario: Scenario, draws: Draws, for_good: Draws, who: _People, start: Ints, end: Ints
) -> tuple[Ints, Ints, Ints]:
    """Begin, finish and reason of each shift's breaks, in order, clipped to the shift and to one another.

    One that would have no length is left out.
    """
    wishes: list[tuple[Ints, Ints, str]] = []
    same_reason: Counter[str] = Counter()
    for planned in scenario.breaks:
        name = f"{planned.reason} {same_reason[planned.reason]}"
        same_reason[planned.reason] += 1
        wave = np.floor(who.uniform(for_good, f"wave {name}") * planned.waves)
        after = (
            planned.after_min
            + wave * planned.wave_gap_min
            + planned.after_spread_min * who.spread(draws, f"break after {name}")
        )
        length = planned.length_min + planned.length_spread_min * who.spread(draws, f"break length {name}")
        wishes.append((start + micros(after * MINUTE), micros(length * MINUTE), planned.reason))
    wishes += _unplanned(scenario, draws, who, start, end)
    shape = len(start), len(wishes)
    begin, finish, reason = np.full(shape, _NO_BREAK), np.zeros(shape, np.int64), np.full(shape, NEVER)
    if not wishes:
        return begin, finish, reason
    wished = np.stack([wish for wish, _, _ in wishes], axis=1)
    lengths = np.stack([length for _, length, _ in wishes], axis=1)
    codes = np.broadcast_to([_reasons(scenario).index(why) for _, _, why in wishes], shape)
    order = np.lexsort((codes, lengths, wished), axis=-1)
    wished, lengths, codes = (np.take_along_axis(each, order, axis=1) for each in (wished, lengths, codes))
    free = start
    for n in range(len(wishes)):
        # A moment of being logged in lies before every break.
        begins = np.maximum(wished[:, n], free + 1)
        finishes = np.minimum(begins + lengths[:, n], end)
        taken = begins < finishes
        begin[taken, n], finish[taken, n], reason[taken, n] = begins[taken], finishes[taken], codes[taken, n]
        free = np.where(taken, finishes, free)
    return begin, finish, reason


def _unplanned(scenario: Scenario, draws: Draws, who: _People, start: Ints, end: Ints) -> list[tuple[Ints, Ints, str]]:
    """The breaks that nobody planned: a Poisson stream from each shift's start to its end."""
    model = scenario.unplanned_breaks
    wishes: list[tuple[Ints, Ints, str]] = []
    if not model.per_hour:
        return wishes
    mean = min(HOUR / model.per_hour, _AGES)
    still = np.arange(len(start))
    begin = start.copy()
    while True:
        n = len(wishes)
        those = who[still]
        begin[still] += micros(draws.exponential("unplanned gap", those.keys, mean, n=n, rep=those.rep))
        still = still[begin[still] < end[still]]
        if not len(still):
            return wishes
        those = who[still]
        median, sigma = model.length_median_min * MINUTE, model.length_sigma
        wish, length = np.full(len(start), _NO_BREAK), np.zeros(len(start), np.int64)
        wish[still] = begin[still]
        length[still] = micros(draws.lognormal("unplanned length", those.keys, median, sigma, n=n, rep=those.rep))
        wishes.append((wish, length, _UNPLANNED))


def _rota(worked: Sequence[_Shifts], rows: int, today: Day, reasons: tuple[str, ...]) -> Rota:
    """The changes and the presence that shifts come to, within the day."""
    steps = [_steps(shifts) for shifts in worked]
    row, at, state, reason = (np.concatenate(part) for part in zip(*steps, strict=True))
    order = np.argsort(row, kind="stable")
    row, at, state, reason = row[order], at[order], state[order], reason[order]
    # Of what was before the day, only the last counts: that is how the day finds them.
    opening = at <= today.began_at
    over = opening[:-1] & opening[1:] & (row[:-1] == row[1:])
    kept = at < today.ends_at
    kept[:-1] &= ~over
    at = np.maximum(at, today.began_at) - today.began_at
    starts = np.concatenate([shifts.start for shifts in worked])
    ends = np.concatenate([shifts.end for shifts in worked])
    who = np.concatenate([shifts.who.row for shifts in worked])
    order = np.argsort(who, kind="stable")
    return Rota(
        rows=rows,
        length=today.ends_at - today.began_at,
        reasons=reasons,
        row=row[kept],
        at=at[kept],
        state=state[kept],
        reason=reason[kept],
        span_row=who[order],
        span_start=np.maximum(starts[order], today.began_at) - today.began_at,
        span_end=np.minimum(ends[order], today.ends_at) - today.began_at,
    )


def _steps(shifts: _Shifts) -> tuple[Ints, Ints, NDArray[np.int8], Ints]:
    """The changes of each shift, in order: row, moment, state, reason."""
    many, breaks = shifts.begin.shape
    at = np.empty((many, 2 * breaks + 2), np.int64)
    at[:, 0], at[:, 1:-1:2], at[:, 2:-1:2], at[:, -1] = shifts.start, shifts.begin, shifts.finish, shifts.end
    state = np.array([IN, *[BREAK, IN] * breaks, OUT], np.int8)
    reason = np.full(at.shape, NEVER)
    reason[:, 1:-1:2] = shifts.reason
    taken = shifts.begin != _NO_BREAK
    happens = np.ones(at.shape, np.bool_)
    happens[:, 1:-1:2] = taken
    happens[:, 2:-1:2] = taken & (shifts.finish < shifts.end[:, None])
    row = np.broadcast_to(shifts.who.row[:, None], at.shape)
    return row[happens], at[happens], np.broadcast_to(state, at.shape)[happens], reason[happens]
