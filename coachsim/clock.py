"""The clocks a floor can live by, and the watch on them: a clock that jumps must not clear the floor down.

A jump is a change of the wall clock by more than five minutes against ``CLOCK_BOOTTIME``, which runs on while a
machine is suspended; so a suspended machine is no jump.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Protocol

from coachsim.days import MINUTE, SECOND

JUMP = 5 * MINUTE
SETTLED_AFTER = 10 * MINUTE


class Clock(Protocol):
    """What a floor asks of time, in µs. ``speed`` is how many floor seconds pass in a second of the wall."""

    speed: float
    paused: bool

    def wall(self) -> int:
        """The floor's time of day, since the Unix epoch."""

    def boot(self) -> int:
        """Time since the machine started, suspension included; never set."""

    def seconds_until(self, moment: int) -> float:
        """How long to wait for ``moment``, in seconds of the wall; 0 if it has come, infinite while paused."""


class SystemClock:
    """The machine's own clocks."""

    speed = 1.0
    paused = False

    def seconds_until(self, moment: int) -> float:
        """How long to wait for ``moment``."""
        return max(0, moment - self.wall()) / SECOND

    def wall(self) -> int:
        """The time of day, since the Unix epoch."""
        return time.time_ns() // 1_000

    def boot(self) -> int:
        """Time since the machine started; elsewhere than on Linux, the monotonic clock."""
        return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000


class PacedClock:
    """Floor time of a practice: runs from ``start`` at ``speed``, can be paused, and waits for whoever plays the floor.

    It never passes the moment that it was told to ``wait_for``, so that a player who is late makes floor time late
    and never has to act in the past.
    """

    def __init__(self, start: int, *, speed: float = 1.0) -> None:
        self.speed = speed
        self.paused = False
        self._base = start
        self._since = time.monotonic()
        self._limit: float = math.inf

    def wall(self) -> int:
        """The floor's time."""
        return int(min(self._free(), self._limit))

    def boot(self) -> int:
        """The same: floor time never jumps."""
        return self.wall()

    def seconds_until(self, moment: float) -> float:
        """How long until floor time would be ``moment`` if nobody held it up."""
        left = moment - self._free()
        if left <= 0:
            return 0.0
        return math.inf if self.paused else left / SECOND / self.speed

    def wait_for(self, moment: float) -> None:
        """Floor time does not pass ``moment`` until told anew. What waiting lost is caught up, up to a second of it."""
        if self._free() - self._limit > SECOND * self.speed:
            self._rebase()
        self._limit = moment

    def restart_at(self, moment: int) -> None:
        """Floor time is ``moment`` now."""
        self._base, self._since, self._limit = moment, time.monotonic(), math.inf

    def set(self, *, speed: float | None = None, paused: bool | None = None) -> None:
        """Changes the pace from now on."""
        self._rebase()
        self.speed = self.speed if speed is None else speed
        self.paused = self.paused if paused is None else paused

    def _free(self) -> float:
        if self.paused:
            return self._base
        return self._base + (time.monotonic() - self._since) * SECOND * self.speed

    def _rebase(self) -> None:
        self._base, self._since = self.wall(), time.monotonic()


@dataclass(slots=True)
class ClockWatch:
    """Compares the two clocks at each look; ``holding`` from a jump until they have agreed for ten minutes."""

    _offset: int | None = None
    _jumped_at: int | None = None

    def look(self, wall: int, boot: int) -> int:
        """Takes a reading; returns how far the wall clock jumped since the last one (µs), 0 if it did not."""
        offset = wall - boot
        moved = 0 if self._offset is None else offset - self._offset
        self._offset = offset
        if abs(moved) > JUMP:
            self._jumped_at = boot
            return moved
        if self._jumped_at is not None and boot - self._jumped_at >= SETTLED_AFTER:
            self._jumped_at = None
        return 0

    @property
    def holding(self) -> bool:
        """Whether the clear-down has to wait."""
        return self._jumped_at is not None

    def release(self) -> None:
        """Someone has looked and decided: the clock is taken as it is."""
        self._jumped_at = None
