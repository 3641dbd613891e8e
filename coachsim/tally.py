"""What is counted of an outcome: whole numbers only, so that parts join to exactly what the whole would have given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from coachsim.errors import InvalidInput, UnknownMessage
from coachsim.outcome import NEVER, Ints, Outcome

Floats = NDArray[np.float64]

FATES = ("not_logged_in", "notified_unread", "read", "acknowledged")
"""What may have become of a delivery by the day's end, exactly one: not in since the send; told but unread; read but
not acknowledged; acknowledged. The last axis of every array of fates."""
GRID_S = (*range(0, 600, 10), *range(600, 14_400, 60), *range(14_400, 90_001, 1_800))
"""Seconds since the send at which the read curve is known: each 10 s for 10 minutes, each minute for 4 hours, each
half-hour to the longest day of 25 hours."""
GRID_MIN = tuple(seconds / 60 for seconds in GRID_S)
"""The same in minutes."""
NOT_REACHED = -1
"""A quantile of the time to read that a day does not reach, since too few read."""
_QUANTILES = (0.5, 0.9)
_SECOND = 1_000_000
_HAIR = 1e-9  # products of fractions that are a half come out as a half, give or take rounding


@dataclass(frozen=True, slots=True)
class Counts:
    """Deliveries counted by what became of them: ``fates`` has any shape, with ``FATES`` as its last axis."""

    fates: Ints

    @property
    def sent(self) -> Ints:
        """All of them."""
        return _summed(self.fates)

    @property
    def notified(self) -> Ints:
        """Ever notified, the read included."""
        return _summed(self.fates[..., 1:])

    @property
    def read(self) -> Ints:
        """Ever read, the acknowledged included."""
        return _summed(self.fates[..., 2:])

    @property
    def acknowledged(self) -> Ints:
        """Acknowledged."""
        return _summed(self.fates[..., 3:])

    @property
    def lost(self) -> Ints:
        """Unread when they could no longer be read: at expiry, or at the clear-down."""
        return _summed(self.fates[..., :2])

    @property
    def not_logged_in(self) -> Ints:
        """Lost, and never notified: the agent was not logged in since the send."""
        return _summed(self.fates[..., :1])

    @property
    def notified_unread(self) -> Ints:
        """Lost, though notified."""
        return _summed(self.fates[..., 1:2])


def _summed(fates: Ints) -> Ints:
    total: Ints = fates.sum(axis=-1)
    return total


@dataclass(frozen=True, slots=True, repr=False)
class Tally:
    """What R days of one scenario came to, day i with ``seeds[i]``.

    ``agents`` are A agent_ids, ``teams`` each one's team; ``messages`` the M keys counted. Shapes: ``by_message``
    (R, M, 4), ``by_team`` (R, T, 4) in the order of ``team_names``, ``by_agent`` (A, 4) summed over the days, each with
    ``FATES`` last. ``quantiles`` (R, 2): median and 90th percentile of the time from send to read, in whole seconds
    (parts of a second left off), by Kaplan–Meier: what was never read counts as not read until it was lost.
    ``NOT_REACHED`` where too few read. ``curve`` (R, G): how many were read within ``GRID_S`` of their send;
    ``curve_by_message`` (M, G) the same for each message, summed over the days.
    """

    seeds: tuple[int, ...]
    agents: tuple[str, ...]
    teams: tuple[str, ...]
    messages: tuple[str, ...]
    by_message: Ints
    by_team: Ints
    by_agent: Ints
    quantiles: Ints
    curve: Ints
    curve_by_message: Ints

    def __repr__(self) -> str:
        return f"<Tally of {len(self.seeds)} days, {len(self.agents)} agents, {len(self.messages)} messages>"

    @property
    def team_names(self) -> tuple[str, ...]:
        """The teams in order, each once."""
        return tuple(sorted(set(self.teams)))

    @property
    def totals(self) -> Counts:
        """Each day's counts, shape (R,)."""
        return Counts(self.by_team.sum(axis=1))  # not of messages, of which there are more

    @property
    def of_messages(self) -> Counts:
        """Each day's counts of each message, shape (R, M)."""
        return Counts(self.by_message)

    @property
    def of_teams(self) -> Counts:
        """Each day's counts of each team, shape (R, T)."""
        return Counts(self.by_team)

    @property
    def of_agents(self) -> Counts:
        """Each agent's counts over all days, shape (A,)."""
        return Counts(self.by_agent)

    def values(self, measure: str) -> Floats:
        """A measure of each day, shape (R,); NaN where it has none (nothing sent, a quantile that is not reached)."""
        return MEASURES[checked_measure(measure)].of(self)

    def same_as(self, other: Tally) -> bool:
        """Whether the two are equal, number for number."""
        return (
            _names(self) == _names(other)
            and self.seeds == other.seeds
            and all(np.array_equal(getattr(self, name), getattr(other, name)) for name in (*_BY_DAY, *_OVER_DAYS))
        )

    @classmethod
    def joined(cls, parts: Sequence[Tally]) -> Tally:
        """The tally of all parts' days, in the order given. Raises ``ValueError`` for parts of different scenarios."""
        if not parts:
            raise ValueError("there is nothing to join")
        first = parts[0]
        if any(_names(part) != _names(first) for part in parts):
            raise ValueError("these are tallies of different agents or messages")
        if len(parts) == 1:
            return first
        by_day = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _BY_DAY}
        summed = {name: np.sum([getattr(part, name) for part in parts], axis=0) for name in _OVER_DAYS}
        seeds = tuple(seed for part in parts for seed in part.seeds)
        return cls(seeds, first.agents, first.teams, first.messages, **by_day, **summed)


_BY_DAY = ("by_message", "by_team", "quantiles", "curve")
_OVER_DAYS = ("by_agent", "curve_by_message")


def _names(one: Tally) -> tuple[tuple[str, ...], ...]:
    return (one.agents, one.teams, one.messages)


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of each day. ``unit`` is deliveries, share, seconds or messages."""

    says: str
    unit: str
    of: Callable[[Tally], Floats]
    parts: tuple[str, str] | None = None
    """Of a share: the measures that it is the one of the other."""


def _count(name: str, says: str) -> Measure:
    return Measure(says, "deliveries", lambda tally: getattr(tally.totals, name).astype(np.float64))


def _share(part: str, says: str) -> Measure:
    return Measure(says, "share", lambda tally: _ratio(getattr(tally.totals, part), tally.totals.sent), (part, "sent"))


def _quantile(which: int, says: str) -> Measure:
    def of(tally: Tally) -> Floats:
        seconds = tally.quantiles[:, which].astype(np.float64)
        seconds[seconds == NOT_REACHED] = np.nan
        return seconds

    return Measure(says, "seconds", of)


def _ratio(parts: Ints, wholes: Ints | int) -> Floats:
    ratio: Floats = np.full(parts.shape, np.nan)
    np.divide(parts, wholes, out=ratio, where=np.asarray(wholes) > 0)
    return ratio


MEASURES = {
    "sent": _count("sent", "deliveries of all messages"),
    "notified": _count("notified", "ever notified"),
    "read": _count("read", "ever read"),
    "acknowledged": _count("acknowledged", "confirmed, where it was asked for"),
    "lost": _count("lost", "unread at the expiry or the night's clear-down"),
    "notified_rate": _share("notified", "notified, of those sent"),
    "read_rate": _share("read", "read, of those sent"),
    "lost_rate": _share("lost", "lost, of those sent"),
    "median_read_s": _quantile(0, "seconds from the send until half are read"),
    "p90_read_s": _quantile(1, "seconds from the send until nine in ten are read"),
    "messages_per_agent": Measure(
        "deliveries for each agent", "messages", lambda tally: _ratio(tally.totals.sent, len(tally.agents))
    ),
}
"""What comparisons and sweeps show, by name."""


def checked_measure(measure: str) -> str:
    """The measure's name; ``InvalidInput`` if there is none of that name."""
    if measure not in MEASURES:
        close = get_close_matches(str(measure), MEASURES, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"There are {', '.join(MEASURES)}."
        raise InvalidInput(f"There is no measure {measure!r}; {hint}", field="measure")
    return measure


def tally(outcome: Outcome, *, message: str | None = None) -> Tally:
    """Counts an outcome: all of it, or only one planned message (of a series, all of its sends; or one, as ``key#2``).

    Raises ``UnknownMessage`` for a message that the outcome does not have.
    """
    days, people = len(outcome.seeds), len(outcome.agents)
    chosen = range(len(outcome.messages)) if message is None else _sends_of(outcome.messages, message)
    messages = tuple(outcome.messages[number] for number in chosen)
    kept: slice | NDArray[np.bool_] = slice(None)
    which = outcome.message
    if message is not None:
        place = np.full(len(outcome.messages), NEVER)
        place[list(chosen)] = np.arange(len(messages))
        kept = place[which] != NEVER
        which = place[which[kept]]
    rep, agent, read_at = outcome.rep[kept], outcome.agent[kept], outcome.read_at[kept]
    was_read = read_at != NEVER
    told = was_read | (outcome.notified_at[kept] != NEVER)
    fate = told.astype(np.int64) + was_read + (outcome.acknowledged_at[kept] != NEVER)
    teams = tuple(one.team for one in outcome.agents)
    names = {name: number for number, name in enumerate(sorted(set(teams)))}
    team = np.array([names[one] for one in teams], dtype=np.int64)[agent]
    lasted = np.where(was_read, read_at, outcome.lost_at[kept]) - outcome.sent_at[kept]
    points = len(GRID_S) + 1  # and one for what is not read within any of them
    slot = np.where(was_read, np.searchsorted(np.array(GRID_S) * _SECOND, lasted), points - 1)
    return Tally(
        seeds=outcome.seeds,
        agents=tuple(one.agent_id for one in outcome.agents),
        teams=teams,
        messages=messages,
        by_message=_counted((rep, which, fate), (days, len(messages), len(FATES))),
        by_team=_counted((rep, team, fate), (days, len(names), len(FATES))),
        by_agent=_counted((agent, fate), (people, len(FATES))),
        quantiles=_quantiles(rep, lasted // _SECOND, was_read, days),
        curve=_counted((rep, slot), (days, points))[:, :-1].cumsum(axis=1),
        curve_by_message=_counted((which, slot), (len(messages), points))[:, :-1].cumsum(axis=1),
    )


def _sends_of(keys: Sequence[str], message: str) -> list[int]:
    found = [number for number, key in enumerate(keys) if key == message or key.partition("#")[0] == message]
    if not found:
        raise UnknownMessage(f"No message {message!r} was planned. Give a message's key.", field="message")
    return found


def _counted(codes: tuple[Ints, ...], shape: tuple[int, ...]) -> Ints:
    """How often each combination of codes is there, in an array of that shape."""
    place = np.zeros(len(codes[0]), dtype=np.int64)
    for code, size in zip(codes, shape, strict=True):
        place = place * size + code
    return np.bincount(place, minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)


def _quantiles(rep: Ints, seconds: Ints, was_read: NDArray[np.bool_], days: int) -> Ints:
    """Each day's quantiles by Kaplan–Meier, shape (days, 2).

    Day by day, so that a day's numbers do not depend on what else is in the array. Within a second, reading comes
    before being lost, as is usual for the estimate.
    """
    span = int(seconds.max(initial=0)) + 1
    order = np.sort((rep * span + seconds) * 2 + ~was_read)
    ends = np.concatenate([[0], np.bincount(rep, minlength=days).cumsum()])
    found = np.full((days, len(_QUANTILES)), NOT_REACHED, dtype=np.int64)
    levels = [-(1.0 - quantile) - _HAIR for quantile in _QUANTILES]
    for day, (start, end) in enumerate(pairwise(ends.tolist())):
        mine = order[start:end]
        at_risk = np.arange(len(mine), 0, -1)
        unread = np.cumprod(1.0 - ((mine & 1) == 0) / at_risk)
        reached = np.searchsorted(-unread, levels)
        for which, place in enumerate(reached.tolist()):
            if place < len(mine):
                found[day, which] = (mine[place] >> 1) - day * span
    return found
