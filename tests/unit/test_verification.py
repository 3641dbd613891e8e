"""Verification: what simulated days come to is what the model's formulas say, as far as chance can tell.

Each test takes days whose outcome a formula gives, and asks how likely a difference as large as the one found would be,
were the formula right. **Error rate:** a correct simulation fails one such question with a probability of ``ALPHA``
(0.001) over the choice of the seeds. These are fixed, so what passes once passes always; there are fewer than 30
questions here, so other seeds would stop a correct simulation with a probability below 0.03. **Bound:** the same
question is asked of a formula that is wrong by a stated amount (a share by 0.05, a time by 15 %, unless the test says
otherwise), and the answer has to be below ``WRONG`` (1e-6): a simulation that is as far off does not pass.

``evaluate`` stands for both players of a plan: another test holds that the engine and the array code have equal rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from coachsim.days import HOUR, MINUTE, SECOND
from coachsim.evaluate import evaluate
from coachsim.models import AgentState
from coachsim.outcome import NEVER, STATES, Outcome
from coachsim.plan import plan
from tests.unit.days_of import EXACT, LUNCH, MISSED, at, message, people, scenario

ALPHA = 1e-3
WRONG = 1e-6
AGENTS, SEEDS = 500, range(1, 17)
N = AGENTS * len(SEEDS)
"""Deliveries of one message to everyone: 8,000."""
MISSED_FOR_GOOD = {"bell_never": 1.0}


def days(**values: Any) -> Outcome:
    """Days of 500 agents who are all there from 09:00 to 17:00 and are sent a message at 10:00, unless ``values`` say
    otherwise."""
    return evaluate(scenario(**{"messages": [message()]} | values), SEEDS, agents=people(AGENTS))


def is_share(found: np.ndarray, expected: float, *, off: float = 0.05) -> None:
    """The exact binomial test of ``expected``, and of a share that is ``off`` by so much, towards a half."""
    wrong = expected + (off if expected < 0.5 else -off)
    assert stats.binomtest(int(found.sum()), len(found), expected).pvalue > ALPHA
    assert stats.binomtest(int(found.sum()), len(found), wrong).pvalue < WRONG


def is_distributed(found: np.ndarray, expected: Any, wrong: Any) -> None:
    """Kolmogorov and Smirnov's test of a distribution, and of a wrong one."""
    assert stats.kstest(found, expected.cdf).pvalue > ALPHA
    assert stats.kstest(found, wrong.cdf).pvalue < WRONG


def lognormal(median: float, sigma: float) -> Any:
    return stats.lognorm(s=sigma, scale=median)


def delays(outcome: Outcome) -> np.ndarray:
    """Seconds from sending to reading, of what was read."""
    those = outcome.read_at != NEVER
    return (outcome.read_at[those] - outcome.sent_at[those]) / SECOND


# --- how long it takes ---


def test_a_noticed_toast_is_opened_after_the_lognormal_delay():
    """Certain notice, nobody on a call, no breaks. Bounds: the median by 15 %, sigma by 15 %."""
    outcome = days(attention={"open_median_s": 40.0, "open_sigma": 0.8})
    assert len(delays(outcome)) == N
    is_distributed(delays(outcome), lognormal(40, 0.8), lognormal(46, 0.8))
    assert stats.kstest(delays(outcome), lognormal(40, 0.92).cdf).pvalue < WRONG


def test_a_missed_toast_is_found_at_the_bell_after_the_longer_lognormal_delay():
    """The shift ends 7 hours later, 5 sigma away: nobody's delay is cut. Bounds: the median by 15 %, sigma by 15 %."""
    outcome = days(attention=MISSED | {"bell_median_s": 700.0, "bell_sigma": 0.7})
    assert len(delays(outcome)) == N
    is_distributed(delays(outcome), lognormal(700, 0.7), lognormal(805, 0.7))
    assert stats.kstest(delays(outcome), lognormal(700, 0.805).cdf).pvalue < WRONG


@pytest.mark.parametrize("occupancy", [0.3, 0.7])
def test_who_is_on_a_call_finishes_it_first(occupancy):
    """The delay without a call is exactly 20 s; what is more is the rest of one: a share, and exponential times."""
    outcome = days(attention={"occupancy": occupancy, "call_mean_s": 240.0})
    rest = delays(outcome) - 20.0
    assert len(rest) == N
    assert rest.min() == 0.0
    is_share(rest > 0, occupancy)
    is_distributed(rest[rest > 0], stats.expon(scale=240), stats.expon(scale=288))  # bound: 20 %, being fewer


def test_an_acknowledgement_comes_after_the_lognormal_delay_or_never():
    outcome = days(
        messages=[message(ack_required=True)],
        attention={"ack_median_s": 8.0, "ack_sigma": 0.6, "ack_never": 0.2},
    )
    acknowledged = outcome.acknowledged_at != NEVER
    is_share(~acknowledged, 0.2)
    took = (outcome.acknowledged_at - outcome.read_at)[acknowledged] / SECOND
    is_distributed(took, lognormal(8, 0.6), lognormal(9.2, 0.6))


def test_nobody_acknowledges_what_does_not_ask_for_it():
    assert (days().acknowledged_at == NEVER).all()


# --- how many do ---


@pytest.mark.parametrize(
    ("priority", "shown_s", "tau_s"), [("normal", 8.0, 4.0), ("normal", 2.0, 4.0), ("urgent", 3.0, 10.0)]
)
def test_the_share_that_notices_is_one_less_exp_of_seconds_over_tau(priority, shown_s, tau_s):
    """Without the bell, who does not notice the toast never reads. The other priority's seconds are far off."""
    own, other = ("toast_seconds", "urgent_toast_seconds")[:: 1 if priority == "normal" else -1]
    outcome = days(
        messages=[message(priority=priority)],
        attention={"tau_s": tau_s} | MISSED_FOR_GOOD,
        policy={own: shown_s, other: 1_000.0},
    )
    assert (outcome.toast_at == outcome.sent_at).all()
    is_share(outcome.read_at != NEVER, 1 - np.exp(-shown_s / tau_s))


def test_every_earlier_message_of_the_day_takes_its_share_of_noticing():
    """(1 − φ)^k for k = 0 … 9, in one chi-squared test of ten shares. Bound: φ by a tenth of itself.

    A toast that is noticed is opened 20 s later, exactly; a message read at any other moment was read along with one.
    """
    fatigue, times = 0.1, [f"1{hour}:{minute:02}" for hour in (0, 1) for minute in (0, 10, 20, 30, 40)]
    outcome = days(messages=[message(one) for one in times], attention={"fatigue": fatigue} | MISSED_FOR_GOOD)
    noticed = outcome.read_at == outcome.sent_at + 20 * SECOND
    found = np.bincount(outcome.message[noticed], minlength=len(times))
    assert found[0] == N

    def how_likely(phi: float) -> float:
        shares = (1 - phi) ** np.arange(1, len(times))
        distance = ((found[1:] - N * shares) ** 2 / (N * shares * (1 - shares))).sum()
        return float(stats.chi2.sf(distance, len(shares)))

    assert how_likely(fatigue) > ALPHA
    assert how_likely(1.1 * fatigue) < WRONG > how_likely(0.9 * fatigue)


def test_the_never_readers_are_their_share_of_those_who_missed_the_toast():
    is_share(days(attention=MISSED | {"bell_never": 0.2}).read_at == NEVER, 0.2)
    # … and of all, where some notice the toast: two shares that know nothing of each other.
    outcome = days(attention={"tau_s": 8.0, "bell_never": 0.5}, policy={"toast_seconds": 8.0})
    is_share(outcome.read_at == NEVER, 0.5 * np.exp(-1))


def test_what_one_message_is_to_an_agent_says_nothing_of_the_next():
    """Who notices the first of two toasts notices the second as often as others: a chi-squared test of two by two.

    Bound: had a tenth of the agents noticed both or neither, it would not pass.
    """
    outcome = days(
        messages=[message("10:00"), message("11:00")],
        attention={"tau_s": 8.0} | MISSED_FOR_GOOD,
        policy={"toast_seconds": 8.0 * np.log(2)},
    )
    noticed = (outcome.read_at == outcome.sent_at + 20 * SECOND).reshape(len(SEEDS), 2, AGENTS)
    first, second = noticed[:, 0].ravel(), noticed[:, 1].ravel()

    def how_likely(one: np.ndarray, other: np.ndarray) -> float:
        table = [[np.sum(one & other), np.sum(one & ~other)], [np.sum(~one & other), np.sum(~one & ~other)]]
        return float(stats.chi2_contingency(table, correction=False).pvalue)

    assert how_likely(first, second) > ALPHA
    alike = np.arange(N) % 10 == 0
    assert how_likely(first, np.where(alike, first, second)) < WRONG


# --- all of it together ---


def test_the_curve_of_reading_is_what_the_parts_give():
    """The share read by 1, 3, 10, 30 and 120 minutes, with the package's own attention.

    F(t) = p·G(t) + (1 − p)(1 − never)·B(t): p the chance to notice, B the bell's lognormal, G the toast's with the rest
    of a call on top, by numerical integration. Five binomial tests share ``ALPHA``. Bound: toasts shown for two seconds
    less.
    """
    model = scenario().model_copy(update={"attention": type(scenario().attention).model_validate({})})
    outcome = evaluate(model.model_copy(update={"messages": _one_message()}), SEEDS, agents=people(AGENTS))
    a = model.attention
    opening, bell = lognormal(a.open_median_s, a.open_sigma), lognormal(a.bell_median_s, a.bell_sigma)

    def opened(t: float) -> float:
        waiting, _ = integrate.quad(lambda x: opening.pdf(x) * np.exp(-(t - x) / a.call_mean_s), 0, t, limit=200)
        return float(opening.cdf(t) - a.occupancy * waiting)

    def read_by(t: float, shown_s: float) -> float:
        p = 1 - np.exp(-shown_s / a.tau_s)
        return float(p * opened(t) + (1 - p) * (1 - a.bell_never) * bell.cdf(t))

    def how_likely(shown_s: float) -> float:
        each = [
            stats.binomtest(int((delays(outcome) <= t).sum()), N, read_by(t, shown_s)).pvalue
            for t in (60, 180, 600, 1_800, 7_200)
        ]
        return len(each) * min(each)

    assert how_likely(8.0) > ALPHA
    assert how_likely(6.0) < WRONG


def _one_message() -> tuple[Any, ...]:
    return scenario(messages=[message()]).messages


# --- who is there ---


def test_the_absent_are_their_share_and_lose_what_they_are_sent():
    outcome = days(absence=0.15, attention=MISSED)
    absent = outcome.state_at_send == STATES.index(AgentState.LOGGED_OUT)
    is_share(absent, 0.15)
    assert (outcome.read_at[~absent] == at(10, 10)).all()
    assert (outcome.lost_at[absent] == outcome.ends_at).all()
    assert (outcome.notified_at[absent] == NEVER).all()


def test_shifts_start_anywhere_within_their_spread_and_nowhere_else():
    """Who is sent something at home is told at logging in: 08:40 to 09:20, uniformly. Bound: a spread 15 % wider."""
    outcome = days(messages=[message("08:00")], shifts=[{"start": "09:00", **EXACT, "start_spread_min": 20.0}])
    minutes = (outcome.notified_at - at(9)) / MINUTE
    is_distributed(minutes, stats.uniform(-20, 40), stats.uniform(-23, 46))


def test_unplanned_breaks_are_a_poisson_stream_with_lognormal_lengths():
    """Half a break an hour over eight hours; so short that they hardly ever meet. Bounds: the rate and the length 10 %.

    Asked of the plan, which has the moments: their number by a Poisson test, their times of day and lengths by
    Kolmogorov and Smirnov's.
    """
    made = scenario(unplanned_breaks={"per_hour": 0.5, "length_median_min": 0.01, "length_sigma": 0.5})
    begin, length = [], []
    for seed in SEEDS:
        since: dict[str, int] = {}
        for change in plan(made, seed, agents=people(AGENTS)).changes:
            if change.state is AgentState.BREAK:
                since[change.agent_id] = change.at
            elif change.agent_id in since:
                begin.append((since[change.agent_id] - at(9)) / HOUR)
                length.append((change.at - since.pop(change.agent_id)) / MINUTE)
    expected = 0.5 * 8 * N
    assert 2 * min(stats.poisson.cdf(len(begin), expected), stats.poisson.sf(len(begin) - 1, expected)) > ALPHA
    assert stats.poisson.cdf(len(begin), 1.1 * expected) < WRONG > stats.poisson.sf(len(begin) - 1, 0.9 * expected)
    is_distributed(np.array(begin), stats.uniform(0, 8), stats.uniform(0, 8.8))
    is_distributed(np.array(length), lognormal(0.01, 0.5), lognormal(0.011, 0.5))


# --- what has no chance in it ---


def test_who_is_on_a_break_has_no_toast_and_is_told_on_coming_back():
    outcome = days(messages=[message("11:10")], breaks=[LUNCH])
    assert (outcome.state_at_send == STATES.index(AgentState.BREAK)).all()
    assert (outcome.toast_at == NEVER).all()
    assert (outcome.notified_at == at(11, 30)).all()
    assert (outcome.read_at == at(11, 40)).all()


def test_what_is_sent_after_everyone_has_left_is_read_by_nobody_and_lost_in_the_night():
    outcome = days(messages=[message("17:00"), message("20:00")], attention={"bell_median_s": 1.0})
    assert len(outcome) == 2 * N
    assert (outcome.state_at_send == STATES.index(AgentState.LOGGED_OUT)).all()
    for never in (outcome.toast_at, outcome.notified_at, outcome.read_at, outcome.acknowledged_at):
        assert (never == NEVER).all()
    assert (outcome.lost_at == at(27)).all()
    assert outcome.ends_at == at(27)


def test_who_reads_does_not_lose_and_who_does_not_loses_at_the_expiry_or_in_the_night():
    outcome = days(
        messages=[message("10:00", expires_after_min=15), message("16:45")],
        attention=MISSED | {"bell_median_s": 900.0, "bell_sigma": 1.0, "bell_never": 0.1},
    )
    read, brief = outcome.read_at != NEVER, outcome.message == 0
    assert 0.3 < read.mean() < 0.7
    assert (read == (outcome.lost_at == NEVER)).all()
    assert (outcome.lost_at[~read & brief] == at(10, 15)).all()
    assert (outcome.lost_at[~read & ~brief] == outcome.ends_at).all()
    # Half of the bells are looked at within the median, and those of the never-readers are not: 0.9 · 0.5.
    is_share(read[brief], 0.45)
