"""Retention: what is too old is gone, what else is asked of the log is answered as before, and the file shrinks."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coachsim import analysis
from coachsim.errors import LogLocked
from coachsim.events import Audited, Event, NotReleased, Read, StateChanged, Withdrawn
from coachsim.log import LogWriter, Restored, Run, open_log, retention
from coachsim.models import Agent, Audience
from coachsim.state import FloorState
from tests.unit.log_events import ANN, BO, BREAK, CY, IN, NIGHT, OUT, PaperDay, Story, at

TABLES = ("deliveries", "messages", "state_changes", "audit", "days", "events")
LAST = 4  # the number of the open day; days 0 to 3 are closed


def days(nights: int = LAST) -> Story:
    """The paper day and closed days after it, each with changes, a message to all and a read, and an open day."""
    story = PaperDay()
    story.add(190, Audited, "admin", action="roster_loaded", subject="roster.csv", detail={"changed": 3})
    waited, given_up = (story.schedule(191, nights * NIGHT + minute, ANN, BO) for minute in (5, 4))
    story.night(0, deliveries=3, lost=2)
    for day in range(1, nights):
        begins = day * NIGHT
        story.add(begins + 1, StateChanged, "a2", agent_id="a2", state=OUT if day % 2 else IN)
        story.add(begins + 2, StateChanged, "a3", agent_id="a3", state=BREAK, reason=f"reason {day}")
        sent = story.send(begins + 5, [(ANN, IN, True, True), (CY, BREAK, False, False)], Audience(everyone=True))
        story.add(begins + 6, Read, "a1", agent_id="a1", message_ids=(sent,), notified=(False,))
        story.night(day)
    story.add(nights * NIGHT + 1, NotReleased, schedule_id=given_up, because="Nobody is left.")
    taken_back = story.schedule(nights * NIGHT + 2, (nights + 1) * NIGHT, ANN)
    story.add(nights * NIGHT + 3, Withdrawn, "sup", schedule_id=taken_back)
    sent = story.send(nights * NIGHT + 5, [(ANN, IN, True, True), (BO, OUT, False, False)], schedule_id=waited)
    story.add(nights * NIGHT + 6, Read, "a1", agent_id="a1", message_ids=(sent,), notified=(False,))
    return story


def contents(path: Path) -> dict[str, list[tuple]]:
    """All that the stable tables and the events hold."""
    with LogWriter.open(path) as writer:
        cursor = writer.cursor()
        return {
            table: cursor.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
            for table in (*TABLES, "agents", "agent_versions")
        }


def floor_of(restored: Restored) -> FloorState:
    floor = FloorState()
    floor.restore(restored.openings, restored.events, restored.pending)
    return floor


def keep(writer: LogWriter, retention_days: int) -> retention.Removal | None:
    removal = retention.due(writer.cursor(), retention_days)
    if removal is not None:
        retention.remove(writer.cursor(), removal)
    return removal


def test_so_many_closed_days_stay_and_the_rest_goes(tmp_path):
    path = tmp_path / "log.duckdb"
    with LogWriter.open(path) as writer:
        writer.append(days().events).result(60)
    before = contents(path)
    with LogWriter.open(path) as writer:
        removal = keep(writer, 2)
    after = contents(path)
    assert removal is not None
    assert removal.days == ("2026-03-02", "2026-03-03")
    assert {row[0] for row in after["days"]} == {"2026-03-04", "2026-03-05", "2026-03-06"}
    assert {row[3] for row in after["deliveries"]} == {"2026-03-04", "2026-03-05", "2026-03-06"}
    for table in TABLES:
        assert set(map(str, after[table])) <= set(map(str, before[table])), "nothing is changed or made up"
        assert len(before[table]) - len(after[table]) == removal.rows[table] > 0, table
    assert after["agents"] == before["agents"]
    assert after["agent_versions"] == before["agent_versions"]
    said = [(row[2], row[3]) for row in after["audit"]]
    assert ("roster_loaded", "roster.csv") in said, "what admins did stays on record"
    assert ("cleared_down", "2026-03-02") in said
    assert said.count(("sent", said[0][1])) <= 1
    assert sum(action == "sent" for action, _ in said) == len(after["messages"]) == 3


@pytest.mark.parametrize(("kept_days", "removed"), [(1, 3), (2, 2), (3, 1), (4, 0), (36_500, 0)])
def test_a_day_stays_for_as_many_days_after_its_end(tmp_path, kept_days, removed):
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        writer.append(days().events).result(60)
        found = keep(writer, kept_days)
        assert len(found.days if found else ()) == removed
        assert keep(writer, kept_days) is None, "and there is nothing left to remove"


def test_an_empty_log_has_nothing_to_remove(tmp_path):
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        assert retention.due(writer.cursor(), 1) is None


def test_the_log_goes_on_being_written_and_opened(tmp_path):
    path = tmp_path / "log.duckdb"
    story = days()
    written = len(story.events)
    with LogWriter.open(path) as writer:
        writer.append(story.events).result(60)
        keep(writer, 1)
        story.night(LAST)
        writer.append(story.events[written:]).result(60)
        assert keep(writer, 1).days == ("2026-03-05",)
    with LogWriter.open(path) as writer:
        assert writer.seq == len(story.events)
        assert [event.seq for event in writer.load().events] == [len(story.events)]
    assert [row[:1] for row in contents(path)["days"]] == [("2026-03-06",), ("2026-03-07",)]


@pytest.mark.slow
@settings(max_examples=5)
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_the_rebuilt_floor_is_the_same_whatever_happened(tmp_path_factory, seed, fewest_days):
    """Fifty agents with random states and reasons over five days; some change only the reason, some nothing at all."""
    chance = random.Random(seed)
    agents = [Agent(f"a{number}", "Ann", "Blue") for number in range(50)]
    story = Story()
    story.day(0)
    story.people(*agents)
    for day in range(LAST):
        for minute in sorted(chance.sample(range(2, 1000), 60)):
            agent = chance.choice(agents).agent_id
            state, reason = chance.choice([IN, BREAK, OUT]), chance.choice([None, "lunch", "training"])
            story.add(day * NIGHT + minute, StateChanged, "x", agent_id=agent, state=state, reason=reason)
        story.night(day)
    with LogWriter.open(tmp_path_factory.mktemp("log") / "log.duckdb") as writer:
        writer.append(story.events).result(60)
        before = writer.load()
        for days_kept in range(3, fewest_days - 1, -1):  # in steps, as the nights do it
            assert keep(writer, days_kept).days
            assert writer.load() == before
    floor, folded = floor_of(before), FloorState()
    for event in story.events:
        folded.apply(event)
    assert {key: (row.state, row.reason, row.since) for key, row in floor.agents.items()} == {
        key: (row.state, row.reason, row.since) for key, row in folded.agents.items()
    }


def test_questions_about_the_days_that_stay_are_answered_as_before(tmp_path):
    path = tmp_path / "log.duckdb"
    with LogWriter.open(path, Run(time_zone="UTC")) as writer:
        writer.append(days().events).result(60)
    stay = ["2026-03-04", "2026-03-05"]
    functions = (analysis.unread_rates, analysis.lost, analysis.time_to_read, analysis.load, analysis.presence)
    answers = []
    for turn in range(2):
        with open_log(path) as log:
            answers.append(
                [ask(log, by=by, days=stay) for ask in functions for by in (None, "campaign", ["day", "team"])]
            )
        with open_log(path, from_day=stay[0]) as part:  # its state changes are those of its own days
            answers[-1].append(part.state_changes())
        if turn == 0:
            with LogWriter.open(path) as writer:
                assert keep(writer, 2) is not None
    for before, after in zip(*answers, strict=True):
        pd.testing.assert_frame_equal(before, after)


def test_what_the_retention_keeps_of_states_is_two_or_three_rows_an_agent(tmp_path):
    story = Story()
    story.day(0)
    story.people(ANN)
    for minute in range(2, 502):
        story.add(minute, StateChanged, "a1", agent_id="a1", state=(IN, BREAK)[minute % 2])
    story.night(0)
    story.night(1)
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        writer.append(story.events).result(60)
        assert keep(writer, 1).rows["state_changes"] == 498


def test_what_is_scheduled_for_later_than_the_retention_is_still_sent(tmp_path):
    story = days(1)
    open_day = len(story.events)
    later = story.schedule(NIGHT + 10, 9 * NIGHT, ANN)
    gone = story.schedule(NIGHT + 11, 9 * NIGHT, ANN)
    story.add(NIGHT + 12, Withdrawn, "sup", schedule_id=gone)
    for night in range(1, LAST):
        story.night(night)
    path = tmp_path / "log.duckdb"
    with LogWriter.open(path) as writer:
        writer.append(story.events).result(60)
        before = writer.load()
        assert before.pending == [event for event in story.events[open_day:] if event.seq == later]
        removal = keep(writer, 1)
        assert removal is not None and removal.rows["schedule_changes"] > 2
        assert later <= removal.through_seq, "the event itself is gone"
        assert writer.load() == before
    retention.shrink(path, worth_it=0)
    with LogWriter.open(path) as writer:
        assert floor_of(writer.load()).next_release() == (at(9 * NIGHT), later)


# --- space ---


def fat_log(path: Path) -> list[Event]:
    """A log whose first day holds some megabytes that no compression makes small, and a second day of little."""
    chance = random.Random(1)
    story = Story()
    story.day(0)
    story.people(ANN)
    for minute in range(2, 1200):
        body = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=1000))
        story.send(minute, [(ANN, IN, True, True)], body=body)
    story.night(0)
    story.send(NIGHT + 5, [(ANN, IN, True, True)])
    story.night(1)
    with LogWriter.open(path) as writer:
        writer.append(story.events).result(60)
    return story.events


def test_a_copy_without_what_is_gone_takes_the_logs_place(tmp_path):
    path = tmp_path / "log.duckdb"
    fat_log(path)
    fat = path.stat().st_size
    with LogWriter.open(path) as writer:
        keep(writer, 1)
    kept = contents(path)
    assert retention.shrink(path) is None, "a few megabytes are not worth the copy"
    assert path.stat().st_size > fat // 2, "removing alone does not make the file smaller"
    before, after = retention.shrink(path, worth_it=1 << 18)
    assert after < 0.6 * before
    assert path.stat().st_size == after
    assert contents(path) == kept
    assert retention.shrink(path, worth_it=1 << 18) is None, "there is nothing to gain any more"
    assert list(tmp_path.iterdir()) == [path]


def test_a_log_in_use_is_not_copied(tmp_path):
    path = tmp_path / "log.duckdb"
    with LogWriter.open(path), pytest.raises(LogLocked):
        retention.shrink(path, worth_it=0)


KILLED = """
import os, signal, sys
from pathlib import Path
from coachsim import analysis
from coachsim.log import retention

step = sys.argv[2]
if step == "copying":
    retention._check_copy = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
elif step == "replacing":
    retention.sync_folder = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
retention.shrink(Path(sys.argv[1]), worth_it=0)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX systems do")
@pytest.mark.parametrize("step", ["copying", "replacing"])
def test_killed_while_copying_the_log_is_whole(tmp_path, step):
    path = tmp_path / "log.duckdb"
    fat_log(path)
    kept = contents(path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), step], capture_output=True, timeout=60)
    assert done.returncode == -9, done.stderr
    assert contents(path) == kept
    assert retention.shrink(path, worth_it=0) is not None
    assert contents(path) == kept
    assert list(tmp_path.iterdir()) == [path], "what the crash left is gone"
