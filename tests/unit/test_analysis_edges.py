"""Analysis where there is little or nothing to count, where clocks change, and where the question is a wrong one."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from coachsim import analysis, simulate
from coachsim.days import HOUR, MINUTE, Schedule, to_micros
from coachsim.errors import InvalidInput, NotFound
from coachsim.log import open_log
from tests.unit.analysis_logs import EVERYONE, PaperFloor, log_of
from tests.unit.days_of import MISSED, message, scenario
from tests.unit.floors import BREAK, IN, TEN, Desk

GROUPS = ["team", "campaign", "list", "queue", "hour", "state_at_send", "priority", "sender", "day"]
COUNTS = ["sent", "notified", "read", "unread", "lost"]


def utc(*parts: int) -> int:
    return to_micros(datetime(*parts, tzinfo=UTC))


def all_answers(log, by) -> dict[str, pd.DataFrame]:
    return {
        "unread_rates": analysis.unread_rates(log, by),
        "unread_rates at": analysis.unread_rates(log, by, at=datetime(2026, 3, 2, 10)),
        "lost": analysis.lost(log, by),
        "time_to_read": analysis.time_to_read(log, by),
        "since the notice": analysis.time_to_read(log, by, since="notified"),
        "read_curve": analysis.read_curve(log, by=by),
        "load": analysis.load(log, by),
    }


# --- little or nothing ---


def test_a_log_without_events_has_empty_answers(tmp_path):
    with log_of(tmp_path, []) as log:
        assert log.newest() is None
        totals = all_answers(log, None)
        for name, frame in all_answers(log, GROUPS).items():
            assert frame.empty and list(frame.columns)[: len(GROUPS)] == GROUPS, name
        assert totals["unread_rates"].iloc[0].tolist() == [0] * 7
        assert analysis.presence(log).empty
        assert analysis.presence(log, by=None).iloc[0].tolist() == [0] * 8


def test_a_day_with_nothing_sent(tmp_path):
    desk = Desk()
    desk.log_in("a1")
    desk.wait(HOUR)
    desk.state("a1", BREAK)
    with log_of(tmp_path, desk.events) as log:
        totals = all_answers(log, None)
        assert totals.pop("read_curve").empty
        for name, frame in totals.items():
            assert len(frame) == 1 and frame["sent"][0] == 0, name
            assert not frame.filter(regex="_rate$").isna().any(axis=None), name
            assert frame.filter(regex="_s$").isna().all(axis=None), name
        assert analysis.presence(log, by=None)["logged_in_h"][0] == 1


def test_empty_answers_have_the_columns_and_types_of_others(tmp_path):
    desk = Desk()
    with log_of(tmp_path, desk.events) as nothing, simulate(BUSY, seed=1) as busy:
        for by in (None, "team", ["hour", "campaign"], GROUPS):
            full = all_answers(busy, by)
            for name, frame in all_answers(nothing, by).items():
                assert frame.dtypes.to_dict() == full[name].dtypes.to_dict(), (name, by)
        ours = analysis.presence(nothing, by=["team", "hour"], days="2026-03-01")
        others = analysis.presence(busy, by=["team", "hour"])
        assert ours.empty and ours.dtypes.to_dict() == others.dtypes.to_dict()


BUSY = scenario(floor={"agents": 12, "teams": 3}, messages=[message(), message("16:59", to="a team")])


def test_counts_are_whole_numbers_and_seconds_are_floats(tmp_path):
    with simulate(BUSY, seed=1) as log:
        for name, frame in all_answers(log, ["team", "hour"]).items():
            for column in {"sent", *COUNTS, "lost_expired", "not_notified", "agents", "hour", "seconds"} & {*frame}:
                assert frame[column].dtype == "int64", (name, column)
            for column in frame.filter(regex="_(s|rate)$"):
                assert frame[column].dtype == "float64", (name, column)
        assert (analysis.reach(log, log.messages()["message_id"][0]).dtypes == "int64").all()


def test_where_nobody_comes_everything_is_lost():
    absent = scenario(floor={"agents": 5, "teams": 1}, absence=1.0, messages=[message(to={"everyone": True})])
    with simulate(absent, seed=1) as log:
        frame = analysis.unread_rates(log)
        assert frame.iloc[0].tolist() == [5, 0, 0, 5, 5, 1, 1]
        assert analysis.lost(log)["lost_not_notified"][0] == 5
        for since, censored in (("sent", 17 * 3600), ("notified", None)):
            times = analysis.time_to_read(log, since=since)
            assert times.filter(regex="_s$").isna().all(axis=None)
            curve = analysis.read_curve(log, since=since)
            assert curve["read_rate"].tolist() == ([0, 0] if censored else [])
            assert curve["seconds"].tolist() == ([0, censored] if censored else [])
        assert analysis.presence(log, by=None)["logged_out_rate"][0] == 1
        assert analysis.reach(log, log.messages()["message_id"][0]).iloc[0].tolist() == [5, 5, 0, 0, 0]


def test_where_all_look_away_nothing_is_read():
    away = scenario(floor={"agents": 5, "teams": 1}, attention=MISSED | {"bell_never": 1.0}, messages=[message()])
    with simulate(away, seed=1) as log:
        assert analysis.reach(log, log.messages()["message_id"][0]).iloc[0].tolist() == [5, 0, 5, 0, 0]
        assert analysis.unread_rates(log)["unread_rate"][0] == 1


def test_where_all_read_at_once_the_upper_end_of_the_median_is_unknown(tmp_path):
    desk = Desk()
    desk.log_in("a1")
    sent = desk.send("a1")
    desk.read("a1")
    with log_of(tmp_path, desk.events) as log:
        times = analysis.time_to_read(log).iloc[0]
        assert (times["q25_s"], times["median_s"], times["q90_s"], times["median_low_s"]) == (0, 0, 0, 0)
        assert math.isnan(times["median_high_s"])
        assert analysis.read_curve(log, sent).iloc[0].tolist() == [0, 1, 1, 1, 0, 1]


def test_a_clear_down_by_hand_loses_the_unread(tmp_path):
    desk = Desk()
    desk.send("a1")
    desk.wait()
    desk.clear_by_hand()
    with log_of(tmp_path, desk.events) as log:
        assert analysis.lost(log).iloc[0].tolist() == [1, 0, 0, 1, 1, 0, 1, 1, 1]


# --- the floor's clocks ---


def test_hours_follow_the_clocks_when_they_go_back(tmp_path):
    # London, Sunday 2026-10-25: at 01:00 UTC the clocks go from 02:00 back to 01:00. The day began on Saturday.
    desk = Desk(now=utc(2026, 10, 24, 12))
    desk.log_in("a1", page=False)
    for moment in (utc(2026, 10, 24, 23, 59), utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30), utc(2026, 10, 25, 2)):
        desk.until(moment)
        desk.send("a1", "a2")
    desk.until(utc(2026, 10, 25, 3))  # 03:00 of standard time: the clear-down
    with log_of(tmp_path, desk.events) as log:
        rates = analysis.unread_rates(log, by="hour")
        assert dict(zip(rates["hour"], rates["sent"], strict=True)) == {0: 2, 1: 4, 2: 2}
        here = analysis.presence(log, by=["hour"]).set_index("hour")
        assert here["logged_in_h"].to_dict() == dict.fromkeys([*range(13, 24), 0, 2], 1) | {1: 2}
        assert analysis.presence(log, by=None)["logged_in_h"][0] == 15


def test_hours_follow_the_clocks_when_they_go_forward(tmp_path):
    # London, Sunday 2026-03-29: at 01:00 UTC the clocks go from 01:00 to 02:00.
    desk = Desk(now=utc(2026, 3, 28, 23))
    for moment in (utc(2026, 3, 29, 0, 59), utc(2026, 3, 29, 1)):
        desk.until(moment)
        desk.send("a1")
    desk.until(utc(2026, 3, 29, 2))
    with log_of(tmp_path, desk.events) as log:
        assert analysis.unread_rates(log, by="hour")["hour"].tolist() == [0, 2]
        here = analysis.presence(log).set_index("hour")
        assert here["logged_out_h"].to_dict() == {23: 4, 0: 4, 2: 4}


@pytest.mark.parametrize(
    ("time_zone", "clear_down", "first"), [("Asia/Kathmandu", "03:07", 15), ("America/St_Johns", "23:59", 6)]
)
def test_zones_and_days_that_begin_between_the_hours(tmp_path, time_zone, clear_down, first):
    desk = Desk(schedule=Schedule(time_zone, clear_down))  # 10:00 in UTC: 15:45 in Kathmandu, 06:30 on Newfoundland
    desk.log_in("a1", page=False)
    desk.send("a1")
    desk.wait(15 * MINUTE)
    desk.send("a1")
    day = desk.floor.day.day
    desk.until(desk.floor.day.ends_at)
    desk.wait(30 * MINUTE)
    desk.state("a1", BREAK)
    with log_of(tmp_path, desk.events) as log:
        rates = analysis.unread_rates(log, by="hour")
        expected = {first: 1, first + 1: 1} if first == 15 else {first: 2}
        assert dict(zip(rates["hour"], rates["sent"], strict=True)) == expected
        by_day = analysis.presence(log, by="day")
        assert by_day["logged_in_h"].sum() == pytest.approx((desk.now - TEN) / HOUR)
        assert by_day["day"].tolist() == [day, (date.fromisoformat(day) + timedelta(days=1)).isoformat()]
        assert by_day["logged_in_h"][1] == pytest.approx(0.5)
        by_hour = analysis.presence(log)
        assert by_hour.set_index("hour")["logged_in_h"][first] == pytest.approx(0.25 if first == 15 else 0.5)
        assert by_hour["logged_in_h"].sum() == pytest.approx((desk.now - TEN) / HOUR)


def test_a_state_that_lasts_over_nights_counts_in_each_day(tmp_path):
    desk = Desk()
    desk.log_in("a1", page=False)
    desk.until(TEN + 60 * HOUR)
    desk.log_in("a2", page=False)
    with log_of(tmp_path, desk.events) as log:
        here = analysis.presence(log, by=["day", "agent_id"])
        mine = here[here["agent_id"] == "a1"]
        assert mine["logged_in_h"].tolist() == [17, 24, 19]
        assert mine["log_ins"].tolist() == [1, 0, 0]
        assert here["agent_id"].nunique() == 4, "the inactive agent's time does not count"


def test_some_days_of_a_log_say_what_the_whole_log_says_of_them(tmp_path):
    desk = Desk()
    desk.log_in("a1", "a2", page=False)
    desk.send("a1", "a3")
    desk.state("a2", BREAK)
    for day in (1, 2):
        desk.until(TEN + day * 24 * HOUR)
        desk.send("a1", "a2", "a4")
        desk.wait(MINUTE)
        desk.read("a1")
        desk.state("a2", IN if day == 1 else BREAK)
    desk.wait(HOUR)
    desk.log_in("a3", page=False)
    with log_of(tmp_path, desk.events) as log:
        for days in (["2026-03-03", "2026-03-04"], ["2026-03-04"]):
            with open_log(tmp_path, from_day=days[0]) as part:
                assert part.newest() == log.newest()
                for by in (None, "hour", "campaign"):
                    for question in (
                        analysis.presence, analysis.unread_rates, analysis.time_to_read, analysis.load,
                    ):  # fmt: skip
                        pd.testing.assert_frame_equal(question(part, by), question(log, by, days=days))


def test_a_new_reason_is_no_new_break(tmp_path):
    desk = Desk()
    desk.log_in("a1", page=False)
    desk.state("a1", BREAK, "tea")
    desk.wait(HOUR)
    desk.state("a1", BREAK, "lunch")
    desk.wait(HOUR)
    desk.state("a1", IN)
    with log_of(tmp_path, desk.events) as log:
        assert analysis.presence(log, by="agent_id", teams="Blue").iloc[0, 1:6].tolist() == [0, 2, 0, 1, 1]


# --- wrong questions ---


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    desk = Desk()
    desk.send(audience=EVERYONE)
    with log_of(tmp_path_factory.mktemp("edges"), desk.events) as log:
        yield log


@pytest.mark.parametrize(
    ("question", "says"),
    [
        (lambda log: analysis.unread_rates(log, by="teams"), "Nothing is counted by 'teams'. 'by' may name team, camp"),
        (lambda log: analysis.lost(log, by=["team", "hour; DROP"]), "Nothing is counted by 'hour; DROP'"),
        (lambda log: analysis.time_to_read(log, by=["team", "team"]), "'by' names 'team' twice"),
        (lambda log: analysis.unread_rates(log, by=3), "'by' is a name or a list of names, not 3"),
        (lambda log: analysis.unread_rates(log, by="agent_id"), "Nothing is counted by 'agent_id'"),
        (lambda log: analysis.load(log, by="agent"), "may name .*agent_id"),
        (lambda log: analysis.presence(log, by="priority"), "Nothing is counted by 'priority'"),
        (lambda log: analysis.unread_rates(log, at="noon"), "'at' is a datetime or a pandas Timestamp, not 'noon'"),
        (lambda log: analysis.unread_rates(log, at=pd.NaT), "'at' is a datetime"),
        (lambda log: analysis.time_to_read(log, since="read"), "'since' is 'sent' or 'notified', not 'read'"),
        (lambda log: analysis.read_curve(log, 1, messages=[1]), "Give either 'message_id' or 'messages'"),
        (lambda log: analysis.reach(log, "last"), "A message_id is a whole number, not 'last'"),
        (lambda log: analysis.reach(log, 1.5), "A message_id is a whole number, not 1.5"),
    ],
)
def test_a_wrong_question_is_a_sentence(log, question, says):
    with pytest.raises(InvalidInput, match=says):
        question(log)


@pytest.mark.parametrize(
    "question",
    [
        lambda log: analysis.reach(log, 42),
        lambda log: analysis.read_curve(log, 42),
        lambda log: analysis.read_curve(log, messages=[log.messages()["message_id"][0], 42]),
    ],
)
def test_an_unknown_message_is_not_found(log, question):
    with pytest.raises(NotFound, match="The log has no message 42"):
        question(log)


def test_names_are_values_and_no_sql(log):
    assert analysis.unread_rates(log, teams="'; DROP TABLE events; --")["sent"][0] == 0
    assert analysis.presence(log, days="x' OR 1=1").empty


def test_the_hours_of_a_day_are_those_of_its_own_zone(tmp_path):
    desk = Desk()  # in London, where 10:00 is 10:00 in UTC
    desk.send("a1")
    desk.floor.schedule = Schedule("Asia/Kathmandu", "03:00")
    desk.until(desk.floor.day.ends_at)
    desk.until(TEN + 24 * HOUR)
    desk.send("a1")
    with log_of(tmp_path, desk.events) as log:
        assert analysis.unread_rates(log, by=["day", "hour"])["hour"].tolist() == [10, 15]


def test_what_deliveries_are_counted_by_is_what_their_messages_say_however_the_log_is_read(tmp_path):
    floor = PaperFloor()
    floor.night()
    floor.next_morning()
    told = (
        "SELECT message_id, agent_id, hour, priority, sender, (SELECT priority FROM messages AS about WHERE"
        " about.message_id = one.message_id) AS its_priority FROM all_deliveries AS one ORDER BY message_id, agent_id"
    )
    with log_of(tmp_path, floor.events) as log:
        whole = log.sql(told)
    assert whole["hour"].tolist() == [10] * 6 + [11] * 2 + [12] * 4 + [10] * 2
    assert (whole["priority"] == whole["its_priority"]).all() and set(whole["priority"]) == {"normal", "urgent"}
    assert set(whole["sender"]) == {"sup"}
    with open_log(tmp_path / "log.duckdb", from_day="2026-03-02", to_day="2026-03-03") as part:
        pd.testing.assert_frame_equal(part.sql(told), whole)
