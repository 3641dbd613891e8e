"""What is forecast of a message happens within its interval as often as it says: no less often, and not for width."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from scipy import stats

from benchmarks.row_12_advice import now_of, waiting_of
from coachsim.advice import advise
from coachsim.days import HOUR, MINUTE
from coachsim.evaluate import evaluate, outcome
from coachsim.outcome import NEVER
from coachsim.past_days import habits_of
from coachsim.plan import draw
from coachsim.scenario import PlannedMessage, Scenario

WEDNESDAY = date(2026, 3, 4)
WORKING_DAYS = [day for n in range(28, 0, -1) if (day := WEDNESDAY - timedelta(days=n)).weekday() < 5]
MESSAGES = ("morning-briefing", "team-tip", "one-to-one", "payment-outage", "payment-restored")
TIMES = ((6 * HOUR, "09:00"), (8 * HOUR + 10 * MINUTE, "11:10"), (12 * HOUR, "15:00"))
ONE_IN_A_MILLION = 1e-6


def floor(agents: int) -> Scenario:
    """The weekday's shifts, breaks and some of its messages on a floor of so many agents."""
    weekday = Scenario.load("weekday")
    shape = weekday.floor.model_copy(update={"roster": None, "agents": agents, "teams": 4})
    messages = tuple(one for one in weekday.messages if one.key in MESSAGES)
    return weekday.model_copy(update={"floor": shape, "messages": messages, "date": WEDNESDAY})


def errors(scenario: Scenario, seeds: range, past_days: int) -> tuple[np.ndarray, np.ndarray]:
    """Of messages to everybody: whether what became of it lies in the interval, and by how many of the standard
    deviations that the interval stands for it is off."""
    inside, off = [], []
    for seed in seeds:
        usual = habits_of([draw(scenario, [seed], day=day) for day in WORKING_DAYS[-past_days:]])
        real = draw(scenario, [seed])
        so_far, everybody = outcome(real), np.arange(len(real.active))
        for at, wall in TIMES:
            now, waiting = now_of(real, everybody, at), waiting_of(so_far, real, everybody, at)
            sent = PlannedMessage.model_validate({"key": "sent", "body": "Read this", "at": wall})
            found = evaluate(scenario.model_copy(update={"messages": (*scenario.messages, sent)}), [seed])
            read = found.read_at[found.message == found.messages.index("sent")]
            for by in (at + 10 * MINUTE, at + HOUR):
                said = advise(
                    usual, now, real.keys, waiting, scenario.attention, scenario.policy, by=by, seed=1_000
                ).now
                share = float(((read != NEVER) & (read < real.day.began_at + by)).mean())
                inside.append(said.low - 1e-9 <= share <= said.high + 1e-9)
                off.append((share - said.read) / max((said.high - said.low) / (2 * 1.96), 1e-3))
    return np.array(inside), np.array(off)


def test_a_forecasts_interval_is_neither_too_narrow_nor_too_wide() -> None:
    """The seeds are fixed, so the outcome of this test is too.

    Two deadlines of one message hang together, so the bounds are those of half as many observations: by chance they
    would be left once in a million. Half as wide or twice as wide intervals leave them by far.
    """
    inside, off = errors(floor(100), range(1, 26), past_days=5)
    apart = len(inside) // 2
    assert inside.mean() >= stats.binom.ppf(ONE_IN_A_MILLION, apart, 0.95) / apart
    least, most = stats.chi2.ppf([ONE_IN_A_MILLION, 1 - ONE_IN_A_MILLION], apart) / apart
    assert least <= np.mean(off**2) <= most
    assert abs(off.mean()) < 5 / np.sqrt(apart)
