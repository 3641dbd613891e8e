"""Times that belong together: where a histogram of starts, lengths or breaks falls apart, and each part's middle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from coachsim.outcome import Ints
from coachsim.people.draws import Floats

BIN_MIN = 5
"""Minutes: as far apart as two times are told apart at all."""
_EMPTY_MIN = 30  # so long without any always parts
_WIDEST = 4  # bins of a valley that are looked at together
_SURE = 3.0  # standard errors by which a valley has to lie below both its sides
_FLAT_MIN = 60.0  # an interquartile range beyond this is no cluster, and is cut into pieces of as many minutes


def groups(minutes: Floats, *, cut: bool = True) -> list[Ints]:
    """The places in ``minutes`` of those that belong together, earliest first.

    A histogram in bins of ``BIN_MIN`` is parted where it is empty for half an hour, and at valleys of one to four bins
    that hold at most half of what as many hold on either side, and fewer by three standard errors of a difference of
    counts: chance seldom makes such a valley. Where it does, the two parts stand side by side and come to the same
    times together. With ``cut``, what is spread too evenly to be one group is parted by the hour.
    """
    if not len(minutes):
        return []
    order = np.argsort(minutes, kind="stable")
    bins = np.round(minutes[order] / BIN_MIN).astype(np.int64)
    counts = np.bincount(bins - bins[0])
    edges = [0, *(bins[0] + edge for edge in _valleys(counts, 0)), bins[-1] + 1]
    parts = [order[np.searchsorted(bins, low) : np.searchsorted(bins, high)] for low, high in pairwise(edges)]
    if not cut:
        return parts
    return [piece for part in parts for piece in _pieces(minutes, part)]


def middle_and_spread(minutes: Floats, most: float = 120.0) -> tuple[float, float]:
    """The median, and the half-width of a uniform distribution with the interquartile range of ``minutes``.

    Half of a uniform distribution lies within half of its half-width of the middle, so the half-width *is* the
    interquartile range. Quartiles do not mind the few who come an hour late.
    """
    low, middle, high = np.quantile(minutes, [0.25, 0.5, 0.75])
    return float(middle), float(min(high - low, most))


def _valleys(counts: Ints, first: int) -> list[int]:
    """The bins that begin a new part, counted from the first of all."""
    found = _empty(counts)
    if found is None:
        found = _deepest(counts)
    if found is None:
        return []
    left, right = counts[:found], counts[found:]
    return [*_valleys(left, first), first + found, *_valleys(right, first + found)]


def _empty(counts: Ints) -> int | None:
    """The middle of the first stretch without any that is long enough."""
    taken = np.flatnonzero(counts)
    between = np.diff(taken)
    long = np.flatnonzero(between > _EMPTY_MIN / BIN_MIN)
    return int(taken[long[0]] + between[long[0]] // 2 + 1) if len(long) else None


def _deepest(counts: Ints) -> int | None:
    """The valley that is lower than its sides by most standard errors, if it is by enough; of one to four bins."""
    deepest, found = _SURE, None
    for many in range(1, min(_WIDEST, len(counts) // 3) + 1):
        sums = np.convolve(counts, np.ones(many, np.int64), "valid")
        sides = np.minimum(np.maximum.accumulate(sums), np.maximum.accumulate(sums[::-1])[::-1])
        errors = np.where(sums <= sides / 2, (sides - sums) / np.sqrt(np.maximum(sides + sums, 1)), 0.0)
        if errors.max() >= deepest:
            low = np.flatnonzero(errors == errors.max())
            deepest, found = float(errors.max()), int(low[len(low) // 2]) + many // 2
    return found


def _pieces(minutes: Floats, part: Ints) -> list[Ints]:
    low, high = np.quantile(minutes[part], [0.25, 0.75])
    if high - low <= _FLAT_MIN:
        return [part]
    hour = np.floor(minutes[part] / _FLAT_MIN)
    return [part[hour == one] for one in np.unique(hour)]
