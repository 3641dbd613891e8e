"""A writer killed in the middle of its work: nothing that was acknowledged is lost, and nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from coachsim.log import LogWriter
from tests.unit.log_events import NIGHT

EACH = 3  # events in each append

# Appends for ever, days and clear-downs among them, and prints the newest acknowledged event after each commit.
BUSY = """
import sys
from coachsim.log import LogWriter
from tests.unit.test_log_crash import days

writer = LogWriter.open(sys.argv[1])
def tell(seq):
    def done(future):
        if future.exception() is None:
            print(seq, flush=True)
    return done

pending = []
for events in days(writer.seq + 1):
    future = writer.append(events)
    future.add_done_callback(tell(events[-1].seq))
    pending.append(future)
    if len(pending) > 20:
        pending.pop(0).result(60)
"""


def days(seq: int):
    """Endless appends of ``EACH`` events from ``seq`` on: a message and its read; every tenth append is a night."""
    from coachsim.events import Read
    from tests.unit.log_events import ANN, IN, Story, at

    while True:
        number, turn = divmod((seq - 1) // EACH, 10)
        story = Story()
        if turn == 0:
            if number:
                story.night(number - 1)
            else:
                story.day(0)
                story.people(ANN)
            story.people(*[ANN] * (EACH - len(story.events)), minutes=number * NIGHT + 1)
        else:
            minutes = number * NIGHT + 2 * turn
            sent = story.send(minutes, [(ANN, IN, True, True)])
            story.add(minutes + 1, Read, "a1", agent_id="a1", message_ids=(sent,), notified=(True,))
            story.people(ANN, minutes=minutes + 1)
        yield [_numbered(event, seq + place) for place, event in enumerate(story.events)]
        assert len(story.events) == EACH
        assert at(0) < story.events[-1].happened_at
        seq += EACH


def _numbered(event, seq: int):
    from dataclasses import replace

    return replace(event, seq=seq)


def kill_in_the_middle(path: Path, commits: int) -> int:
    """Lets a process write until it has told of so many commits, kills it, and gives the newest event it told of."""
    process = subprocess.Popen([sys.executable, "-c", BUSY, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = [process.stdout.readline() for _ in range(commits)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.readlines()
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()
    whole = [int(line) for line in told if line.endswith("\n")]
    assert len(whole) >= commits, "the writer died by itself"
    return whole[-1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX systems do")
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path):
    path = tmp_path / "log.duckdb"
    chance = random.Random(20)
    newest = 0
    for _ in range(6):
        acknowledged = kill_in_the_middle(path, chance.randint(1, 120))
        assert acknowledged > newest
        with LogWriter.open(path) as writer:
            cursor = writer.cursor()
            row = cursor.execute("SELECT count(*), min(seq), max(seq), count(DISTINCT seq) FROM events").fetchone()
            count, first, newest, distinct = row
            assert newest >= acknowledged
            assert (first, count, distinct) == (1, newest, newest), "events are missing or there twice"
            assert newest % EACH == 0, "half an append is there"
            whole_days = (newest // EACH - 1) // 10
            closed = cursor.execute("SELECT count(cleared_at), sum(deliveries), sum(lost) FROM days").fetchone()
            assert closed == ((whole_days, 9 * whole_days, 0) if whole_days else (0, None, None))
            sends = cursor.execute("SELECT count(*) FROM events WHERE kind = 'sent'").fetchone()
            assert cursor.execute("SELECT count(*), count(read_at) FROM deliveries").fetchone() == sends * 2
            restored = writer.load()
            assert [event.seq for event in restored.events] == list(range(restored.events[0].seq, newest + 1))
            assert len(restored.events) <= EACH * 11


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX systems do")
def test_a_writer_killed_while_making_the_file_leaves_a_log_or_none(tmp_path):
    code = "import sys; from coachsim.log import LogWriter; print(1, flush=True); LogWriter.open(sys.argv[1]).close()"
    chance = random.Random(3)
    for number in range(8):
        path = tmp_path / str(number) / "log.duckdb"
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(chance.uniform(0.0, 0.08))
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait(30)
        process.stdout.close()
        with LogWriter.open(path) as writer:
            assert writer.load().events == []
