"""MessageLog: a log open for reading, and ``open_log``, which finds it: a file, a data folder or a server's address.

Analysts get the stable tables of schema.sql as DataFrames, and any read-only query.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from coachsim.errors import CoachsimWarning, InvalidInput, LogError, LogLocked
from coachsim.log import joined
from coachsim.log.file import open_for_reading
from coachsim.log.part import FileSource, Part

if TYPE_CHECKING:
    import pandas as pd

    from coachsim.log.remote import ServerSource

LOG_FILE = "log.duckdb"
"""The name of the log in a data folder."""
_DEFAULT_DATA = Path("data/live")


class MessageLog:
    """A log open for reading: nothing can be changed through it, and no other file reached. Close it after use.

    >>> with open_log("data/live") as log:
    ...     log.sql("SELECT status, count(*) AS deliveries FROM deliveries GROUP BY status ORDER BY status")
             status  deliveries
    0  acknowledged           1
    1          lost           5
    2          read           6
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, where: str) -> None:
        self._connection = connection
        self._part: Part | None = None
        self.where = where

    @classmethod
    def open(cls, path: Path | str) -> MessageLog:
        """Opens a log file. Raises ``LogLocked`` while a server runs on it, ``LogDamaged`` for what is no log."""
        return cls(open_for_reading(Path(path)), str(path))

    @classmethod
    def of_part(cls, part: Part, where: str) -> MessageLog:
        """Some days of the log at ``where``; they go when this is closed."""
        log = cls(part.connection, where)
        log._part = part
        return log

    def __enter__(self) -> MessageLog:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MessageLog {self.where}>"

    def close(self) -> None:
        """Gives the file back. Can be called twice."""
        self._connection.close()
        if self._part is not None:
            self._part.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the same log, with the same limits; close it after use."""
        try:
            return self._connection.cursor()
        except duckdb.ConnectionException as error:
            raise self._closed() from error

    def sql(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None) -> pd.DataFrame:
        """The answer to any query that only reads; values for ``?`` or ``$name`` in ``parameters``.

        The tables are deliveries, messages, state_changes, agents, agent_versions, days, run and audit.
        """
        try:
            result = self._connection.execute(query, parameters) if parameters else self._connection.execute(query)
            return result.df()
        except duckdb.ConnectionException as error:
            raise self._closed() from error
        except duckdb.Error as error:
            with suppress(duckdb.Error):  # a transaction that the query began would refuse all that is asked later
                self._connection.execute("ROLLBACK")
            raise InvalidInput(f"The log cannot answer this query. {error}", field="query") from error

    def _closed(self) -> LogError:
        return LogError(f"The log {self.where} has been closed. Open it again with open_log().")

    def deliveries(self) -> pd.DataFrame:
        """Every delivery, by message_id, then agent_id."""
        return self.sql("SELECT * FROM deliveries ORDER BY message_id, agent_id")

    def messages(self) -> pd.DataFrame:
        """Every message, by time, then message_id."""
        return self.sql("SELECT * FROM messages ORDER BY sent_at, message_id")

    def state_changes(self) -> pd.DataFrame:
        """Every change of an agent's state or its reason, by time, then agent_id."""
        return self.sql(
            "SELECT agent_id, changed_at, state, reason, actor FROM all_state_changes WHERE seq > ?"
            " ORDER BY changed_at, agent_id, seq",
            [self._part.after if self._part else 0],
        )

    def agents(self) -> pd.DataFrame:
        """The agents as of now, by agent_id."""
        return self.sql("SELECT * FROM agents ORDER BY agent_id")

    def days(self) -> pd.DataFrame:
        """A row for each day begun; deliveries and lost are counted at its scheduled clear-down."""
        return self.sql("SELECT * FROM days ORDER BY began_at")

    def newest(self) -> datetime | None:
        """The moment of the newest event, UTC without a zone: the log knows of nothing later. None in an empty log."""
        return self._newest

    @cached_property
    def _newest(self) -> datetime | None:
        found = self.sql("SELECT happened_at FROM events ORDER BY seq DESC LIMIT 1").happened_at
        return None if found.empty else found[0].to_pydatetime()


def open_log(
    where: Path | str | None = None,
    *,
    from_day: date | str | None = None,
    to_day: date | str | None = None,
) -> MessageLog:
    """Opens a log for reading: a log file, a data folder, a server's address, or by default the live floor's.

    ``where`` None means the server in COACHSIM_URL if that is set, else the folder in COACHSIM_DATA, else
    ``data/live``. While a server runs on a log, its file cannot be opened by others: give the server's address, such as
    ``http://127.0.0.1:8800``. It sends what the token in COACHSIM_TOKEN (asked for where somebody can answer) lets its
    owner see, all of one moment; the log does not change after that, open it again for what is new.

    A data folder's archive counts too: days that only the archive has, because the log was begun anew, are there. A
    server gives what its log has, with a ``CoachsimWarning`` where its archive has more of the days asked for.

    ``from_day`` and ``to_day``, labels or dates, leave in the days from the one to the other, both included; without
    them there are all days. Agents and their versions are always all there. It is quicker to fetch less.

    Raises ``LogError``; of a server also ``ServerUnavailable``, ``NotSignedIn`` and ``Forbidden``.

    >>> with open_log("data/live", from_day="2026-03-02") as log:
    ...     log.agents()[["agent_id", "name", "team"]].head(2)
      agent_id name   team
    0       a1  Ann  Green
    1       a2   Bo   Blue
    """
    first, last = _label(from_day, "from_day"), _label(to_day, "to_day")
    if where is None:
        where = os.environ.get("COACHSIM_URL") or os.environ.get("COACHSIM_DATA") or _DEFAULT_DATA
    if isinstance(where, str) and where.lower().startswith(("http://", "https://")):
        from coachsim.log.remote import ServerSource

        with ServerSource(where, first, last) as server:
            part = Part(server, server.url)
            _warn_of_older(server, first, last)
            return MessageLog.of_part(part, server.url)
    path = Path(where)
    return _open_folder(path, first, last) if path.is_dir() else _open_file(path, first, last)


def _warn_of_older(server: ServerSource, first: str | None, last: str | None) -> None:
    """Says so where some of the days that are asked for are in the server's archive alone."""
    older = server.older_days
    if older is None or (first or older[1]) > older[1] or (last or older[0]) < older[0]:
        return
    warnings.warn(
        f"The log of {server.url} does not have the days {older[0]} to {older[1]}, and its archive does. A server gives"
        " what its log has: for those days open a backup with the archive beside it (docs/operations.md, Backup).",
        CoachsimWarning,
        stacklevel=3,
    )


def _open_file(path: Path, first: str | None, last: str | None) -> MessageLog:
    if first is None and last is None:
        return MessageLog.open(path)
    with closing(FileSource(path, first, last)) as file:
        return MessageLog.of_part(Part(file, str(path)), str(path))


def _open_folder(folder: Path, first: str | None, last: str | None) -> MessageLog:
    path = folder / LOG_FILE
    try:
        connection = open_for_reading(path)
    except LogLocked as error:
        if held := _held_by_a_server(folder):
            raise held from error
        raise
    try:
        older = joined.older_days(connection, folder)
    except BaseException:
        connection.close()
        raise
    if not any((first or day) <= day <= (last or day) for day in older.days):
        if first is None and last is None:
            return MessageLog(connection, str(path))
        connection.close()
        return _open_file(path, first, last)
    connection.close()
    with closing(joined.JoinedSource(path, older, first, last)) as source:
        return MessageLog.of_part(Part(source, str(path)), str(path))


def _held_by_a_server(folder: Path) -> LogLocked | None:
    """Says which server to ask instead, if the one that has the log open has left its address in the folder."""
    try:
        url = json.loads((folder / "server.json").read_text(encoding="utf-8"))["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return LogLocked(
        f"A server has the log of {folder} open. Ask it: open_log({url!r}), with an API token ('coachsim token NAME')"
        " in the environment variable COACHSIM_TOKEN."
    )


def _label(day: date | str | None, field: str) -> str | None:
    if day is None:
        return None
    try:
        return date.fromisoformat(str(day)[:10] if isinstance(day, date) else day).isoformat()
    except (TypeError, ValueError):
        raise InvalidInput(f"{field!r} is a day such as 2026-11-22, not {day!r}.", field=field) from None
