"""Every question's answer on a log of a dozen deliveries, worked out on paper (the table is in analysis_logs.py)."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

from coachsim import analysis
from tests.unit.analysis_logs import PaperFloor, log_of


@pytest.fixture(scope="module")
def paper() -> PaperFloor:
    floor = PaperFloor()
    floor.night()
    return floor


@pytest.fixture(scope="module")
def log(paper, tmp_path_factory):
    with log_of(tmp_path_factory.mktemp("paper"), paper.events) as log:
        yield log


@pytest.fixture
def open_day(tmp_path):
    floor = PaperFloor()
    floor.night()
    fifth = floor.next_morning()
    with log_of(tmp_path, floor.events) as log:
        yield log, fifth


def rows(frame: pd.DataFrame, *columns: str) -> list[tuple]:
    """The frame's rows, of these columns if any are named, with None where a value is missing."""
    chosen = frame[list(columns)] if columns else frame
    return [
        tuple(None if isinstance(value, float) and np.isnan(value) else value for value in row)
        for row in chosen.itertuples(index=False)
    ]


COUNTS = ("sent", "notified", "read", "unread", "lost")


@pytest.mark.parametrize("name", analysis.__all__)
def test_the_examples_give_what_they_say(log, name):
    (example,) = doctest.DocTestFinder(recurse=False).find(
        getattr(analysis, name), name, globs={"log": log, "datetime": datetime} | vars(analysis)
    )
    assert example.examples, "every question has an example"
    assert doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(example).failed == 0


# --- unread and lost ---


def test_the_total_counts_each_delivery_once(log):
    frame = analysis.unread_rates(log)
    assert list(frame.columns) == [*COUNTS, "unread_rate", "lost_rate"]
    assert rows(frame) == [(12, 9, 7, 5, 5, 5 / 12, 5 / 12)]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("team", [("Blue", 6, 5, 5, 1, 1), ("Green", 6, 4, 2, 4, 4)]),
        # Ann is in Spring for the first two messages, and in Renewals for the fourth; Cy is in both.
        ("campaign", [("Renewals", 8, 7, 5, 3, 3), ("Spring", 5, 5, 4, 1, 1)]),
        ("list", [("Cold", 4, 3, 3, 1, 1), ("Warm", 6, 6, 4, 2, 2)]),
        ("queue", [("Care", 7, 6, 5, 2, 2), ("Sales", 7, 6, 5, 2, 2)]),
        ("hour", [(10, 6, 4, 4, 2, 2), (11, 2, 2, 2, 0, 0), (12, 4, 3, 1, 3, 3)]),
        ("state_at_send", [("break", 1, 0, 0, 1, 1), ("logged_in", 8, 8, 6, 2, 2), ("logged_out", 3, 1, 1, 2, 2)]),
        ("priority", [("normal", 10, 8, 6, 4, 4), ("urgent", 2, 1, 1, 1, 1)]),
        ("sender", [("sup", 12, 9, 7, 5, 5)]),
        ("day", [("2026-03-02", 12, 9, 7, 5, 5)]),
        (["priority", "team"], [
            ("normal", "Blue", 4, 4, 4, 0, 0), ("normal", "Green", 6, 4, 2, 4, 4), ("urgent", "Blue", 2, 1, 1, 1, 1),
        ]),
        (("hour", "campaign"), [
            (10, "Renewals", 3, 2, 2, 1, 1), (10, "Spring", 3, 3, 3, 0, 0), (11, "Renewals", 2, 2, 2, 0, 0),
            (11, "Spring", 1, 1, 1, 0, 0), (12, "Renewals", 3, 3, 1, 2, 2), (12, "Spring", 1, 1, 0, 1, 1),
        ]),
        (["campaign", "queue", "priority"], [
            ("Renewals", "Care", "normal", 6, 6, 5, 1, 1), ("Renewals", "Care", "urgent", 1, 0, 0, 1, 1),
            ("Renewals", "Sales", "normal", 4, 4, 3, 1, 1), ("Renewals", "Sales", "urgent", 1, 0, 0, 1, 1),
            ("Spring", "Care", "normal", 3, 3, 2, 1, 1), ("Spring", "Sales", "normal", 1, 1, 1, 0, 0),
            ("Spring", "Sales", "urgent", 1, 1, 1, 0, 0),
        ]),
    ],
)  # fmt: skip
def test_counts_by_group(log, by, expected):
    frame = analysis.unread_rates(log, by=by)
    keys = [by] if isinstance(by, str) else list(by)
    assert list(frame.columns) == [*keys, *COUNTS, "unread_rate", "lost_rate"]
    assert rows(frame, *keys, *COUNTS) == expected
    assert frame["unread_rate"].tolist() == [row[-2] / row[-5] for row in expected]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (-1, (0, 0, 0, 0, 0)),
        (0, (4, 2, 0, 4, 0)),
        (20, (6, 3, 3, 3, 0)),
        (40, (6, 4, 3, 3, 1)),  # expired this very moment
        (180, (12, 9, 7, 5, 1)),
        (17 * 60, (12, 9, 7, 5, 5)),
        (10_000, (12, 9, 7, 5, 5)),
    ],
)
def test_unread_at_a_moment(log, minutes, expected):
    at = datetime(2026, 3, 2, 10) + timedelta(minutes=minutes)
    frame = analysis.unread_rates(log, at=at)
    assert rows(frame, *COUNTS) == [expected]
    assert frame["unread_rate"][0] == (expected[3] / expected[0] if expected[0] else 0)


def test_only_what_was_sent_by_then_has_a_row(log):
    frame = analysis.unread_rates(log, by="hour", at=datetime(2026, 3, 2, 11, 30))
    assert rows(frame, "hour", *COUNTS) == [(10, 6, 4, 4, 2, 1), (11, 2, 2, 1, 1, 0)]


def test_a_moment_may_come_as_any_datetime(log):
    noon = datetime(2026, 3, 2, 12)
    expected = rows(analysis.unread_rates(log, at=noon))
    for same in (
        noon.replace(tzinfo=UTC),
        datetime(2026, 3, 2, 17, 45, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        pd.Timestamp("2026-03-02 12:00"),
        pd.Timestamp("2026-03-02 13:00", tz="Europe/Berlin"),
        pd.Timestamp("2026-03-02 12:00:00.000000999"),
    ):
        assert rows(analysis.unread_rates(log, at=same)) == expected


def test_lost_says_how(log):
    frame = analysis.lost(log, by="team")
    assert list(frame.columns) == [
        "team", *COUNTS, "lost_expired", "lost_not_notified", "unread_rate", "lost_rate",
    ]  # fmt: skip
    assert rows(frame, "team", "lost", "lost_expired", "lost_not_notified") == [("Blue", 1, 1, 1), ("Green", 4, 0, 2)]
    assert rows(analysis.lost(log)) == [(12, 9, 7, 5, 5, 1, 3, 5 / 12, 5 / 12)]


def test_days_and_teams_leave_only_those_in(log):
    assert rows(analysis.unread_rates(log, teams="Blue"), *COUNTS) == [(6, 5, 5, 1, 1)]
    assert rows(analysis.unread_rates(log, teams=["Blue", "Green"], days="2026-03-02"), "sent") == [(12,)]
    assert rows(analysis.lost(log, days=[datetime(2026, 3, 3)]), *COUNTS) == [(0, 0, 0, 0, 0)]
    assert analysis.unread_rates(log, by="team", days=["2026-03-03"]).empty
    assert rows(analysis.time_to_read(log, teams="Green"), "sent", "median_s") == [(6, None)]
    assert rows(analysis.load(log, by=None, teams="Blue"), "sent", "agents") == [(6, 2)]


# --- reach ---


def test_reach(log, paper):
    columns = ("sent", "not_logged_in", "notified_unread", "read", "acknowledged")
    frame = analysis.reach(log, paper.first)
    assert tuple(frame.columns) == columns
    assert rows(frame) == [(4, 1, 0, 2, 1)]
    assert rows(analysis.reach(log, np.int64(paper.second))) == [(2, 1, 0, 1, 0)]
    assert rows(analysis.reach(log, paper.fourth)) == [(4, 1, 2, 1, 0)]


# --- time to read ---

QUANTILES = ("q25_s", "median_s", "q75_s", "q90_s")


def test_time_to_read_counts_the_unread_as_censored(log):
    # Read after 20, 30, 40, 120, 300, 3640 and 3720 s; lost after 1800 s once, and four times much later. Still unread
    # are 9/12 after 40 s, 7/12 after 300 s, 7/12 · 5/6 = 0.49 after 3640 s (six were at risk), 0.39 after 3720 s.
    frame = analysis.time_to_read(log)
    assert list(frame.columns) == [*COUNTS, "not_notified", *QUANTILES, "median_low_s", "median_high_s"]
    assert rows(frame, *COUNTS, "not_notified", *QUANTILES) == [(12, 9, 7, 5, 5, 3, 40, 3640, None, None)]


def test_time_to_read_since_the_notice_leaves_out_who_had_none(log):
    # Nine were notified: read after 20, 30, 40, 120, 300, 1840 and 3720 s, two never.
    frame = analysis.time_to_read(log, since="notified")
    assert rows(frame, "sent", "notified", "not_notified", *QUANTILES) == [(12, 9, 3, 40, 300, 3720, None)]


def test_time_to_read_by_group(log):
    # Blue: 20, 30, 120, 300 and 3720 s of six, one lost after 1800 s; Green: 40 and 3640 s of six.
    assert rows(analysis.time_to_read(log, by="team"), "team", *QUANTILES) == [
        ("Blue", 30, 120, 3720, 3720),
        ("Green", 3640, None, None, None),
    ]
    assert rows(analysis.time_to_read(log, by="campaign", since="notified"), "campaign", "median_s") == [
        ("Renewals", 1840),
        ("Spring", 40),
    ]
    # A quarter of an hour is no time for the median of one that was read: nothing bounds it above.
    assert rows(analysis.time_to_read(log, by="priority"), "priority", "median_s", "median_high_s") == [
        ("normal", 3640, None),
        ("urgent", 30, None),
    ]


def test_a_curve_of_one_message(log, paper):
    frame = analysis.read_curve(log, paper.first)
    assert list(frame.columns) == ["seconds", "at_risk", "read", "read_rate", "low", "high"]
    assert rows(frame, "seconds", "at_risk", "read", "read_rate") == [
        (0, 4, 0, 0),
        (20, 4, 1, 0.25),
        (300, 3, 2, 0.5),
        (3640, 2, 3, 0.75),
        (61_200, 1, 3, 0.75),
    ]
    assert (frame["low"] <= frame["read_rate"]).all() and (frame["read_rate"] <= frame["high"]).all()


def test_curves_of_several_messages_and_groups(log, paper):
    frame = analysis.read_curve(log, messages=[np.int64(paper.second), paper.third])
    assert rows(frame, "message_id", "seconds", "at_risk", "read_rate") == [
        (paper.second, 0, 2, 0),
        (paper.second, 30, 2, 0.5),
        (paper.second, 1800, 1, 0.5),
        (paper.third, 0, 2, 0),
        (paper.third, 40, 2, 0.5),
        (paper.third, 3720, 1, 1),
    ]
    assert frame["low"].iloc[-1] == frame["low"].iloc[-2], "at 1 the band's lower end stays where it was"
    assert frame["high"].iloc[-1] == 1
    # Di was never notified of the fourth: she is not in a curve since the notice.
    since = analysis.read_curve(log, paper.fourth, by="team", since="notified")
    assert rows(since, "team", "seconds", "at_risk", "read") == [
        ("Blue", 0, 1, 0),
        ("Blue", 120, 1, 1),
        ("Green", 0, 2, 0),
        ("Green", 54_000, 2, 0),
    ]


# --- load and presence ---


def test_load(log):
    frame = analysis.load(log)
    assert list(frame.columns) == ["day", "sent", "agents", "agent_days", "per_agent_day", "most"]
    assert rows(frame) == [("2026-03-02", 12, 4, 4, 3, 4)]
    assert rows(analysis.load(log, by=["agent_id", "day"]), "agent_id", "sent") == [
        ("a1", 3), ("a2", 4), ("a3", 3), ("a4", 2),
    ]  # fmt: skip
    assert rows(analysis.load(log, by="team")) == [("Blue", 6, 2, 2, 3, 4), ("Green", 6, 3, 3, 2, 3)]
    assert rows(analysis.load(log, by="campaign"), "campaign", "sent", "agents") == [
        ("Renewals", 8, 3),
        ("Spring", 5, 2),
    ]


def test_presence_by_hour(log):
    frame = analysis.presence(log)
    assert list(frame.columns) == [
        "hour", "logged_in_h", "break_h", "logged_out_h", "log_ins", "breaks",
        "logged_in_rate", "break_rate", "logged_out_rate",
    ]  # fmt: skip
    # The roster was loaded at 10:00, with one inactive agent who does not count; the log ends at 03:00.
    assert frame["hour"].tolist() == [0, 1, 2, *range(10, 24)]
    ten, eleven = frame[frame["hour"] == 10].iloc[0], frame[frame["hour"] == 11].iloc[0]
    assert ten.tolist()[1:] == pytest.approx([1 + 1 / 3 + 1 / 2, 2 / 3, 1.5, 3, 1, 11 / 24, 1 / 6, 3 / 8])
    assert eleven.tolist()[1:] == [3, 0, 1, 0, 0, 0.75, 0, 0.25]


def test_presence_by_the_groups_of_the_time(log):
    total = analysis.presence(log, by=None)
    assert rows(total, "logged_in_h", "break_h", "logged_out_h", "log_ins", "breaks") == [
        pytest.approx((3 + 7 / 3 + 2.5, 2 / 3, 68 - 8.5, 3, 1))
    ]
    # Ann is Blue until 11:30 and Green after; Bo is Blue, Cy and Di are Green.
    assert rows(analysis.presence(log, by="team"), "team", "logged_in_h", "break_h", "logged_out_h", "log_ins") == [
        pytest.approx(("Blue", 1.5 + 7 / 3, 2 / 3, 14, 2)),
        pytest.approx(("Green", 1.5 + 2.5, 0, 14 + 14.5 + 17, 1)),
    ]
    by_campaign = analysis.presence(log, by=["campaign"])
    assert rows(by_campaign, "campaign", "logged_in_h") == [
        pytest.approx(("Renewals", 7 / 3 + 2.5 + 1.5)),
        pytest.approx(("Spring", 1.5 + 2.5)),
    ]
    by_agent = analysis.presence(log, by="agent_id", teams="Green", days="2026-03-02")
    assert rows(by_agent, "agent_id", "logged_in_h", "logged_out_h") == [
        ("a1", 1.5, 14),
        ("a3", 2.5, 14.5),
        ("a4", 0, 17),
    ]


# --- the open day ---


def test_the_open_day_is_seen_as_of_its_newest_event(open_day):
    log, fifth = open_day
    assert log.newest() == datetime(2026, 3, 3, 10, 30)
    assert rows(analysis.unread_rates(log, by="day"), "day", *COUNTS) == [
        ("2026-03-02", 12, 9, 7, 5, 5),
        ("2026-03-03", 2, 1, 1, 1, 0),
    ]
    assert rows(analysis.unread_rates(log, at=log.newest())) == rows(analysis.unread_rates(log))
    assert rows(analysis.reach(log, fifth)) == [(2, 1, 0, 1, 0)]
    assert rows(analysis.read_curve(log, fifth), "seconds", "at_risk", "read_rate") == [
        (0, 2, 0),
        (60, 2, 0.5),
        (1800, 1, 0.5),
    ]
    assert rows(analysis.time_to_read(log, by="day"), "day", "median_s") == [("2026-03-02", 3640), ("2026-03-03", 60)]
    assert rows(analysis.unread_rates(log, by="campaign", days="2026-03-03"), "campaign", "sent") == [("Renewals", 2)]
    assert rows(analysis.unread_rates(log, by="sender", days="2026-03-03"), "sender", "sent") == [("sup", 2)]
    here = analysis.presence(log, by="day")
    assert rows(here, "day", "logged_in_h", "logged_out_h", "log_ins") == [
        pytest.approx(("2026-03-02", 3 + 7 / 3 + 2.5, 59.5, 3)),
        pytest.approx(("2026-03-03", 0.5, 4 * 7.5 - 0.5, 2)),
    ]
