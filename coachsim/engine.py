"""The SimPy engine: plays a plan's virtual agents on a floor. The only file that imports simpy.

Each agent has one *due* moment: the earliest of what prompts them to open the dialog. Opening reads everything unread,
so only the earliest matters; a prompt that is no longer the due one is stale when it fires, and nothing is ever
cancelled. State changes and sends are one sorted script. At one moment, SimPy's priorities put state changes before
sends, those before reading, that before acknowledging, and within a kind agents in the order of their ids.

The engine gives commands through ``act`` and learns what came of them, and of everybody else's commands, through
``observe``: in a simulation both happen at once, on a practice floor ``observe`` is called when an event is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import simpy

from coachsim.attention import NEVER
from coachsim.floor import Floor
from coachsim.models import Connected, Event, Message, Read, Sent, StateChanged
from coachsim.plan import Change, Plan, Send
from coachsim.state import FloorState

PLAN = "plan"
Act = Callable[..., Iterable[Event]]

_STATE, _SEND, _READ, _ACKNOWLEDGE = (kind << 48 for kind in range(2, 6))


class _Mind:
    """What one virtual agent has in mind: the prompts of unread messages, and the earliest of them."""

    __slots__ = ("due", "prompts")

    def __init__(self) -> None:
        self.prompts: dict[int, int] = {}
        self.due: int | None = None


class Engine:
    """Plays ``plan`` by ``act(at, command, *args, **kwargs)``; ``floor`` is what it looks at and never changes.

    ``start`` says from when on (µs): what the plan has before that is taken as done. ``virtual`` are the agents whom
    the engine plays; take one out and it stops at once.
    """

    def __init__(self, plan: Plan, floor: FloorState, act: Act, *, start: int | None = None) -> None:
        self.plan = plan
        self.virtual: set[str] = set(plan.keys)
        self._floor = floor
        self._act = act
        self.env = simpy.Environment(initial_time=plan.day.began_at if start is None else start)
        self._rank = {agent_id: n for n, agent_id in enumerate(plan.keys)}
        self._minds = {agent_id: _Mind() for agent_id in plan.keys}
        self._earlier: dict[str, int] = dict.fromkeys(plan.keys, 0)
        # Of each message of the day: the agents' bell delays (those with no bell prompt left out) and ack delays.
        self._bells: dict[int, dict[str, int]] = {}
        self._acks: dict[int, dict[str, int]] = {}
        self._number: dict[int, int] = {}
        script: list[Change | Send] = sorted(
            [*plan.changes, *plan.sends], key=lambda item: (item.at, isinstance(item, Send))
        )
        self._script = iter([item for item in script if start is None or item.at > start])
        self._next_in_script()

    # --- running ---

    def next_at(self) -> float:
        """When the engine next does something; infinite if never."""
        return self.env.peek()

    def open_day(self) -> None:
        """Brings everybody to where the plan has them when the day opens: the roster, the pages, the states."""
        at = self.plan.day.began_at
        self._act(at, Floor.set_agents, self.plan.agents, actor=PLAN)
        for agent_id in self.plan.keys:
            self._act(at, Floor.connect, agent_id, actor=PLAN, page=False)
        for change in self.plan.opening:
            self._act(at, Floor.set_state, change.agent_id, change.state, actor=PLAN, reason=change.reason)

    def step(self) -> None:
        """Does the next thing."""
        self.env.step()

    def run(self) -> None:
        """Plays the day to its end, without the clear-down that closes it."""
        env, ends_at = self.env, self.plan.day.ends_at
        while env.peek() < ends_at:
            env.step()

    def _at(self, moment: int, priority: int, callback: Callable[[Any], None], value: Any) -> None:
        event = simpy.Event(self.env)
        event._ok, event._value = True, value
        event.callbacks.append(callback)
        # SimPy's two named priorities are integers; the rest of the integers work as well and order our ties.
        self.env.schedule(event, priority, moment - self.env.now)  # type: ignore[arg-type]

    # --- the script ---

    def _next_in_script(self) -> None:
        item = next(self._script, None)
        if item is None:
            return
        if isinstance(item, Change):
            self._at(item.at, _STATE + self._rank[item.agent_id], self._change, item)
        else:
            self._at(item.at, _SEND, self._send, item)

    def _change(self, event: Any) -> None:
        change: Change = event._value
        if change.agent_id in self.virtual:
            self._act(change.at, Floor.set_state, change.agent_id, change.state, actor=PLAN, reason=change.reason)
        self._next_in_script()

    def _send(self, event: Any) -> None:
        send: Send = event._value
        self._act(send.at, Floor.send, send.draft, actor=send.sender)
        self._next_in_script()

    # --- what agents notice ---

    def observe(self, event: Event) -> None:
        """Takes in an event of the floor, whoever caused it. Called once for each, in order."""
        if isinstance(event, Sent):
            self._sent(event)
        elif isinstance(event, StateChanged | Connected):
            if event.notified and event.agent_id in self.virtual:
                for message_id in event.notified:
                    self._ring(event.agent_id, message_id, event.happened_at)
        elif isinstance(event, Read) and event.agent_id in self._minds:
            self._has_read(event)

    def recover(self) -> None:
        """Takes in the deliveries that are on the floor already, after a restart or when the day is joined late."""
        rows = sorted(self._floor.messages.values(), key=lambda row: row.message.message_id)
        for row in rows:
            known = [delivery for delivery in row.deliveries.values() if delivery.agent_id in self._minds]
            self._draw(row.message, [delivery.agent_id for delivery in known])
            for delivery in known:
                mind_is_open = delivery.message_id in self._floor.agents[delivery.agent_id].unread
                if mind_is_open and delivery.agent_id in self.virtual:
                    self._prompt_of(delivery.agent_id, delivery.message_id, delivery.toast_at, delivery.notified_at)
                elif delivery.read_at is not None and delivery.acknowledged_at is None and row.message.ack_required:
                    self._will_acknowledge(delivery.agent_id, delivery.message_id, delivery.read_at)

    def _sent(self, event: Sent) -> None:
        message = event.message
        agent_ids = [agent_id for agent_id in event.agent_ids if agent_id in self._minds]
        toasts = self._draw(message, agent_ids)
        at = event.happened_at
        told = {
            agent_id: toasted
            for agent_id, notified, toasted in zip(event.agent_ids, event.notified, event.toasted, strict=True)
            if notified and agent_id in self.virtual
        }
        for agent_id, toasted in told.items():
            delay = toasts[agent_id] if toasted else NEVER
            if delay != NEVER:
                self._prompt(agent_id, message.message_id, at, delay)
            else:
                self._ring(agent_id, message.message_id, at)

    def _draw(self, message: Message, agent_ids: list[str]) -> dict[str, int]:
        """Draws a message's attention for these agents; returns the toast delays and keeps the rest."""
        earlier = np.array([self._earlier[agent_id] for agent_id in agent_ids], dtype=np.int64)
        agents = np.array([self.plan.keys[agent_id] for agent_id in agent_ids], dtype=np.uint64)
        for agent_id in agent_ids:
            self._earlier[agent_id] += 1
        drawn = self.plan.sampler.prompts(agents, message.request_id, message.priority, earlier)
        self._bells[message.message_id] = dict(zip(agent_ids, drawn.bell.tolist(), strict=True))
        self._number[message.message_id] = len(self._number)
        if message.ack_required:
            self._acks[message.message_id] = dict(zip(agent_ids, drawn.ack.tolist(), strict=True))
        return dict(zip(agent_ids, drawn.toast.tolist(), strict=True))

    def _prompt_of(self, agent_id: str, message_id: int, toast_at: int | None, notified_at: int | None) -> None:
        """The prompt of a delivery that was on the floor before this engine."""
        message = self._floor.messages[message_id].message
        if toast_at is not None:
            before = np.array([self._earlier[agent_id] - 1], dtype=np.int64)
            agents = np.array([self.plan.keys[agent_id]], dtype=np.uint64)
            drawn = self.plan.sampler.prompts(agents, message.request_id, message.priority, before)
            if (delay := int(drawn.toast[0])) != NEVER:
                self._prompt(agent_id, message_id, toast_at, delay)
                return
        if notified_at is not None:
            self._ring(agent_id, message_id, notified_at)

    def _ring(self, agent_id: str, message_id: int, at: int) -> None:
        delay = self._bells.get(message_id, {}).get(agent_id, NEVER)
        if delay != NEVER:
            self._prompt(agent_id, message_id, at, delay)

    def _prompt(self, agent_id: str, message_id: int, at: int, delay: int) -> None:
        moment = self.plan.presence[agent_id].after(at, delay)
        if moment is None:
            return
        mind = self._minds[agent_id]
        mind.prompts[message_id] = moment
        if mind.due is None or moment < mind.due:
            self._become_due(agent_id, moment)

    def _become_due(self, agent_id: str, moment: int) -> None:
        self._minds[agent_id].due = moment
        moment = max(moment, int(self.env.now))
        self._at(moment, _READ + self._rank[agent_id], self._look, (agent_id, moment))

    def _look(self, event: Any) -> None:
        agent_id, moment = event._value
        mind = self._minds[agent_id]
        if mind.due is None or mind.due > moment or agent_id not in self.virtual:
            return
        unread = self._floor.agents[agent_id].unread
        # What expired or was cleared meanwhile prompts nobody: the next prompt is the one that counts.
        mind.prompts = {mid: at for mid, at in mind.prompts.items() if mid in unread}
        mind.due = min(mind.prompts.values(), default=None)
        if mind.due is None:
            return
        if mind.due > moment:
            self._become_due(agent_id, mind.due)
            return
        mind.due = None
        self._act(moment, Floor.open_inbox, agent_id, actor=PLAN)

    def _has_read(self, event: Read) -> None:
        mind = self._minds[event.agent_id]
        for message_id in event.message_ids:
            mind.prompts.pop(message_id, None)
        mind.due = min(mind.prompts.values(), default=None)
        if mind.due is not None:
            self._become_due(event.agent_id, mind.due)
        for message_id in event.message_ids:
            if message_id in self._acks and event.agent_id in self.virtual:
                self._will_acknowledge(event.agent_id, message_id, event.happened_at)

    def _will_acknowledge(self, agent_id: str, message_id: int, read_at: int) -> None:
        delay = self._acks.get(message_id, {}).get(agent_id, NEVER)
        moment = None if delay == NEVER else self.plan.presence[agent_id].after(read_at, delay)
        if moment is not None:
            moment = max(moment, int(self.env.now))
            priority = _ACKNOWLEDGE + (self._rank[agent_id] << 24) + self._number[message_id]
            self._at(moment, priority, self._acknowledge, (agent_id, message_id, moment))

    def _acknowledge(self, event: Any) -> None:
        agent_id, message_id, moment = event._value
        row = self._floor.agents[agent_id]
        if agent_id in self.virtual and message_id in row.inbox and row.present:
            self._act(moment, Floor.acknowledge, agent_id, message_id, actor=PLAN)
