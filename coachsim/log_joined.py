"""A log and its archive as one: the days that only the archive still has are read as if the log had them.

They are older than the log's first day: it was begun anew, or what it had of them has been taken out. A part of a log
(log_part.py) is put together from both, so that readers see one log whose events are numbered from the oldest day on.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import duckdb

from coachsim.log_archive import FOLDER, Archive
from coachsim.log_file import explained, open_for_reading, quoted
from coachsim.log_part import FileSource
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


def source(path: Path, first: str | None, last: str | None) -> FileSource | None:
    """Where a reader of the log at ``path`` finds the days from ``first`` to ``last``, if the archive has to help.

    None if the log has all that is asked for. Raises ``LogError`` as opening the log does.
    """
    if not (path.parent / FOLDER).is_dir():
        return None
    with explained(path), closing(open_for_reading(path)) as log:
        row = log.execute("SELECT (SELECT min(day) FROM all_days), (SELECT any_value(site) FROM run_info)").fetchone()
        assert row is not None
        oldest, site = row
    if (path.parent / FILE_NAME).exists():
        site = Settings.load(path.parent).site
    archive = Archive(path.parent, site or Settings().site)
    older = [day for day in archive.days() if oldest is None or day < oldest]
    asked = [day for day in older if (first or day) <= day <= (last or day)]
    return _JoinedSource(path, archive, older, first, last) if asked else None


class _JoinedSource(FileSource):
    """Snapshots of the two together. Nobody's queries run on its connection, so it may read files."""

    def __init__(self, path: Path, archive: Archive, days: list[str], first: str | None, last: str | None) -> None:
        self._days = (first, last)
        with explained(path):
            self._connection = duckdb.connect(
                str(path), read_only=True, config={"autoinstall_known_extensions": "false"}
            )
            try:
                _join(self._connection, archive, days)
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
