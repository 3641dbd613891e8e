"""The server's clock is set forward and back across the clear-down."""

from __future__ import annotations

import time

from coachsim.days import HOUR
from tests.faults.site import Site
from tests.serving import until


def set_across_the_night(site: Site, number: int) -> float:
    """Forward, back, a crash meanwhile, forward again and the night by hand, and back.

    The alarm is raised each time, and the night waits: only an admin's word brings it, or a clock that is trusted.
    """
    day, right = site.day(), site.clock.ahead
    past_the_night = right + site.day_ends() + HOUR - site.clock.wall()

    def set_and_told(ahead: int, word: str) -> None:
        site.clock.set(ahead)
        until(lambda: any(f"jumped {word}" in fault for fault in site.faults()), f"an alarm that it jumped {word}")
        site.load.acknowledged(20)

    def no_night(when: str) -> None:
        assert site.day() == day, f"{when}, the clear-down of {day} came by itself"

    set_and_told(past_the_night, "forward")
    no_night("With the clock set forward")
    set_and_told(right, "back")
    no_night("With the clock right again")
    site.kill()
    site.start()
    site.load.acknowledged(20)
    no_night("After a restart with the clock right")
    set_and_told(past_the_night, "forward")
    site.local().post("/api/clear-down")
    assert site.day() > day, "the clear-down by hand was not the night's"
    set_and_told(right, "back")
    return site.recovered(time.monotonic())
