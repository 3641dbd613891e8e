"""A log and its archive as one: the days that only the archive still has are read as if the log had them.

They are older than the log's first day: it was begun anew, or what it had of them has been taken out. A part of a log
(log/part.py) is put together from both, so that readers see one log whose events are numbered from the oldest day on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from coachsim.log.archive import Archive
from coachsim.log.file import explained, quoted
from coachsim.log.part import FileSource
from coachsim.settings import FILE_NAME, Settings

# table of closed days: its columns that number events, and the archive's table with what tells its rows apart
_TABLES = {
    "deliveries": ((), ""),
    "messages": (("seq",), ""),
    "days": (("began_seq", "cleared_seq"), ""),
    # Of the days that retention takes out, the log keeps some of these rows.
    "state_changes": (("seq",), "agent_id, changed_at, seq"),
    "agent_changes": (("seq",), "agent_id, changed_at, seq"),
    "audit": (("seq",), "happened_at, seq"),
}


@dataclass(frozen=True, slots=True)
class Older:
    """The days, as labels in order, that an archive has from before a log's first."""

    archive: Archive
    days: list[str]


def older_days(log: duckdb.DuckDBPyConnection, folder: Path) -> Older:
    """What the archive in a data folder adds to the log in it, mostly nothing."""
    row = log.execute("SELECT any_value(site) FROM run_info").fetchone()
    assert row is not None
    (site,) = row
    if (folder / FILE_NAME).exists():
        site = Settings.load(folder).site
    return older_than(log, Archive(folder, site or Settings().site))


def older_than(log: duckdb.DuckDBPyConnection, archive: Archive) -> Older:
    """What the archive has from before the log's first day."""
    row = log.execute("SELECT min(day) FROM all_days").fetchone()
    assert row is not None
    (first,) = row
    return Older(archive, [day for day in archive.days() if first is None or day < first])


class JoinedSource(FileSource):
    """Snapshots of the two together. Nobody's queries run on its connection, so it may read files."""

    def __init__(self, path: Path, older: Older, first: str | None, last: str | None) -> None:
        """For the days from ``first`` to ``last`` (labels)."""
        self._days = (first, last)
        with explained(path):
            self._connection = duckdb.connect(
                str(path), read_only=True, config={"autoinstall_known_extensions": "false"}
            )
            try:
                _join(self._connection, older.archive, older.days)
            except BaseException:
                self._connection.close()
                raise


def _join(log: duckdb.DuckDBPyConnection, archive: Archive, days: list[str]) -> None:
    """Gives the names of schema.sql's tables, for this connection, to the archive's days and after them the log's."""
    row = log.execute("SELECT current_database()").fetchone()
    assert row is not None
    main = f'"{row[0].replace(chr(34), chr(34) * 2)}".main'
    log.execute("CREATE TEMP TABLE shifts (day VARCHAR, shift BIGINT)")
    newest = 0
    for day in days:
        found = log.execute(f"SELECT began_seq, cleared_seq FROM {_read(archive, day, 'days')}").fetchone()
        assert found is not None
        log.execute("INSERT INTO shifts VALUES (?, ?)", [day, newest - found[0] + 1])
        newest += found[1] - found[0] + 1
    for table, (numbers, key) in _TABLES.items():
        union = " UNION ALL BY NAME ".join(
            f"SELECT *, {quoted(day)} AS archived_on FROM {_read(archive, day, table)}" for day in days
        )
        log.execute(f"CREATE TEMP TABLE archived_{table} AS {union}")
        if key:
            log.execute(f"DELETE FROM archived_{table} WHERE ({key}) IN (SELECT ({key}) FROM {main}.closed_{table})")
        shifted = "".join(f", {number} + shift AS {number}" for number in numbers)
        own = "".join(f", {number} + {newest} AS {number}" for number in numbers)
        columns = ", ".join(row[0] for row in log.execute(f"DESCRIBE {main}.closed_{table}").fetchall())
        names = ", ".join(["archived_on", *numbers])
        drop = "EXCLUDE (" + ", ".join(numbers) + ")" if numbers else ""
        log.execute(
            f"""
            CREATE TEMP VIEW closed_{table} AS
            SELECT {columns} FROM (
                SELECT archived.* EXCLUDE ({names}), archived_on AS day{shifted}
                FROM archived_{table} AS archived JOIN shifts ON archived_on = shifts.day
                UNION ALL BY NAME
                SELECT * {drop}{own} FROM {main}.closed_{table}
            )
            """
        )
    log.execute(f"CREATE TEMP VIEW events AS SELECT * REPLACE (seq + {newest} AS seq) FROM {main}.events")


def _read(archive: Archive, day: str, table: str) -> str:
    return f"read_parquet({quoted(archive.file(day, table))}, hive_partitioning = false)"
