"""Intervals, against SciPy's and statisticians' own numbers, and against how often they hold what they should."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from coachsim.errors import InvalidInput
from coachsim.intervals import Estimate, band, between, mean_interval, paired_interval, wilson_interval

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12)
CONFIDENCE = st.sampled_from([0.5, 0.9, 0.95, 0.99])


@given(NUMBERS, CONFIDENCE)
def test_a_mean_has_students_interval(values: list[float], confidence: float) -> None:
    found = mean_interval(values, confidence)
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = spread * stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    assert found.value == pytest.approx(np.mean(values))
    assert found.low is not None
    assert found.high is not None
    assert found.low == pytest.approx(np.mean(values) - reach, rel=1e-9, abs=1e-6)
    assert found.high == pytest.approx(np.mean(values) + reach, rel=1e-9, abs=1e-6)
    assert (found.n, found.left_out) == (len(values), 0)
    assert found.half_width == pytest.approx(reach, rel=1e-9, abs=1e-6)


@given(NUMBERS, CONFIDENCE)
def test_a_difference_is_that_of_the_pairs(values: list[float], confidence: float) -> None:
    baseline = values[::-1]
    found = paired_interval(values, baseline, confidence)
    assert found == mean_interval([one - other for one, other in zip(values, baseline, strict=True)], confidence)
    assert paired_interval(values, values, confidence) == Estimate(0.0, 0.0, 0.0, len(values))


def test_what_has_no_value_is_left_out_and_counted() -> None:
    assert mean_interval([1.0, math.nan, 3.0]) == replace(mean_interval([1.0, 3.0]), left_out=1)
    assert mean_interval([2.0, math.nan]) == Estimate(2.0, None, None, 1, left_out=1)
    assert mean_interval([math.nan]) == Estimate(None, None, None, 0, left_out=1)
    assert mean_interval([]) == Estimate(None, None, None, 0)
    assert mean_interval([]).half_width is None
    assert paired_interval([1.0, math.nan, 3.0], [math.nan, 1.0, 1.0]) == Estimate(2.0, None, None, 1, left_out=2)


@given(st.integers(0, 50), st.integers(0, 50), CONFIDENCE)
def test_a_proportion_has_wilsons_interval(successes: int, failures: int, confidence: float) -> None:
    total = successes + failures
    found = wilson_interval(successes, total, confidence)
    if not total:
        assert found == Estimate(None, None, None, 0)
        return
    expected = stats.binomtest(successes, total).proportion_ci(confidence, method="wilson")
    assert found.value == successes / total
    assert found.low == pytest.approx(expected.low, abs=1e-12)
    assert found.high == pytest.approx(expected.high, abs=1e-12)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_a_band_is_each_columns_interval() -> None:
    values = np.random.default_rng(1).normal(size=(6, 4))
    for column, found in enumerate(zip(*band(values, 0.9), strict=True)):
        expected = mean_interval(values[:, column], 0.9)
        assert found == pytest.approx((expected.value, expected.low, expected.high))
    mean, low, high = band(values[:1])
    assert np.array_equal(mean, values[0])
    assert np.isnan([low, high]).all()
    assert np.isnan(band(np.zeros((0, 3)))).all()


def test_intervals_of_few_normal_numbers_hold_the_mean_as_often_as_they_say() -> None:
    """20,000 experiments of 5 numbers: how many intervals hold the mean is binomial, off by this much once in 10⁶."""
    experiments = 20_000
    values = np.random.default_rng(7).normal(3.0, 2.0, size=(5, experiments))
    _, low, high = band(values)
    held = int(((low <= 3.0) & (high >= 3.0)).sum())
    assert stats.binom.ppf(5e-7, experiments, 0.95) <= held <= stats.binom.ppf(1 - 5e-7, experiments, 0.95)


def test_what_is_no_confidence_or_proportion_is_refused() -> None:
    for confidence in (0.0, 1.0, 95.0, math.nan):
        with pytest.raises(InvalidInput, match="between 0 and 1"):
            mean_interval([1.0, 2.0], confidence)
    with pytest.raises(ValueError, match="3 of 2 is no proportion"):
        wilson_interval(3, 2)


@given(st.lists(st.floats(0.02, 0.98), min_size=1, max_size=120))
def test_a_counts_interval_holds_it_as_often_as_it_says(chances: list[float]) -> None:
    """Of people who each do it by their own chance, whose number is known exactly."""
    exact = np.ones(1)
    for chance in chances:
        exact = np.convolve(exact, [1 - chance, chance])
    low, high = between(sum(chances), sum(one * (1 - one) for one in chances), len(chances))
    assert 0 <= low <= high <= len(chances)
    assert exact[low : high + 1].sum() >= 0.93
    # And no wider than by a whole one at each end. Of very few, a whole one is much.
    assert exact[low + 1 : high].sum() <= (0.965 if len(chances) >= 20 else 0.99)


def test_a_count_without_doubt_is_one_number_and_one_with_too_much_is_any() -> None:
    assert between(5.0, 0.0, 20) == (5, 5)
    assert between(1.0, 100.0, 2) == (0, 2)
    with pytest.raises(InvalidInput):
        between(1.0, 1.0, 2, confidence=2)
