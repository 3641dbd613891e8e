"""Rota: who is where when, for many days of the same people at once, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from coachsim.outcome import NEVER, STATES, Codes, Ints

OUT, IN, BREAK = range(len(STATES))


@dataclass(frozen=True, slots=True)
class Rota:
    """The state changes and the presence of ``rows`` people-days, in whole µs since the day began.

    A row is one agent on one of the days: row = day × agents + agent. Changes (``row``, ``at``, ``state`` as in
    ``outcome.STATES``, ``reason`` counted into ``reasons`` or NEVER) and spans of presence ``[span_start, span_end)``
    are ordered by row, then time; an agent who is there when the day opens has a first change at 0. All times are below
    ``length``, that of the day.
    """

    rows: int
    length: int
    reasons: tuple[str, ...]
    row: Ints
    at: Ints
    state: Codes
    reason: Ints
    span_row: Ints
    span_start: Ints
    span_end: Ints
    _keys: Ints = field(init=False, repr=False)
    _next_in: Ints = field(init=False, repr=False)
    _span_keys: Ints = field(init=False, repr=False)
    _gone: Ints = field(init=False, repr=False)
    _first_span: Ints = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Times within the day, not since 1970: row × length stays below 2^63 for a hundred million rows.
        put = object.__setattr__
        put(self, "_keys", self.row * self.length + self.at)
        count = len(self.row)
        logins = np.where(self.state == IN, np.arange(count), count)
        put(self, "_next_in", np.append(np.minimum.accumulate(logins[::-1])[::-1], count))
        put(self, "_span_keys", self.span_row * self.length + self.span_start)
        put(self, "_gone", np.append(0, np.cumsum(self.span_end - self.span_start)))
        put(self, "_first_span", np.searchsorted(self.span_row, np.arange(self.rows + 1)))

    @classmethod
    def of_changes(
        cls,
        rows: int,
        length: int,
        reasons: Sequence[str],
        changes: tuple[Ints, Ints, Codes, Ints],
        *,
        until: int | None = None,
    ) -> Rota:
        """A rota of changes (row, at, state, reason) alone, by row, then time: they say who was there when.

        A span begins with a change to presence and ends with the row's next change to absence, or at ``until``
        (without it, with the day).
        """
        row, at, state, reason = changes
        there = state != OUT
        first = np.append(True, row[1:] != row[:-1])[: len(row)]
        before = np.append(False, there[:-1])[: len(row)] & ~first
        starts, ends = np.flatnonzero(there & ~before), np.flatnonzero(~there & before)
        # The next end is of the same span, unless that goes on: then it is another row's.
        end = np.append(ends, NEVER)[np.searchsorted(ends, starts)]
        stops = (end != NEVER) & (row[end] == row[starts]) if len(row) else np.zeros(0, np.bool_)
        span_end = np.where(stops, at[end], length if until is None else until) if len(row) else at
        real = span_end > at[starts]
        return cls(
            rows=rows,
            length=length,
            reasons=tuple(reasons),
            row=row,
            at=at,
            state=state,
            reason=reason,
            span_row=row[starts][real],
            span_start=at[starts][real],
            span_end=span_end[real],
        )

    def came(self) -> Ints:
        """The moment at which each row is first there, or NEVER."""
        first, after = self._first_span[:-1], self._first_span[1:]
        return np.where(after > first, np.append(self.span_start, NEVER)[first], NEVER)

    def by_time(self) -> Ints:
        """The places of the changes in the order in which they happen: by time, then row."""
        return np.argsort(self.at, kind="stable")

    def later(self, row: Ints, at: int) -> tuple[Ints, Ints]:
        """The changes of each row after a moment: the place in ``row`` that each is of, and its own place."""
        base = row * self.length
        first = np.searchsorted(self._keys, base + at, side="right")
        count = np.searchsorted(self._keys, base + self.length, side="left") - first
        of = np.repeat(np.arange(len(row)), count)
        return of, np.arange(len(of)) + np.repeat(first - np.append(0, np.cumsum(count))[:-1], count)

    def told(self, row: Ints, at: Ints) -> tuple[Codes, Ints]:
        """The state of each row at a moment, what changes at that very moment included; and the first moment from then
        on at which it is logged in, or NEVER."""
        if not len(self.row):
            return np.full(len(row), OUT, dtype=np.int8), np.full(len(row), NEVER)
        newest = np.searchsorted(self._keys, row * self.length + at, side="right") - 1
        state = np.where((newest >= 0) & (self.row[newest] == row), self.state[newest], np.int8(OUT))
        login = self._next_in[newest + 1]
        place = np.minimum(login, len(self.row) - 1)
        later = np.where((login == place) & (self.row[place] == row), self.at[place], NEVER)
        return state, np.where(state == IN, at, later)

    def gone(self, row: Ints, at: Ints) -> Ints:
        """How many µs each row has been there by a moment, counted from anywhere: the difference of two is what counts.

        Between two moments of one row, that is the presence between them.
        """
        if not len(self.span_row):
            return np.zeros(len(row), np.int64)
        span = np.searchsorted(self._span_keys, row * self.length + at, side="right") - 1
        last = np.maximum(span, 0)
        into = np.where(self.span_row[last] == row, at - self.span_start[last], self.length)
        length = self.span_end[last] - self.span_start[last]
        return np.where(span < 0, 0, self._gone[last] + np.minimum(into, length))

    def after(self, row: Ints, at: Ints, delay: Ints) -> Ints:
        """When ``delay`` µs of presence have gone by since ``at``, a moment at which each row is there.

        NEVER if they never do, or where ``delay`` is NEVER; ``at`` does not matter then. A delay that would end exactly
        on a log-out ends at the next log-in instead.
        """
        moment = np.where(delay == NEVER, NEVER, at + delay)
        if not len(self.span_row):
            return moment
        span = np.searchsorted(self._span_keys, row * self.length + at, side="right") - 1
        late = np.flatnonzero((moment >= self.span_end[span]) & (delay != NEVER))
        span = span[late]
        target = self._gone[span] + moment[late] - self.span_start[span]
        # The last span with so much presence before it: a delay that fills a span to its end is in the next one.
        span = np.minimum(np.searchsorted(self._gone, target, side="right") - 1, len(self.span_row) - 1)
        in_row = target < self._gone[self._first_span[row[late] + 1]]
        moment[late] = np.where(in_row, self.span_start[span] + target - self._gone[span], NEVER)
        return moment
