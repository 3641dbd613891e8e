"""Where the message log page has its log from: one that is open already, a file or folder, or a server.

A server is asked twice: for its days and teams, which are little, and then only for the days that are looked at.
Everything here waits for a disk or a network: call it in a thread, one call at a time.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from coachsim.days import to_datetime
from coachsim.errors import NotSignedIn

if TYPE_CHECKING:
    from coachsim.log import MessageLog

_ABOUT = ("run", "all_days", "all_agent_changes")


@dataclass(frozen=True, slots=True)
class Day:
    """A day that can be chosen. ``deliveries`` were counted at its clear-down; None while it is open."""

    label: str
    deliveries: int | None

    @property
    def open(self) -> bool:
        """Whether its clear-down is still to come."""
        return self.deliveries is None

    @property
    def says(self) -> str:
        """As in 'Mon 2 Mar 2026'."""
        day = date.fromisoformat(self.label)
        return f"{day:%a} {day.day} {day:%b %Y}"


@dataclass(frozen=True, slots=True)
class Index:
    """What a log has: its days, oldest first, its teams, and as of when (UTC; None = nothing has happened)."""

    days: tuple[Day, ...]
    teams: tuple[str, ...]
    newest: datetime | None
    zone: ZoneInfo
    first_hour: int
    """The hour on the floor's clocks with which its day begins."""
    floor: str

    @property
    def default_day(self) -> str | None:
        """The newest closed day; the open one where there is no other."""
        closed = [day.label for day in self.days if not day.open]
        return closed[-1] if closed else self.days[-1].label if self.days else None

    @property
    def as_of(self) -> str:
        """'data as of 14:02', with the date where it is not the open day's."""
        if self.newest is None:
            return "nothing has happened yet"
        at = self.local(self.newest)
        today = self.days and self.days[-1].open and self.days[-1].label == f"{at:%Y-%m-%d}"
        return f"data as of {at:%H:%M}" if today else f"data as of {at:%a} {at.day} {at:%b}, {at:%H:%M}"

    def local(self, moment: datetime) -> datetime:
        """A moment of the log (UTC, without a zone) on the floor's clocks."""
        return moment.replace(tzinfo=UTC).astimezone(self.zone)

    def between(self, first: str, last: str) -> list[str]:
        """The labels of the days from the one to the other."""
        return [day.label for day in self.days if first <= day.label <= last]


class LogSource:
    """``log`` is a ``MessageLog``, which stays its owner's to close, a path, a server's address, or None.

    None is what ``open_log`` takes it for: the server in ``COACHSIM_URL``, else the live log of this machine.
    """

    def __init__(self, log: MessageLog | Path | str | None = None) -> None:
        self._given = log
        self._opened: MessageLog | None = None
        self._days: tuple[str, str] | None = None
        self._connection: Any = None  # of the database's driver, which pages do not import

    @property
    def _url(self) -> str | None:
        where = os.environ.get("COACHSIM_URL") if self._given is None else self._given
        return where if isinstance(where, str) and where.lower().startswith(("http://", "https://")) else None

    def index(self) -> Index:
        """What there is now; what was fetched before is let go. Raises ``LogError`` and what ``open_log`` raises."""
        self.close()
        if self._url is None:
            return _index(self._all())
        from coachsim.log import MessageLog
        from coachsim.log.part import Part
        from coachsim.log.remote import ServerSource

        try:
            with ServerSource(self._url, None, None) as source:
                part = Part(source, self._url, _ABOUT)
        except NotSignedIn as error:
            raise told(error) from error
        with MessageLog.of_part(part, self._url) as log:
            return _index(log)

    def log(self, first: str, last: str) -> MessageLog:
        """The log, with at least the days from ``first`` to ``last``, to be asked and not to be closed."""
        if self._url is None:
            return self._all()
        if self._opened is None or self._days != (first, last):
            from coachsim.log import open_log

            self.close()
            try:
                self._opened = open_log(self._url, from_day=first, to_day=last)
            except NotSignedIn as error:
                raise told(error) from error
            self._days = (first, last)
        return self._to_ask(self._opened)

    def _all(self) -> MessageLog:
        from coachsim.log import MessageLog, open_log

        if isinstance(self._given, MessageLog):
            return self._to_ask(self._given)
        if self._opened is None:
            self._opened = open_log(self._given)
        return self._to_ask(self._opened)

    def _to_ask(self, log: MessageLog) -> MessageLog:
        """The same through a connection of the page's own: its queries can be stopped, and its owner's go on."""
        from coachsim.log import MessageLog

        if self._connection is None:
            self._connection = log.cursor()
        return MessageLog(self._connection, log.where)

    def interrupt(self) -> None:
        """Stops the query that runs, in whatever thread; it raises ``InvalidInput`` there."""
        connection = self._connection
        if connection is not None:
            connection.interrupt()

    def close(self) -> None:
        """Gives back what was opened here. Can be called twice, and while no query runs."""
        connection, self._connection = self._connection, None
        opened, self._opened, self._days = self._opened, None, None
        if connection is not None:
            connection.close()
        if opened is not None:
            opened.close()


def told(error: NotSignedIn) -> NotSignedIn:
    """What somebody at a page of the desk can do: it is signed in by the browser, not by a token."""
    if os.environ.get("HTTP_X_COACH_TICKET"):
        return NotSignedIn("You are signed out. Sign in again, then reload this page.")
    return error


def _index(log: MessageLog) -> Index:
    (run,) = log.sql("SELECT coalesce(time_zone, 'UTC') AS zone, floor_name, scenario, kind FROM run").to_dict(
        "records"
    )
    zone = ZoneInfo(run["zone"])
    found = log.sql(
        "SELECT day, epoch_us(began_at) AS began, cleared_at IS NULL AS is_open, coalesce(deliveries, 0) AS deliveries"
        " FROM days ORDER BY began_at"
    ).to_dict("records")
    days = tuple(Day(row["day"], None if row["is_open"] else int(row["deliveries"])) for row in found)
    first_hour = to_datetime(int(found[-1]["began"]), zone).hour if found else 0
    teams = log.sql("SELECT DISTINCT team FROM agent_versions ORDER BY team")["team"]
    named = next((one for one in (run["floor_name"], run["scenario"]) if isinstance(one, str) and one), "")
    return Index(days, tuple(teams), log.newest(), zone, first_hour, named)
