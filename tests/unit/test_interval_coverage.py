"""Intervals of simulated days hold the true answer as often as they say, where the answer is known."""

from __future__ import annotations

from math import exp

import numpy as np
from scipy import stats

from coachsim.evaluate import evaluate
from coachsim.intervals import mean_interval, paired_interval
from coachsim.scenario import Scenario
from coachsim.tally import tally
from tests.unit.days_of import message, scenario

EXPERIMENTS, DAYS = 600, 12
ONE_IN_A_MILLION = 1e-6


def one_message(toast_seconds: float) -> Scenario:
    """All 40 agents in, one message to all: read by those who notice the toast, with probability 1 − exp(−s/τ)."""
    return scenario(
        floor={"agents": 40},
        messages=[message("10:00")],
        attention={"tau_s": 8.0, "bell_never": 1.0},
        policy={"toast_seconds": toast_seconds},
    )


def held(low: float | None, truth: float, high: float | None) -> bool:
    assert low is not None
    assert high is not None
    return low <= truth <= high


def rates(toast_seconds: float) -> np.ndarray:
    """Lost rates, a row for each experiment."""
    found = tally(evaluate(one_message(toast_seconds), range(1, EXPERIMENTS * DAYS + 1)))
    assert set(found.totals.sent.tolist()) == {40}
    return found.values("lost_rate").reshape(EXPERIMENTS, DAYS)


def test_intervals_hold_the_answer_as_often_as_they_say() -> None:
    """How many of 600 intervals hold is binomial: outside these bounds by chance once in a million.

    The seeds are fixed, so the outcome of this test is too.
    """
    lowest, highest = stats.binom.ppf([ONE_IN_A_MILLION / 2, 1 - ONE_IN_A_MILLION / 2], EXPERIMENTS, 0.95)
    short, long = rates(4.0), rates(8.0)
    lost_short, lost_long = exp(-4.0 / 8.0), exp(-8.0 / 8.0)
    estimates = [mean_interval(days) for days in long]
    assert lowest <= sum(held(one.low, lost_long, one.high) for one in estimates) <= highest
    # The same days in both: the differences are narrower than if they were not, and still hold their answer.
    differences = [paired_interval(one, other) for one, other in zip(long, short, strict=True)]
    assert lowest <= sum(held(one.low, lost_long - lost_short, one.high) for one in differences) <= highest
    assert np.std(long - short) < np.std(long - np.roll(short, 1))
    # All days together come near the answer too: within 5 of the standard errors that 40 coins a day have.
    error = np.sqrt(lost_long * (1 - lost_long) / (40 * EXPERIMENTS * DAYS))
    assert abs(long.mean() - lost_long) < 5 * error
