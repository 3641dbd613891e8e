"""An agent's planned presence in a day, and when a delay that runs only while present comes to its end."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Presence:
    """Spans ``[start, end)`` of one agent, in order, not overlapping.

    ``before[i]`` is how much presence there was before span i. All in µs.
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    before: tuple[int, ...]

    @classmethod
    def of(cls, spans: Sequence[tuple[int, int]]) -> Presence:
        """The presence of these spans."""
        before, total = [], 0
        for start, end in spans:
            before.append(total)
            total += end - start
        return cls(tuple(s for s, _ in spans), tuple(e for _, e in spans), tuple(before))

    def after(self, at: int, delay: int) -> int | None:
        """When ``delay`` µs of presence have gone by since ``at``; None if they never do.

        One that would end exactly on a log-out ends at the next log-in instead.
        """
        span = bisect_right(self.starts, at) - 1
        gone = 0 if span < 0 else self.before[span] + min(at, self.ends[span]) - self.starts[span]
        # The last span with so much presence before it: a delay that fills a span to its end is in the next one.
        span = bisect_right(self.before, gone + delay) - 1
        if span < 0:
            return None
        ends_at = self.starts[span] + gone + delay - self.before[span]
        return ends_at if ends_at < self.ends[span] else None
