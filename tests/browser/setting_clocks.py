"""The clock of servers in the test's own process, set forward when the test is ready for what is due then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from coachsim.clock import SystemClock
from coachsim.days import SECOND

SetForward = Callable[[float], None]


@contextmanager
def clock_to_set() -> Iterator[SetForward]:
    """Gives what sets it forward by so many seconds: fewer than five minutes, or it is taken for wrong."""
    ahead = 0
    wall = SystemClock.wall

    def set_forward(seconds: float) -> None:
        nonlocal ahead
        ahead += int(seconds * SECOND)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SystemClock, "wall", lambda clock: wall(clock) + ahead)
        yield set_forward
