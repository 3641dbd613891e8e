"""Sent: which messages people got on past days, as arrays, and what of it came later on a day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coachsim.outcome import Ints

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sent:
    """Deliveries by row, then time: each has the ``row`` of a rota and the place of its ``message``.

    Of each message, when it was sent (``at``), ``until`` when it can be read (both in µs since its day began), and
    whether it is ``urgent``. A day's messages are in the order of sending, so within a row their places ascend.
    """

    row: Ints
    message: Ints
    at: Ints
    until: Ints
    urgent: Bools

    @classmethod
    def nothing(cls) -> Sent:
        """No message was sent to anybody."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none, none, np.zeros(0, np.bool_))

    def of(self, row: Ints, message: Ints) -> Sent:
        """Other deliveries, by row, then time, of the same messages."""
        return Sent(row, message, self.at, self.until, self.urgent)

    def later(self, rows: Ints, at: int) -> Sent:
        """What ``rows`` got after a moment; the row of an answer is the place in ``rows`` that it is of."""
        later = np.flatnonzero(self.at[self.message] > at)
        row, message = self.row[later], self.message[later]
        first, after = np.searchsorted(row, rows), np.searchsorted(row, rows, side="right")
        count = after - first
        of = np.repeat(np.arange(len(rows)), count)
        return self.of(of, message[np.arange(len(of)) + np.repeat(first - np.append(0, np.cumsum(count))[:-1], count)])
