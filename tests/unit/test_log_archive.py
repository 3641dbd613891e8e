"""The archive: what is in a day's folder, how many sites' are one table, and that no crash leaves half a day."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from coachsim import analysis
from coachsim.errors import LogUnavailable
from coachsim.events import AgentChanged, Audited, Event, Read
from coachsim.log import LogWriter, Run, open_log, retention
from coachsim.log.archive import TABLES, Archive, write_days
from tests.unit.killing import killed_at_changes
from tests.unit.log_events import ANN, BO, CY, IN, NIGHT, PaperDay

FIRST, SECOND, THIRD = "2026-03-02", "2026-03-03", "2026-03-04"


def three_days() -> list[Event]:
    """The paper day, a second on which Bo is in another team, gets and reads a message, and an open one."""
    story = PaperDay()
    story.night(0, deliveries=3, lost=2)
    moved = type(BO)("a2", "Bo", "Green")
    story.add(NIGHT + 1, AgentChanged, "admin", agent=moved, previous_team="Blue")
    sent = story.send(NIGHT + 5, [(ANN, IN, True, False), (moved, IN, True, True)])
    story.add(NIGHT + 6, Read, "a2", agent_id="a2", message_ids=(sent,), notified=(False,))
    story.add(NIGHT + 7, Audited, "admin", action="roster_loaded", subject="roster.csv", detail={"changed": 1})
    story.night(1, deliveries=2, lost=1)
    story.send(2 * NIGHT + 5, [(CY, IN, True, False)])
    return story.events


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A data folder whose two closed days are in the archive of the site 'leeds'."""
    folder = tmp_path_factory.mktemp("leeds")
    with LogWriter.open(folder / "log.duckdb") as writer:
        writer.append(three_days()).result(60)
        assert write_days(writer.cursor(), Archive(folder, "leeds")) == [FIRST, SECOND]
    return folder


def read(folder: Path, table: str) -> list[dict]:
    """The table of every site and day, as any engine that knows hive partitions reads it."""
    files = sorted(str(path) for path in folder.glob(f"archive/site=*/day=*/{table}.parquet"))
    partitions = ds.partitioning(pa.schema([("site", pa.string()), ("day", pa.string())]), flavor="hive")
    found = ds.dataset(files, partitioning=partitions, partition_base_dir=str(folder / "archive"))
    return found.to_table().to_pylist()


def test_each_closed_day_has_each_table_and_the_open_day_has_none(written):
    assert sorted(str(path.relative_to(written)) for path in written.rglob("*.parquet")) == sorted(
        f"archive/site=leeds/day={day}/{table}.parquet" for day in (FIRST, SECOND) for table in TABLES
    )


@pytest.mark.parametrize("table", ["deliveries", "messages", "days"])
def test_the_closed_days_are_the_logs_rows(written, table):
    with duckdb.connect(str(written / "log.duckdb"), read_only=True) as log:
        kept = log.sql(f"SELECT * FROM {table} WHERE day < '{THIRD}'").to_arrow_table()
    key = "day" if table == "days" else "message_id"
    mine = [{name: row[name] for name in kept.column_names} for row in read(written, table)]
    by = [(row[key], row.get("agent_id")) for row in mine]
    assert len(mine) == {"deliveries": 10, "messages": 5, "days": 2}[table]
    assert sorted(mine, key=lambda row: (row[key], row.get("agent_id") or "")) == sorted(
        kept.to_pylist(), key=lambda row: (row[key], row.get("agent_id") or "")
    )
    assert by == sorted(by), "a table is in the order that makes it small and quick to search"


def test_what_happened_on_a_day_is_in_that_days_folder(written):
    changes = read(written, "state_changes")
    assert {row["day"] for row in changes} == {FIRST}
    assert [row["seq"] for row in changes] == sorted(row["seq"] for row in changes)
    agents = {(row["day"], row["agent_id"]): row["team"] for row in read(written, "agents")}
    assert agents[FIRST, "a2"] == "Blue"
    assert agents[SECOND, "a2"] == "Green"
    assert len(agents) == 6, "every agent of the roster is there on every day"
    assert [row["day"] for row in read(written, "agent_changes")] == [FIRST] * 3 + [SECOND]
    assert [row["day"] for row in read(written, "audit") if row["action"] == "roster_loaded"] == [SECOND]
    assert {row["time_zone"] for row in read(written, "run")} == {"UTC"}


def test_many_sites_are_one_table_of_plain_types(written, tmp_path):
    shutil.copytree(written / "archive", tmp_path / "archive")
    other = tmp_path / "other"
    with LogWriter.open(other / "log.duckdb") as writer:
        writer.append(PaperDay().events[:4]).result(60)  # a roster and nothing else
        night = PaperDay()
        night.events[4:] = []
        night.night(0)
        writer.append(night.events[4:]).result(60)
        write_days(writer.cursor(), Archive(other, "york"))
    shutil.copytree(other / "archive", tmp_path / "archive", dirs_exist_ok=True)
    plain = {pa.int32(), pa.int64(), pa.string(), pa.bool_(), pa.timestamp("us")}
    for table in TABLES:
        files = sorted(tmp_path.glob(f"archive/site=*/day=*/{table}.parquet"))
        schemas = [pq.read_schema(path) for path in files]
        assert len(files) == 3
        assert all(schema.equals(schemas[0]) for schema in schemas), "an empty day has the columns of a full one"
        for field in schemas[0]:
            inner = field.type.value_type if pa.types.is_list(field.type) else field.type
            assert inner in plain, field
            assert field.name not in ("site", "day"), "the folders say that"
            assert field.nullable
    assert {(row["site"], row["day"]) for row in read(tmp_path, "days")} == {
        ("leeds", FIRST), ("leeds", SECOND), ("york", FIRST),
    }  # fmt: skip
    assert {row["site"] for row in read(tmp_path, "agents")} == {"leeds", "york"}
    assert len(read(tmp_path, "deliveries")) == 10
    asked = f"SELECT site, count(*) FROM read_parquet('{tmp_path}/archive/site=*/day=*/agents.parquet') GROUP BY ALL"
    assert sorted(duckdb.sql(asked).fetchall()) == [("leeds", 6), ("york", 3)]


def test_days_are_written_once_unless_asked_for_again(tmp_path):
    archive = Archive(tmp_path, "main")
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        writer.append(three_days()).result(60)
        cursor = writer.cursor()
        assert write_days(cursor, archive, last=FIRST) == [FIRST]
        assert archive.days() == [FIRST]
        stamp = archive.file(FIRST, "deliveries").stat().st_ino
        assert write_days(cursor, archive) == [SECOND]
        assert write_days(cursor, archive) == []
        assert archive.file(FIRST, "deliveries").stat().st_ino == stamp
        assert write_days(cursor, archive, first=SECOND, again=True) == [SECOND]
        assert archive.file(FIRST, "deliveries").stat().st_ino == stamp
        assert write_days(cursor, archive, again=True, stop=lambda: True) == []
        archive.remove(FIRST)
        assert archive.days() == [SECOND]
        assert [path.name for path in archive.folder.iterdir()] == [f"day={SECOND}"]


def test_a_day_that_cannot_be_built_leaves_the_old_one(written, tmp_path):
    shutil.copytree(written, tmp_path / "data")
    archive = Archive(tmp_path / "data", "leeds")
    before = {path: path.read_bytes() for path in archive.folder.rglob("*.parquet")}

    def fail(folder: Path) -> None:
        (folder / "deliveries.parquet").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(LogUnavailable, match="No space left on device"):
        archive.put(FIRST, fail)
    assert {path: path.read_bytes() for path in archive.folder.rglob("*.parquet")} == before
    assert sorted(path.name for path in archive.folder.iterdir()) == [f"day={FIRST}", f"day={SECOND}"]


def test_a_day_that_was_being_replaced_is_put_back_as_it_was(written, tmp_path):
    """Also one that the log does not have any more."""
    shutil.copytree(written / "archive", tmp_path / "archive")
    archive = Archive(tmp_path, "leeds")
    before = {path: path.read_bytes() for path in archive.folder.rglob("*.parquet")}
    (archive.folder / f"day={FIRST}").rename(archive.folder / f".day={FIRST}.old")
    (archive.folder / f".day={FIRST}.part").mkdir()
    shutil.copytree(archive.folder / f"day={SECOND}", archive.folder / f".day={SECOND}.old")
    assert archive.days() == [SECOND]
    archive.tidy()
    assert {path: path.read_bytes() for path in archive.folder.rglob("*.parquet")} == before
    assert len(list(archive.folder.iterdir())) == 2


ARCHIVES = """
archive = Archive(folder, "main")
write_days(writer.cursor(), archive)
write_days(writer.cursor(), archive, again=True)
archive.remove(archive.days()[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX systems do")
def test_killed_at_any_moment_each_day_is_whole_or_not_there_and_the_next_start_makes_it_whole(written, tmp_path):
    for number in range(1, 90, 4):
        (tmp_path / str(number)).mkdir()
        shutil.copyfile(written / "log.duckdb", tmp_path / str(number) / "log.duckdb")
    ended = killed_at_changes(tmp_path, "from coachsim.log.archive import Archive, write_days", ARCHIVES)
    assert set(ended.values()) == {"-9", "0"}, "some were killed, and the last were not: all moments were tried"
    partly = set()
    for folder in tmp_path.iterdir():
        for day in folder.glob("archive/site=main/day=*"):
            assert sorted(path.stem for path in day.iterdir()) == sorted(TABLES)
            assert [pq.read_table(path).num_rows for path in sorted(day.glob("de*.parquet"))] == [
                8 if day.name.endswith(FIRST) else 2
            ]
        partly |= {path.suffix for path in folder.glob("archive/site=main/.day=*")}
        with LogWriter.open(folder / "log.duckdb") as writer:
            archive = Archive(folder, "main")
            write_days(writer.cursor(), archive)
            assert archive.days() == [FIRST, SECOND]
            assert len(list(archive.folder.iterdir())) == 2, "what the crash left is gone"
    assert partly == {".part", ".old", ".gone"}, "each kind of unfinished work was met"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a descriptor is of")
def test_files_are_on_the_disk_before_the_folder_has_its_name(written, tmp_path, monkeypatch):
    order: list[str] = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda descriptor: (order.append(_name(descriptor)), fsync(descriptor))[1])
    monkeypatch.setattr(
        Path, "rename", lambda path, to: (order.append(f"{path.name} → {to.name}"), rename(path, to))[1]
    )
    shutil.copyfile(written / "log.duckdb", tmp_path / "log.duckdb")
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        write_days(writer.cursor(), Archive(tmp_path, "main"), last=FIRST)
    named = order.index(f".day={FIRST}.part → day={FIRST}")
    assert {f"{table}.parquet" for table in TABLES} | {f".day={FIRST}.part"} <= set(order[:named])
    assert order[named + 1] == "site=main"


def _name(descriptor: int) -> str:
    return Path(os.readlink(f"/proc/self/fd/{descriptor}")).name


# --- the log and its archive as one ---

FRAMES = ("deliveries", "messages", "state_changes", "agents", "days")


def whole_and_split(folder: Path, *, kept_rows: bool) -> tuple[Path, Path]:
    """Two data folders with the same three days: one log with all of them, and one whose first is in the archive only.

    ``kept_rows``: that one's log had the first day taken out; otherwise it was begun anew on the second.
    """
    whole, split = folder / "whole", folder / "split"
    events = three_days()
    for data in (whole, split):
        with LogWriter.open(data / "log.duckdb", Run(site="leeds", time_zone="UTC")) as writer:
            writer.append(events).result(60)
            if data is split:
                cursor = writer.cursor()
                write_days(cursor, Archive(split, "leeds"))
                if kept_rows:
                    removal = retention.due(cursor, 1)
                    assert removal is not None and removal.days == (FIRST,)
                    retention.remove(cursor, removal)
    if not kept_rows:
        (split / "log.duckdb").unlink()
        second = next(place for place, event in enumerate(events) if getattr(event, "day", None) == SECOND)
        people = [
            AgentChanged(seq=0, happened_at=events[second].happened_at, actor="x", agent=a) for a in (ANN, BO, CY)
        ]
        again = [events[second], *people, *events[second + 1 :]]
        with LogWriter.open(split / "log.duckdb", Run(site="leeds", time_zone="UTC")) as writer:
            writer.append([replace(event, seq=seq) for seq, event in enumerate(again, start=1)]).result(60)
    return whole, split


@pytest.mark.parametrize("kept_rows", [True, False], ids=["taken out", "begun anew"])
def test_days_that_only_the_archive_has_are_read_with_the_log(tmp_path, kept_rows):
    whole, split = whole_and_split(tmp_path, kept_rows=kept_rows)
    with open_log(whole) as all_of_it, open_log(split) as joined, open_log(split / "log.duckdb") as alone:
        assert len(alone.days()) == 2
        for name in FRAMES:
            pd.testing.assert_frame_equal(getattr(joined, name)(), getattr(all_of_it, name)())
        assert joined.newest() == all_of_it.newest()
        for ask in (analysis.unread_rates, analysis.lost, analysis.time_to_read, analysis.load, analysis.presence):
            for by in (None, "team", ["day", "campaign"]):
                pd.testing.assert_frame_equal(ask(joined, by=by), ask(all_of_it, by=by))
        if kept_rows:
            audits = [log.sql("SELECT * FROM audit ORDER BY ALL") for log in (joined, all_of_it)]
            pd.testing.assert_frame_equal(*audits)
            versions = [log.sql("SELECT * FROM agent_versions ORDER BY ALL") for log in (joined, all_of_it)]
            pd.testing.assert_frame_equal(*versions)
        assert joined.cursor().execute("SELECT count(*) FROM deliveries").fetchone() == (11,)


@pytest.mark.parametrize("days", [(FIRST, FIRST), (FIRST, SECOND), (SECOND, None), (THIRD, THIRD)])
def test_some_days_of_the_two_are_those_days(tmp_path, days):
    whole, split = whole_and_split(tmp_path, kept_rows=True)
    first, last = days
    with open_log(whole, from_day=first, to_day=last) as wanted, open_log(split, from_day=first, to_day=last) as joined:
        for name in FRAMES:
            pd.testing.assert_frame_equal(getattr(joined, name)(), getattr(wanted, name)())


def test_an_archive_that_has_nothing_more_than_the_log_changes_nothing(written, tmp_path):
    shutil.copytree(written, tmp_path / "data")
    (tmp_path / "data" / "settings.toml").write_text('site = "leeds"')
    with open_log(tmp_path / "data") as log:
        assert len(log.deliveries()) == 11
        assert log.where.endswith("log.duckdb")
        assert log.sql("SELECT count(*) AS n FROM events").n[0] > 20, "the file itself is open, not a copy of it"
