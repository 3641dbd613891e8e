"""The chart of a comparison's table: the numbers in it are the table's, and it draws without the network."""

from __future__ import annotations

import pytest

from coachsim.charts import offline
from coachsim.charts.experiment import intervals
from coachsim.errors import InvalidInput
from coachsim.experiment import compare, sweep
from tests.unit.days_of import message, scenario

DAY = scenario(
    floor={"agents": 20},
    messages=[message()],
    absence=0.2,
    attention={"tau_s": 4.0, "bell_never": 0.3, "bell_sigma": 1},
)


@pytest.fixture(scope="module")
def swept():
    return sweep(
        DAY,
        {"policy.toast_seconds": [2.0, 8.0], "attention.bell_median_s": [60.0, 900.0]},
        replications=6,
        progress=False,
    )


def drawn(chart) -> list[dict]:
    """What the chart shows."""
    (rows,) = chart.to_dict()["datasets"].values()
    return rows


def test_it_shows_the_tables_values_with_their_intervals(swept):
    rows = drawn(intervals(swept, "policy.toast_seconds", "lost_rate", colour="attention.bell_median_s"))
    expected = swept[swept.measure == "lost_rate"]
    for name in ("value", "low", "high"):
        assert [row[name] for row in rows] == pytest.approx(list(expected[name]))
    assert [(row["x"], row["colour"]) for row in rows] == [(2, "60.0"), (2, "900.0"), (8, "60.0"), (8, "900.0")]


def test_it_shows_differences_and_times_that_are_long_in_minutes(swept):
    expected = swept[swept.measure == "median_read_s"]
    chart = intervals(swept, "policy.toast_seconds", "median_read_s", difference=True)
    assert expected.difference.abs().max() > 300
    assert [row["value"] for row in drawn(chart)] == pytest.approx(list(expected.difference / 60))
    assert chart.to_dict()["title"] == "minutes from the send until half are read, difference"


def test_names_stand_in_the_order_of_the_table_and_it_draws():
    table = compare({"later": DAY, "as it is": DAY}, replications=3, progress=False)
    chart = intervals(table, "variant", "read_rate", title="which day")
    assert [row["x"] for row in drawn(chart)] == ["later", "as it is"]
    picture = offline.svg(chart)
    assert picture.index("later") < picture.index("as it is")
    assert "which day" in picture


def test_what_has_no_interval_is_drawn_without():
    table = compare(DAY, replications=1, progress=False)
    (row,) = drawn(intervals(table, "variant", "read_rate"))
    assert row["value"] > 0
    assert (row["low"], row["high"]) == (None, None)


def test_no_such_measure_is_said(swept):
    with pytest.raises(InvalidInput, match="did you mean 'lost_rate'"):
        intervals(swept, "policy.toast_seconds", "lost_rates")
