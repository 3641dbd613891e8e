"""LogWriter: the one that owns a live log. A thread commits what is queued in groups; readers get cursors."""

from __future__ import annotations

import logging
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb

from coachsim.errors import InvalidInput, LogUnavailable
from coachsim.events import ClearedDown, Event
from coachsim.log import past
from coachsim.log.file import (
    STORAGE_VERSION,
    Run,
    discard,
    explained,
    open_for_writing,
    open_unfinished,
    put_in_place,
    quoted,
)
from coachsim.log.past import Restored
from coachsim.log.records import COLUMNS, to_frame, to_row
from coachsim.log.upgrade import open_up_to_date

GROUP = 1_000
"""As many queued events go into one commit; a longer single append still goes in whole."""

# When several have come at once, more are on their way: waited for, they share a commit and the work that each takes.
_GATHER_S = 0.004
# Below this, one statement with parameters is quicker than building a frame (measured: 1.5-2 ms against 3).
_FEW = 3
_VALUES = "(" + ", ".join("make_timestamp(?)" if name == "happened_at" else "?" for name in COLUMNS) + ")"
_DERIVED = ("messages", "state_changes", "agent_changes", "schedule_changes", "audit")

_logger = logging.getLogger(__name__)


class LogWriter:
    """A log open for writing. Made by ``LogWriter.open``; can be used from any thread.

    ``append`` queues and returns at once; its future resolves when the events are durable. Once a commit fails,
    everything queued and everything appended later fails with ``LogUnavailable`` until ``recover`` succeeds.
    """

    def __init__(self, path: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.path = path
        self._connection = connection
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._work = threading.Condition()
        self._queue: deque[tuple[tuple[Event, ...], Future[None]]] = deque()
        self._failure: str | None = None
        self._closing = False
        self._seq = _committed_seq(connection)
        self._commits = 0
        self._thread = threading.Thread(target=self._write, name=f"log-{path.name}", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: Path | str, run: Run | None = None) -> LogWriter:
        """Opens the log at ``path``, made with ``run`` if there is none yet.

        Raises ``LogLocked`` where another process (or this one) has it open, ``LogDamaged`` for a file that is no
        log, is damaged or of a newer version, ``LogUnavailable`` where disk or permissions are at fault.
        """
        path = Path(path)
        return cls(path, open_up_to_date(path, run))

    @classmethod
    def make(cls, path: Path, run: Run) -> LogWriter:
        """Makes a log under a name that nobody knows; who asked for it moves the file into place when it is closed."""
        return cls(path, open_unfinished(path, run))

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- writing ---

    @property
    def seq(self) -> int:
        """The number of the newest committed event."""
        return self._seq

    @property
    def commits(self) -> int:
        """How many commits have been made since the log was opened."""
        return self._commits

    def append(self, events: Sequence[Event]) -> Future[None]:
        """Queues events, which are committed all together or not at all; the future resolves after the commit.

        It fails with ``LogUnavailable`` if the commit does, or an earlier one did. Events must go on from the newest.
        """
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # a waiter that gives up must not take the answer from the writer
        with self._work:
            if self._closing:
                future.set_exception(LogUnavailable("The log has been closed. Nothing was written."))
            elif self._failure is not None:
                future.set_exception(LogUnavailable(self._failure))
            else:
                self._queue.append((tuple(events), future))
                self._work.notify()
        return future

    def close(self) -> None:
        """Commits what is queued and gives the file back. Can be called twice."""
        with self._work:
            self._closing = True
            self._work.notify()
        self._thread.join()
        with self._work:
            self._close_connections()

    def recover(self) -> None:
        """Opens the file anew after a failed commit and proves with a commit that it can be written.

        Raises ``LogUnavailable`` (or another ``LogError``) while it still cannot; can then be tried again. What
        was queued has failed: whoever rules the floor starts again from ``load``.
        """
        with self._work:
            if self._failure is None or self._closing:
                return
            self._close_connections()
            connection = open_for_writing(self.path, None)
            try:
                with explained(self.path):
                    connection.execute("INSERT INTO recoveries VALUES (now() AT TIME ZONE 'UTC')")
                    seq = _committed_seq(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._seq = seq
            self._failure = None

    def _close_connections(self) -> None:
        # DuckDB keeps the file (and, after a failure, its broken state) until the last cursor is closed.
        for connection in (*self._cursors, self._connection):
            with suppress(duckdb.Error):
                connection.close()

    def _write(self) -> None:
        while True:
            with self._work:
                while not self._queue and not self._closing:
                    self._work.wait()
                if not self._queue:
                    return
                group = [self._queue.popleft()]
                count = len(group[0][0])
                while self._queue and count + len(self._queue[0][0]) <= GROUP:
                    group.append(self._queue.popleft())
                    count += len(group[-1][0])
            try:
                self._commit([event for events, _ in group for event in events])
            except Exception as error:
                _logger.exception("the log %s could not be written", self.path)
                self._fail(error, group)
            else:
                for _, future in group:
                    future.set_result(None)
            if len(group) > 1 and count < GROUP:
                time.sleep(_GATHER_S)

    def _fail(self, error: Exception, group: list[tuple[tuple[Event, ...], Future[None]]]) -> None:
        with suppress(duckdb.Error):  # a failed COMMIT has rolled back by itself
            self._connection.execute("ROLLBACK")
        with self._work:
            self._failure = (
                f"The log {self.path} cannot be written, so nothing is taken. Check the disk's free space and"
                f" permissions. ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
            )
            failed = [*group, *self._queue]
            self._queue.clear()
        for _, future in failed:
            future.set_exception(LogUnavailable(self._failure))

    def _commit(self, events: list[Event]) -> None:
        if not events:
            return
        for expected, event in enumerate(events, start=self._seq + 1):
            if event.seq != expected:
                raise ValueError(f"event {event.seq} was appended where {expected} was next")
        self._connection.execute("BEGIN")
        start = 0
        for place, event in enumerate(events, start=1):
            if isinstance(event, ClearedDown) and not event.by_hand:
                self._insert(events[start:place])
                self._close_day(event)
                start = place
        self._insert(events[start:])
        self._connection.execute("COMMIT")
        self._seq = events[-1].seq
        self._commits += 1

    def _insert(self, events: list[Event]) -> None:
        if not events:
            return
        if len(events) <= _FEW:
            values = [value for event in events for value in to_row(event)]
            self._connection.execute("INSERT INTO events VALUES " + ", ".join([_VALUES] * len(events)), values)
        else:
            frame = to_frame(events)  # DuckDB finds it by its name
            self._connection.execute("INSERT INTO events SELECT * FROM frame")
            del frame

    def _close_day(self, cleared: ClearedDown) -> None:
        """Turns the open day's views into rows; the day's own row comes last, since it moves where *open* begins."""
        run = self._connection.execute
        for name in _DERIVED:
            run(f"INSERT INTO closed_{name} BY NAME SELECT * FROM open_{name} ORDER BY seq")
        # Deliveries are worked out once, for the rows and for the day's counts.
        run("CREATE OR REPLACE TEMP TABLE closing AS SELECT * FROM open_deliveries ORDER BY message_id, agent_id")
        run("INSERT INTO closed_deliveries BY NAME SELECT * FROM closing")
        run(
            """
            INSERT INTO closed_days BY NAME
            SELECT day, began_seq, began_at, time_zone, $1::BIGINT AS cleared_seq,
                   make_timestamp($2::BIGINT) AS cleared_at, deliveries, lost
            FROM (SELECT count(*) AS deliveries, count(lost_at) AS lost FROM closing)
            LEFT JOIN open_days ON true
            """,
            [cleared.seq, cleared.happened_at],
        )
        run("DROP TABLE closing")

    # --- reading, off the event loop ---

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for reading, of its own; close it after use. Use few at a time, and off the event loop."""
        with self._work:
            if self._closing or self._failure is not None:
                raise LogUnavailable(self._failure or "The log has been closed. Open it again first.")
            cursor = self._connection.cursor()
            self._cursors.add(cursor)
            return cursor

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self.cursor()
        try:
            with explained(self.path):
                cursor.execute("BEGIN")  # all that one answer reads is of one moment
                yield cursor
        finally:
            with suppress(duckdb.Error):
                cursor.close()

    @property
    def run(self) -> Run:
        """What made this log."""
        with self._reading() as cursor:
            return past.run(cursor)

    def load(self) -> Restored:
        """What a floor is rebuilt from: the agents as the open day found them, and that day's events."""
        with self._reading() as cursor:
            return past.load(cursor)

    def past_messages(self, day: str, scope: Collection[str] | None = None) -> list[dict[str, Any]]:
        """The messages of a day, newest first, as ``views.messages`` gives the open day's."""
        with self._reading() as cursor:
            return past.messages(cursor, day, scope)

    def past_deliveries(self, message_id: int, scope: Collection[str] | None = None) -> list[dict[str, Any]]:
        """Each recipient's delivery as ``views.deliveries`` gives it; none for an unknown or invisible message."""
        with self._reading() as cursor:
            return past.deliveries(cursor, message_id, scope)

    def past_bodies(self, sender: str, most: int) -> list[tuple[str, int]]:
        """The last different texts that an account sent and when (µs), newest first."""
        with self._reading() as cursor:
            return past.bodies(cursor, sender, most)

    def past_presence(self, label: str, most: int) -> dict[str, Any]:
        """Where everybody was on the last closed days of the same kind as the day ``label``, as columns."""
        with self._reading() as cursor:
            return past.presence(cursor, label, most)

    def past_sent(self, label: str, most: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """What everybody was sent on these days: columns of the messages, and of the agents."""
        with self._reading() as cursor:
            return past.sent(cursor, label, most)

    def backup(self, path: Path | str) -> None:
        """Writes a consistent copy of the log to ``path`` while the log goes on. Never overwrites a file."""
        path = Path(path)
        if path.exists():
            raise _taken(path)
        unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        cursor = self.cursor()
        try:
            with explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                _copy(cursor, unfinished)
                placed = put_in_place(unfinished, path)
            if not placed:
                raise _taken(path)
        finally:
            with suppress(duckdb.Error):
                cursor.close()
            discard(unfinished)


def _taken(path: Path) -> InvalidInput:
    return InvalidInput(f"{path} exists already. Choose another name for the backup.", field="path")


def _copy(cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
    row = cursor.execute("SELECT current_database()").fetchone()
    assert row is not None
    source = row[0].replace('"', '""')
    copy = f"backup_{uuid.uuid4().hex}"
    cursor.execute(f"ATTACH {quoted(path)} AS {copy} (STORAGE_VERSION '{STORAGE_VERSION}')")
    try:
        cursor.execute(f'COPY FROM DATABASE "{source}" TO {copy}')
    finally:
        cursor.execute(f"DETACH {copy}")


def _committed_seq(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
    assert row is not None
    return int(row[0])
