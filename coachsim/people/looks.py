"""Looks: when people open their messages, given what each message prompts them to. Whoever looks reads all of it."""

from __future__ import annotations

import numpy as np

from coachsim.outcome import NEVER, Ints


def looks(night: int, row: Ints, at: Ints, prompt: Ints) -> Ints:
    """For each delivery the first look at or after its sending, ``night`` where there is none; by row, then time."""
    count = len(row)
    if not count:
        return prompt
    # A row's moments lie above those of all rows before it, so that one pass over all of them stays within each.
    lift = row * (night + 1)
    least = np.minimum.accumulate((lift + np.where(prompt == NEVER, night, prompt))[::-1])[::-1] - lift
    sent = lift + at
    begins = np.zeros(count, np.bool_)
    place = np.append(0, np.flatnonzero(row[1:] != row[:-1]) + 1)
    while len(place):
        begins[place] = True
        place = place[least[place] < night]
        following = np.searchsorted(sent, lift[place] + least[place], side="right")
        same_row = row[np.minimum(following, count - 1)] == row[place]
        place = following[same_row & (following < count)]
    return least[np.maximum.accumulate(np.where(begins, np.arange(count), 0))]
