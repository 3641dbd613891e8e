"""What whole days come to, by array code: many days of a scenario at once, each delivery as the engine has it.

A second statement of the rules, and a shorter one, for days that nobody steps into. Its licence is the test that
compares it with the engine, row by row. What makes it simple: when an agent looks depends only on what was sent after
the last look. Of the messages unread at a moment the earliest prompt is the next look, and it reads them all; so with
each delivery's prompt known, and the least of all prompts from a delivery on, a day is a walk from look to look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from coachsim.models import Agent, AgentState, Audience
from coachsim.outcome import NEVER, STATES, Ints, Outcome
from coachsim.people.draws import Keys
from coachsim.people.looks import looks
from coachsim.people.rota import IN
from coachsim.plan import Days, draw, floor_of
from coachsim.scenario import Scenario
from coachsim.sends import TO_A_TEAM, TO_AN_AGENT, day_of, matches, slots

Bools = NDArray[np.bool_]
_CELLS = 1_000_000  # agents × messages × days worked on at once: more would not fit the processor's caches

_LARGE = 30 * 2**20  # bytes


def evaluate(scenario: Scenario, seeds: Sequence[int], *, agents: Sequence[Agent] | None = None) -> Outcome:
    """The outcome of one day of ``scenario`` for each of ``seeds``; on its own floor unless ``agents`` are given.

    Raises what ``plan`` raises.

        evaluate(Scenario.load("weekday"), range(1, 101)).read_at
    """
    people = floor_of(scenario) if agents is None else agents
    cells = len(people) * len(slots(scenario, day_of(scenario, scenario.date)))
    at_once = max(1, _CELLS // max(1, cells))
    parts = (seeds[start : start + at_once] for start in range(0, len(seeds), at_once))
    return Outcome.joined([outcome(draw(scenario, part, agents=people)) for part in parts])


def outcome(days: Days) -> Outcome:
    """What these days come to."""
    # The C library learns from a large block that is freed to keep what is freed (glibc; a few µs). Without, every
    # step's arrays are given back to the system and fetched anew, page by page: a third of all time.
    np.empty(_LARGE, np.int8)
    rota, sends = days.rota, days.sends
    row, slot, message_id = deliveries(days)
    rep, agent = np.divmod(row, max(len(days.active), 1))
    at, expires_at = sends.at[slot], sends.expires_at[slot]
    state, login = rota.told(row, at)
    toasted = state == IN
    reps = len(days.seeds)
    people = days.sampler.people(np.repeat(np.arange(reps), len(days.active)), np.tile(days.keys, reps))
    prompt = rota.after(row, login, _delays(days, people, row, slot, toasted, login))
    prompt[prompt >= expires_at] = NEVER
    look = looks(rota.length, row, at, prompt)
    read = np.where(look < expires_at, look, NEVER)
    until = np.where(read == NEVER, expires_at, read)
    notified = np.where((login != NEVER) & (login < until), login, read)
    acknowledged = np.full(len(row), NEVER)
    asked = np.flatnonzero(sends.ack_required[slot] & (read != NEVER))
    delay = days.sampler.acks(people, row[asked], sends.key[slot[asked]])
    acknowledged[asked] = rota.after(row[asked], read[asked], delay)

    def since_1970(moments: Ints) -> Ints:
        return np.where(moments == NEVER, NEVER, moments + days.day.began_at)

    return Outcome(
        seeds=days.seeds,
        agents=days.active,
        messages=tuple(slot.key for slot in days.slots),
        ends_at=days.day.ends_at,
        rep=rep,
        message=slot,
        agent=agent,
        message_id=message_id,
        sent_at=at + days.day.began_at,
        state_at_send=state,
        toast_at=since_1970(np.where(toasted, at, NEVER)),
        notified_at=since_1970(notified),
        read_at=since_1970(read),
        acknowledged_at=since_1970(acknowledged),
        lost_at=since_1970(np.where(read == NEVER, expires_at, NEVER)),
    )


def _delays(days: Days, people: Keys, row: Ints, slot: Ints, toasted: Bools, login: Ints) -> Ints:
    """From being told to opening for each delivery's own sake, or NEVER: by its toast, else by the bell."""
    firsts = np.searchsorted(row, np.arange(days.rota.rows))
    delays = np.full(len(row), NEVER)
    those = np.flatnonzero(toasted)
    mine, sent = row[those], slot[those]
    sampler, sends = days.sampler, days.sends
    delays[those] = sampler.toasts(people, mine, sends.key[sent], sends.urgent[sent], those - firsts[mine])
    those = np.flatnonzero((delays == NEVER) & (login != NEVER))
    delays[those] = sampler.bells(people, row[those], sends.key[slot[those]])
    return delays


# --- who gets what ---


def deliveries(days: Days) -> tuple[Ints, Ints, Ints]:
    """Row, slot and message_id of every delivery of these days, by row, then slot."""
    reps, count, planned = len(days.seeds), len(days.active), len(days.slots)
    goes = np.zeros((reps, count, planned), np.bool_)
    for those, audience in _alike(days):
        _address(days, goes, those, audience)
    row, slot = np.divmod(np.flatnonzero(goes), max(planned, 1))
    # Ids are the moment of sending, bumped if taken: sorted, with at least 1 between two that were sent.
    sent = goes.any(axis=1)
    number = np.cumsum(sent, axis=1)
    at = days.sends.at + days.day.began_at
    ids = number + np.maximum.accumulate(np.where(sent, at - number, 0), axis=1)
    return row, slot, ids[row // max(count, 1), slot]


def _alike(days: Days) -> Iterator[tuple[Ints, str | Audience]]:
    """The slots that come of one planned message, with whom it goes to."""
    of: dict[str, list[int]] = {}
    for number, slot in enumerate(days.slots):
        of.setdefault(slot.message.key, []).append(number)
    for numbers in of.values():
        to = days.slots[numbers[0]].message.to
        yield np.array(numbers), Audience.from_json(to) if isinstance(to, dict) else to


def _address(days: Days, goes: Bools, those: Ints, audience: str | Audience) -> None:
    """Marks in ``goes`` (days × agents × slots) who gets the messages of those slots."""
    if not len(days.active):
        return
    if audience == TO_A_TEAM:
        goes[:, :, those] = days.choices.team_of[None, :, None] == days.picks[those].T[:, None, :]
    elif audience == TO_AN_AGENT:
        goes[np.arange(len(days.seeds)), days.picks[those], those[:, None]] = True
    elif isinstance(audience, Audience) and not audience.everyone:
        members = np.array([matches(agent, audience) for agent in days.active], np.bool_)
        goes[:, :, those] = members[:, None]
        states = audience.filter.state if audience.filter else ()
        if states:
            wanted = np.isin(np.arange(len(STATES)), [STATES.index(AgentState(state)) for state in states])
            for slot in those.tolist():
                at = np.full(days.rota.rows, days.sends.at[slot])
                now = days.rota.told(np.arange(days.rota.rows), at)[0]
                goes[:, :, slot] &= wanted[now].reshape(len(days.seeds), -1)
    else:
        goes[:, :, those] = True
