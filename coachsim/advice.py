"""When to send: what a message can be expected to come to now, and at which later moment today it would do better.

The audience as it is now is continued many times (``coachsim.people.habits``), each time with people of the given
attention drawn anew, and the same message is sent to them at each moment that is weighed: on the same people on the
same rests of the day, so that two moments differ in the moment alone. Whatever makes somebody look, the message itself
or another, earlier or later one, they read it then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coachsim.anyway import NO_LOOK, Waiting, looks_anyway
from coachsim.days import HOUR, MINUTE
from coachsim.intervals import between, paired_interval
from coachsim.outcome import NEVER, Ints
from coachsim.people.attention import Sampler
from coachsim.people.draws import Draws, Floats, Keys, key
from coachsim.people.habits import Habits, Now
from coachsim.people.rota import IN, Rota
from coachsim.scenario import Attention, Policy
from coachsim.spread import variance

AHEAD = 4 * HOUR
"""So far ahead a better moment is looked for."""
STEP = 5 * MINUTE
LEAST_GAIN, AS_MANY = 0.02, 0.005
"""A later moment is worth waiting for if so much more of the recipients read; of those about as good, the earliest."""
SOON, LEAST_SAVING, LEAST_SAVED_SHARE, AS_QUICK = HOUR, MINUTE, 0.25, 1.1
"""Or, if it is soon, where half of them have read so much sooner once it is out, and by such a share …"""
LEAST_SAVED_OF_WAIT = 0.1
"""… and so much of the wait: nobody waits twenty minutes for a message to be read a minute sooner …"""
NO_LOSS = 0.01
"""… and no more than so much of the share that reads is lost. Either gain has to be more than chance gives."""
FALLS_BY = 0.2
"""A toast that is noticed this share less often than the day's first: the level of messages that load is set beside."""
_QUARTER = 15 * MINUTE
_CELLS = 20_000  # agents × repetitions: below a second for all moments
_LEAST_REPS, _MOST_REPS = 12, 100
_SURELY, _HARDLY = 0.9, 0.1

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a message sent ``at`` can be expected to come to. Moments and lengths in µs, moments since the day began.

    Of the recipients the share ``read`` is expected to read it by the deadline; from ``low`` to ``high`` of them, whole
    recipients, with a chance of 95 in 100. ``logged_in`` are when it goes out. ``median`` is from sending to reading:
    None where less than half read by then.
    """

    at: int
    logged_in: float
    read: float
    low: float
    high: float
    median: int | None


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A moment with what each repetition comes to; a median beyond ``length`` is none.

    ``in_time`` says of each repetition who reads, ``day`` which past day each goes on as there.
    """

    at: int
    logged_in: float
    in_time: Bools
    day: Ints
    medians: Ints
    length: int

    @property
    def prospect(self) -> Prospect:
        median = round(self.median) if self.median <= self.length else None
        many = self.in_time.shape[1]
        low, high = between(self.share * many, variance(self.in_time, self.day), many)
        return Prospect(self.at, self.logged_in, self.share, low / many, high / many, median)

    @property
    def shares(self) -> Floats:
        return np.asarray(self.in_time.mean(axis=1))

    @property
    def share(self) -> float:
        return float(self.in_time.mean())

    @property
    def median(self) -> float:
        return float(np.median(self.medians))


@dataclass(frozen=True, slots=True)
class Advice:
    """``now``, and as ``better`` the later moment that is advised, if any; both are counted until ``by``.

    ``chances`` is each recipient's share of repetitions in which they are logged in between now and ``by``, in the
    order of the agents. ``reps`` repetitions over ``days`` past days.
    """

    now: Prospect
    better: Prospect | None
    by: int
    chances: Floats
    reps: int
    days: int


def advise(
    habits: Habits,
    now: Now,
    keys: Keys,
    waiting: Waiting,
    attention: Attention,
    policy: Policy,
    *,
    urgent: bool = False,
    by: int | None = None,
    seed: int = 0,
) -> Advice:
    """Weighs sending to the agents of ``habits`` now against later.

    ``by`` is until when reading counts; without it, until the last quarter of an hour at which half of the most who are
    expected at a time are still there. An urgent message is never advised to wait, and without past days nothing is
    known of later.
    """
    reps = int(np.clip(_CELLS // max(1, len(keys)), _LEAST_REPS, _MOST_REPS))
    draws = Draws(tuple(range(seed, seed + reps)), 0)
    rest = habits.rest_of_day(now, keys, draws, reps)
    rota = rest.rota
    rows = np.arange(rota.rows)
    until = _until(rota, now) if by is None else min(by, now.length)
    sampler = Sampler(attention, policy, draws)
    people = sampler.people(np.repeat(np.arange(reps), len(keys)), np.tile(keys, reps))
    message = np.full(rota.rows, key("a message"), np.uint64)
    is_urgent = np.full(rota.rows, urgent)
    toast = sampler.toasts(people, rows, message, is_urgent, np.tile(waiting.earlier, reps))
    bell = sampler.bells(people, rows, message)
    anyway = looks_anyway(rest, now, waiting, sampler, draws, keys)
    later = moments(now.at, until) if habits.days and not urgent else []
    at_moments = np.array([now.at, *later])
    looks, sent = anyway.next_looks(rota.rows, at_moments), anyway.sent_before(rota.rows, at_moments)
    tires = draws.uniform("tired", np.tile(keys, reps), rep=np.repeat(np.arange(reps), len(keys)))

    def weigh(number: int, at: int) -> _Weighed:
        state, login = rota.told(rows, np.full(rota.rows, at))
        toasted = (state == IN) & (toast != NEVER) & (tires < sampler.fresh(sent[number]))
        delay = np.where(login == NEVER, NEVER, np.where(toasted, toast, bell))
        read = rota.after(rows, np.maximum(login, at), delay)
        read = np.minimum(np.where(read == NEVER, NO_LOOK, read), looks[number]).reshape(reps, -1)
        in_time = read < until
        took = np.where(in_time, read - at, 2 * now.length)
        # The least time in which at least half have read.
        half = (took.shape[1] - 1) // 2
        medians = np.partition(took, half, axis=1)[:, half]
        logged_in = float((state == IN).mean() * len(keys))
        return _Weighed(at, logged_in, in_time, rest.day.reshape(reps, -1), medians, now.length)

    at_once = weigh(0, now.at)
    better = _better(at_once, [weigh(number, at) for number, at in enumerate(later, 1)])
    chances = _is_in(rota, now.at, until).reshape(reps, -1).mean(axis=0)
    return Advice(at_once.prospect, None if better is None else better.prospect, until, chances, reps, habits.days)


def _better(now: _Weighed, later: list[_Weighed]) -> _Weighed | None:
    """The moment that is advised instead of now, if any is worth waiting for."""
    most = max((one.share for one in later), default=0.0)
    many = next((one for one in later if one.share >= most - AS_MANY), None)
    if many and many.share - now.share >= LEAST_GAIN and _surely(many.shares, now.shares):
        return many
    soon = [
        one
        for one in later
        if one.at <= now.at + SOON
        and one.share >= now.share - NO_LOSS
        and now.median - one.median >= LEAST_SAVED_OF_WAIT * (one.at - now.at)
    ]
    least = min((one.median for one in soon), default=0.0)
    quick = next((one for one in soon if one.median <= AS_QUICK * least), None)
    saved = now.median - quick.median if quick else 0.0
    if quick and saved >= max(LEAST_SAVING, LEAST_SAVED_SHARE * now.median) and _surely(now.medians, quick.medians):
        return quick
    return None


def _surely(more: NDArray[Any], less: NDArray[Any]) -> bool:
    """Whether the one is more than the other beyond what chance gives, repetition by repetition."""
    low = paired_interval(more, less).low
    return low is not None and low > 0


def expected(chances: Floats) -> tuple[int, int, Bools]:
    """Of those who may be in before the deadline: how many surely will, how many perhaps, and who will hardly."""
    hardly: Bools = chances < _HARDLY
    surely = int((chances >= _SURELY).sum())
    return surely, len(chances) - surely - int(hardly.sum()), hardly


def level(fatigue: float) -> int | None:
    """How many messages a day it takes until a toast is noticed ``FALLS_BY`` less often than the day's first.

    None where nobody tires.
    """
    return None if fatigue <= 0 else max(1, round(np.log(1 - FALLS_BY) / np.log(1 - fatigue))) if fatigue < 1 else 1


def moments(now: int, until: int) -> list[int]:
    """Later moments to weigh: whole five minutes for an hour, then whole quarters; a quarter before the deadline ends
    them."""
    first = (now // STEP + 1) * STEP
    near = range(first, now + HOUR + 1, STEP)
    far = range(-(-(now + HOUR + 1) // _QUARTER) * _QUARTER, now + AHEAD + 1, _QUARTER)
    return [at for at in (*near, *far) if at <= until - _QUARTER]


def _until(rota: Rota, now: Now) -> int:
    """The last quarter of an hour from now on at which half of the most are there, at least an hour from now."""
    quarters = np.arange(-(-now.at // _QUARTER) * _QUARTER, now.length, _QUARTER)
    starts, ends = np.sort(rota.span_start), np.sort(rota.span_end)
    there = np.searchsorted(starts, quarters, side="right") - np.searchsorted(ends, quarters, side="right")
    least = min(now.at + HOUR, now.length)
    if not len(there) or not there.max():
        return now.length
    last = int(quarters[np.flatnonzero(2 * there >= there.max())[-1]])
    return max(last, least)


def _is_in(rota: Rota, at: int, until: int) -> Bools:
    """Whether each row is logged in at any moment from ``at`` to before ``until``."""
    _, login = rota.told(np.arange(rota.rows), np.full(rota.rows, at))
    found: Bools = (login != NEVER) & (login < until)
    return found
