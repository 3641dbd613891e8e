"""Habits: how agents' days usually went, and how the rest of today may go for those who are here as they are.

A day is not modelled but borrowed: each agent continues today as on one of their own past days, drawn among those on
which they were in the same place at this time of day, and had come at about the same time. So shifts, lunch and short
breaks need no parameters, and no more do the messages that will come yet: what the agent was sent later on that day is
borrowed too. Within a repetition as many as can continue on the same day, so what a day does to all of them stays
together. (Resampling whole days keeps what hangs together within one: Künsch 1989, the block bootstrap with the day as
its block.) Of a break that is on, the rest is drawn among breaks for the same reason that were as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coachsim.days import HOUR, MINUTE
from coachsim.outcome import NEVER, Codes, Ints
from coachsim.people.draws import Draws, Keys
from coachsim.people.rota import BREAK, IN, OUT, Rota
from coachsim.people.sent import Sent

Bools = NDArray[np.bool_]
_SAME_SHIFT = HOUR  # two days on which one comes within this are taken as the same shift
_LATE = 15 * MINUTE  # who came so much before now on another day may be as much later today
_SAME_BREAK = HOUR  # a break for the same reason this soon after is the one that is on already
_LAST_MINUTE = MINUTE  # what is left of a break that is longer than any before it


@dataclass(frozen=True, slots=True)
class Now:
    """Where each of some agents is: ``at`` is the moment, and ``length`` the day's, in µs since the day began.

    ``state`` as in ``outcome.STATES``; ``reason`` and ``since`` (µs since the day began) are of the break that is on.
    ``came`` is when they came to work today: NEVER where they have not been in.
    """

    at: int
    length: int
    state: Codes
    reason: tuple[str | None, ...]
    since: Ints
    came: Ints


@dataclass(frozen=True, slots=True)
class Rest:
    """The rest of today in each of some repetitions, with row = repetition × agents + agent.

    Who is where is in ``rota``, from the moment that it is asked for. ``day`` is the past day that each row goes on as,
    NEVER where none is like today. ``later`` is what each row is sent after that moment.
    """

    rota: Rota
    day: Ints
    later: Sent


@dataclass(frozen=True, slots=True)
class Habits:
    """The past ``days`` of ``agents``, as a rota with row = day × agents + agent, and what each was ``sent`` on them.

    ``lengths`` has, for each reason, how long whole breaks took (µs), in order.
    """

    agents: tuple[str, ...]
    days: int
    past: Rota
    sent: Sent
    lengths: dict[str, Ints]
    _came: Ints = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_came", self.past.came())

    def only(self, agents: Sequence[str]) -> Habits:
        """Those of some agents, in this order; who is not among them has no past. Breaks are still everybody's."""
        place = {agent_id: number for number, agent_id in enumerate(self.agents)}
        many, few = len(self.agents), len(agents)
        number = np.full(max(many, 1), NEVER)
        for mine, agent_id in enumerate(agents):
            if agent_id in place:
                number[place[agent_id]] = mine

        def theirs(rows: Ints) -> tuple[Ints, Ints]:
            day, agent = np.divmod(rows, max(many, 1))
            kept = np.flatnonzero(number[agent] != NEVER)
            row = day[kept] * few + number[agent[kept]]
            order = np.argsort(row, kind="stable")
            return kept[order], row[order]

        past, sent = self.past, self.sent
        kept, row = theirs(past.row)
        changes = (row, past.at[kept], past.state[kept], past.reason[kept])
        some = Rota.of_changes(self.days * few, past.length, past.reasons, changes)
        kept, row = theirs(sent.row)
        return Habits(tuple(agents), self.days, some, sent.of(row, sent.message[kept]), self.lengths)

    def rest_of_day(self, now: Now, keys: Keys, draws: Draws, reps: int) -> Rest:
        """The rest of today, ``reps`` times; what was before ``now.at`` is not in it.

        ``keys`` are the agents'; ``draws`` has as many seeds as there are repetitions.
        """
        many = len(self.agents)
        agent = np.tile(np.arange(many), reps)
        rep = np.repeat(np.arange(reps), many)
        state = now.state[agent]
        borrowed = self._borrowed(now, keys, draws, reps)
        row, at, new, why = self._continued(borrowed, now.at)
        # Whoever is on a break comes back from it first; what the borrowed day has until then is not theirs.
        back = self._back(now, keys[agent], draws, agent, rep)
        gone = np.full(reps * many, now.length)
        leaves = new == OUT
        np.minimum.at(gone, row[leaves], at[leaves])
        returns = np.flatnonzero((state == BREAK) & (back < gone))
        back = np.where(state == BREAK, np.minimum(back, gone), now.at)
        # So does whoever is later than on the day that they borrow: by as much as they were there before now.
        borrowing = np.flatnonzero(borrowed != NEVER)
        came = self._came[borrowed[borrowing]]
        unlike = (state[borrowing] == OUT) & (now.came[agent[borrowing]] == NEVER) & (came != NEVER) & (came <= now.at)
        late = borrowing[unlike]
        back[late] = np.minimum(2 * now.at - came[unlike] + 1, now.length - 1)
        returns = np.concatenate([returns, late])
        kept = (at >= back[row]) & (at < now.length) & ~self._is_the_same_break(now, row, at, new, why)
        kept |= (new == OUT) & (at < now.length)
        everybody = np.arange(reps * many)
        rows = np.concatenate([everybody, returns, row[kept]])
        ats = np.concatenate([np.full(reps * many, now.at), back[returns], at[kept]])
        states = np.concatenate([state, np.full(len(returns), IN, np.int8), new[kept]]).astype(np.int8)
        whys = np.concatenate([np.full(reps * many + len(returns), NEVER), why[kept]])
        order = np.lexsort((np.arange(len(rows)), ats, rows))
        changes = (rows[order], ats[order], states[order], whys[order])
        rota = Rota.of_changes(reps * many, now.length, self.past.reasons, changes)
        later = self.sent.later(borrowed[borrowing], now.at)
        day = np.where(borrowed == NEVER, NEVER, borrowed // max(many, 1))
        return Rest(rota, day, later.of(borrowing[later.row], later.message))

    def _borrowed(self, now: Now, keys: Keys, draws: Draws, reps: int) -> Ints:
        """The row of ``past`` that each agent continues with in each repetition; NEVER where none is like today."""
        many = len(self.agents)
        if not self.days or not many:
            return np.full(reps * many, NEVER)
        past_rows = np.arange(self.days * many)
        then, _ = self.past.told(past_rows, np.full(self.days * many, min(now.at, self.past.length - 1)))
        then, came = then.reshape(self.days, many), self._came.reshape(self.days, many)
        here, come = now.state != OUT, now.came != NEVER
        alike = (then != OUT) == here
        alike &= here | (((came != NEVER) & (came <= now.at)) == come)
        # Who has not come but always had by now may only be late; who had long been there is not expected any more.
        just = ~here & ~come & (came != NEVER) & (came <= now.at) & (came > now.at - _LATE)
        alike |= just & ~alike.any(axis=0)
        near = here & (came != NEVER) & (np.abs(came - now.came) <= _SAME_SHIFT)
        # One order of the days for all of a repetition: each takes the first that is like today for them.
        everyone, rep = np.zeros(reps, np.uint64), np.arange(reps)
        score = np.stack([draws.uniform("borrowed day", everyone, n=day, rep=rep) for day in range(self.days)])
        best = (score[:, :, None] + (alike * (1 + near))[:, None, :]).argmax(axis=0)
        chosen = best * many + np.arange(many)
        none_is_alike = ~alike.any(axis=0)
        # Somebody's day who was here at this time is better than none; who is not here stays away.
        someones = np.flatnonzero(then.ravel() != OUT)
        lost = np.flatnonzero(none_is_alike & here)
        if len(lost) and len(someones):
            everybody, each = np.tile(keys[lost], reps), np.repeat(rep, len(lost))
            drawn = draws.uniform("colleague's day", everybody, rep=each).reshape(reps, -1)
            chosen[:, lost] = someones[(drawn * len(someones)).astype(np.int64)]
            none_is_alike = none_is_alike & ~here
        chosen[:, none_is_alike] = NEVER
        found: Ints = chosen.ravel()
        return found

    def _continued(self, borrowed: Ints, at: int) -> tuple[Ints, Ints, Codes, Ints]:
        """The changes after ``at`` of each borrowed day: whose they are, when, to what, why."""
        past, theirs = self.past, np.flatnonzero(borrowed != NEVER)
        of, place = past.later(borrowed[theirs], at)
        return theirs[of], past.at[place], past.state[place], past.reason[place]

    def _back(self, now: Now, keys: Keys, draws: Draws, agent: Ints, rep: Ints) -> Ints:
        """When each is back from the break that is on; of others, any time."""
        back = np.full(len(agent), now.at + _LAST_MINUTE)
        drawn = draws.uniform("rest of break", keys, rep=rep)
        every = np.sort(np.concatenate([np.zeros(0, np.int64), *self.lengths.values()]))
        for person in np.flatnonzero(now.state == BREAK).tolist():
            so_far = now.at - now.since[person]
            lengths = self.lengths.get(now.reason[person] or "", every)
            longer = lengths[np.searchsorted(lengths, so_far, side="right") :]
            if len(longer):
                mine = np.flatnonzero(agent == person)
                back[mine] = now.since[person] + longer[(drawn[mine] * len(longer)).astype(np.int64)]
        return back

    def _is_the_same_break(self, now: Now, row: Ints, at: Ints, new: Codes, why: Ints) -> Bools:
        """Whether a borrowed change begins the very break that its agent is on, only later."""
        code = {name: place for place, name in enumerate(self.past.reasons)}
        mine = np.array([code.get(reason or "", -2) for reason in now.reason], np.int64)[row % max(len(now.reason), 1)]
        soon = at <= now.at + _SAME_BREAK
        same: Bools = (new == BREAK) & (why == mine) & soon & (now.state[row % max(len(now.state), 1)] == BREAK)
        return same


def of_changes(
    agents: Sequence[str],
    days: int,
    length: int,
    reasons: Sequence[str],
    changes: tuple[Ints, Ints, Codes, Ints],
    sent: Sent | None = None,
) -> Habits:
    """Habits from changes (row, µs since its day began, state, reason as its place in ``reasons``), by row, then time;
    who is there as a day begins has a change at 0. Without ``sent`` nothing was sent."""
    past = Rota.of_changes(days * len(agents), length, reasons, changes)
    return Habits(tuple(agents), days, past, sent or Sent.nothing(), _lengths(past))


def _lengths(past: Rota) -> dict[str, Ints]:
    begun = np.flatnonzero((past.state[:-1] == BREAK) & (past.at[:-1] > 0) & (past.row[1:] == past.row[:-1]))
    took, why = past.at[begun + 1] - past.at[begun], past.reason[begun]
    return {name: np.sort(took[why == place]) for place, name in enumerate(past.reasons)}


def of_rotas(agents: Sequence[str], rotas: Sequence[Rota], sent: Sent | None = None) -> Habits:
    """Habits from days of the same agents that were drawn one by one."""
    many = len(agents)
    length = max((one.length for one in rotas), default=1)
    lift = [np.full(len(one.row), day * many) for day, one in enumerate(rotas)]
    nothing = np.zeros(0, np.int64)
    changes = (
        np.concatenate([nothing, *(one.row + up for one, up in zip(rotas, lift, strict=True))]),
        np.concatenate([nothing, *(one.at for one in rotas)]),
        np.concatenate([nothing.astype(np.int8), *(one.state for one in rotas)]),
        np.concatenate([nothing, *(one.reason for one in rotas)]),
    )
    reasons = rotas[0].reasons if rotas else ()
    return of_changes(agents, len(rotas), length, reasons, changes, sent)
