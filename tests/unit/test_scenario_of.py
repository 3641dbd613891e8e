"""``scenario_of``: the scenario that a simulated week was made of is found again, and its days are like the week's.

Tolerances are worked out. Of n uniform draws of half-width w, both the median and the interquartile range have the
standard error w/√n; a share p of n has √(p(1−p)/n). Five of them are exceeded once in two million times.
"""

from __future__ import annotations

import doctest
from math import sqrt

import numpy as np
import pytest

import coachsim
from coachsim import MessageLog, Scenario, analysis, simulate
from coachsim.fitting import Learned, scenario_of
from coachsim.scenario import Attention
from tests.unit.days_of import scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

DAYS, AGENTS, ERRORS = 6, 120, 5
SEEN = {"tau_s": 6.0, "open_sigma": 0.6, "occupancy": 0.3, "bell_sigma": 0.7, "bell_never": 0.1, "bell_median_s": 900.0}
MADE = scenario(
    floor={"agents": AGENTS, "teams": 4},
    absence=0.1,
    shifts=[
        {"start": "07:00", "length_h": 6.0, "share": 3.0, "start_spread_min": 8.0, "length_spread_min": 12.0},
        {"start": "09:00", "length_h": 8.5, "share": 5.0, "start_spread_min": 12.0, "length_spread_min": 8.0},
        {"start": "14:00", "length_h": 8.0, "share": 2.0, "start_spread_min": 5.0, "length_spread_min": 5.0},
    ],
    breaks=[
        {"reason": "coffee", "after_min": 90, "length_min": 10, "after_spread_min": 8.0, "length_spread_min": 3.0},
        {
            "reason": "lunch",
            "after_min": 180,
            "length_min": 35,
            "after_spread_min": 6.0,
            "length_spread_min": 4.0,
            "waves": 3,
            "wave_gap_min": 30,
        },
    ],
    unplanned_breaks={"per_hour": 0.2, "length_median_min": 6.0, "length_sigma": 0.5},
    attention=SEEN,
)
CALLS = [
    {"key": "tip", "body": "Hello", "start": "07:30", "every_min": 60, "until": "21:00"},
    {"key": "now", "body": "Now", "at": "10:30", "priority": "urgent", "expires_after_min": 45, "ack_required": True},
]


def learned_from(made: Scenario, seed: int, days: int = DAYS) -> tuple[MessageLog, Learned]:
    log = simulate(made, seed=seed, days=days, player="arrays")
    return log, scenario_of(log, attention=made.attention)


@pytest.fixture(scope="module", params=[1, 2, 3, 4])
def week(request: pytest.FixtureRequest) -> Scenario:
    """What is learned of a week of ``MADE``; another week each time."""
    return learned_from(MADE, request.param)[1].scenario


def test_shifts_are_found_again(week):
    assert len(week.shifts) == len(MADE.shifts)
    total, given = (sum(shift.share for shift in one.shifts) for one in (week, MADE))
    for found, made in zip(week.shifts, MADE.shifts, strict=True):
        share = made.share / given
        many = AGENTS * DAYS * 0.9 * found.share / total
        # People are dealt to patterns once, not each day.
        assert abs(found.share / total - share) < ERRORS * sqrt(share * (1 - share) / AGENTS)
        # The start is rounded to minutes, or to five of them within two errors.
        error = made.start_spread_min / sqrt(many)
        assert abs(week.into_day(found.start) - week.into_day(made.start)) <= (ERRORS + 2) * error + 0.5
        assert abs(found.start_spread_min - made.start_spread_min) < ERRORS * error + 0.01
        error = made.length_spread_min / sqrt(many)
        assert abs(found.length_h - made.length_h) * 60 < ERRORS * error + 0.6
        assert abs(found.length_spread_min - made.length_spread_min) < ERRORS * error + 0.01


def test_shifts_that_are_dealt_to_all_teams_alike_are_no_teams_own(week):
    assert [shift.teams for shift in week.shifts] == [()] * 3


def test_teams_with_shifts_of_their_own_are_found_again():
    """Teams 1 and 2 come early, team 3 late, and of team 4 some at either time: its shares are those of its people."""
    shifts = [
        {"start": "08:00", "teams": ["Team 1", "Team 2", "Team 4"]},
        {"start": "14:00", "length_h": 7.0, "teams": ["Team 3", "Team 4"]},
    ]
    log, learned = learned_from(MADE.model_copy(update={"shifts": scenario(shifts=shifts).shifts}), 6)
    early, both_early, late, both_late = learned.scenario.shifts
    assert [(one.start, one.teams) for one in (early, late)] == [
        ("08:00", ("Team 1", "Team 2")),
        ("14:00", ("Team 3",)),
    ]
    assert both_early.teams == both_late.teams == ("Team 4",)
    changes = log.state_changes().merge(log.agents()[["agent_id", "team"]], on="agent_id")
    fours = changes[changes["team"] == "Team 4"]
    came = fours.groupby(["agent_id", fours["changed_at"].dt.date])["changed_at"].min().dt.hour
    assert both_early.share == pytest.approx((came < 11).sum() / DAYS, abs=0.06)
    assert both_late.share == pytest.approx((came >= 11).sum() / DAYS, abs=0.06)
    with simulate(learned.scenario, seed=1, agents=learned.agents) as again:
        at_ten = again.sql(
            "SELECT team, arg_max(state, seq) AS state FROM all_state_changes JOIN agents USING (agent_id)"
            " WHERE hour(changed_at) < 10 GROUP BY team, agent_id"
        )
    assert "Team 3" not in set(at_ten["team"]) and {"Team 1", "Team 2", "Team 4"} <= set(at_ten["team"])


def test_absence_is_found_again(week):
    assert abs(week.absence - MADE.absence) < ERRORS * sqrt(MADE.absence * (1 - MADE.absence) / (AGENTS * DAYS))


def test_planned_breaks_are_found_again_with_their_waves(week):
    assert [one.reason for one in week.breaks] == ["coffee", "lunch"]
    shifts = AGENTS * DAYS * 0.9
    for found, made in zip(week.breaks, MADE.breaks, strict=True):
        assert (found.waves, bool(found.wave_gap_min)) == (made.waves, made.waves > 1)
        # One in about thirty is put off by an unplanned one: that moves a quantile by so much of the spread.
        error = made.after_spread_min * (ERRORS / sqrt(shifts / made.waves) + 0.07) + 0.1
        assert abs(found.after_min - made.after_min) < error * made.waves
        assert abs(found.wave_gap_min - made.wave_gap_min) < error * sqrt(2)
        assert abs(found.after_spread_min - made.after_spread_min) < 2 * error
        error = ERRORS * made.length_spread_min / sqrt(shifts) + 0.1
        assert abs(found.length_min - made.length_min) < error
        assert abs(found.length_spread_min - made.length_spread_min) < error


def test_unplanned_breaks_are_found_again(week):
    made, found = MADE.unplanned_breaks, week.unplanned_breaks
    hours = AGENTS * DAYS * 0.9 * 7.5
    many = hours * made.per_hour
    # One that would begin after the end of the shift, or last beyond it, is none, or shorter: one in about forty.
    assert abs(found.per_hour / made.per_hour - 1) < ERRORS / sqrt(many) + 0.03
    assert (
        abs(found.length_median_min / made.length_median_min - 1)
        < ERRORS * 1.26 * made.length_sigma / sqrt(many) + 0.03
    )
    assert abs(found.length_sigma - made.length_sigma) < ERRORS * 1.2 * made.length_sigma / sqrt(many) + 0.03


def logged_in_by_hour(log: MessageLog, days: int) -> np.ndarray:
    """How many are logged in on average in each hour of a day."""
    table = analysis.presence(log, by="hour", days=log.days()["day"].tolist()[:days]).set_index("hour")
    return (table["logged_in_h"] / days).reindex(range(24), fill_value=0.0).to_numpy()


def read_rates(log: MessageLog) -> np.ndarray:
    """Of each closed day: the share that was read, and that was read within an hour."""
    found = log.deliveries()
    waited = (found["read_at"] - found["sent_at"]).dt.total_seconds()
    days = found.assign(read=waited.notna(), soon=waited <= 3_600).groupby("day")
    return days[["read", "soon"]].mean().to_numpy()


def test_a_day_of_the_learned_scenario_is_like_the_days_that_it_was_learned_from():
    made = MADE.model_copy(update={"messages": Scenario.from_dict(MADE.model_dump() | {"messages": CALLS}).messages})
    log = simulate(made, seed=11, days=DAYS, player="arrays")
    learned = scenario_of(log)
    assert learned.fitted is not None and "attention learned from" in learned.scenario.description
    again = [simulate(learned.scenario, seed=seed, agents=learned.agents, player="arrays") for seed in range(100, 112)]
    there = np.array([logged_in_by_hour(one, 1) for one in again])
    was = logged_in_by_hour(log, DAYS)
    # Each agent is there or not: p(1-p) an agent at most, in the log's days and in the simulated ones.
    share = there.mean(axis=0) / AGENTS
    error = np.sqrt(AGENTS * share * (1 - share) * (1 / len(again) + 1 / DAYS))
    # The ends of shifts lie within a minute and a half of where they were.
    assert (abs(there.mean(axis=0) - was) < ERRORS * error + 0.025 * AGENTS).all()
    assert was.max() > 60
    rates = np.concatenate([read_rates(one) for one in again])
    # What was learned is as uncertain as what it was learned from.
    error = rates.std(axis=0, ddof=1) * np.sqrt(1 / len(again) + 2 / DAYS)
    was_read = read_rates(log).mean(axis=0)
    assert (abs(rates.mean(axis=0) - was_read) < ERRORS * error).all()
    assert 0.5 < was_read[1] < was_read[0] < 0.95


def test_the_same_days_fetched_or_asked_for_give_the_same_scenario(tmp_path):
    path = tmp_path / "log.duckdb"
    with simulate(MADE, seed=5, days=4, out=path, player="arrays") as log:
        labels = log.days()["day"].tolist()
        whole = scenario_of(log, day=labels[2], days=2, attention=Attention())
    with coachsim.open_log(path, from_day=labels[1], to_day=labels[2]) as part:
        assert scenario_of(part, attention=Attention()) == whole
    assert whole.days == tuple(labels[1:3]) and whole.scenario.date.isoformat() == labels[2]


def test_the_example_gives_what_it_says():
    (example,) = doctest.DocTestFinder(recurse=False).find(
        scenario_of,
        "scenario_of",
        globs={"log": simulate(scenario(floor={"agents": 40, "teams": 4}), seed=1), "scenario_of": scenario_of},
    )
    assert doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(example).failed == 0
    assert coachsim.scenario_of is scenario_of
