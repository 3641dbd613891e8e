"""Some days of a log as a log of its own: put together from snapshots of its tables, and read like any other.

It is a file in the temporary folder, which has no name any more once it is open: DuckDB then refuses every change to
it, as it cannot for a database in memory, keeps it compressed, and what it holds about people goes with the program.
All that happened lies in the tables of closed days, the open day's part of it too; the one event there is only says
when the log's newest was.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import duckdb

from coachsim.errors import LogDamaged, LogError
from coachsim.log import snapshot
from coachsim.log.file import FORMAT, Run, counted_by, discard, open_for_reading, open_for_writing, quoted
from coachsim.log.snapshot import METADATA, PARTS

_INTO = {"run": "run_info", "deliveries": "closed_deliveries"}


class Source(Protocol):
    """Where snapshots come from."""

    def fetch(self, table: str, file: Path, as_of: int | None) -> None:
        """Writes one of ``PARTS`` to ``file`` as Parquet, as of an event if one is given."""


class FileSource:
    """Snapshots of a log file that no server has open, for the days from ``first`` to ``last`` (labels)."""

    def __init__(self, path: Path, first: str | None, last: str | None) -> None:
        self._connection = open_for_reading(path)
        self._days = (first, last)

    def fetch(self, table: str, file: Path, as_of: int | None) -> None:
        """Writes one of ``PARTS`` to ``file``. Nobody else writes the log, so it is always of one moment."""
        with file.open("wb") as written:
            snapshot.write(self._connection, written, table, *self._days, None)

    def close(self) -> None:
        """Gives the file back."""
        self._connection.close()


class Part:
    """A part of a log, open for reading: its ``connection``, and ``after``, the last event before it.

    Everything goes when ``close`` is called, or at the latest with the program.
    """

    def __init__(self, source: Source, where: str, tables: Sequence[str] = PARTS) -> None:
        """Fetches what ``source`` gives, all of one moment. Raises ``LogError`` and what ``source`` raises.

        ``tables`` can be fewer than ``PARTS``; the others are empty then.
        """
        folder = Path(tempfile.mkdtemp(prefix="coachsim-log-"))
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        try:
            about = self._fetch(source, where, tables, folder)
            path = folder / "log.duckdb"
            _build(path, folder, tables, about)
            self.after = int(about["after"])
            self.connection = open_for_reading(path)
            with suppress(OSError):  # where an open file cannot lose its name (Windows), it goes with the folder
                path.unlink()
        except BaseException:
            self._remove()
            raise

    @staticmethod
    def _fetch(source: Source, where: str, tables: Sequence[str], folder: Path) -> dict[str, Any]:
        about: dict[str, Any] = {}
        for table in tables:
            file = folder / f"{table}.parquet"
            source.fetch(table, file, about.get("as_of"))
            about = _about(file, where)
        return about

    def close(self) -> None:
        """Ends it. Can be called twice."""
        self.connection.close()
        self._remove()


def _about(file: Path, where: str) -> dict[str, Any]:
    """What the snapshot says of itself."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about: dict[str, Any] = json.loads((pq.read_schema(file).metadata or {})[METADATA])
        format_ = int(about["format"])
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise LogDamaged(
            f"{where} does not give tables of a coachsim log. Check the address, and its version."
        ) from error
    if format_ > FORMAT:
        raise LogDamaged(
            f"The log at {where} is of a newer version of coachsim (log format {format_}, this version knows up to"
            f" {FORMAT}). Update coachsim on this machine."
        )
    return about


def _build(path: Path, folder: Path, tables: Sequence[str], about: dict[str, Any]) -> None:
    connection = open_for_writing(path, Run())
    try:
        connection.execute("DELETE FROM run_info")
        for table in tables:
            file = folder / f"{table}.parquet"
            into = _INTO.get(table) or table.replace("all_", "closed_")
            given = f"read_parquet({quoted(file)})"
            names = ", ".join(_columns(connection, into) & _columns(connection, given))
            rows = f"SELECT {names} FROM {given}"
            if into == "closed_deliveries":
                rows = counted_by(f"({rows})", "closed_messages", "closed_days")
            connection.execute(f"INSERT INTO {into} BY NAME {rows}")
            discard(file)
        if about["newest"] is not None:
            newest = datetime.fromisoformat(about["newest"])
            connection.execute("INSERT INTO events (seq, happened_at) VALUES (?, ?)", [about["as_of"], newest])
        # What a day found an agent in is no change of that day.
        connection.execute(
            "CREATE OR REPLACE VIEW state_changes AS SELECT agent_id, changed_at, state, reason, actor"
            f" FROM all_state_changes WHERE seq > {int(about['after'])}"
        )
        connection.execute("CHECKPOINT")
    except (duckdb.Error, OSError) as error:
        raise LogError(
            f"The tables fetched cannot be put together in {path.parent}. Check the disk's free space. ({error})"
        ) from error
    finally:
        connection.close()


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    return {row[0] for row in connection.execute(f"DESCRIBE FROM {table}").fetchall()}
