"""Bare SimPy: the same day with no floor, no rules and no checks; what the engine is measured against.

One ``due`` moment per agent, one sorted script, the same sampler and the same events as the engine's, but on plain
lists, and only what this one day needs.
"""

from __future__ import annotations

import numpy as np
import simpy

from coachsim.events import Acknowledged, AgentChanged, Connected, Event, Read, Sent, StateChanged
from coachsim.models import AgentState, Message
from coachsim.outcome import NEVER
from coachsim.plan import Change, Plan

_IN, _OUT = AgentState.LOGGED_IN, AgentState.LOGGED_OUT
_STATE, _SEND, _READ, _ACK = (kind << 48 for kind in range(2, 6))
TOAST, TOLD, READ, ACKED = range(4)


def play(day: Plan) -> tuple[list[Event], dict[tuple[str, str], list[int | None]]]:
    """The day's events, and each delivery's [toast, notified, read, acknowledged] by message and agent."""
    env = simpy.Environment(day.day.began_at)
    ids = list(day.keys)
    rank = {agent_id: n for n, agent_id in enumerate(ids)}
    keys = np.array(list(day.keys.values()), dtype=np.uint64)
    earlier = np.zeros(len(ids), dtype=np.int64)
    presence = [day.presence[agent_id] for agent_id in ids]
    team_of = {agent.agent_id: agent.team for agent in day.agents}
    members: dict[str, list[str]] = {}
    for agent_id in ids:
        members.setdefault(team_of[agent_id], []).append(agent_id)
    state = [_OUT] * len(ids)
    unread: list[dict[int, list]] = [{} for _ in ids]
    prompts: list[dict[int, int]] = [{} for _ in ids]
    due: list[int | None] = [None] * len(ids)
    drawn: dict[int, tuple] = {}
    events: list[Event] = []
    deliveries: dict[tuple[str, str], list[int | None]] = {}

    def schedule(at, priority, callback, value):
        event = simpy.Event(env)
        event._ok, event._value = True, value
        event.callbacks.append(callback)
        env.schedule(event, priority, at - env.now)

    def prompt(n, message, at, delay):
        moment = presence[n].after(at, delay)
        if moment is not None:
            prompts[n][message] = moment
            if due[n] is None or moment < due[n]:
                due[n] = moment
                schedule(moment, _READ + n, look, (n, moment))

    def change(event):
        item = event._value
        n = rank[item.agent_id]
        at, was = item.at, state[n]
        state[n] = item.state
        told = ()
        if item.state is _IN and was is not _IN:
            told = tuple([m for m, times in unread[n].items() if times[TOLD] is None])
            for m in told:
                unread[n][m][TOLD] = at
        events.append(
            StateChanged(
                seq=len(events) + 2,
                happened_at=at,
                actor="plan",
                agent_id=item.agent_id,
                state=item.state,
                reason=item.reason,
                notified=told,
            )
        )
        for m in told:
            members_of, bell, _, _ = drawn[m]
            if (delay := int(bell[members_of[item.agent_id]])) != NEVER:
                prompt(n, m, at, delay)
        following()

    def send(event):
        item = event._value
        draft, at = item.draft, item.at
        m = max(at, next(reversed(drawn), 0) + 1)
        agent_ids = members[item.draft.audience.filter.team[0]]
        those = [rank[agent_id] for agent_id in agent_ids]
        ranks = np.array(those)
        one = day.sampler.prompts(keys[ranks], item.draft.request_id, item.draft.priority, earlier[ranks])
        earlier[ranks] += 1
        places = {agent_id: place for place, agent_id in enumerate(agent_ids)}
        drawn[m] = (places, one.bell, dict(zip(agent_ids, one.ack.tolist(), strict=True)), len(drawn))
        told = tuple([state[n] is _IN for n in those])
        message = Message(
            message_id=m,
            sent_at=at,
            sender=item.sender,
            audience=draft.audience,
            body=draft.body,
            priority=draft.priority,
            ack_required=draft.ack_required,
            expires_at=draft.expires_at,
            request_id=draft.request_id,
        )
        events.append(
            Sent(
                seq=len(events) + 2,
                happened_at=at,
                actor=item.sender,
                message=message,
                agent_ids=tuple(agent_ids),
                teams=tuple([team_of[agent_id] for agent_id in agent_ids]),
                states=tuple([state[n] for n in those]),
                notified=told,
                toasted=told,
            )
        )
        for n, agent_id, now, toast, bell in zip(
            those, agent_ids, told, one.toast.tolist(), one.bell.tolist(), strict=True
        ):
            times = [at, at, None, None] if now else [None, None, None, None]
            deliveries[item.draft.request_id, agent_id] = unread[n][m] = times
            if now and (delay := toast if toast != NEVER else bell) != NEVER:
                prompt(n, m, at, delay)
        following()

    def look(event):
        n, moment = event._value
        if due[n] is None or due[n] != moment:
            return
        due[n] = None
        read = unread[n]
        unread[n] = {}
        prompts[n] = {}
        agent_id = ids[n]
        untold = tuple([times[TOLD] is None for times in read.values()])
        events.append(
            Read(
                seq=len(events) + 2,
                happened_at=moment,
                actor="plan",
                agent_id=agent_id,
                message_ids=tuple(read),
                notified=untold,
            )
        )
        for m, times in read.items():
            times[READ] = moment
            if times[TOLD] is None:
                times[TOLD] = moment
            _, _, acks, number = drawn[m]
            if (delay := acks[agent_id]) != NEVER:
                at = presence[n].after(moment, delay)
                if at is not None:
                    schedule(at, _ACK + (n << 24) + number, acknowledge, (agent_id, m, times))

    def acknowledge(event):
        agent_id, m, times = event._value
        times[ACKED] = env.now
        events.append(
            Acknowledged(seq=len(events) + 2, happened_at=env.now, actor="plan", agent_id=agent_id, message_id=m)
        )

    script = iter(sorted([*day.changes, *day.sends], key=lambda item: (item.at, not isinstance(item, Change))))

    def following():
        item = next(script, None)
        if isinstance(item, Change):
            schedule(item.at, _STATE + rank[item.agent_id], change, item)
        elif item is not None:
            schedule(item.at, _SEND, send, item)

    for agent in day.agents:
        events.append(AgentChanged(seq=len(events) + 2, happened_at=env.now, actor="plan", agent=agent))
    for agent_id in ids:
        events.append(Connected(seq=len(events) + 2, happened_at=env.now, actor="plan", agent_id=agent_id, page=False))
    following()
    env.run(until=day.day.ends_at)
    return events, deliveries
