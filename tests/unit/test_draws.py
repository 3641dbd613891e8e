"""Keyed draws: as good as random, and each hangs on its own name alone. Seeds are fixed, so nothing here is luck."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim.models import Priority
from coachsim.outcome import NEVER
from coachsim.people.attention import Sampler, micros
from coachsim.people.draws import Draws, key, keys
from tests.unit.days_of import scenario

MANY = 40_000  # more than the 2,048 or 32,768 at which a careless packing of keys would overflow
AGENTS = keys([f"a{n}" for n in range(MANY)])
DRAWS = Draws(seed=7, day=739_000)


def is_uniform(numbers: np.ndarray) -> bool:
    """Chi-squared over 100 cells: 99 expected, 166 is the one-in-100,000 level."""
    counts = np.histogram(numbers, bins=100, range=(0, 1))[0]
    expected = len(numbers) / 100
    return ((counts - expected) ** 2 / expected).sum() < 166


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def test_over_agents_they_are_uniform_and_strictly_inside_0_and_1():
    numbers = DRAWS.uniform("p", AGENTS)
    assert is_uniform(numbers)
    assert numbers.min() > 0 and numbers.max() < 1
    assert len(np.unique(numbers)) == MANY


@pytest.mark.parametrize("what", ["seed", "day", "purpose", "message", "number"])
def test_over_everything_else_they_are_uniform_too(what):
    def one(n: int) -> float:
        draws = Draws(n if what == "seed" else 7, n if what == "day" else 5)
        purpose = f"p{n}" if what == "purpose" else "p"
        message = key(f"m{n}" if what == "message" else "m")
        return float(draws.uniform(purpose, AGENTS[:1], message, n if what == "number" else 0)[0])

    assert is_uniform(np.array([one(n) for n in range(5_000)]))


@pytest.mark.parametrize(
    "other",
    [
        Draws(8, 739_000).uniform("p", AGENTS),
        Draws(7, 739_001).uniform("p", AGENTS),
        DRAWS.uniform("q", AGENTS),
        DRAWS.uniform("p", AGENTS, key("m")),
        DRAWS.uniform("p", AGENTS, n=1),
        np.roll(DRAWS.uniform("p", AGENTS), 1),
    ],
    ids=["seed", "day", "purpose", "message", "number", "neighbour"],
)
def test_neighbours_in_any_direction_know_nothing_of_each_other(other):
    numbers = DRAWS.uniform("p", AGENTS)
    assert abs(correlation(numbers, other)) < 5 / MANY**0.5
    cells = np.histogram2d(numbers, other, bins=10, range=((0, 1), (0, 1)))[0]
    assert ((cells - MANY / 100) ** 2 / (MANY / 100)).sum() < 166


@given(st.lists(st.text(max_size=8), unique=True, max_size=20), st.text(max_size=8), st.integers(-(2**70), 2**70))
def test_more_agents_change_no_other(names, newcomer, seed):
    draws = Draws(seed, 1)
    alone = draws.uniform("p", keys(names), key("m"))
    together = draws.uniform("p", keys([newcomer, *names]), key("m"))
    assert (together[1:] == alone).all()


def test_one_at_a_time_all_at_once_and_in_pairs_are_the_same():
    agents, messages = AGENTS[:50], keys([f"m{n}" for n in range(50)])
    pairs = DRAWS.uniform("p", agents, messages)
    table = DRAWS.table(DRAWS.heads([("o", 0), ("p", 0)]), agents, messages)
    for n in range(50):
        assert DRAWS.uniform("p", agents[n], messages[n])[0] == pairs[n] == table[1, n]
        assert DRAWS.uniform("p", agents, messages[n])[n] == pairs[n]


def test_the_hash_is_the_one_that_logs_were_made_with():
    """A change of these numbers changes every simulated day: say so in CHANGELOG.md."""
    assert key("a001") == 18_299_480_552_772_237_528
    assert DRAWS.uniform("absent", keys(["a001", "a002"]), key("m"), 3).tolist() == [
        0.32972814849264226,
        0.9473258221073608,
    ]


def test_normal_lognormal_and_exponential_have_their_moments():
    normal = DRAWS.normal("p", AGENTS)
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.02
    assert abs((normal**4).mean() - 3) < 0.15
    assert np.median(DRAWS.lognormal("p", AGENTS, 30.0, 0.5)) == pytest.approx(30, rel=0.02)
    assert (DRAWS.lognormal("p", AGENTS, 30.0, 0.0) == 30.0).all()
    exponential = DRAWS.exponential("p", AGENTS, 240.0)
    assert exponential.mean() == pytest.approx(240, rel=0.02) and exponential.std() == pytest.approx(240, rel=0.03)


# --- the sampler of attention ---


def prompts(earlier=0, priority=Priority.NORMAL, agents=AGENTS, policy=None, **attention):
    made = scenario(attention=attention, policy=policy or {})
    return Sampler(made.attention, made.policy, DRAWS).prompts(agents, "m", priority, np.full(len(agents), earlier))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"tau_s": 4.0}, 1 - np.exp(-2)),
        ({"tau_s": 4.0, "policy": {"toast_seconds": 2.0}}, 1 - np.exp(-0.5)),
        ({"tau_s": 20.0, "priority": Priority.URGENT}, 1 - np.exp(-3)),
        ({"tau_s": 4.0, "fatigue": 0.1, "earlier": 5}, (1 - np.exp(-2)) * 0.9**5),
        ({"tau_s": 1e-6, "fatigue": 1.0}, 1.0),
        ({"tau_s": 1e-6, "fatigue": 1.0, "earlier": 1}, 0.0),
    ],
)
def test_a_toast_is_noticed_with_the_probability_of_the_model(values, expected):
    share = (prompts(**{"fatigue": 0.0} | values).toast != NEVER).mean()
    assert share == pytest.approx(expected, abs=0.01)


def test_the_rest_of_a_call_comes_on_top_for_those_on_one():
    none = prompts(tau_s=1e-6, fatigue=0.0, open_sigma=0.0, open_median_s=10.0, occupancy=0.0)
    assert (none.toast == 10_000_000).all()
    some = prompts(tau_s=1e-6, fatigue=0.0, open_sigma=0.0, open_median_s=10.0, occupancy=0.3, call_mean_s=100.0)
    waits = some.toast - none.toast
    assert (waits > 0).mean() == pytest.approx(0.3, abs=0.01)
    assert waits[waits > 0].mean() == pytest.approx(100e6, rel=0.03)


def test_bells_and_acknowledgements_have_their_medians_and_their_nevers():
    drawn = prompts(bell_median_s=60.0, bell_never=0.2, ack_median_s=5.0, ack_never=0.1)
    assert (drawn.bell == NEVER).mean() == pytest.approx(0.2, abs=0.01)
    assert (drawn.ack == NEVER).mean() == pytest.approx(0.1, abs=0.01)
    assert np.median(drawn.bell[drawn.bell != NEVER]) == pytest.approx(60e6, rel=0.03)
    assert np.median(drawn.ack[drawn.ack != NEVER]) == pytest.approx(5e6, rel=0.03)


def test_another_policy_changes_no_delay():
    short, long = prompts(policy={"toast_seconds": 2.0}), prompts(policy={"toast_seconds": 30.0})
    assert (short.bell == long.bell).all() and (short.ack == long.ack).all()
    both = (short.toast != NEVER) & (long.toast != NEVER)
    assert (short.toast[both] == long.toast[both]).all()
    assert ((short.toast != NEVER) <= (long.toast != NEVER)).all(), "who noticed the short one notices the long one"


def test_absurdly_long_delays_are_long_and_do_not_wrap_around():
    drawn = prompts(bell_median_s=1e6, bell_sigma=3.0, open_median_s=1e6, open_sigma=3.0, bell_never=0.0)
    assert drawn.bell.min() > 0
    assert micros(np.array([np.inf, 1e300, 1.5]))[:2].tolist() == [10**15, 10**15]


def test_nobody_is_no_trouble():
    assert len(prompts(agents=AGENTS[:0]).toast) == 0
