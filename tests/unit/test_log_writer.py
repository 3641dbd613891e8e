"""How a log is written: in groups, whole appends or nothing, by one owner; and what it says when it cannot be."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import wait
from pathlib import Path

import duckdb
import pytest

from coachsim.errors import InvalidInput, LogDamaged, LogError, LogLocked, LogUnavailable
from coachsim.events import Audited, Event
from coachsim.log import LogWriter, open_log
from tests.unit.log_events import ANN, OUT, PaperDay, Story, at


def audited(first: int, last: int) -> list[Event]:
    """Events of no consequence, numbered ``first`` to ``last``."""
    return [
        Audited(seq=seq, happened_at=at(seq), actor="admin", action="looked", subject=f"agent {seq}")
        for seq in range(first, last + 1)
    ]


def count(writer: LogWriter) -> int:
    cursor = writer.cursor()
    try:
        row = cursor.execute("SELECT count(*) FROM events").fetchone()
        assert row is not None
        return row[0]
    finally:
        cursor.close()


@pytest.fixture
def writer(tmp_path):
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        yield writer


# --- groups ---


def test_what_is_queued_is_committed_in_groups_of_at_most_a_thousand(writer):
    futures = [writer.append(audited(seq, seq)) for seq in range(1, 3_001)]
    assert wait(futures, timeout=60).not_done == set()
    assert all(future.exception() is None for future in futures)
    assert 3 <= writer.commits <= 300, "one commit for each append is no group commit"
    assert (count(writer), writer.seq) == (3_000, 3_000)


def test_an_append_is_never_split(writer):
    writer.append(audited(1, 2_500)).result(60)
    assert writer.commits == 1
    assert count(writer) == 2_500


def test_an_answered_append_can_be_read(writer):
    for seq in range(1, 30):
        writer.append(audited(seq, seq)).result(60)
        assert count(writer) == seq


@pytest.mark.parametrize("size", [1, 3, 4, 50])
def test_small_and_large_groups_write_the_same(tmp_path, size):
    story = PaperDay()
    story.night(0)
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        for start in range(0, len(story.events), size):
            writer.append(story.events[start : start + size]).result(60)
    with open_log(tmp_path) as log:
        rows = log.sql("SELECT * EXCLUDE (day, sent_at) FROM deliveries ORDER BY 1, 2")
        assert len(rows) == 8
        assert list(rows["status"]) == [row[-1] for row in story.rows(closed=True)]
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        assert writer.seq == len(story.events)


def test_appending_nothing_is_answered(writer):
    writer.append([]).result(60)
    assert (writer.seq, writer.commits) == (0, 0)


def test_a_waiter_that_gives_up_takes_nothing_from_the_others(writer):
    first = writer.append(audited(1, 1))
    assert not first.cancel()
    writer.append(audited(2, 2)).result(60)
    assert count(writer) == 2


def test_events_must_go_on_from_the_newest(writer, caplog):
    writer.append(audited(1, 2)).result(60)
    with pytest.raises(LogUnavailable):
        writer.append(audited(4, 4)).result(60)
    writer.recover()
    writer.append(audited(3, 3)).result(60)
    assert count(writer) == 3


# --- failing and recovering ---


def test_after_a_failed_commit_everything_fails_until_recovered(writer, caplog):
    writer.append(audited(1, 5)).result(60)
    failed = writer.append([*audited(6, 10), _not_json(11)])
    with pytest.raises(LogUnavailable, match="cannot be written"):
        failed.result(60)
    with pytest.raises(LogUnavailable):
        writer.append(audited(6, 6)).result(0)
    with pytest.raises(LogUnavailable):
        writer.cursor()
    writer.recover()
    assert count(writer) == 5, "nothing of the failed append may stay"
    writer.append(audited(6, 6)).result(60)
    assert (count(writer), writer.seq) == (6, 6)
    writer.recover()  # with nothing wrong it does nothing
    assert "could not be written" in caplog.text


def _not_json(seq: int) -> Event:
    return Audited(
        seq=seq, happened_at=at(seq), actor="admin", action="looked", subject="x", detail={"never": float("nan")}
    )


def test_a_failed_clear_down_leaves_the_day_open(tmp_path, caplog):
    story = PaperDay()
    opened = len(story.events)
    story.night(0)
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        writer.append(story.events[:opened]).result(60)
        with pytest.raises(LogUnavailable):
            writer.append([*story.events[opened:], _not_json(len(story.events) + 1)]).result(60)
        writer.recover()
        cursor = writer.cursor()
        assert cursor.execute("SELECT count(*), count(cleared_at) FROM days").fetchone() == (1, 0)
        assert cursor.execute("SELECT count(*) FROM closed_deliveries").fetchone() == (0,)
        writer.append(story.events[opened:]).result(60)
        cursor = writer.cursor()
        assert cursor.execute("SELECT count(*), count(cleared_at) FROM days").fetchone() == (2, 1)
        assert cursor.execute("SELECT count(*) FROM deliveries").fetchone() == (8,)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from coachsim.errors import LogUnavailable
from coachsim.log import LogWriter
from tests.unit.test_log_writer import audited, count

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as on a full disk: the write fails, the process lives
path = Path(sys.argv[1])
wal = path.with_name(path.name + ".wal")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
writer = LogWriter.open(path)
writer.append(audited(1, 5)).result(60)
resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 5_000, hard))
done = 5
try:
    while done < 1_000:
        writer.append(audited(done + 1, done + 5)).result(60)
        done += 5
except LogUnavailable as error:
    print(error)
assert 5 < done < 1_000, done
later = [writer.append(audited(done + 1, done + 1)) for _ in range(10)]
assert all(isinstance(future.exception(1), LogUnavailable) for future in later)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
try:
    writer.recover()
except LogUnavailable:
    pass
else:
    raise AssertionError("recovered on a disk that is still full")
assert isinstance(writer.append(audited(done + 1, done + 1)).exception(1), LogUnavailable)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.recover()
assert count(writer) == writer.seq == done, (count(writer), writer.seq, done)
writer.append(audited(done + 1, done + 1)).result(60)
writer.close()
print("done", done + 1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX systems can")
def test_a_full_disk_stops_the_log_and_space_brings_it_back(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "log.duckdb")], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    sentence, last = ran.stdout.splitlines()
    assert "cannot be written" in sentence and "free space" in sentence
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        assert count(writer) == int(last.split()[1])


# --- closing ---


def test_close_commits_what_is_queued_and_can_be_called_twice(tmp_path):
    writer = LogWriter.open(tmp_path / "log.duckdb")
    futures = [writer.append(audited(seq, seq)) for seq in range(1, 51)]
    writer.close()
    writer.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(LogUnavailable, match="closed"):
        writer.append(audited(51, 51)).result(0)
    with pytest.raises(LogUnavailable, match="closed"):
        writer.load()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.duckdb"]
    with LogWriter.open(tmp_path / "log.duckdb") as again:
        assert count(again) == 50


def test_a_forgotten_cursor_does_not_keep_the_file(tmp_path):
    writer = LogWriter.open(tmp_path / "log.duckdb")
    cursor = writer.cursor()
    writer.close()
    LogWriter.open(tmp_path / "log.duckdb").close()
    with pytest.raises(duckdb.Error):
        cursor.execute("SELECT 1")


# --- one owner ---


def test_another_process_is_told_who_has_the_log(tmp_path, writer):
    code = (
        "import sys; from coachsim.log import LogWriter, open_log; from coachsim.errors import LogLocked\n"
        "for opener in (LogWriter.open, open_log):\n"
        "    try: opener(sys.argv[1])\n"
        "    except LogLocked as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(writer.path)], capture_output=True, text=True, timeout=60)
    assert ran.stdout.count("is in use by another process") == 2, ran.stderr
    writer.append(audited(1, 1)).result(60)


def test_the_same_process_cannot_open_it_twice_either(writer):
    with pytest.raises(LogLocked, match="already open"):
        LogWriter.open(writer.path)
    writer.append(audited(1, 1)).result(60)


# --- damaged and foreign files ---


@pytest.fixture
def closed_log(tmp_path) -> Path:
    path = tmp_path / "log.duckdb"
    with LogWriter.open(path) as writer:
        writer.append(audited(1, 20_000)).result(60)
    return path


def refused(path: Path) -> str:
    """Opens in both ways, which must be refused as damaged and leave the file alone; gives what was said."""
    before = path.read_bytes()
    said = []
    for opener in (LogWriter.open, open_log):
        with pytest.raises(LogDamaged) as caught:
            opener(path)
        said.append(str(caught.value))
        assert str(path) in said[-1]
    assert path.read_bytes() == before
    return " ".join(said)


@pytest.mark.parametrize("content", [b"", b"hello " * 5_000, b"\0" * 20_000], ids=["empty", "text", "zeros"])
def test_garbage_is_refused(tmp_path, content):
    path = tmp_path / "log.duckdb"
    path.write_bytes(content)
    assert "damaged or is no coachsim log" in refused(path)


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.9, 0.999])
def test_a_truncated_log_is_refused(closed_log, kept):
    whole = closed_log.read_bytes()
    closed_log.write_bytes(whole[: int(len(whole) * kept)])
    assert "backup" in refused(closed_log)


def test_a_log_cut_at_a_block_that_nothing_reads_at_once_is_refused(closed_log):
    whole = closed_log.read_bytes()
    closed_log.write_bytes(whole[:-262_144])
    assert "backup" in refused(closed_log)


def killed_after(path: Path, first: int, last: int) -> Path:
    """Appends events in a process that then ends without closing; gives the file of what was not yet merged."""
    code = (
        "import os, sys; from coachsim.log import LogWriter; from tests.unit.test_log_writer import audited\n"
        f"writer = LogWriter.open(sys.argv[1]); writer.append(audited({first}, {last})).result(60); os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], timeout=60)
    return path.with_name(path.name + ".wal")


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.999])
def test_a_truncated_log_is_refused_and_left_alone_after_a_crash_too(closed_log, kept):
    wal = killed_after(closed_log, 20_001, 20_500)
    whole, beside = closed_log.read_bytes(), wal.read_bytes()
    closed_log.write_bytes(whole[: int(len(whole) * kept)])
    assert "backup" in refused(closed_log)
    assert wal.read_bytes() == beside
    closed_log.write_bytes(whole)
    with LogWriter.open(closed_log) as writer:
        assert count(writer) == 20_500


def test_a_large_append_that_a_crash_left_beside_the_file_is_no_damage(closed_log):
    killed_after(closed_log, 20_001, 150_000)
    with LogWriter.open(closed_log) as writer:
        assert count(writer) == 150_000


def test_a_flipped_byte_in_what_was_not_yet_merged_is_refused(tmp_path):
    path = tmp_path / "log.duckdb"
    wal = killed_after(path, 1, 500)
    content = bytearray(wal.read_bytes())
    content[len(content) // 2] ^= 0xFF
    wal.write_bytes(content)
    refused(path)


def test_a_newer_log_is_refused(closed_log):
    with duckdb.connect(str(closed_log)) as connection:
        connection.execute("UPDATE run_info SET format = 99")
    assert "newer version of coachsim" in refused(closed_log)


def test_another_programs_database_is_refused(tmp_path):
    path = tmp_path / "log.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE events (a INT)")
    assert "no coachsim log" in refused(path)


def test_a_log_with_missing_events_is_refused(closed_log):
    with duckdb.connect(str(closed_log)) as connection:
        connection.execute("DELETE FROM events WHERE seq = 77")
    assert "missing" in refused(closed_log)


def test_a_lost_log_is_not_silently_begun_anew(tmp_path):
    (tmp_path / "log.duckdb.wal").write_bytes(b"what is left of a log")
    with pytest.raises(LogDamaged, match=r"its log log\.duckdb is not"):
        LogWriter.open(tmp_path / "log.duckdb")


def test_a_folder_is_no_log(tmp_path):
    with pytest.raises(LogError, match="is a folder"):
        LogWriter.open(tmp_path)


def test_a_place_that_cannot_be_written_is_no_damage(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnavailable, match="permissions"):
        LogWriter.open(tmp_path / "file" / "log.duckdb")


# --- backup ---


def test_a_backup_of_a_running_log_is_a_log(tmp_path, writer):
    story = PaperDay()
    story.night(0)
    writer.append(story.events).result(60)
    busy = [writer.append(audited(seq, seq)) for seq in range(len(story.events) + 1, 1_500)]
    writer.backup(tmp_path / "kept" / "backup.duckdb")
    wait(busy, timeout=60)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["backup.duckdb"]
    with LogWriter.open(tmp_path / "kept" / "backup.duckdb") as copy:
        assert len(story.events) <= count(copy) == copy.seq < 1_500
        assert len(copy.load().events) == copy.seq - len(story.events) + 1
    with open_log(tmp_path / "kept" / "backup.duckdb") as log:
        assert list(log.deliveries()["status"]) == [row[-1] for row in story.rows(closed=True)]
    assert all(future.exception() is None for future in busy)


def test_a_backup_never_overwrites(tmp_path, writer):
    (tmp_path / "kept").write_text("precious")
    with pytest.raises(InvalidInput, match="exists already"):
        writer.backup(tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == "precious"


def test_a_quote_in_a_path_is_only_a_quote(tmp_path):
    folder = tmp_path / "Ann's logs"
    story = Story()
    story.day(0)
    story.people(ANN)
    story.send(5, [(ANN, OUT, False, False)])
    with LogWriter.open(folder / "log.duckdb") as writer:
        writer.append(story.events).result(60)
        writer.backup(folder / "Ann's backup.duckdb")
    with open_log(folder / "Ann's backup.duckdb") as log:
        assert len(log.deliveries()) == 1
