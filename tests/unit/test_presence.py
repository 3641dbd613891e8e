"""Delays that run only while present, against a reference that counts every microsecond."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coachsim.people.presence import Presence


def counted(spans: list[tuple[int, int]], at: int, delay: int) -> int | None:
    """Walks along the clock from ``at``: at each moment there all of the delay has run, or one µs more runs."""
    run = 0
    for moment in range(at, max((end for _, end in spans), default=0) + 1):
        if any(start <= moment < end for start, end in spans):
            if run == delay:
                return moment
            run += 1
    return None


@st.composite
def days(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Spans in order that may touch or have no length."""
    edges = draw(st.lists(st.integers(0, 40), max_size=10).map(sorted))
    return list(zip(edges[0::2], edges[1::2], strict=False))


@given(days(), st.integers(0, 45), st.integers(0, 45))
def test_it_is_what_counting_every_microsecond_gives(spans, at, delay):
    assert Presence.of(spans).after(at, delay) == counted(spans, at, delay)


def test_a_delay_that_ends_exactly_on_a_log_out_ends_at_the_next_log_in():
    presence = Presence.of([(10, 20), (30, 40)])
    assert presence.after(15, 4) == 19
    assert presence.after(15, 5) == 30
    assert presence.after(15, 6) == 31
    assert presence.after(15, 15) is None


def test_a_delay_begins_with_the_presence():
    presence = Presence.of([(10, 20), (30, 40)])
    assert presence.after(0, 0) == 10
    assert presence.after(25, 3) == 33
    assert presence.after(40, 0) is None
    assert Presence.of([]).after(0, 0) is None
