"""How far what will happen may lie from what is expected, told from repetitions on borrowed days.

What agents do differs for two reasons: by chance on one and the same day, and because days differ. Repetitions show
the first as often as they are made; of the second they show no more than there were past days to borrow, and one of
these is borrowed again and again. So what differs between days is estimated by itself, and counts for more the fewer
they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coachsim.intervals import Floats
from coachsim.outcome import NEVER, Ints

_OF_ONE_DAY = 0.02
"""An agent's variance between days that is assumed where only one is known: somebody does otherwise on one in fifty."""


def variance(happens: NDArray[np.bool_], day: Ints) -> float:
    """The variance of how many it will be around the mean of the repetitions: its own, and that mean's error.

    ``happens`` says of each repetition (at least two) for which of the agents it does; ``day`` (of the same shape)
    which past day each goes on as, NEVER where none is like today.
    """
    reps = len(happens)
    days = max(int(day.max(initial=NEVER)) + 1, 1)
    chance = happens.mean(axis=0)
    alone = chance * (1 - chance) * reps / (reps - 1)
    between, effective = _between_days(happens, day, days)
    known = ~np.isnan(between)
    # Of whom no two days are known, as much is taken as of the others; if there are none, all may be of the day.
    usual = float(between[known].mean()) if known.any() else max(float(alone.mean()), _OF_ONE_DAY)
    between = np.clip(np.where(known, between, max(usual, 0.0)), None, 0.25)
    apart = max(float(alone.sum()), 0.0) * (1 + 1 / reps) + max(float((between * 2 / effective).sum()), 0.0)
    # From few repetitions of many people, the people tell far better than the repetitions how much they differ; but
    # only the repetitions tell what a day does to all of them.
    together = float(happens.sum(axis=1).var(ddof=1)) * (1 + 1 / reps + 1 / days)
    return max(apart, together)


def _between_days(happens: NDArray[np.bool_], day: Ints, days: int) -> tuple[Floats, Floats]:
    """Each agent's variance between days, NaN where unknown, and how many equally frequent days there would be.

    Two repetitions on the same day have the day in common and two on different days do not, so the mean product of the
    first less that of the second is the variance between days (may be negative by chance).
    """
    many = happens.shape[1]
    place = (day * many + np.arange(many))[day != NEVER]
    often = np.bincount(place, minlength=days * many).reshape(days, many).astype(np.float64)
    count = np.bincount(place, happens[day != NEVER], minlength=days * many).reshape(days, many)
    total, squares = often.sum(axis=0), (often**2).sum(axis=0)
    same, other = squares - total, total**2 - squares
    with np.errstate(divide="ignore", invalid="ignore"):
        alike = ((count**2).sum(axis=0) - count.sum(axis=0)) / same
        unlike = (count.sum(axis=0) ** 2 - (count**2).sum(axis=0)) / other
        between = np.where((same > 0) & (other > 0), alike - unlike, np.nan)
        effective = np.where(total > 0, total**2 / squares, 1.0)
    return between, effective
