"""Breaks from stays: planned ones stand out of a histogram of when breaks begin, the others are its ground."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from coachsim.days import HOUR, MINUTE
from coachsim.fitting.attendance import Stay
from coachsim.fitting.clusters import BIN_MIN, groups, middle_and_spread
from coachsim.outcome import Ints
from coachsim.people.draws import Floats
from coachsim.scenario import Break, UnplannedBreaks

_PLANNED = 0.5  # at least so many of the shifts that last long enough have a planned break
_SURE = 3.0  # standard errors by which breaks have to be more frequent than on average to be planned
_A_BIN = 4  # breaks that a bin of the histogram should have, lest chance look like a plan
_WIDEST_MIN = 60
_WAVES_APART_MIN = 90.0
_ALIKE = 0.5  # waves have at least so much of their mean share, and of their mean distance
_QUARTILES_OF_NORMAL = 1.349  # the interquartile range of a normal distribution, in standard deviations


@dataclass(frozen=True, slots=True)
class _Begun:
    """Breaks of one reason, in step: minutes ``after`` the start of the shift, and ``length`` (NaN while they last)."""

    reason: str
    after: Floats
    length: Floats

    def __getitem__(self, some: Ints) -> _Begun:
        return _Begun(self.reason, self.after[some], self.length[some])


@dataclass(frozen=True, slots=True)
class _Peak:
    """Breaks that begin at about the same time after the start; ``share`` is how many of the shifts that last so long
    have one, over and above the ground."""

    begun: _Begun
    share: float

    @property
    def middle(self) -> float:
        """Minutes after the start of the shift, median."""
        return float(np.median(self.begun.after))


def breaks(stays: Sequence[Stay]) -> tuple[tuple[Break, ...], UnplannedBreaks]:
    """The planned breaks of these stays, earliest first, and the rate and length of all others.

    For each reason, breaks are counted by how long after the start of the shift they begin, and divided by how many
    shifts lasted so long. Unplanned ones come at any time, so the median of that rate is their share, and what rises
    over it by three standard errors is planned, if at least half of the shifts have it. Peaks at even distances that
    only together reach all shifts are the *waves* of one break. Middles are medians, spreads interquartile ranges as of
    a uniform distribution. Of unplanned breaks, the rate is their number over the hours of shift; of their lengths, the
    median and the interquartile range of the logarithm, as of a normal distribution.
    """
    known = [stay for stay in stays if stay.start is not None]
    lasted = np.sort([(stay.until - _start(stay)) / MINUTE for stay in known])
    planned: list[Break] = []
    others: list[Floats] = []
    unplanned = 0.0
    for begun in _by_reason(known):
        mine, rest = _planned(begun, lasted)
        taken = 0.0
        for peaks in mine:
            planned.append(_break(peaks))
            taken += sum(min(1.0, peak.share) * _lasting(lasted, peak.middle) for peak in peaks)
        unplanned += max(0.0, len(begun.after) - taken)
        others.append(rest.length[np.isfinite(rest.length) & (rest.length > 0)])
    hours = sum(stay.until - _start(stay) for stay in known) / HOUR
    lengths = np.concatenate(others) if others else np.zeros(0)
    planned.sort(key=lambda one: one.after_min)
    return tuple(planned), _others(unplanned / hours if hours else 0.0, lengths)


def _start(stay: Stay) -> int:
    assert stay.start is not None
    return stay.start


def _by_reason(stays: Iterable[Stay]) -> list[_Begun]:
    found: dict[str, list[tuple[float, float]]] = {}
    for stay in stays:
        start = _start(stay)
        for pause in stay.pauses:
            length = float("nan") if pause.end is None else (pause.end - pause.begin) / MINUTE
            found.setdefault(pause.reason, []).append(((pause.begin - start) / MINUTE, length))
    return [_Begun(reason, *np.array(rows).T) for reason, rows in sorted(found.items())]


def _lasting(lasted: Floats, minutes: float) -> int:
    """How many shifts lasted longer than this."""
    return len(lasted) - int(np.searchsorted(lasted, minutes, side="right"))


def _planned(begun: _Begun, lasted: Floats) -> tuple[list[list[_Peak]], _Begun]:
    """The planned breaks, each as its waves; and the breaks that are in none of their peaks."""
    peaks = _peaks(begun, lasted)
    chosen = _in_waves(peaks)
    inside = np.zeros(len(begun.after), np.bool_)
    for peak in (peak for peaks in chosen for peak in peaks):
        inside |= (begun.after >= peak.begun.after.min()) & (begun.after <= peak.begun.after.max())
    return chosen, begun[np.flatnonzero(~inside)]


def _peaks(begun: _Begun, lasted: Floats) -> list[_Peak]:
    """Where breaks begin more often than elsewhere, in order."""
    longest = float(lasted[-1])
    width = min(_WIDEST_MIN, BIN_MIN * max(1, round(_A_BIN * longest / len(begun.after) / BIN_MIN)))
    edges = np.arange(0.0, longest + width, width)
    counts = np.histogram(begun.after, edges)[0]
    exposed = np.array([_lasting(lasted, edge) for edge in edges[:-1]])
    usual = float(np.median(counts[exposed > 0] / exposed[exposed > 0]))
    ground = usual * exposed
    high = counts > np.maximum(ground + _SURE * np.sqrt(ground), 0.005 * exposed)
    found = []
    for first, last in _runs(high):
        inside = np.flatnonzero((begun.after >= edges[first]) & (begun.after < edges[last + 1]))
        for part in groups(begun.after[inside], cut=False):
            one = begun[inside[part]]
            span = one.after.max() - one.after.min()
            there = max(1, _lasting(lasted, float(np.median(one.after))))
            found.append(_Peak(one, len(part) / there - usual * span / width))
    return found


def _runs(high: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """First and last of each run of bins, with one more on each side for what tails off; up to two low ones join."""
    places = np.flatnonzero(high)
    if not len(places):
        return []
    breaks_at = np.flatnonzero(np.diff(places) > 3)
    firsts, lasts = places[np.append(0, breaks_at + 1)], places[np.append(breaks_at, len(places) - 1)]
    return [
        (max(0, first - 1), min(len(high) - 1, last + 1))
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)
    ]


def _in_waves(peaks: Sequence[_Peak]) -> list[list[_Peak]]:
    """The peaks of planned breaks: one that most shifts have stands alone, several that share them are waves."""
    found: list[list[_Peak]] = []
    waiting: list[_Peak] = []
    for peak in peaks:
        if peak.share >= 1 - _PLANNED / 2:
            found += [_waves(waiting), [peak]] if waiting else [[peak]]
            waiting = []
            continue
        full = waiting and sum(one.share for one in waiting) + peak.share > 1 + _PLANNED / 2
        if waiting and (full or peak.middle - waiting[-1].middle > _WAVES_APART_MIN):
            found.append(_waves(waiting))
            waiting = []
        waiting.append(peak)
    found += [_waves(waiting)] if waiting else []
    return [peaks for peaks in found if sum(peak.share for peak in peaks) >= _PLANNED]


def _waves(peaks: list[_Peak]) -> list[_Peak]:
    """The peaks that may be waves of one break: as big as the others, and as far from one another."""
    usual = float(np.mean([peak.share for peak in peaks]))
    return [peak for peak in peaks if peak.share >= _ALIKE * usual]


def _break(peaks: Sequence[_Peak]) -> Break:
    """One planned break of its waves."""
    middles = [peak.middle for peak in peaks]
    apart = np.diff(middles)
    even = len(peaks) > 1 and bool(np.all(np.abs(apart - apart.mean()) <= _ALIKE * apart.mean()))
    gap = float(apart.mean()) if even else 0.0
    after = np.concatenate([peak.begun.after - (gap * number if even else 0.0) for number, peak in enumerate(peaks)])
    length = np.concatenate([peak.begun.length for peak in peaks])
    length = length[np.isfinite(length)]
    middle, spread = middle_and_spread(after)
    lasts, lasts_spread = middle_and_spread(length, 60.0) if len(length) else (0.0, 0.0)
    return Break(
        reason=peaks[0].begun.reason,
        after_min=round(middle, 1),
        length_min=round(lasts, 1),
        after_spread_min=round(spread, 1),
        length_spread_min=round(lasts_spread, 1),
        waves=len(peaks) if even else 1,
        wave_gap_min=round(gap, 1),
    )


def _others(per_hour: float, lengths: Floats) -> UnplannedBreaks:
    usual = UnplannedBreaks.model_validate({})
    if not per_hour or not len(lengths):
        return usual.model_copy(update={"per_hour": 0.0})
    logs = np.log(lengths)
    low, high = np.quantile(logs, [0.25, 0.75])
    return UnplannedBreaks(
        per_hour=round(min(per_hour, 6.0), 3),
        length_median_min=max(0.01, round(float(np.exp(np.median(logs))), 2)),
        length_sigma=round(min(3.0, float(high - low) / _QUARTILES_OF_NORMAL), 2),
    )
