"""Anyway: when the recipients of a message look for another message's sake, one that is unread already or comes later.

Each of those makes its agent look by its own toast or bell, drawn as the attention says; whoever looks reads all that
is there, and what they have read prompts them no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coachsim.outcome import NEVER, Codes, Ints
from coachsim.people.attention import Sampler
from coachsim.people.draws import Draws, Floats, Keys, key
from coachsim.people.habits import Now, Rest
from coachsim.people.looks import looks
from coachsim.people.rota import BREAK, IN

BELL, TOAST, URGENT_TOAST = range(3)
NO_LOOK = 2**62
"""Later than any moment: nobody looks."""
_POOL = 4_096  # delays drawn beforehand of each kind, to take from

Bools = NDArray[np.bool_]


def prompts(toasted: Bools, urgent: Bools) -> Codes:
    """By what each delivery's agent was told of it: BELL, or one of the toasts where it was ``toasted``."""
    return np.where(toasted, np.where(urgent, URGENT_TOAST, TOAST), BELL).astype(np.int8)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is unread already, a place for each delivery: whose (``agent``, counted in their order), ``told`` when they
    were told of it (µs since the day began; NEVER if not yet), and by what ``prompt``: BELL, TOAST or URGENT_TOAST. By
    agent, then time.

    ``earlier`` is how many messages each agent was sent today.
    """

    agent: Ints
    told: Ints
    prompt: Codes
    earlier: Ints


@dataclass(frozen=True, slots=True)
class Anyway:
    """The rows ``look_row`` look at the moments ``look_at``; later messages are sent to the rows ``sent_row`` at
    ``sent_at``. Both by row, then time, in µs since the day began."""

    look_row: Ints
    look_at: Ints
    sent_row: Ints
    sent_at: Ints

    def next_looks(self, rows: int, at: Ints) -> Ints:
        """When each row next looks, from each of the moments ``at`` on: a row of the answer; ``NO_LOOK`` if never."""
        found = np.full((len(at), rows), NO_LOOK)
        # A look is the next one from the last moment before it; from earlier ones too, unless another comes before it.
        last = np.searchsorted(at, self.look_at, side="right") - 1
        np.minimum.at(found, (last, self.look_row), self.look_at)
        following: Ints = np.minimum.accumulate(found[::-1], axis=0)[::-1]
        return following

    def sent_before(self, rows: int, at: Ints) -> Ints:
        """How many of the later messages each row was sent by each of the moments ``at``: a row of the answer."""
        first = np.searchsorted(at, self.sent_at)
        counted = first < len(at)
        each = np.bincount(first[counted] * rows + self.sent_row[counted], minlength=len(at) * rows)
        counts: Ints = each.reshape(len(at), rows).cumsum(axis=0)
        return counts


def looks_anyway(rest: Rest, now: Now, waiting: Waiting, sampler: Sampler, draws: Draws, keys: Keys) -> Anyway:
    """When each row of ``rest`` looks from now on; ``keys`` are the agents' and ``draws`` has a seed per repetition."""
    many, later = len(keys), rest.later
    reps, unread = rest.rota.rows // max(many, 1), len(waiting.agent)
    rep, one = np.repeat(np.arange(reps), unread), np.tile(np.arange(unread), reps)
    delays = _Delays.of(sampler)
    # What is unread was the last that came, since whoever looks reads all.
    count = np.bincount(waiting.agent, minlength=many)
    place = np.arange(unread) - (np.cumsum(count) - count)[waiting.agent]
    earlier = (waiting.earlier - count)[waiting.agent] + place
    noticed = np.where(waiting.prompt == BELL, 0.0, sampler.noticed(waiting.prompt == URGENT_TOAST, earlier))
    gone = np.where(waiting.told == NEVER, 0, np.maximum(now.at - waiting.told, 0))
    # What they were told of some time ago has not made them look for so long.
    drawn = draws.uniform("looks anyway", keys[waiting.agent[one]], one.astype(np.uint64), rep=rep)
    delay = delays.longer(noticed[one], gone[one], drawn)
    row = rep * many + waiting.agent[one]
    state, login = rest.rota.told(row, np.full(len(row), now.at))
    # On a break one is there and has been told; who is out is told when they come.
    start = np.where((state == BREAK) & (waiting.told[one] != NEVER), now.at, login)
    unread_will = rest.rota.after(row, np.maximum(start, now.at), np.where(start == NEVER, NEVER, delay))

    sent_at = later.at[later.message]
    agent = later.row % max(many, 1)
    state, login = rest.rota.told(later.row, sent_at)
    before = waiting.earlier[agent] + _place_in(later.row)
    noticed = np.where(state == IN, sampler.noticed(later.urgent[later.message], before), 0.0)
    drawn = draws.uniform("looks at later", keys[agent], later.message.astype(np.uint64), rep=later.row // max(many, 1))
    delay = np.where(login == NEVER, NEVER, delays.longer(noticed, np.int64(0), drawn))
    will = rest.rota.after(later.row, login, delay)
    will[will >= later.until[later.message]] = NEVER

    rows = np.concatenate([row, later.row])
    order = np.argsort(rows, kind="stable")
    rows, sent = rows[order], np.concatenate([np.full(len(row), now.at), sent_at])[order]
    night = rest.rota.length
    look = looks(night, rows, sent, np.concatenate([unread_will, will])[order])
    new = np.append(True, (rows[1:] != rows[:-1]) | (look[1:] != look[:-1]))[: len(rows)] & (look < night)
    return Anyway(rows[new], look[new], later.row, sent_at)


def _place_in(row: Ints) -> Ints:
    """Of ascending rows, which of its row's each is, from 0."""
    begins = np.append(True, row[1:] != row[:-1])[: len(row)]
    first = np.flatnonzero(begins)
    places: Ints = np.arange(len(row)) - first[np.cumsum(begins) - 1]
    return places


@dataclass(frozen=True, slots=True)
class _Delays:
    """How long it takes from a toast that is noticed to looking, and from the bell; µs, in order, ``NO_LOOK`` last."""

    toast: Ints
    bell: Ints

    @classmethod
    def of(cls, sampler: Sampler) -> _Delays:
        agents, rows = np.arange(_POOL, dtype=np.uint64), np.arange(_POOL)
        people = sampler.people(np.zeros(_POOL, np.int64), agents)
        message = np.full(_POOL, key("a message before"), np.uint64)
        bell = sampler.bells(people, rows, message)
        toast = sampler.openings(people, rows, message)
        return cls(np.sort(toast), np.sort(np.where(bell == NEVER, NO_LOOK, bell)))

    def longer(self, noticed: Floats, gone: Ints | np.int64, drawn: Floats) -> Ints:
        """What is left of delays of which so much has ``gone``; NEVER where nobody looks any more.

        ``noticed`` is the chance of each toast to be noticed, 0 where there is none: of toasts that were shown a while
        ago, those that were not are the more, the longer it is. ``drawn`` are numbers between 0 and 1.
        """
        of_toast = np.searchsorted(self.toast, gone, side="right")
        of_bell = np.searchsorted(self.bell, gone, side="right")
        by_toast, by_bell = noticed * (_POOL - of_toast), (1 - noticed) * (_POOL - of_bell)
        share = by_toast / np.where(by_toast + by_bell > 0, by_toast + by_bell, 1.0)
        toasted = drawn < share
        within = np.where(toasted, drawn, drawn - share) / np.where(toasted, share, 1 - share)
        toast = self._at(self.toast, of_toast, within)
        bell = self._at(self.bell, of_bell, within)
        found = np.where(toasted, toast, bell)
        return np.where(found == NO_LOOK, NEVER, found - gone)

    @staticmethod
    def _at(pool: Ints, first: Ints, within: Floats) -> Ints:
        place = first + (within * (_POOL - first)).astype(np.int64)
        return np.append(pool, NO_LOOK)[place]
