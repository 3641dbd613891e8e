"""The log as a DuckDB file: making one, opening one, and saying plainly what is wrong with one that will not open."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb

from coachsim import __version__
from coachsim.errors import LogDamaged, LogError, LogLocked, LogOutdated, LogUnavailable
from coachsim.log.records import to_json

FORMAT = 2
"""The version of schema.sql. A log with a higher one is refused, one with a lower one brought up to this.

Raise it when an older coachsim could misread, keep a log of it in tests/fixtures, and see log/upgrade.py.
"""

_Config = dict[str, str | bool | int | float | list[str]]

# Written into new files, so that analysts with an older DuckDB client can open them too.
STORAGE_VERSION = "v1.2.0"

# Nothing is fetched from the network, whatever a query asks for.
_CONFIG: _Config = {"autoinstall_known_extensions": "false", "storage_compatibility_version": STORAGE_VERSION}
# Readers can neither change the log nor reach any other file, and cannot undo that.
_READER_CONFIG: _Config = {
    "autoinstall_known_extensions": "false",
    "enable_external_access": "false",
    "lock_configuration": "true",
}
_HEADERS = 3 * 4_096  # bytes in front of a DuckDB file's blocks
# What DuckDB and the operating system say when the disk or the permissions, not the log, are at fault.
_NO_FAULT_OF_THE_LOG = (
    "no space left",
    "file too large",
    "quota exceeded",
    "permission denied",
    "read-only file system",
    "too many open files",
)


@dataclass(frozen=True, slots=True)
class Run:
    """What wrote a log: the row of its ``run`` table. ``kind`` is ``live``, ``practice`` or ``simulated``."""

    kind: str = "live"
    scenario: str | None = None
    seed: int | None = None
    version: str = __version__
    time_zone: str | None = None
    site: str | None = None
    floor_name: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


def open_for_writing(path: Path, run: Run | None) -> duckdb.DuckDBPyConnection:
    """Opens the log at ``path``, made anew if there is none; this process then owns it.

    Raises ``LogLocked``, ``LogDamaged``, ``LogUnavailable``, or ``LogOutdated`` for one of an earlier format.
    """
    is_new = not path.exists()
    if is_new:
        _create(path, run or Run())
    return _open(path, _writer_config(), read_only=False, whole=is_new)


def open_unfinished(path: Path, run: Run) -> duckdb.DuckDBPyConnection:
    """Makes a log at ``path``, open for writing, of whose name nobody knows: the caller moves it into place at the end.

    It is quicker than ``open_for_writing``, since a crash may leave it as it is. Raises ``LogUnavailable``.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(str(path), config=_writer_config())
        try:
            _fill(connection, run)
        except BaseException:
            connection.close()
            raise
    return connection


def _writer_config() -> _Config:
    # DuckDB would let two openers in one process share a file. An agent name of our own makes it refuse the second.
    return {**_CONFIG, "custom_user_agent": f"coachsim-{uuid.uuid4().hex}"}


def open_for_reading(path: Path) -> duckdb.DuckDBPyConnection:
    """Opens the log at ``path`` so that its user can read it and nothing else; no process may be writing it.

    Raises ``LogError`` if there is none, else as ``open_for_writing``.
    """
    if not path.exists():
        raise LogError(f"There is no log at {path}. Give the path of a log file or of a data folder that has one.")
    connection = _open(path, _READER_CONFIG, read_only=True)
    # The open day's deliveries follow from its events. Nothing changes while a reader has the file, so this is worked
    # out once here and not again for every question (40 ms each; measured).
    connection.execute("CREATE TEMP TABLE open_deliveries AS FROM open_deliveries")
    return connection


COUNTED_BY = "hour, priority, sender"
"""The columns of ``closed_deliveries`` that tell what they are counted by; ``deliveries`` does not show them."""


def counted_by(deliveries: str, messages: str, days: str) -> str:
    """A query: the rows of ``deliveries`` with the columns of ``COUNTED_BY``.

    All three are names of tables or queries in parentheses; needed where deliveries come from elsewhere than the open
    day's view (schema.sql), without these columns.
    """
    zone = "coalesce(day.time_zone, (SELECT any_value(time_zone) FROM run_info), 'UTC')"
    return (
        f"SELECT delivery.*, CAST(hour(timezone({zone}, timezone('UTC', delivery.sent_at))) AS TINYINT) AS hour,"
        f" about.priority, about.sender FROM {deliveries} AS delivery LEFT JOIN {messages} AS about USING (message_id)"
        f" LEFT JOIN {days} AS day ON day.day = delivery.day"
    )


def quoted(name: str | Path) -> str:
    """A path as an SQL string."""
    return "'" + str(name).replace("'", "''") + "'"


def check_name(path: Path) -> None:
    """Raises ``LogError`` for a path that DuckDB cannot take: a file system may have names that are no text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise LogError(
            f"The path {str(path)!r} is not UTF-8, and the log's database takes no other. Choose another."
        ) from None


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what DuckDB and the file system raise about the file at ``path`` into a ``LogError`` in plain words."""
    check_name(path)
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise _in_plain_words(path, error) from error


def _in_plain_words(path: Path, error: Exception) -> LogError:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    lower = str(error).lower()
    if "lock on file" in lower or "used by another process" in lower:
        return LogLocked(
            f"The log {path} is in use by another process, most likely a running coachsim server. Stop that one,"
            f" or ask it instead of opening its file. ({said})"
        )
    if "different configuration" in lower or "unique file handle conflict" in lower:
        return LogLocked(f"The log {path} is already open in this program. Close it there first.")
    if isinstance(error, OSError) or any(words in lower for words in _NO_FAULT_OF_THE_LOG):
        return LogUnavailable(
            f"The log {path} cannot be read or written just now. Check the disk's free space and the file's"
            f" permissions. ({said})"
        )
    if "newer version" in lower or "storage version" in lower or "version number" in lower:
        return LogDamaged(
            f"The log {path} was written with a newer version of DuckDB. Update coachsim on this machine. ({said})"
        )
    return LogDamaged(
        f"The file {path} is damaged or is no coachsim log, and has been left as it is. Move it and {path.name}.wal"
        f" away and put the newest backup in their place. ({said})"
    )


def _create(path: Path, run: Run) -> None:
    """Makes the log beside its place and moves it there complete: a crash leaves a whole log or none."""
    wal = wal_of(path)
    if wal.exists():
        raise LogDamaged(
            f"{wal} is there but its log {path.name} is not. Put the log back, or move {wal.name} away for a new log."
        )
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.new")
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with duckdb.connect(str(unfinished), config=_CONFIG) as connection:
                _fill(connection, run)
            put_in_place(unfinished, path)  # if another process was first, opening the log says who has it
    finally:
        discard(unfinished)


def _fill(connection: duckdb.DuckDBPyConnection, run: Run) -> None:
    """Makes a log's tables, with what wrote it."""
    connection.execute(schema())
    connection.execute(
        "INSERT INTO run_info VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            FORMAT,
            run.kind,
            run.scenario,
            run.seed,
            run.version,
            run.time_zone,
            run.site,
            run.floor_name,
            datetime.now(UTC).replace(tzinfo=None),
            to_json(run.detail),
        ],
    )


def schema() -> str:
    """The SQL that makes the tables and views of a log of today's format."""
    return resources.files("coachsim.log").joinpath("schema.sql").read_text(encoding="utf-8")


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """The database at ``path``, made if it is not there, with no check whether it is a log: for what makes one."""
    return duckdb.connect(str(path), config=_writer_config())


def discard(unfinished: Path) -> None:
    """Takes away a file that was not finished, if it is there; what led here is what matters to the user."""
    for path in (unfinished, wal_of(unfinished)):
        with suppress(OSError):
            path.unlink()


def wal_of(path: Path) -> Path:
    """Where DuckDB keeps what it has committed but not yet merged into the file at ``path``."""
    return path.with_name(path.name + ".wal")


def put_in_place(finished: Path, path: Path) -> bool:
    """Gives the finished file its name, durably; False, and nothing done, if the name is taken."""
    with open(finished, "rb+") as file:
        os.fsync(file.fileno())
    try:
        os.link(finished, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if path.exists():
            return False
        finished.rename(path)
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Waits until the names in the folder are on the disk, where the system can do that (Windows cannot)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open(path: Path, config: _Config, *, read_only: bool, whole: bool = False) -> duckdb.DuckDBPyConnection:
    """Opens and checks the log. ``whole``: that the file has not been cut short is known already."""
    if path.is_dir():
        raise LogError(f"{path} is a folder. Give the path of the log file in it.")
    merges = not read_only and wal_of(path).exists()
    with explained(path):
        if merges:
            # Opening for writing merges what a crash left beside the file, which makes one that was cut short long
            # enough again. So it is looked at before.
            with duckdb.connect(str(path), read_only=True, config=_CONFIG) as before:
                _check_size(before, path)
        connection = duckdb.connect(str(path), read_only=read_only, config=config)
        try:
            if not whole and not merges:
                _check_size(connection, path)
            _check(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _check_size(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuses a file cut short, which DuckDB may only notice when a query wants what is gone.

    The highest block in use is looked for, since free blocks at the end need not be in the file. (63 ms for a table
    of 20 million rows; measured.)
    """
    names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
    used = " UNION ALL ".join(
        f"SELECT max(greatest(block_id, coalesce(list_max(additional_block_ids), -1))) AS block"
        f" FROM pragma_storage_info({quoted(name)}) WHERE persistent"
        for name in names
    )
    metadata = "SELECT max(block_id) AS block FROM pragma_metadata_info()"
    highest, block_size = _one(
        connection,
        f"SELECT coalesce(max(block), -1), (SELECT block_size FROM pragma_database_size())"
        f" FROM ({metadata}{' UNION ALL ' if used else ''}{used})",
    )
    size, needed = path.stat().st_size, _HEADERS + block_size * (highest + 1)
    if size < needed:
        raise LogDamaged(
            f"The log {path} has been cut short: it holds {size:,} of at least {needed:,} bytes. Put the newest backup"
            " in its place."
        )


def _check(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuses another program's database, a newer format, and a log with missing events."""
    tables = _one(connection, "SELECT list(table_name) FROM duckdb_tables() WHERE table_name IN ('events', 'run_info')")
    if sorted(tables[0] or ()) != ["events", "run_info"]:
        raise LogDamaged(f"The file {path} is a DuckDB file, but no coachsim log. Give the path of a log.")
    written = _one(connection, "SELECT max(format) FROM run_info")[0]
    if written is None or written > FORMAT:
        raise LogDamaged(
            f"The log {path} was written by a newer version of coachsim (log format {written}, this version knows up"
            f" to {FORMAT}). Update coachsim on this machine."
        )
    if written < FORMAT:
        raise LogOutdated(
            f"The log {path} is of an earlier format ({written}; this version of coachsim has {FORMAT}). Bring it up to"
            f" date with 'coachsim log upgrade {path.name}'; the old one is kept beside it."
        )
    count, first, last = _one(connection, "SELECT count(*), min(seq), max(seq) FROM events")
    if count and count != last - first + 1:
        raise LogDamaged(
            f"The log {path} has {count:,} events where its numbers say {last - first + 1:,}: some are missing or"
            " there twice. Put the newest backup in its place."
        )


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row
