"""The wall clock, and the watch on it: a clock that jumps must not clear the floor down.

A jump is a change of the wall clock by more than five minutes against ``CLOCK_BOOTTIME``, which runs on while a
machine is suspended; so a suspended machine is no jump.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from coachsim.days import MINUTE

JUMP = 5 * MINUTE
SETTLED_AFTER = 10 * MINUTE


class Clock(Protocol):
    """What a live floor asks of time, both in µs."""

    def wall(self) -> int:
        """The time of day, since the Unix epoch."""

    def boot(self) -> int:
        """Time since the machine started, suspension included; never set."""


class SystemClock:
    """The machine's own clocks."""

    def wall(self) -> int:
        """The time of day, since the Unix epoch."""
        return time.time_ns() // 1_000

    def boot(self) -> int:
        """Time since the machine started; elsewhere than on Linux, the monotonic clock."""
        return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000


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
