"""When to send: what a message can be expected to come to now, and at which later moment today it would do better.

The audience as it is now is continued many times (``coachsim.people.habits``), each time with people of the given
attention drawn anew, and the same message is sent to them at each moment that is weighed: on the same people on the
same rests of the day, so that two moments differ in the moment alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from coachsim.days import HOUR, MINUTE
from coachsim.intervals import paired_interval
from coachsim.outcome import NEVER, Ints
from coachsim.people.attention import Sampler, micros
from coachsim.people.draws import Draws, Floats, Keys, key
from coachsim.people.habits import Habits, Now
from coachsim.people.rota import BREAK, IN, Rota
from coachsim.scenario import Attention, Policy

AHEAD = 4 * HOUR
"""So far ahead a better moment is looked for."""
STEP = 5 * MINUTE
LEAST_GAIN, AS_MANY = 0.02, 0.005
"""A later moment is worth waiting for if so much more of the recipients read; of those about as good, the earliest."""
SOON, LEAST_SAVING, LEAST_SAVED_SHARE, AS_QUICK = HOUR, MINUTE, 0.25, 1.1
"""Or, if it is soon, where half of them have read so much sooner once it is out, and by such a share …"""
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
class Waiting:
    """What each agent has unread already, as a reason to look: ``some`` whether anything, ``since`` (µs since the day
    began) when they were told of the newest of it, NEVER if not yet; ``earlier`` how many they were sent today."""

    some: Bools
    since: Ints
    earlier: Ints


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a message sent ``at`` can be expected to come to. Moments and lengths in µs, moments since the day began.

    Of the recipients the share ``read`` by the deadline, between ``low`` and ``high`` in 95 of 100 repetitions, and
    ``logged_in`` when it goes out. ``median`` is from sending to reading: None where less than half read by then.
    """

    at: int
    logged_in: float
    read: float
    low: float
    high: float
    median: int | None


@dataclass(frozen=True, slots=True)
class _Weighed:
    """A moment with what each repetition comes to; a median beyond ``length`` is none."""

    at: int
    logged_in: float
    shares: Floats
    medians: Ints
    length: int

    @property
    def prospect(self) -> Prospect:
        low, high = np.quantile(self.shares, (0.025, 0.975))
        median = round(self.median) if self.median <= self.length else None
        return Prospect(self.at, self.logged_in, self.share, float(low), float(high), median)

    @property
    def share(self) -> float:
        return float(self.shares.mean())

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
    rota = habits.rest_of_day(now, keys, draws, reps)
    rows = np.arange(rota.rows)
    until = _until(rota, now) if by is None else min(by, now.length)
    sampler = Sampler(attention, policy, draws)
    people = sampler.people(np.repeat(np.arange(reps), len(keys)), np.tile(keys, reps))
    message = np.full(rota.rows, key("a message"), np.uint64)
    is_urgent = np.full(rota.rows, urgent)
    toast = sampler.toasts(people, rows, message, is_urgent, np.tile(waiting.earlier, reps))
    bell = sampler.bells(people, rows, message)
    anyway = _looks_anyway(rota, now, waiting, attention, draws, keys, reps)

    def weigh(at: int) -> _Weighed:
        state, login = rota.told(rows, np.full(rota.rows, at))
        toasted = (state == IN) & (toast != NEVER)
        delay = np.where(login == NEVER, NEVER, np.where(toasted, toast, bell))
        read = rota.after(rows, np.maximum(login, at), delay)
        along = (anyway != NEVER) & (anyway >= at) & ((read == NEVER) | (anyway < read))
        read = np.where(along, anyway, read)
        in_time = ((read != NEVER) & (read < until)).reshape(reps, -1)
        took = np.where(in_time, read.reshape(reps, -1) - at, 2 * now.length)
        # The least time in which at least half have read.
        medians = np.sort(took, axis=1)[:, (took.shape[1] - 1) // 2]
        return _Weighed(at, float((state == IN).mean() * len(keys)), in_time.mean(axis=1), medians, now.length)

    at_once = weigh(now.at)
    better = None
    if habits.days and not urgent:
        better = _better(at_once, [weigh(at) for at in moments(now.at, until)])
    chances = _is_in(rota, now.at, until).reshape(reps, -1).mean(axis=0)
    return Advice(at_once.prospect, None if better is None else better.prospect, until, chances, reps, habits.days)


def _better(now: _Weighed, later: list[_Weighed]) -> _Weighed | None:
    """The moment that is advised instead of now, if any is worth waiting for."""
    most = max((one.share for one in later), default=0.0)
    many = next((one for one in later if one.share >= most - AS_MANY), None)
    if many and many.share - now.share >= LEAST_GAIN and _surely(many.shares, now.shares):
        return many
    soon = [one for one in later if one.at <= now.at + SOON and one.share >= now.share - NO_LOSS]
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


def _looks_anyway(
    rota: Rota, now: Now, waiting: Waiting, attention: Attention, draws: Draws, keys: Keys, reps: int
) -> Ints:
    """When each row looks because of what they have unread already, NEVER if at all: what comes until then is read
    along. Of who was told some time ago, only what is left of their delay counts."""
    agents, rep = np.tile(keys, reps), np.repeat(np.arange(reps), len(keys))
    told = np.tile(waiting.since, reps)
    gone_s = np.where(told == NEVER, 0.0, np.maximum(now.at - told, 0) / 1e6)
    mean, sigma = np.log(attention.bell_median_s), max(attention.bell_sigma, 1e-9)
    with np.errstate(divide="ignore"):
        by_now = ndtr((np.log(gone_s) - mean) / sigma)
    left = 1.0 - by_now
    never = attention.bell_never / (attention.bell_never + (1.0 - attention.bell_never) * left + 1e-300)
    drawn = draws.uniform("looks anyway", agents, rep=rep)
    share = draws.uniform("looks anyway", agents, n=1, rep=rep)
    whole_s = np.exp(mean + sigma * ndtri(np.minimum(by_now + left * share, 1.0 - 1e-12)))
    delay = micros(np.maximum(whole_s - gone_s, 0.0) * 1e6)
    delay = np.where(np.tile(waiting.some, reps) & (drawn >= never), delay, NEVER)
    state, login = rota.told(np.arange(rota.rows), np.full(rota.rows, now.at))
    # On a break one is there and has been told; who is out is told when they come.
    start = np.where((state == BREAK) & (told != NEVER), now.at, login)
    return rota.after(np.arange(rota.rows), np.maximum(start, now.at), np.where(start == NEVER, NEVER, delay))
