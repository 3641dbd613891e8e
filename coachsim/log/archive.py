"""The archive: closed days as Parquet, ``DIR/archive/site=…/day=…/TABLE.parquet``, for any engine that reads folders.

A day's folder gets its name only when everything in it is on the disk, so a folder that is there is whole and counts;
what is being written or taken away has a name that begins with a dot. The site and the day are in the folders' names
and not in the files, as hive partitioning wants it. Whoever owns the log may write its archive, nobody else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coachsim.errors import LogUnavailable
from coachsim.log.file import COUNTED_BY, quoted, sync_folder

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

FOLDER = "archive"
"""The name of the archive in a data folder."""
_ROWS = 100_000  # as many are in memory at a time
_PART, _OLD, _GONE = ".part", ".old", ".gone"

# What each file of a day holds; {events} are the day's events, {day} its label. ``seq`` orders what has the same time.
_QUERIES = {
    "deliveries": f"""
        SELECT * EXCLUDE (day, {COUNTED_BY}) FROM closed_deliveries WHERE day = {{day}}
        ORDER BY message_id, agent_id""",
    "messages": """
        SELECT message_id, sent_at, sender, audience, body, priority, ack_required, expires_at, recipients, seq
        FROM closed_messages WHERE day = {day} ORDER BY seq""",
    "state_changes": """
        SELECT agent_id, changed_at, state, reason, actor, seq
        FROM closed_state_changes WHERE seq BETWEEN {events} ORDER BY seq""",
    # The agents as the day left them: with the day's deliveries, all that counting by campaign needs.
    "agents": """
        SELECT agent_id, name, team, campaigns, lists, queues, active FROM (
            SELECT DISTINCT ON (agent_id) * FROM closed_agent_changes WHERE seq <= {through}
            ORDER BY agent_id, seq DESC
        ) ORDER BY agent_id""",
    "agent_changes": """
        SELECT agent_id, changed_at, name, team, campaigns, lists, queues, active, seq
        FROM closed_agent_changes WHERE seq BETWEEN {events} ORDER BY seq""",
    "audit": """
        SELECT happened_at, actor, action, subject, detail, seq, kind
        FROM closed_audit WHERE seq BETWEEN {events} ORDER BY seq""",
    "days": """
        SELECT began_at, cleared_at, deliveries, lost, time_zone, began_seq, cleared_seq
        FROM closed_days WHERE day = {day}""",
    "run": "SELECT * EXCLUDE (site) FROM run",
}
TABLES = tuple(_QUERIES)
"""The files of a day's folder, without ``.parquet``."""


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A closed day of a log and the events that made it: ``began_seq`` to ``cleared_seq``, both included."""

    day: str
    began_seq: int
    cleared_seq: int


class Archive:
    """The archive of one site in a data folder. Nothing is made before the first day is written."""

    def __init__(self, data_dir: Path, site: str) -> None:
        self.folder = data_dir / FOLDER / f"site={site}"

    def days(self) -> list[str]:
        """The labels of the days that are in it, in order."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name.removeprefix("day=") for path in self.folder.glob("day=*") if path.is_dir())

    def file(self, day: str, table: str) -> Path:
        """Where a day's table is."""
        return self.folder / f"day={day}" / f"{table}.parquet"

    def tidy(self) -> None:
        """Puts right what a crash has left. A day that was being replaced is there again as it was."""
        if not self.folder.is_dir():
            return
        with self._explained():
            for path in self.folder.glob(".day=*"):
                day = self.folder / path.stem.removeprefix(".")
                if path.suffix == _OLD and not day.exists():
                    path.rename(day)
                elif path.suffix in (_PART, _OLD, _GONE):
                    shutil.rmtree(path)
            sync_folder(self.folder)

    def write(self, cursor: DuckDBPyConnection, day: ClosedDay) -> None:
        """Writes a day from its log, in the place of one that is there. Raises ``LogUnavailable``."""

        def build(folder: Path) -> None:
            values = {
                "day": quoted(day.day),
                "events": f"{day.began_seq} AND {day.cleared_seq}",
                "through": day.cleared_seq,
            }
            for table, query in _QUERIES.items():
                rows = cursor.sql(query.format(**values)).to_arrow_reader(_ROWS)
                write_parquet(folder / f"{table}.parquet", rows.schema, rows)

        self.put(day.day, build)

    def put(self, day: str, build: Callable[[Path], None]) -> None:
        """Gives the day the folder that ``build`` fills: wholly, or it stays as it was."""
        path = self.folder / f"day={day}"
        part, old = (self.folder / f".day={day}{suffix}" for suffix in (_PART, _OLD))
        with self._explained():
            _make(self.folder)
            part.mkdir()
            try:
                build(part)
                for file in part.iterdir():
                    _sync_file(file)
                sync_folder(part)
                if path.exists():
                    path.rename(old)
                part.rename(path)
                sync_folder(self.folder)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                if old.exists() and not path.exists():
                    old.rename(path)
                raise
            if old.exists():
                shutil.rmtree(old)

    def remove(self, day: str) -> None:
        """Takes a day away for good."""
        path = self.folder / f"day={day}"
        gone = self.folder / f".day={day}{_GONE}"
        with self._explained():
            path.rename(gone)
            sync_folder(self.folder)
            shutil.rmtree(gone)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LogUnavailable(
                f"The archive {self.folder} cannot be written. Check the disk's free space and the folder's"
                f" permissions. ({error.strerror or error})"
            ) from error


def closed_days(cursor: DuckDBPyConnection) -> list[ClosedDay]:
    """The log's closed days, in order."""
    rows = cursor.execute(
        "SELECT day, began_seq, cleared_seq FROM closed_days WHERE day IS NOT NULL ORDER BY cleared_seq"
    ).fetchall()
    return [ClosedDay(*row) for row in rows]


def write_days(
    cursor: DuckDBPyConnection,
    archive: Archive,
    *,
    first: str | None = None,
    last: str | None = None,
    again: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Writes the log's closed days from ``first`` to ``last`` (labels, both included) that the archive does not have.

    ``again`` writes those that it has as well; ``stop`` is asked before each day. Gives the labels of what was written.
    """
    archive.tidy()
    there = set() if again else set(archive.days())
    written: list[str] = []
    for day in closed_days(cursor):
        if day.day in there or (first or day.day) > day.day or (last or day.day) < day.day:
            continue
        if stop():
            break
        archive.write(cursor, day)
        written.append(day.day)
    return written


def write_parquet(path: Path, schema: pa.Schema, rows: Iterable[pa.RecordBatch]) -> None:
    """One Parquet file. Its columns and their types are the schema's whatever is in them, empty or not."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(batch)


def _make(folder: Path) -> None:
    """The folder, and that it is there is on the disk too."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in made:
        sync_folder(path.parent)


def _sync_file(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
