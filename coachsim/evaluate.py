"""What whole days come to, by array code: many days of a scenario at once, each delivery as the engine has it.

A second statement of the rules, and a shorter one, for days that nobody steps into. Its licence is the test that
compares it with the engine, row by row. What makes it simple: when an agent looks depends only on what was sent after
the last look. Of the messages unread at a moment the earliest prompt is the next look, and it reads them all; so with
each delivery's prompt known, and the least of all prompts from a delivery on, a day is a walk from look to look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coachsim.draws import Keys
from coachsim.models import GROUP_KINDS, Agent, AgentState, Audience
from coachsim.outcome import NEVER, STATES, Ints, Outcome
from coachsim.plan import Days, draw, floor_of
from coachsim.rota import IN
from coachsim.scenario import Scenario
from coachsim.sends import TO_A_TEAM, TO_AN_AGENT

Bools = NDArray[np.bool_]
_CELLS = 1_000_000  # agents × messages × days worked on at once: more would not fit the processor's caches


def evaluate(scenario: Scenario, seeds: Sequence[int], *, agents: Sequence[Agent] | None = None) -> Outcome:
    """The outcome of one day of ``scenario`` for each of ``seeds``; on its own floor unless ``agents`` are given.

    Raises what ``plan`` raises.

        evaluate(Scenario.load("data/scenarios/weekday.toml"), range(1, 101)).read_at
    """
    people = floor_of(scenario) if agents is None else agents
    first = outcome(draw(scenario, seeds[:1], agents=people))
    at_once = max(1, _CELLS // max(1, len(first.agents) * len(first.messages)))
    rest = (seeds[start : start + at_once] for start in range(1, len(seeds), at_once))
    return Outcome.joined([first, *(outcome(draw(scenario, some, agents=people)) for some in rest)])


def outcome(days: Days) -> Outcome:
    """What these days come to."""
    rota, night = days.rota, days.rota.length
    row, slot, message_id = _deliveries(days)
    asked = _Asked.of(days, row, slot)
    at, expires_at = asked.at, asked.expires_at
    state, login = rota.told(row, at)
    toasted = state == IN
    prompt = rota.after(row, login, asked.delays(days, toasted, login))
    prompt[prompt >= expires_at] = NEVER
    look = _looks(night, row, at, prompt)
    read = np.where(look < expires_at, look, NEVER)
    until = np.where(read == NEVER, expires_at, read)
    notified = np.where((login != NEVER) & (login < until), login, read)
    acknowledged = np.full(len(row), NEVER)
    confirmed = np.flatnonzero(asked.ack_required & (read != NEVER))
    acknowledged[confirmed] = rota.after(row[confirmed], read[confirmed], asked.acks(days, confirmed))

    def since_1970(moments: Ints) -> Ints:
        return np.where(moments == NEVER, NEVER, moments + days.day.began_at)

    return Outcome(
        seeds=days.seeds,
        agents=days.active,
        messages=tuple(slot.key for slot in days.slots),
        ends_at=days.day.ends_at,
        rep=asked.rep,
        message=slot,
        agent=asked.agent,
        message_id=message_id,
        sent_at=at + days.day.began_at,
        state_at_send=state,
        toast_at=since_1970(np.where(toasted, at, NEVER)),
        notified_at=since_1970(notified),
        read_at=since_1970(read),
        acknowledged_at=since_1970(acknowledged),
        lost_at=since_1970(np.where(read == NEVER, expires_at, NEVER)),
    )


def _looks(night: int, row: Ints, at: Ints, prompt: Ints) -> Ints:
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """The deliveries as the sampler is asked about them, by row, then time; all fields run in step."""

    rep: Ints
    agent: Ints
    agent_key: Keys
    message_key: Keys
    at: Ints
    expires_at: Ints
    urgent: Bools
    ack_required: Bools
    earlier: Ints

    @classmethod
    def of(cls, days: Days, row: Ints, slot: Ints) -> _Asked:
        rep, agent = np.divmod(row, max(len(days.active), 1))
        firsts = np.searchsorted(row, np.arange(days.rota.rows))
        return cls(
            rep=rep,
            agent=agent,
            agent_key=days.keys[agent],
            message_key=days.sends.key[slot],
            at=days.sends.at[slot],
            expires_at=days.sends.expires_at[slot],
            urgent=days.sends.urgent[slot],
            ack_required=days.sends.ack_required[slot],
            earlier=np.arange(len(row)) - firsts[row],
        )

    def delays(self, days: Days, toasted: Bools, login: Ints) -> Ints:
        """From being told to opening for this delivery's own sake, or NEVER: by its toast, else by the bell."""
        delays = np.full(len(toasted), NEVER)
        those = np.flatnonzero(toasted)
        delays[those] = days.sampler.toasts(
            self.rep[those], self.agent_key[those], self.message_key[those], self.urgent[those], self.earlier[those]
        )
        those = np.flatnonzero((delays == NEVER) & (login != NEVER))
        delays[those] = days.sampler.bells(self.rep[those], self.agent_key[those], self.message_key[those])
        return delays

    def acks(self, days: Days, those: Ints) -> Ints:
        """From reading to acknowledging, or NEVER, for some of the deliveries."""
        return days.sampler.acks(self.rep[those], self.agent_key[those], self.message_key[those])


# --- who gets what ---


def _deliveries(days: Days) -> tuple[Ints, Ints, Ints]:
    """Row, slot and message_id of every delivery, by row, then slot."""
    reps, count, planned = len(days.seeds), len(days.active), len(days.slots)
    goes = np.zeros((reps, count, planned), np.bool_)
    for slots, audience in _alike(days):
        _address(days, goes, slots, audience)
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


def _address(days: Days, goes: Bools, slots: Ints, audience: str | Audience) -> None:
    """Marks in ``goes`` (days × agents × slots) who gets the messages of these slots."""
    if not len(days.active):
        return
    if audience == TO_A_TEAM:
        goes[:, :, slots] = days.choices.team_of[None, :, None] == days.picks[slots].T[:, None, :]
    elif audience == TO_AN_AGENT:
        goes[np.arange(len(days.seeds)), days.picks[slots], slots[:, None]] = True
    elif isinstance(audience, Audience) and not audience.everyone:
        members = np.array([_matches(agent, audience) for agent in days.active], np.bool_)
        goes[:, :, slots] = members[:, None]
        states = audience.filter.state if audience.filter else ()
        if states:
            wanted = np.isin(np.arange(len(STATES)), [STATES.index(AgentState(state)) for state in states])
            for slot in slots.tolist():
                at = np.full(days.rota.rows, days.sends.at[slot])
                now = days.rota.told(np.arange(days.rota.rows), at)[0]
                goes[:, :, slot] &= wanted[now].reshape(len(days.seeds), -1)
    else:
        goes[:, :, slots] = True


def _matches(agent: Agent, audience: Audience) -> bool:
    """Whether an agent is named, or is in one of the filter's groups of each kind that it names."""
    if audience.filter is None:
        return agent.agent_id in audience.agents
    given = audience.filter.given
    return all(set(agent.groups(kind)) & set(given[kind]) for kind in GROUP_KINDS if kind in given)
