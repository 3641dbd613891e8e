"""Shifts from stays: when they start and how long they are, what share of people works each, and who does not come."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from coachsim.days import MINUTE
from coachsim.errors import NotEnoughEvidence
from coachsim.fitting.attendance import Attendance, Stay
from coachsim.fitting.by_team import Pattern, of_teams
from coachsim.fitting.clusters import groups, middle_and_spread
from coachsim.outcome import Ints
from coachsim.people.draws import Floats
from coachsim.scenario import Scenario, Shift

_DAY_MIN = 1_440
_CLEAR_MIN = 60  # the floor's day is the people's day too if nobody starts so near to the clear-down
_STRAY = 0.02  # of all shifts; what is rarer is no pattern …
_KEPT = 0.8  # … as long as the patterns hold so many of all
_FEW_CAME = 0.5  # of the usual number: a day on which fewer came was no working day
_LONGER_MIN = 30.0  # whoever is in for so much longer than any shift that ended is on another one
_LONGEST_MIN = 960.0
_USUAL_MIN = 480.0


@dataclass(frozen=True, slots=True)
class Shifts:
    """The patterns and the ``absence``. ``assumed`` names what the log does not tell: ``absence``, ``lengths``."""

    patterns: tuple[Shift, ...]
    absence: float
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Starts:
    """The stays whose start is known, one for each agent and working day: in step ``date`` (days since 1970), ``into``
    (minutes from ``cut``, when the working day begins on the clocks), and ``length`` (minutes, so far)."""

    cut: float
    stays: tuple[Stay, ...]
    date: Ints
    into: Floats
    length: Floats
    over: np.ndarray[tuple[int], np.dtype[np.bool_]]


def shifts(seen: Attendance, clear_down_min: int) -> Shifts:
    """The patterns of the shifts that were seen, with their teams (``by_team``).

    Raises ``NotEnoughEvidence`` if there was none.

    Starts that belong together are a pattern, or several, where their lengths fall apart into groups; the middle is the
    median, the spread the interquartile range (``clusters``). A pattern's share is its share of the shifts on days that
    are known from their first start to their last. Absence is the mean share of agents without a shift on those days;
    days on which fewer than half of the usual number came (the median's) are left out: the floor was closed.
    """
    starts = _starts(seen, clear_down_min)
    whole = _whole_days(seen, starts)
    kept = np.isin(starts.date, whole) if len(whole) else np.ones(len(starts.date), np.bool_)
    assumed = [] if len(whole) else ["absence"]
    found: list[Pattern] = []
    for part in groups(starts.into):
        weight = float(kept[part].sum())
        if not weight:  # a pattern of today alone
            weight, part_days = float(len(part)), 1
        else:
            part_days = max(1, len(whole))
        for group in _lengths(seen, starts, part):
            assumed += ["lengths"] if group.assumed and "lengths" not in assumed else []
            counted = group.places[kept[group.places]] if kept[group.places].any() else group.places
            worked = tuple(starts.stays[place].agent_id for place in counted.tolist())
            shift = _shift(starts, part, group.length, group.spread)
            found.append(Pattern(group.share * weight / part_days, shift, worked))
    total = sum(one.weight for one in found)
    common = [one for one in found if one.weight >= _STRAY * total]
    if sum(one.weight for one in common) >= _KEPT * total:
        found = common
    patterns = of_teams(found, seen.agents)
    default = float(Scenario.model_fields["absence"].default)
    absence = _absence(seen, starts, whole) if len(whole) else default
    return Shifts(patterns, absence, tuple(assumed))


def _starts(seen: Attendance, clear_down_min: int) -> _Starts:
    stays = [stay for stay in seen.stays if stay.start is not None]
    if not stays:
        raise NotEnoughEvidence(
            "Nobody logged in on these days, so nothing is known of the floor's shifts. Ask a log of days on which"
            " people worked."
        )
    moments = np.array([stay.start for stay in stays], np.int64)
    length = (np.array([stay.until for stay in stays], np.int64) - moments) / MINUTE
    wall = seen.wall_minutes(moments.tolist())
    minute = wall["minute"].to_numpy(float)
    cut = _cut(minute, clear_down_min)
    into = (minute - cut) % _DAY_MIN
    date = wall["date"].to_numpy(np.int64) - (minute < cut)
    # Of several on one day, the longest is the shift.
    order = np.lexsort((length, date, np.unique([stay.agent_id for stay in stays], return_inverse=True)[1]))
    agents = np.array([stay.agent_id for stay in stays])[order]
    last = np.append((agents[1:] != agents[:-1]) | (date[order][1:] != date[order][:-1]), True)
    those = order[last]
    chosen = tuple(stays[place] for place in those.tolist())
    over = np.array([stay.end is not None for stay in chosen], np.bool_)
    return _Starts(cut, chosen, date[those], into[those], length[those], over)


def _cut(minute: Floats, clear_down_min: int) -> float:
    """The time of day at which a working day begins: the clear-down's, unless people start around it.

    Then it is the middle of the longest time without a start.
    """
    away = np.abs((minute - clear_down_min + _DAY_MIN / 2) % _DAY_MIN - _DAY_MIN / 2)
    if away.min() >= _CLEAR_MIN:
        return float(clear_down_min)
    times = np.sort(minute)
    between = np.diff(np.append(times, times[0] + _DAY_MIN))
    longest = int(between.argmax())
    return float((times[longest] + between[longest] / 2) % _DAY_MIN)


def _whole_days(seen: Attendance, starts: _Starts) -> Ints:
    """The working days of which the log knows every start, the ones with fewer than half of the usual number left out.

    A day that is not over is one of them if all starts of the others have been by now.
    """
    began, newest = seen.wall_minutes([seen.began_at, seen.newest]).itertuples(index=False)
    known_from = began.date + (began.minute - starts.cut) / _DAY_MIN
    known_to = newest.date + (newest.minute - starts.cut) / _DAY_MIN
    first, last = starts.into.min() / _DAY_MIN, starts.into.max() / _DAY_MIN
    dates = np.arange(int(np.floor(known_from)), int(np.floor(known_to)) + 1)
    inside = dates[(dates + first >= known_from) & (dates + last <= known_to)]
    over = inside[inside + 1 <= known_to + _CLEAR_MIN / _DAY_MIN]
    if not len(over):
        return np.zeros(0, np.int64)
    came = np.array([(starts.date == date).sum() for date in inside])
    usual = np.median(came[came > 0]) if (came > 0).any() else 0
    return np.asarray(inside[(came > 0) & (came >= _FEW_CAME * usual)])


def _absence(seen: Attendance, starts: _Starts, whole: Ints) -> float:
    """The share of agent-days without a shift, of agents who were on the roster when the working day began."""
    since = seen.wall_minutes([seen.known_since[agent.agent_id] for agent in seen.agents])
    # Whoever is on the roster since the log began was so before it, too.
    always = np.array([seen.known_since[agent.agent_id] <= seen.began_at for agent in seen.agents])
    first = since["date"].to_numpy() + (since["minute"].to_numpy() - starts.cut) / _DAY_MIN
    expected = sum(int((always | (first <= date + starts.into.min() / _DAY_MIN)).sum()) for date in whole.tolist())
    came = int(np.isin(starts.date, whole).sum())
    return round(max(0.0, 1 - came / expected), 4) if expected else 0.0


@dataclass(frozen=True, slots=True)
class _Group:
    """Shifts of one start that are about as long: their places, their share of all of that start, minutes, and whether
    these were ``assumed``."""

    places: Ints
    share: float
    length: float
    spread: float
    assumed: bool = False


def _lengths(seen: Attendance, starts: _Starts, part: Ints) -> list[_Group]:
    """How long the shifts of one start are, shortest first.

    A shift that is not over tells only that it is no shorter. Where it is longer than all that are over, it is one of
    another pattern: as long as until those went who were there when the log began, if that is possible, else as long
    as those of other starts that are over and were longer, but eight hours at least.
    """
    over, still = part[starts.over[part]], part[~starts.over[part]]
    beyond = still[starts.length[still] > starts.length[over].max() + _LONGER_MIN] if len(over) else still
    many = len(over) + len(beyond)
    found = [
        _Group(over[places], len(places) / many, *middle_and_spread(starts.length[over[places]]))
        for places in groups(starts.length[over])
    ]
    if not len(beyond):
        return found
    share, so_far = len(beyond) / many, float(starts.length[beyond].max())
    middle, spread = middle_and_spread(starts.into[part])
    until = (_ends(seen, starts.cut) - middle) % _DAY_MIN
    until = until[(until >= so_far) & (until <= _LONGEST_MIN)]
    if len(until):
        length, width = middle_and_spread(until)
        return [*found, _Group(beyond, share, length, max(0.0, width - spread))]
    longer = starts.length[starts.over & (starts.length > so_far)]
    length = float(np.median(longer)) if len(longer) else 15 * float(np.ceil(so_far / 15))
    length = min(_LONGEST_MIN, max(_USUAL_MIN, length))
    usual = float(Shift.model_fields["length_spread_min"].default)
    return [*found, _Group(beyond, share, length, usual, assumed=True)]


def _ends(seen: Attendance, cut: float) -> Floats:
    """When those left who were there before the log began, in minutes into the working day."""
    ends = [stay.end for stay in seen.stays if stay.start is None and stay.end is not None]
    if not ends:
        return np.zeros(0)
    return np.asarray((seen.wall_minutes(ends)["minute"].to_numpy(float) - cut) % _DAY_MIN)


def _shift(starts: _Starts, part: Ints, length: float, length_spread: float) -> Shift:
    middle, spread = middle_and_spread(starts.into[part])
    at = _as_written(middle + starts.cut, spread / sqrt(len(part))) % _DAY_MIN
    return Shift.model_validate(
        {
            "start": f"{at // 60:02}:{at % 60:02}",
            "length_h": max(0.02, _digits(length / 60)),
            "start_spread_min": _digits(spread),
            "length_spread_min": _digits(length_spread),
        }
    )


def _as_written(minutes: float, error: float) -> int:
    """A whole minute; the multiple of five that rotas are written in, where that is within two standard errors.

    The median of a uniform distribution has its half-width over the root of their number as its standard error.
    """
    five = 5 * round(minutes / 5)
    return five if abs(five - minutes) <= 2 * error else round(minutes)


def _digits(number: float) -> float:
    """With as many as a person would write down."""
    return round(float(number), 2)
