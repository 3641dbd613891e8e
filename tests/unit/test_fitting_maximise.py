"""Maximum likelihood where the answer is known: a lognormal, a share, and agents who are not as many as they seem."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from coachsim.fitting.fields import OF_ACKS, Field
from coachsim.fitting.maximise import Maximum

MEDIAN = Field("median", "seconds", 0.5, 20_000.0, 12.0)
SIGMA = Field("sigma", "of the logarithm", 0.03, 3.0, 12.0)
SHARE = Field("share", "share", 0.0, 0.995, 0.5, is_share=True)
TIMES = stats.lognorm(0.8, scale=30.0).ppf((np.arange(100) + 0.5) / 100)
START = {"median": 100.0, "sigma": 1.5, "share": 0.3}


def of_times(values: dict[str, float]) -> np.ndarray:
    """A hundred agents, one time each."""
    return stats.lognorm(values["sigma"], scale=values["median"]).logpdf(TIMES)


def test_a_lognormal_is_found_with_the_interval_of_the_textbook():
    top = Maximum(of_times, [SIGMA, MEDIAN], [START])
    logs = np.log(TIMES)
    found = top.found(MEDIAN)
    assert found.value == pytest.approx(np.exp(logs.mean()), rel=1e-3)
    assert top.found(SIGMA).value == pytest.approx(logs.std(), rel=1e-3)
    half = stats.t.ppf(0.975, 99) * logs.std(ddof=1) / 10
    assert np.log([found.low, found.high]) == pytest.approx(logs.mean() + np.array([-half, half]), abs=0.01)
    assert top.values["share"] == 0.3


def test_what_an_agent_says_ten_times_counts_as_one():
    once = Maximum(of_times, [SIGMA, MEDIAN], [START]).found(MEDIAN)
    often = Maximum(lambda values: 10 * of_times(values), [SIGMA, MEDIAN], [START]).found(MEDIAN)
    assert (often.low, often.high) == pytest.approx((once.low, once.high), rel=0.01)


def test_a_share_of_none_has_an_upper_bound():
    """Of 200 none: the profile falls by t²/2 at 1 − e^(−t²/400)."""
    top = Maximum(lambda values: np.full(200, np.log1p(-values["share"])), [SHARE], [START])
    found = top.found(SHARE)
    assert found.value == pytest.approx(0.0, abs=1e-6)
    assert found.low == 0.0
    assert found.high == pytest.approx(-np.expm1(-(stats.t.ppf(0.975, 199) ** 2) / 400), abs=0.004)
    assert not top.says_nothing(SHARE)


def test_what_makes_no_difference_says_nothing():
    top = Maximum(of_times, [SIGMA, MEDIAN, SHARE], [START])
    assert top.says_nothing(SHARE)
    assert not top.says_nothing(MEDIAN)


def test_the_higher_of_two_tops_is_found_whichever_start_is_first():
    def two_tops(values: dict[str, float]) -> np.ndarray:
        at = np.log(values["ack_median_s"])
        return np.full(50, np.log(0.2 * stats.norm(1.0, 0.3).pdf(at) + 0.8 * stats.norm(5.0, 0.3).pdf(at)))

    median = OF_ACKS[-1]
    starts = [{"ack_median_s": 3.0}, {"ack_median_s": 130.0}]
    for order in (starts, starts[::-1]):
        assert Maximum(two_tops, [median], order).found(median).value == pytest.approx(np.exp(5.0), rel=0.01)
