"""A log of an earlier format becomes one of today's: its rows are copied into a new file, and the old file is kept.

What a format adds stands in ``schema.sql``; a column that the old log has not is empty in the rows before it. Where
that is not what it should be, ``AFTER`` says what they hold.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from coachsim.errors import LogDamaged, LogOutdated
from coachsim.log.file import (
    COUNTED_BY,
    FORMAT,
    Run,
    connect,
    counted_by,
    discard,
    explained,
    open_for_writing,
    quoted,
    schema,
    sync_folder,
)

AFTER: Mapping[int, Sequence[str]] = {
    # Deliveries have since been kept with what they are counted by.
    1: (
        "CREATE TEMP TABLE filled AS "
        + counted_by(f"(SELECT * EXCLUDE ({COUNTED_BY}) FROM closed_deliveries)", "closed_messages", "closed_days"),
        "DELETE FROM closed_deliveries",
        "INSERT INTO closed_deliveries BY NAME SELECT * FROM filled ORDER BY message_id, agent_id",
        "DROP TABLE filled",
    ),
}
"""By format: SQL that makes a log of that format, copied into today's tables, one of the next. One entry a format."""

_logger = logging.getLogger(__name__)


def open_up_to_date(path: Path, run: Run | None) -> DuckDBPyConnection:
    """As ``open_for_writing``; a log of an earlier format is brought to today's first, and kept as it was beside it."""
    try:
        return open_for_writing(path, run)
    except LogOutdated:
        upgrade(path)
        return open_for_writing(path, run)


def upgrade(path: Path) -> Path:
    """Brings the log at ``path``, which nobody may have open, to today's format; returns where the old one is kept.

    A crash leaves the old log or the new one in its place. Raises as opening does, with the log as it was.
    """
    unfinished = path.with_name(f".{path.name}.upgrade")
    discard(unfinished)  # what a crash has left
    connection = connect(path)
    try:
        with explained(path):
            (old,) = connection.execute("SELECT current_database()").fetchone() or ("",)
            (written,) = connection.execute("SELECT max(format) FROM run_info").fetchone() or (FORMAT,)
            connection.execute("CHECKPOINT")
            with connect(unfinished) as empty:
                empty.execute(schema())
            _copy(connection, old, unfinished, written)
            kept = _keep(path, written)
            # The old file is open, and so locked, until the new one has its name: nobody can have written to it.
            unfinished.replace(path)
            sync_folder(path.parent)
    finally:
        connection.close()
        discard(unfinished)
    _logger.info("the log %s was brought from format %d to %d; the old one is %s", path, written, FORMAT, kept.name)
    return kept


def _copy(connection: DuckDBPyConnection, old: str, unfinished: Path, written: int) -> None:
    connection.execute(f"ATTACH {quoted(unfinished)} AS newer")
    try:
        connection.execute("BEGIN")
        for table, columns in _shared(connection, old).items():
            named = ", ".join(columns)
            connection.execute(f"INSERT INTO newer.{table} ({named}) SELECT {named} FROM {table}")
            _check(connection, table)
        connection.execute("COMMIT")
        connection.execute("USE newer")
        connection.execute("BEGIN")
        for number in range(written, FORMAT):
            for statement in AFTER.get(number, ()):
                connection.execute(statement)
        connection.execute("UPDATE run_info SET format = ?", [FORMAT])
        connection.execute("COMMIT")
        connection.execute("CHECKPOINT newer")
    finally:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        connection.execute(f'USE "{old}"')
        connection.execute("DETACH newer")
    with open(unfinished, "rb+") as file:
        os.fsync(file.fileno())


def _shared(connection: DuckDBPyConnection, old: str) -> dict[str, list[str]]:
    """The tables and columns that old log and new have both."""
    rows = connection.execute(
        "SELECT table_name, column_name FROM duckdb_columns() AS had"
        " SEMI JOIN duckdb_tables() AS tables ON had.table_oid = tables.table_oid AND tables.database_name = $old"
        " SEMI JOIN duckdb_columns() AS has ON has.database_name = 'newer'"
        " AND has.table_name = had.table_name AND has.column_name = had.column_name"
        " WHERE had.database_name = $old ORDER BY table_name, column_index",
        {"old": old},
    ).fetchall()
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


def _check(connection: DuckDBPyConnection, table: str) -> None:
    counts = connection.execute(
        f"SELECT (SELECT count(*) FROM {table}), (SELECT count(*) FROM newer.{table})"
    ).fetchone()
    if counts is None or counts[0] != counts[1]:
        raise LogDamaged(f"The table {table} could not be copied whole, so the log has been left as it is.")


def _keep(path: Path, written: int) -> Path:
    """A second name for the old file, or a copy where the file system has no second names."""
    number = 1
    while True:
        more = "" if number == 1 else f"-{number}"
        kept = path.with_name(f"{path.stem}.format-{written}{more}{path.suffix}")
        if not kept.exists():
            break
        number += 1
    try:
        os.link(path, kept)
    except OSError:
        shutil.copy2(path, kept)
    sync_folder(path.parent)
    return kept
