"""The schedule: days, labels, and nights on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim.days import HOUR, Schedule, is_time_zone, to_datetime, to_iso, to_micros


def utc(*parts: int) -> int:
    return to_micros(datetime(*parts, tzinfo=UTC))


def test_a_wall_time_that_exists_once_is_that_moment():
    assert Schedule("Europe/London", "03:00").instant(date(2026, 7, 1)) == utc(2026, 7, 1, 2)


def test_a_wall_time_in_the_gap_moves_to_the_next_that_exists():
    # New York, 8 March 2026: 02:00 -> 03:00, so 02:30 does not exist and 03:00 EDT (07:00 UTC) is next.
    assert Schedule("America/New_York", "02:30").instant(date(2026, 3, 8)) == utc(2026, 3, 8, 7)


def test_a_wall_time_that_happens_twice_counts_the_first_time():
    # New York, 1 November 2026: 01:30 happens at 05:30 and at 06:30 UTC.
    assert Schedule("America/New_York", "01:30").instant(date(2026, 11, 1)) == utc(2026, 11, 1, 5, 30)


def test_a_day_before_its_clear_down_belongs_to_the_date_before():
    day = Schedule("Europe/London").day_at(utc(2026, 1, 10, 2, 59))
    assert (day.label, day.began_at, day.ends_at) == ("2026-01-09", utc(2026, 1, 9, 3), utc(2026, 1, 10, 3))


def test_the_clear_down_itself_belongs_to_the_new_day():
    assert Schedule("Europe/London").day_at(utc(2026, 1, 10, 3)).label == "2026-01-10"


@pytest.mark.parametrize(("label", "hours"), [("2026-03-28", 23), ("2026-10-24", 25), ("2026-06-01", 24)])
def test_a_day_is_as_long_as_its_night_makes_it(label, hours):
    schedule = Schedule("Europe/London", "03:00")
    day = schedule.day_at(schedule.instant(date.fromisoformat(label)))
    assert day.label == label
    assert day.ends_at - day.began_at == hours * HOUR


def test_moving_the_clear_down_later_makes_one_long_day_and_no_label_twice():
    old, new = Schedule("UTC", "03:00"), Schedule("UTC", "04:00")
    day = new.day_after("2026-05-01", old.instant(date(2026, 5, 2)))
    assert (day.label, day.began_at, day.ends_at) == ("2026-05-02", utc(2026, 5, 2, 3), utc(2026, 5, 3, 4))


zones = st.sampled_from(
    [
        "Europe/London",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Asia/Kolkata",
        "America/Sao_Paulo",
        "Africa/Casablanca",
        "UTC",
        "Asia/Beirut",
        "America/Havana",
    ]
)
walls = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))


@given(zones, walls, st.integers(utc(1990, 1, 1), utc(2037, 1, 1)))
def test_days_tile_time(zone, wall, at):
    schedule = Schedule(zone, wall)
    day = schedule.day_at(at)
    assert day.began_at <= at < day.ends_at
    following = schedule.day_after(day.label, day.ends_at)
    assert following.began_at == day.ends_at < following.ends_at
    assert following.label == (date.fromisoformat(day.label) + timedelta(days=1)).isoformat()
    assert schedule.day_at(day.ends_at - 1) == day


@given(zones, walls, st.dates(date(1990, 1, 1), date(2037, 1, 1)))
def test_an_instant_shows_the_wall_time_or_is_the_end_of_a_gap(zone, wall, day):
    instant = Schedule(zone, wall).instant(day)
    local = to_datetime(instant, ZoneInfo(zone))
    if local.strftime("%Y-%m-%d %H:%M") == f"{day} {wall}":
        assert local.fold == 0 and local.second == 0
    else:
        before = to_datetime(instant - 1, ZoneInfo(zone))
        assert before.utcoffset() < local.utcoffset()
        assert before.strftime("%Y-%m-%d %H:%M") < f"{day} {wall}" < local.strftime("%Y-%m-%d %H:%M:%S")


ZONES = sorted(zone for zone in available_timezones() if is_time_zone(zone))


@pytest.mark.parametrize("zone", [*ZONES[::17], "Africa/El_Aaiun", "Antarctica/Troll", "America/Nuuk", "Europe/London"])
def test_three_years_of_nights_follow_one_another_in_every_zone(zone):
    # 02:30 is in the hour that most zones leave out or repeat; midnight is Cuba's, Lebanon's and Greenland's.
    for wall in ("02:30", "00:00"):
        schedule = Schedule(zone, wall)
        day = schedule.day_at(utc(2024, 1, 1, 12))
        for _ in range(3 * 366):
            assert 22 * HOUR <= day.ends_at - day.began_at <= 26 * HOUR
            assert schedule.day_at(day.began_at) == schedule.day_at(day.ends_at - 1) == day
            following = schedule.day_after(day.label, day.ends_at)
            assert date.fromisoformat(following.label) == date.fromisoformat(day.label) + timedelta(days=1)
            assert following.began_at == day.ends_at
            day = following


def test_every_zone_that_is_taken_is_known_to_the_logs_database():
    assert len(ZONES) > 400
    with duckdb.connect() as memory:
        known = {name for (name,) in memory.execute("SELECT name FROM pg_timezone_names()").fetchall()}
    assert [zone for zone in ZONES if zone not in known] == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        "localtime",
        "posixrules",
        "posix/Europe/London",
        "right/UTC",
        "Europe",
        "../UTC",
        "UTC\0",
        "\ud800",
        "é" * 300,
    ],
)
def test_what_is_no_time_zone_or_another_on_every_machine(name):
    assert not is_time_zone(name)


@given(st.text(st.characters(exclude_categories=[]), max_size=40))
def test_any_text_is_a_time_zone_or_is_not(name):
    if is_time_zone(name):
        assert Schedule(name).day_at(utc(2026, 1, 1)).label


@given(st.integers(0, utc(2100, 1, 1)))
def test_times_survive_the_way_out_and_back(micros):
    assert to_micros(to_datetime(micros)) == micros
    assert to_micros(datetime.fromisoformat(to_iso(micros))) == micros
