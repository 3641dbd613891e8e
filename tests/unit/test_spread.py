"""How far what happens may lie from what is expected: by chance on one day, and because days differ."""

from __future__ import annotations

import numpy as np
import pytest

from coachsim.outcome import NEVER
from coachsim.spread import variance

REPS, MANY = 100, 200
CHANCE = np.random.default_rng(7)


def on_days(days: int) -> np.ndarray:
    """Which day each agent goes on as, the same for all in a repetition."""
    return np.repeat(CHANCE.integers(0, days, REPS)[:, None], MANY, axis=1)


def test_chance_on_one_and_the_same_day_is_that_of_as_many_coins() -> None:
    found = [variance(CHANCE.random((REPS, MANY)) < 0.3, on_days(20)) for _ in range(40)]
    # The repetitions' own variance is a floor, so a little is added on average.
    assert np.mean(found) == pytest.approx(MANY * 0.3 * 0.7, rel=0.2)


def test_few_repetitions_of_many_people_tell_as_well_as_many() -> None:
    few = [variance(CHANCE.random((12, 5_000)) < 0.3, np.zeros((12, 5_000), np.int64) + NEVER) for _ in range(40)]
    assert min(few) >= 5_000 * 0.21


@pytest.mark.parametrize("days", [2, 5, 20])
def test_what_differs_between_days_counts_for_more_the_fewer_they_are(days: int) -> None:
    """Each agent by themselves is there on nine days of ten, and reads whenever there."""
    found, least = [], MANY * 0.09
    for _ in range(200):
        there = CHANCE.random((days, MANY)) < 0.9
        day = on_days(days)
        found.append(variance(there[day[:, 0]], day))
    # Around the mean of so few days a new one differs by that mean's error as well.
    assert np.mean(found) == pytest.approx(least * (1 + 1 / days), rel=0.5)
    assert np.mean(found) > least


def test_what_a_day_does_to_all_of_them_is_seen_in_the_repetitions() -> None:
    bad_day = on_days(10)[:, 0] == 0
    happens = CHANCE.random((REPS, MANY)) < np.where(bad_day, 0.4, 0.9)[:, None]
    share = float(bad_day.mean())
    assert variance(happens, on_days(10)) > 0.9 * share * (1 - share) * (0.5 * MANY) ** 2


def test_where_all_always_read_or_never_do_there_is_no_doubt_with_many_days() -> None:
    assert variance(np.ones((REPS, 3), bool), on_days(20)[:, :3]) == 0
    assert variance(np.zeros((REPS, 3), bool), on_days(20)[:, :3]) == 0


def test_from_a_single_day_there_is_doubt_though_all_did_the_same() -> None:
    one_day = np.zeros((REPS, MANY), np.int64)
    assert 0.01 * MANY < variance(np.ones((REPS, MANY), bool), one_day) < 0.1 * MANY
