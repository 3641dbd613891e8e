"""The day's schedule: which clear-down comes when, through daylight-saving changes.

A day runs from one scheduled clear-down to the next, at a wall-clock time in the floor's time zone. Its label is the
local date of its scheduled start. Pure arithmetic: nothing here knows what time it is now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime, exactly (``timestamp()`` would round through a float)."""
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(micros: int, zone: ZoneInfo | None = None) -> datetime:
    """The aware datetime of ``micros``, in UTC or in ``zone``."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.astimezone(zone) if zone else moment


def to_iso(micros: int | None) -> str | None:
    """ISO 8601 in UTC with ``Z`` and microseconds; None stays None."""
    return None if micros is None else to_datetime(micros).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the schedule: ``[began_at, ends_at)``, labelled with an ISO date."""

    label: str
    began_at: int
    ends_at: int


def is_time_zone(name: str) -> bool:
    """Whether ``name`` is an IANA time zone that means the same on every machine."""
    # The first two are a system's private copies, the others its own zone by another name: the log's database knows
    # none of them.
    if not name or name.startswith(("posix/", "right/")) or name in ("localtime", "posixrules"):
        return False
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the night clears the floor down: ``clear_down`` ('HH:MM') in ``time_zone`` (an IANA name)."""

    time_zone: str
    clear_down: str = "03:00"

    def instant(self, day: date) -> int:
        """The scheduled clear-down of a local date.

        A wall time that does not exist moves to the next that does; one that happens twice counts the first time.
        """
        zone = ZoneInfo(self.time_zone)
        wall = datetime.combine(day, time.fromisoformat(self.clear_down))
        before = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if before.astimezone(zone).replace(tzinfo=None) == wall:
            return to_micros(before)
        # In a gap the later offset gives the earlier instant: the jump lies between the two readings.
        low, high = to_micros(wall.replace(tzinfo=zone, fold=1).astimezone(UTC)), to_micros(before)
        offset_after = to_datetime(high, zone).utcoffset()
        while high - low > 1:
            middle = (low + high) // 2
            if to_datetime(middle, zone).utcoffset() == offset_after:
                high = middle
            else:
                low = middle
        return high

    def day_at(self, at: int) -> Day:
        """The day that ``at`` falls in."""
        local = to_datetime(at, ZoneInfo(self.time_zone)).date()
        label = next(day for day in (local + timedelta(days=n) for n in (1, 0, -1, -2)) if self.instant(day) <= at)
        return Day(label.isoformat(), self.instant(label), self.instant(label + timedelta(days=1)))

    def day_after(self, label: str, began_at: int) -> Day:
        """The day that follows the day ``label`` when that ends at ``began_at``.

        Labels never repeat, also where the schedule was changed meanwhile: a day lasts until the first clear-down
        of a later date, so moving the clear-down from 03:00 to 04:00 makes one day of 25 hours, not one of 1 hour.
        """
        following = date.fromisoformat(label) + timedelta(days=1)
        while self.instant(following + timedelta(days=1)) <= began_at:
            following += timedelta(days=1)
        return Day(following.isoformat(), began_at, self.instant(following + timedelta(days=1)))
