"""The attention model as curves: the share of prompts still unanswered after so much presence, and how fast it falls.

Each curve is worked out on one grid of times (``GRID``, evenly spaced in the logarithm) and looked up there: a fit asks
tens of thousands of deliveries for it, hundreds of times, at the same places.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt

import numpy as np
from scipy.special import ndtr

from coachsim.outcome import Ints
from coachsim.people.draws import Floats

_POINTS = 600
_FIRST_S, _LAST_S = 0.1, 2e5  # from under any human reaction to over two days of presence
GRID = np.geomspace(_FIRST_S, _LAST_S, _POINTS)
"""Seconds of presence at which the curves are known."""
_LOGS = np.log(GRID)
_STEP = _LOGS[1] - _LOGS[0]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(3)
_BETWEEN = _LOGS[:-1, None] + (_NODES + 1) / 2 * _STEP  # the logarithms within each step at which it is integrated
_WITHIN = np.exp(_BETWEEN)
_ROOT = sqrt(2 * np.pi)


@dataclass(frozen=True, slots=True)
class Places:
    """Where times lie on the grid; shorter than its first counts as that, longer than its last likewise."""

    index: Ints
    part: Floats
    seconds: Floats

    @classmethod
    def of(cls, seconds: Floats) -> Places:
        """Those of these times."""
        within = np.clip(seconds, _FIRST_S, _LAST_S)
        place = (np.log(within) - _LOGS[0]) / _STEP
        index = np.minimum(place.astype(np.int64), _POINTS - 2)
        return cls(index, place - index, within)

    def __call__(self, curve: Floats) -> Floats:
        """The curve there."""
        left = curve[self.index]
        return np.asarray(left + (curve[self.index + 1] - left) * self.part)


@dataclass(frozen=True, slots=True)
class Delay:
    """A delay's distribution on the grid: the share that is longer, and the density by the logarithm of the time."""

    longer: Floats
    density: Floats


def lognormal(median: float, sigma: float, never: float = 0.0) -> Delay:
    """Lognormal with this median (s) and spread of the logarithm, for all but the share ``never``."""
    z = (_LOGS - log(median)) / sigma
    return Delay(1 - (1 - never) * ndtr(z), (1 - never) / (_ROOT * sigma) * np.exp(-0.5 * z * z))


def opening(median: float, sigma: float, occupancy: float, call_mean: float) -> Delay:
    """Lognormal, and for the share ``occupancy`` an exponential rest of a call on top of it."""
    plain, calls = lognormal(median, sigma), _on_calls(median, sigma, call_mean)
    density = (1 - occupancy) * plain.density + occupancy * calls * GRID / call_mean
    return Delay(plain.longer + occupancy * calls, density)


@lru_cache(maxsize=8)  # the slopes of a likelihood ask for it again and again, with other numbers changed
def _on_calls(median: float, sigma: float, call_mean: float) -> Floats:
    """The share that is over its lognormal delay and still on a call.

    With F the lognormal's distribution, it is I(x), the integral of e^(−(x−u)/c) dF(u) up to x: the sum of both has
    the distribution F − I and the density I/c. It is built up step by step, each integrated by Gauss and Legendre.
    """
    z = (_BETWEEN - log(median)) / sigma
    mass = np.exp(-0.5 * z * z) / (_ROOT * sigma) * (_STEP / 2) * _WEIGHTS
    step = (mass * np.exp((_WITHIN - GRID[1:, None]) / call_mean)).sum(axis=1)  # too small for a library's threads
    kept = np.exp((GRID[:-1] - GRID[1:]) / call_mean)
    waiting = float(ndtr((_LOGS[0] - log(median)) / sigma))
    still = [waiting]
    for keep, more in zip(kept.tolist(), step.tolist(), strict=True):
        waiting = waiting * keep + more
        still.append(waiting)
    return np.array(still)
