"""Estimates from replications, each with its interval.

A day is one observation, whatever happens on it: deliveries of one day hang together (the same agents, the same calls),
so an interval comes from how much the days differ. A rate is therefore each day's own rate, averaged over the days; for
days with about as many deliveries each that is close to the rate of all deliveries together.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri, stdtrit

from coachsim.errors import InvalidInput

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the interval around it, never NaN.

    ``n`` observations are behind it; ``left_out`` had no value (a quantile that the day does not reach). ``value`` is
    None for n = 0; ``low`` and ``high`` are None where n < 2, since one observation says nothing about its own error.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    left_out: int = 0

    @property
    def half_width(self) -> float | None:
        """Half of the interval's length; None without an interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """The mean of independent observations with Student's t interval; NaN are left out, and counted."""
    _check(confidence)
    given = np.asarray(values, dtype=np.float64)
    known = given[np.isfinite(given)]
    n, left_out = len(known), len(given) - len(known)
    if n == 0:
        return Estimate(None, None, None, 0, left_out)
    mean = float(known.mean())
    if n == 1:
        return Estimate(mean, None, None, 1, left_out)
    half = float(stdtrit(n - 1, (1 + confidence) / 2) * known.std(ddof=1) / sqrt(n))
    return Estimate(mean, mean - half, mean + half, n, left_out)


def paired_interval(values: ArrayLike, baseline: ArrayLike, confidence: float = 0.95) -> Estimate:
    """The mean of value − baseline, pair by pair (the same seed); a pair that lacks one of the two is left out."""
    return mean_interval(np.subtract(values, baseline), confidence)


def band(values: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats, Floats]:
    """Mean, low and high of each column of an array (observations, points), as ``mean_interval`` has them.

    For curves: each point's own interval. Of fewer than two observations, low and high are NaN.
    """
    _check(confidence)
    given = np.asarray(values, dtype=np.float64)
    n = len(given)
    if n == 0:
        nothing = np.full(given.shape[1:], np.nan)
        return nothing, nothing, nothing
    mean = given.mean(axis=0)
    if n == 1:
        unknown = np.full(mean.shape, np.nan)
        return mean, unknown, unknown
    half = stdtrit(n - 1, (1 + confidence) / 2) * given.std(axis=0, ddof=1) / sqrt(n)
    return mean, mean - half, mean + half


def wilson_interval(successes: int, total: int, confidence: float = 0.95) -> Estimate:
    """A proportion with Wilson's interval: for independent yes-or-no observations, such as one per agent."""
    _check(confidence)
    if not 0 <= successes <= total:
        raise ValueError(f"{successes} of {total} is no proportion")
    if total == 0:
        return Estimate(None, None, None, 0)
    z = float(ndtri((1 + confidence) / 2))
    share, shrink = successes / total, 1 + z * z / total
    centre = (share + z * z / (2 * total)) / shrink
    half = z / shrink * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # Rounding must not leave the share itself outside.
    return Estimate(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)), total)


def between(mean: float, variance: float, total: int, confidence: float = 0.95) -> tuple[int, int]:
    """From how many to how many of ``total`` it will be, where ``mean`` are expected: for what will happen, not for a
    mean.

    The count is taken as a beta variable of this mean and variance, from half a one below 0 to half a one above
    ``total``, rounded: so it is skewed as a count is that lies near an end. Of few, whole ones hold more often than
    ``confidence``, since a narrower interval would hold less often.
    """
    _check(confidence)
    width = total + 1
    place = (mean + 0.5) / width
    weight = place * (1 - place) * width**2 / variance - 1 if variance > 0 else 0.0
    if weight <= 0:
        if variance > 0:
            return 0, total
        return round(mean), round(mean)
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.rint(width * betaincinv(place * weight, (1 - place) * weight, tails) - 0.5).tolist()
    return max(0, int(low)), min(total, int(high))


def _check(confidence: float) -> None:
    if not (isfinite(confidence) and 0 < confidence < 1):
        raise InvalidInput(f"A confidence lies between 0 and 1, such as 0.95, not {confidence!r}.", field="confidence")
