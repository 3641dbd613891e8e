"""The what-if charts: what they draw of which rows, in both looks, as files and as widgets, without the network."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree

import pandas as pd
import pytest

from coachsim.charts import offline, theme, what_if
from coachsim.charts.quick import alt

CURVES = [
    {"variant": variant, "minutes": minutes, "read": read, "low": read - 0.01, "high": read + 0.01}
    for variant, reads in (("A", (0.1, 0.5, 0.7)), ("B", (0.2, 0.8, 0.9)))
    for minutes, read in zip((0, 30, 60), reads, strict=True)
]
DIFFERENCES = [{"minutes": at, "difference": at / 100, "low": at / 100 - 0.1, "high": None} for at in (0, 60, 600)]
TEAMS = [
    {"variant": variant, "team": team, "lost_rate": rate, "low": rate, "high": rate, "lost": 1, "sent": 10}
    for team, rates in (("Blue", (0.1, 0.3)), ("Red", (0.2, 0.1)), ("Nobody", (None, None)))
    for variant, rate in zip(("A", "B"), rates, strict=True)
]
CHARTS = {
    "curves": lambda **look: what_if.read_curves(CURVES, **look),
    "differences": lambda **look: what_if.differences(DIFFERENCES, **look),
    "teams": lambda **look: what_if.missed_by_team(TEAMS, **look),
}


def texts(chart) -> set[str]:
    """Everything written in the chart's picture."""
    root = ElementTree.fromstring(offline.svg(chart.properties(width=500)))
    return {element.text for element in root.iter("{http://www.w3.org/2000/svg}text") if element.text}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_in_the_pages_colours_and_asks_nobody_for_anything(name, dark):
    chart = CHARTS[name](dark=dark)
    picture = offline.svg(chart.properties(width=500))
    other = theme.palette(dark=not dark)
    assert theme.palette(dark=dark).accent in picture and other.accent not in picture
    assert theme.palette(dark=dark).soft in picture and other.soft not in picture
    assert '"url"' not in chart.to_json()
    assert offline.png(chart.properties(width=500), scale=1).startswith(b"\x89PNG")


def test_the_curves_say_which_is_which_from_nothing_to_all():
    said = texts(what_if.read_curves(CURVES, labels={"A": "as it is", "B": "11:10"}))
    assert {"as it is", "11:10", "0%", "100%", "60 min"} <= said
    assert "11:10" not in texts(what_if.read_curves(CURVES, labels={"B": "11:10"}, legend=False))


def test_long_curves_count_in_hours():
    assert {"2 h", "10 h"} <= texts(what_if.differences(DIFFERENCES))


def test_the_team_that_loses_most_comes_first_and_one_without_messages_not_at_all():
    chart = what_if.missed_by_team(TEAMS)
    assert chart.to_dict()["layer"][0]["encoding"]["y"]["sort"] == ["Blue", "Red"]
    said = texts(chart)
    assert {"Blue", "Red"} <= said and "Nobody" not in said


def test_no_more_teams_are_drawn_than_can_be_read():
    many = [row | {"team": f"{row['team']} {n}", "lost_rate": n / 100} for n in range(50) for row in TEAMS[:2]]
    shown = what_if.missed_by_team(many).to_dict()["layer"][0]["encoding"]["y"]["sort"]
    assert len(shown) == 40 and shown[0] == "Blue 49"


@pytest.mark.parametrize("chart", [what_if.read_curves, what_if.differences, what_if.missed_by_team])
def test_nothing_to_draw_is_an_empty_chart(chart):
    assert offline.svg(chart([]).properties(width=500)).startswith("<svg")


def test_a_dataframe_will_do_and_what_is_missing_stays_missing():
    rows = theme.rows(pd.DataFrame(DIFFERENCES))
    assert rows == [row | {"high": None} for row in DIFFERENCES]


def test_data_from_another_place_is_not_fetched():
    chart = alt.Chart("https://example.org/rows.csv").mark_point().encode(x="x:Q")
    with pytest.raises(ValueError, match="not allowed"):
        offline.svg(chart)


@pytest.fixture(autouse=True)
def _no_cache_of_a_developers_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))


def test_a_widget_draws_with_a_script_of_this_machines(tmp_path, monkeypatch):
    monkeypatch.setenv("COACHSIM_CACHE", str(tmp_path / "cache"))
    made = offline.widget_script()
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.read_text(encoding="utf-8") == made
    assert "esm.sh" not in made and len(made) > 500_000
    kept.write_text("kept from the last time", encoding="utf-8")
    assert offline.widget_script() == "kept from the last time"
    # What a user's notebook has made, a server's page need not make again.
    (tmp_path / "home").mkdir()
    kept.parent.rename(tmp_path / "home" / "coachsim")
    assert offline.widget_script() == "kept from the last time"
    chart = CHARTS["curves"]()
    shown = offline.widget(chart)
    assert shown._esm == "kept from the last time" and shown.spec == chart.to_dict()
    other = CHARTS["teams"]()
    shown.chart = other
    assert shown.spec == other.to_dict()
    shown.close()


def test_a_cache_that_cannot_be_written_is_no_trouble(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COACHSIM_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(offline, "_MAKE", "print('made')")
    assert offline.widget_script().strip() == "made"


def test_a_script_that_cannot_be_made_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("COACHSIM_CACHE", str(tmp_path))
    monkeypatch.setattr(offline, "_MAKE", "raise SystemExit(3)")
    with pytest.raises(offline.CoachsimError, match="could not be made"):
        offline.widget_script()


def test_charts_do_not_wait_for_a_grammar_that_they_do_not_use():
    code = "import sys; from coachsim.charts import what_if; print('rfc3987_syntax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
