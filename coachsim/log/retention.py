"""Retention: closed days that are older than a site wants to keep leave the log, and the file gives the space back.

What goes is who was sent and read what, and when: deliveries, messages, events, state changes, what was scheduled, and
the sends in the audit. What stays is the roster's history, the rest of the audit, scheduled messages that are still to
go out, and of each agent's state changes the last that say which state they are in, since when and why; a floor rebuilt
from the log is the same before and after.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from coachsim.errors import LogDamaged
from coachsim.log.file import (
    STORAGE_VERSION,
    discard,
    explained,
    open_for_reading,
    quoted,
    sync_folder,
)
from coachsim.log.upgrade import open_up_to_date

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WORTH_IT = 32 << 20
"""So many bytes at least have to be free inside a log before it is copied to a smaller file."""

# Of each agent's changes up to {through}: the last in another state than the newest one's, and everything after it,
# are what ``past`` works the state, its beginning and its reason out from. What is before is in the way.
_OLD_CHANGES = """
    SELECT seq FROM closed_state_changes
    JOIN (
        SELECT agent_id, coalesce(max(newest, 2)[2], 0) AS needed
        FROM (
            SELECT agent_id, state, max(seq) AS newest FROM closed_state_changes WHERE seq <= {through} GROUP BY ALL
        )
        GROUP BY agent_id
    ) USING (agent_id)
    WHERE seq < needed
"""
# table of the log: which of its rows go
_ROWS = {
    "closed_deliveries": "day < {first}",
    "closed_messages": "day < {first}",
    "closed_state_changes": f"seq <= {{through}} AND seq IN ({_OLD_CHANGES})",
    # What is still to go out stays, however long ago it was scheduled.
    "closed_schedule_changes": """seq <= {through} AND schedule_id NOT IN (
        SELECT schedule_id FROM all_schedule_changes GROUP BY schedule_id HAVING bool_and(kind = 'scheduled')
    )""",
    "closed_audit": "seq <= {through} AND kind IN ('sent', 'scheduled', 'withdrawn', 'not_released')",
    "closed_days": "day < {first}",
    "events": "seq <= {through}",
}


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to go: the days' labels, the newest event of them, and the number of rows by table."""

    days: tuple[str, ...]
    first_kept: str
    through_seq: int
    rows: dict[str, int]


def first_kept(newest: str, retention_days: int) -> str:
    """The label of the oldest day that stays when ``newest`` is the open day: so many closed days stay with it."""
    return (date.fromisoformat(newest) - timedelta(days=retention_days)).isoformat()


def due(cursor: DuckDBPyConnection, retention_days: int) -> Removal | None:
    """What has been kept for long enough; None if there is nothing to remove."""
    row = cursor.execute("SELECT max(day) FROM all_days").fetchone()
    if row is None or row[0] is None:
        return None
    first = first_kept(row[0], retention_days)
    days = cursor.execute("SELECT day, cleared_seq FROM closed_days WHERE day < ? ORDER BY day", [first]).fetchall()
    if not days:
        return None
    through = max(cleared_seq for _, cleared_seq in days)
    rows = {}
    for table, which in _where(first, through).items():
        counted = cursor.execute(f"SELECT count(*) FROM {table} WHERE {which}").fetchone()
        assert counted is not None
        rows[table.removeprefix("closed_")] = counted[0]
    return Removal(tuple(day for day, _ in days), first, through, rows)


def remove(cursor: DuckDBPyConnection, removal: Removal) -> None:
    """Takes all of it out in one transaction. Events can be appended meanwhile, by the log's writer."""
    cursor.execute("BEGIN")
    try:
        for table, which in _where(removal.first_kept, removal.through_seq).items():
            cursor.execute(f"DELETE FROM {table} WHERE {which}")
        cursor.execute("COMMIT")
    except BaseException:
        with suppress(Exception):
            cursor.execute("ROLLBACK")
        raise


def _where(first: str, through: int) -> dict[str, str]:
    return {table: which.format(first=quoted(first), through=int(through)) for table, which in _ROWS.items()}


# --- space ---


def shrink(path: Path, *, worth_it: int = WORTH_IT) -> tuple[int, int] | None:
    """Copies the log at ``path``, which nobody may have open, to a smaller file that takes its place.

    The log fills the space of removed rows again, but its file becomes smaller, and every trace of them goes, only in
    a copy. Nothing is done (None) unless some ``worth_it`` bytes and half of the file are free; 0 copies in any case.
    Gives the sizes before and after. A crash leaves the log as it was or the copy in its place. Raises as opening does.
    """
    unfinished = path.with_name(f".{path.name}.shrink")
    discard(unfinished)  # what a crash has left
    connection = open_up_to_date(path, None)
    try:
        with explained(path):
            connection.execute("CHECKPOINT")
            if worth_it and not _is_hollow(connection, worth_it):
                return None
            _copy(connection, unfinished)
            _check_copy(connection, unfinished)
            before, after = path.stat().st_size, unfinished.stat().st_size
            # The old file is still open, and so locked, until the new one has its name: nobody can have written to it.
            unfinished.replace(path)
            sync_folder(path.parent)
    finally:
        connection.close()
        discard(unfinished)
    return before, after


def _is_hollow(connection: DuckDBPyConnection, worth_it: int) -> bool:
    """Free blocks, and removed rows that still lie in their blocks: those go only once all 122,880 around them have."""
    size = connection.execute("SELECT block_size, used_blocks, free_blocks FROM pragma_database_size()").fetchone()
    live = " + ".join(f"(SELECT count(*) FROM {table})" for table in _ROWS)
    tables = ", ".join(quoted(table) for table in _ROWS)
    rows = connection.execute(
        f"SELECT {live}, sum(estimated_size) FROM duckdb_tables() WHERE table_name IN ({tables})"
    ).fetchone()
    assert size is not None and rows is not None
    block_size, used, free = size
    wasted = block_size * (free + used * (1 - rows[0] / max(1, int(rows[1]))))
    return bool(wasted >= worth_it and 2 * wasted >= block_size * (used + free))


def _copy(connection: DuckDBPyConnection, path: Path) -> None:
    row = connection.execute("SELECT current_database()").fetchone()
    assert row is not None
    source = row[0].replace('"', '""')
    connection.execute(f"ATTACH {quoted(path)} AS smaller (STORAGE_VERSION '{STORAGE_VERSION}')")
    try:
        connection.execute(f'COPY FROM DATABASE "{source}" TO smaller')
    finally:
        connection.execute("DETACH smaller")
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _check_copy(connection: DuckDBPyConnection, path: Path) -> None:
    query = "SELECT count(*), min(seq), max(seq) FROM events"
    with open_for_reading(path) as copy:
        found, wanted = copy.execute(query).fetchone(), connection.execute(query).fetchone()
    if found != wanted:
        raise LogDamaged(f"A copy of the log {path} differs from it, so the log has been left as it is.")
