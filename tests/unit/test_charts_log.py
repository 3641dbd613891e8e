"""The charts of a log's answers: what they draw, what they say in words, as files, in both looks, and of nothing."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from coachsim import analysis
from coachsim.charts import log as charts
from coachsim.charts import log_activity, log_reading, offline, theme, words
from tests.unit.analysis_logs import PaperFloor, log_of

DRAWN = {
    "unread": lambda log, **look: charts.by_team_and_hour(analysis.unread_rates(log, by=["team", "hour"]), **look),
    "lost": lambda log, **look: charts.by_team_and_hour(
        analysis.unread_rates(log, by=["team", "hour"]), "lost", **look
    ),
    "state": lambda log, **look: charts.by_state(analysis.lost(log, by="state_at_send"), **look),
    "curves": lambda log, **look: log_reading.curves(
        analysis.read_curve(log, by="team"), analysis.time_to_read(log, by="team"), "team", until_s=14_400, **look
    ),
    "load": lambda log, **look: log_activity.load(analysis.load(log, by=["agent_id", "day"]), **look),
    "presence": lambda log, **look: log_activity.presence(analysis.presence(log), first_hour=3, **look),
}


@pytest.fixture(scope="module")
def floor():
    floor = PaperFloor()
    floor.night()
    return floor


@pytest.fixture(scope="module")
def log(floor, tmp_path_factory):
    with log_of(tmp_path_factory.mktemp("charts"), floor.events) as log:
        yield log


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    with log_of(tmp_path_factory.mktemp("empty"), []) as log:
        yield log


def texts(chart) -> set[str]:
    """Everything written in the chart's picture."""
    root = ElementTree.fromstring(offline.svg(chart))
    return {element.text for element in root.iter("{http://www.w3.org/2000/svg}text") if element.text}


def told(chart) -> str:
    """What the tooltips and labels of the chart hold."""
    return str(list(chart.to_dict()["datasets"].values()))


@pytest.mark.parametrize("name", DRAWN)
def test_a_chart_is_a_picture_with_a_title_and_a_caption_in_both_looks_without_the_network(log, name):
    light, dark = (DRAWN[name](log, dark=dark, width=700) for dark in (False, True))
    for chart, look, other in ((light, theme.LIGHT, theme.DARK), (dark, theme.DARK, theme.LIGHT)):
        picture = offline.svg(chart)
        assert look.soft in picture and other.soft not in picture
        assert '"url"' not in chart.to_json()
    assert offline.png(light, scale=1).startswith(b"\x89PNG")
    title = light.to_dict()["title"]
    assert title["text"] in texts(light) and " ".join(title["subtitle"]).endswith(".")
    assert light.description.startswith(title["text"].split(",")[0]) and light.description.endswith(".")
    bare = DRAWN[name](log, width="container", headings=False).to_dict()
    assert bare["usermeta"] == {"title": title["text"], "caption": " ".join(title["subtitle"])}
    assert "title" not in bare and bare["width"] == "container" and bare["description"] == light.description


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_to_draw_is_said_and_no_error(empty, name):
    chart = DRAWN[name](empty)
    assert chart.description in texts(chart) and chart.description.endswith(".")
    assert offline.png(chart, scale=1).startswith(b"\x89PNG")


def test_a_share_stands_with_its_counts_for_each_team_and_hour(log):
    chart = DRAWN["unread"](log)
    assert {"Blue", "Green", "10", "all hours", "17 %", "1 of 6", "67 %", "4 of 6"} <= texts(chart)
    assert chart.description == "Unread by team and hour of sending. Blue: 17 % (1 of 6); Green: 67 % (4 of 6)."
    assert "1 of 6 unread" in told(chart)


def test_hours_are_in_the_order_of_the_floors_day():
    rows = [{"team": "Blue", "hour": hour, "unread": 1, "lost": 0, "sent": 9} for hour in (1, 9, 23)]
    field = charts.by_team_and_hour(rows, first_hour=3).to_dict()["layer"][0]["encoding"]["x"]
    assert field["scale"]["domain"] == ["09", "23", "01", "all hours"]


def test_one_message_of_one_does_not_make_every_other_share_pale():
    rows = [{"team": "A", "hour": 9, "unread": 2, "lost": 0, "sent": 20}]
    rows += [{"team": "B", "hour": 10, "unread": 1, "lost": 0, "sent": 1}]
    scale = charts.by_team_and_hour(rows).to_dict()["layer"][0]["encoding"]["color"]["scale"]
    assert scale["domain"] == [0, 0.1] and scale["clamp"] is True


def test_of_very_many_teams_those_with_the_largest_share_are_drawn_and_it_says_so():
    rows = [{"team": f"T{n:02}", "hour": 9, "unread": n, "lost": 0, "sent": 100} for n in range(50)]
    chart = charts.by_team_and_hour(rows).to_dict()
    shown = chart["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert len(shown) == 40 and shown[0] == "T49"
    assert "Of 50 teams, the 40" in " ".join(chart["title"]["subtitle"])


def test_what_was_lost_and_what_still_waits_are_parts_of_what_was_not_read():
    row = {"state_at_send": "break", "sent": 10, "unread": 6, "lost": 2, "lost_expired": 1, "lost_not_notified": 2}
    chart = charts.by_state([row | {"unread_rate": 0.6, "lost_rate": 0.2}])
    assert {"on a break", "60 % (6 of 10)"} <= texts(chart)
    said = told(chart)
    assert "20 % (2 of 10)" in said and "40 % (4 of 10)" in said and "2 never notified, 1 at their expiry" in said


def test_medians_stand_beside_their_curves_which_rise_and_end_where_the_time_shown_does(log):
    chart = DRAWN["curves"](log)
    assert {"Blue · median 2 min", "Green · median not reached"} <= texts(chart)
    assert "Blue: median 2 min (95 % interval from 20 s to no upper bound), 5 of 6 read" in chart.description
    rows = max(chart.to_dict()["datasets"].values(), key=len)
    for team in ("Blue", "Green"):
        shares = [row["share"] for row in rows if row["name"] == team]
        assert shares == sorted(shares) and shares[0] == 0
        assert max(row["minutes"] for row in rows if row["name"] == team) == 240


def test_no_more_curves_than_colours_that_can_be_told_apart():
    names = [f"T{n}" for n in range(9)]
    medians = [
        {"team": name, "sent": 10, "read": 10 - n, "unread": n, "median_s": 60.0, "median_low_s": None}
        for n, name in enumerate(names)
    ]
    steps = [
        {"team": name, "seconds": at, "at_risk": 10, "read": at // 60, "read_rate": at / 600, "low": 0, "high": 1}
        for name in names
        for at in (0, 60)
    ]
    chart = log_reading.curves(steps, medians, "team")
    assert {row["name"] for row in max(chart.to_dict()["datasets"].values(), key=len)} == set(names[3:])
    assert "Of 9 groups, the 6" in " ".join(chart.to_dict()["title"]["subtitle"])


def test_the_curve_of_everybody_has_its_band_and_counts(log):
    chart = log_reading.curves(analysis.read_curve(log), analysis.time_to_read(log), until_s=14_400)
    assert chart.to_dict()["layer"][0]["mark"]["type"] == "area"
    assert "7 of 12 read" in told(chart) and "median 61 min (95 % interval from 30 s" in chart.description


def test_reach_is_four_parts_that_add_up(floor, log):
    chart = charts.reach(analysis.reach(log, floor.first))
    (rows,) = chart.to_dict()["datasets"].values()
    assert [row["count"] for row in rows] == [1, 2, 0, 1]
    assert {"confirmed: 1", "read: 2", "not notified: 1"} <= texts(chart)
    assert chart.description == (
        "How far the message got: confirmed 1 of 4; read 2 of 4; notified, not read 0 of 4; not notified 1 of 4."
    )
    assert charts.reach([]).description == "It went to nobody."


def test_load_counts_each_agent_and_day_once(log):
    chart = DRAWN["load"](log)
    (rows,) = chart.to_dict()["datasets"].values()
    assert [(row["messages"], row["times"]) for row in rows] == [("2", 1), ("3", 2), ("4", 1)]
    assert "3.0 on average, 4 at most, over 4 agents' days" in chart.description
    many = log_activity.load([{"sent": number} for number in range(1, 101)])
    (rows,) = many.to_dict()["datasets"].values()
    assert sum(row["times"] for row in rows) == 100 and rows[0]["messages"] == "1–4"


def test_presence_goes_through_the_floors_day_with_agents_hours(log):
    chart = DRAWN["presence"](log)
    rows = max(chart.to_dict()["datasets"].values(), key=len)
    assert rows[0]["hour"] == "10" and rows[-1]["hour"] == "02", "the log begins at 10:00"
    (at_eleven,) = [row for row in rows if (row["hour"], row["state"]) == ("11", "logged in")]
    assert at_eleven["says"] == "3.0 of 4.0 (75 %)"
    assert re.search(r"most were logged in from 11:00, 75 %", chart.description)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "not reached"),
        (99, "99 s"),
        (120, "2 min"),
        (150, "2.5 min"),
        (3_540, "59 min"),
        (5_970, "1 h 40 min"),
        (7_200, "2 h"),
        (16_380, "4 h 33 min"),
    ],
)
def test_a_time_has_the_unit_that_suits_it(seconds, said):
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("part", "said"),
    [(0, "0 %"), (1, "0.1 %"), (99, "9.9 %"), (995, "99.5 %"), (999, "99.9 %"), (1_000, "100 %"), (320, "32 %")],
)
def test_all_and_nothing_are_said_only_of_all_and_nothing(part, said):
    assert words.percent(part / 1_000) == said


# How a colour looks without the green or without the red receptors (Machado and others, 2009), on linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "deutan": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "protan": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
}
LAB = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, kind: str) -> np.ndarray:
    rgb = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(np.clip(LAB @ np.clip(BLINDNESS[kind] @ linear, 0, 1), 1e-6, None) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("name", ["state", "presence"])
@pytest.mark.parametrize("dark", [False, True])
def test_parts_that_touch_can_be_told_apart_by_everyone(log, name, dark, kind):
    shades = DRAWN[name](log, dark=dark).to_dict()["layer"][0]["encoding"]["color"]["scale"]["range"]
    for one, next_one in pairwise(shades):
        assert np.linalg.norm(lab(one, kind) - lab(next_one, kind)) > 20
