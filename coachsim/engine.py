"""The engine: SimPy plays a plan's people on a floor, in simulated or paced time. The only file that imports simpy.

Each agent has one *due* moment: the earliest of what prompts them to open the dialog. Opening reads everything unread,
so only the earliest matters; a prompt that is no longer the due one is stale when it fires, and nothing is ever
cancelled. State changes and sends are one sorted script. At one moment, SimPy's priorities put state changes before
sends, those before reading, that before acknowledging, and within a kind agents in the order of their ids.

The engine gives commands to the floor and learns what came of them, and of everybody else's commands, through
``observe``. In a simulation the floor is its own; on a practice floor its commands go through ``act``, which ticks and
takes the events on to the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import simpy

from coachsim.errors import EmptyAudience, InactiveAgent, NotFound
from coachsim.events import Connected, Event, Events, Read, Sent, StateChanged
from coachsim.floor import Floor
from coachsim.models import AgentState, Message
from coachsim.outcome import NEVER
from coachsim.people.minds import Drawn, Mind
from coachsim.plan import Change, Plan, Send

PLAN = "plan"
Act = Callable[..., object]

_OUT = AgentState.LOGGED_OUT

# The order of what happens at one moment. SimPy's two named priorities are integers; all integers work, and order ties.
_STATE, _SEND, _READ, _ACKNOWLEDGE = (kind << 48 for kind in range(2, 6))


class _Step(simpy.Event):
    """An event that is certain to happen ``at`` its moment, and then calls one method with itself."""

    def __init__(
        self, env: simpy.Environment, at: int, priority: int, callback: Callable[[Any], None], value: Any
    ) -> None:
        self.env = env
        self.at = at
        self.callbacks = [callback]
        self._ok = True
        self._value = value
        env.schedule(self, priority, at - env.now)  # type: ignore[arg-type]


class _Through:
    """A floor's commands, each given through ``act``."""

    def __init__(self, act: Act) -> None:
        self._act = act

    def __getattr__(self, name: str) -> Act:
        return partial(self._give, getattr(Floor, name))

    def _give(self, command: Callable[..., Events], at: int, *args: Any, **kwargs: Any) -> None:
        self._act(at, command, *args, **kwargs)

    def tick(self, at: int) -> None:
        """Nothing: ``act`` sees to it."""


class Engine:
    """Plays ``plan`` on ``floor``, which hands every event to ``observe``.

    With ``act``, it only looks at ``floor``: a command is then given by ``act(at, command, *args, **kwargs)``, with a
    method of ``Floor``, and what is due before it is the business of ``act``.

    Call ``open_day`` at the day's start; to join a floor that is in the middle of it, give ``start`` (µs) and call
    ``recover``. ``virtual`` are the agents whom the engine plays; take one out and it stops at once.
    """

    def __init__(self, plan: Plan, floor: Floor, act: Act | None = None, *, start: int | None = None) -> None:
        self.plan = plan
        self.virtual: set[str] = set(plan.keys)
        self._floor = floor
        self._do = floor if act is None else cast(Floor, _Through(act))
        self.env = simpy.Environment(initial_time=plan.day.began_at if start is None else start)
        self._minds = {
            agent_id: Mind(agent_id, rank, plan.presence[agent_id]) for rank, agent_id in enumerate(plan.keys)
        }
        self._keys = np.array(list(plan.keys.values()), dtype=np.uint64)
        self._earlier = np.zeros(len(self._keys), dtype=np.int64)
        self._drawn: dict[int, Drawn] = {}
        self._observers: dict[type[Event], Callable[[Any], None]] = {
            Sent: self._sent,
            Read: self._has_read,
            StateChanged: self._has_been_told,
            Connected: self._has_been_told,
        }
        # A send of the very moment may be done already; given again, its request_id makes it nothing.
        changes = [change for change in plan.changes if start is None or change.at > start]
        sends = [send for send in plan.sends if start is None or send.at >= start]
        script: list[Change | Send] = sorted([*changes, *sends], key=lambda item: (item.at, isinstance(item, Send)))
        self._script = iter(script)
        self._next_in_script()

    # --- running ---

    @property
    def now(self) -> int:
        """The moment of the newest step, or of the newest event on the floor where people are ahead of that (µs)."""
        return max(int(self.env.now), self._floor.now)

    def next_at(self) -> float:
        """When the engine next does something; infinite if never."""
        return self.env.peek()

    def open_day(self) -> None:
        """Brings the roster and everybody on it to where the plan has them when the day opens."""
        self._do.set_agents(self.now, self.plan.agents, actor=PLAN)
        self.recover()

    def recover(self) -> None:
        """Takes in what is on the floor already, and brings everybody to where the plan has them now."""
        for row in sorted(self._floor.messages.values(), key=lambda row: row.message.message_id):
            self._draw(row.message, sorted(agent_id for agent_id in row.deliveries if agent_id in self._minds))
        for mind in self._minds.values():
            self._remember(mind)
        self._align(self._minds.values())

    def rejoin(self, agent_id: str) -> None:
        """Plays an agent again who was taken out of ``virtual``: where the plan has them now, with what is unread."""
        self.virtual.add(agent_id)
        mind = self._minds[agent_id]
        self._remember(mind)
        self._align([mind])

    def step(self) -> None:
        """Does the next thing."""
        self.env.step()

    def run(self) -> None:
        """Plays the day to its end, without the clear-down that closes it."""
        if self.now < self.plan.day.ends_at:
            self.env.run(until=self.plan.day.ends_at)

    # --- the script ---

    def _next_in_script(self) -> None:
        item = next(self._script, None)
        if item is None:
            return
        if isinstance(item, Change):
            _Step(self.env, item.at, _STATE + self._minds[item.agent_id].rank, self._change, item)
        else:
            _Step(self.env, item.at, _SEND, self._send, item)

    def _change(self, step: Any) -> None:
        self._do.tick(step.at)
        change: Change = step._value
        if change.agent_id in self.virtual:
            self._bring(change.at, self._minds[change.agent_id], change.state, change.reason)
        self._next_in_script()

    def _send(self, step: Any) -> None:
        self._do.tick(step.at)
        draft, sender = step._value.draft, step._value.sender
        try:
            self._do.send(step.at, draft, actor=sender)
        except (EmptyAudience, InactiveAgent, NotFound) as error:
            detail = {"request_id": draft.request_id, "because": error.message}
            self._do.audit(step.at, actor=sender, action="not_sent", subject="message", detail=detail)
        self._next_in_script()

    def _align(self, minds: Iterable[Mind]) -> None:
        now = self.now
        ours = [mind for mind in minds if mind.agent_id in self.virtual]
        for mind in ours:
            if mind.row.agent.active and (mind.row.page or not mind.row.connected):
                self._do.connect(now, mind.agent_id, actor=PLAN, page=False)
        states = self.plan.states_at(now)
        for mind in ours:
            wanted = states.get(mind.agent_id)
            if wanted is None and mind.row.present:
                self._bring(now, mind, _OUT, None)
            elif wanted is not None and wanted != (mind.row.state, mind.row.reason):
                self._bring(now, mind, *wanted)

    def _bring(self, at: int, mind: Mind, state: AgentState, reason: str | None) -> None:
        row, agent_id = mind.row, mind.agent_id
        if not row.agent.active:
            return
        if row.state is _OUT and state is AgentState.BREAK:
            self._do.set_state(at, agent_id, AgentState.LOGGED_IN, actor=PLAN)
        self._do.set_state(at, agent_id, state, actor=PLAN, reason=reason)

    # --- what agents notice ---

    def observe(self, event: Event) -> None:
        """Takes in an event of the floor, whoever caused it. Called once for each, in order."""
        observer = self._observers.get(type(event))
        if observer is not None:
            observer(event)

    def _has_been_told(self, event: StateChanged | Connected) -> None:
        if event.notified and event.agent_id in self.virtual:
            mind = self._minds[event.agent_id]
            for message_id in event.notified:
                self._ring(mind, message_id, event.happened_at)

    def _sent(self, event: Sent) -> None:
        message_id, at = event.message.message_id, event.happened_at
        agent_ids: Sequence[str] = event.agent_ids
        notified: Sequence[bool] = event.notified
        toasted: Sequence[bool] = event.toasted
        if not self._minds.keys() >= set(agent_ids):
            ours = [place for place, agent_id in enumerate(agent_ids) if agent_id in self._minds]
            agent_ids = [agent_ids[place] for place in ours]
            notified, toasted = [notified[place] for place in ours], [toasted[place] for place in ours]
        drawn = self._draw(event.message, agent_ids)
        for agent_id, told, toast, toast_delay, bell_delay in zip(
            agent_ids, notified, toasted, drawn.toasts, drawn.bells, strict=True
        ):
            if told and agent_id in self.virtual:
                delay = toast_delay if toast and toast_delay != NEVER else bell_delay
                self._prompt(self._minds[agent_id], message_id, at, delay)

    def _draw(self, message: Message, agent_ids: Sequence[str]) -> Drawn:
        """Draws a message's attention for these agents, each of whom has one delivery more from now on."""
        ranks = np.array([self._minds[agent_id].rank for agent_id in agent_ids], dtype=np.int64)
        prompts = self.plan.sampler.prompts(
            self._keys[ranks], message.request_id, message.priority, self._earlier[ranks]
        )
        self._earlier[ranks] += 1
        drawn = self._drawn[message.message_id] = Drawn.of(len(self._drawn), message, agent_ids, prompts)
        return drawn

    def _remember(self, mind: Mind) -> None:
        """An agent's prompts, from what is on the floor."""
        agent_id = mind.agent_id
        mind.row = self._floor.agents[agent_id]
        mind.prompts, mind.due = {}, None
        for message_id, delivery in mind.row.inbox.items():
            drawn = self._drawn.get(message_id)
            if drawn is None or agent_id not in self.virtual:
                continue
            if delivery.read_at is not None:
                if delivery.acknowledged_at is None:
                    self._will_acknowledge(drawn, mind, delivery.read_at)
            elif delivery.notified_at is not None:
                toast = drawn.toast(agent_id)
                if delivery.toast_at is not None and toast != NEVER:
                    self._prompt(mind, message_id, delivery.toast_at, toast)
                else:
                    self._ring(mind, message_id, delivery.notified_at)

    def _ring(self, mind: Mind, message_id: int, at: int) -> None:
        drawn = self._drawn.get(message_id)
        if drawn is not None:
            self._prompt(mind, message_id, at, drawn.bell(mind.agent_id))

    def _prompt(self, mind: Mind, message_id: int, at: int, delay: int) -> None:
        """``delay`` µs of presence after ``at``, a message makes the agent look."""
        if delay == NEVER:
            return
        moment = mind.presence.after(at, delay)
        if moment is None:
            return
        mind.prompts[message_id] = moment
        if mind.due is None or moment < mind.due:
            self._become_due(mind, moment, message_id)

    def _become_due(self, mind: Mind, moment: int, message_id: int) -> None:
        # What is long due, of one who was not played for a while, is due now.
        at = moment if moment >= self._floor.now else self.now
        mind.due, mind.due_for = at, message_id
        _Step(self.env, at, _READ + mind.rank, self._look, mind)

    def _next_due(self, mind: Mind) -> None:
        message_id = min(mind.prompts, key=mind.prompts.__getitem__)
        self._become_due(mind, mind.prompts[message_id], message_id)

    def _look(self, step: Any) -> None:
        self._do.tick(step.at)
        mind: Mind = step._value
        agent_id, row = mind.agent_id, mind.row
        if mind.due != step.at or agent_id not in self.virtual:
            return
        mind.due = None
        if mind.due_for not in row.unread or self._drawn[mind.due_for].expires_at <= step.at:
            # What expired or was cleared meanwhile prompts nobody: the next prompt is the one that counts.
            del mind.prompts[mind.due_for]
            if mind.prompts:
                self._next_due(mind)
        elif row.state is not _OUT:
            self._do.open_inbox(step.at, agent_id, actor=PLAN)

    def _has_read(self, event: Read) -> None:
        mind = self._minds.get(event.agent_id)
        if mind is None:
            return
        ours = event.agent_id in self.virtual
        for message_id in event.message_ids:
            mind.prompts.pop(message_id, None)
            if ours and (drawn := self._drawn.get(message_id)) is not None:
                self._will_acknowledge(drawn, mind, event.happened_at)
        mind.due = None
        if mind.prompts:
            self._next_due(mind)

    def _will_acknowledge(self, drawn: Drawn, mind: Mind, read_at: int) -> None:
        if drawn.acks is None or (delay := drawn.acks[mind.agent_id]) == NEVER:
            return
        moment = mind.presence.after(read_at, delay)
        if moment is not None:
            priority = _ACKNOWLEDGE + (mind.rank << 24) + drawn.number
            at = moment if moment >= self._floor.now else self.now
            _Step(self.env, at, priority, self._acknowledge, (mind, drawn.message_id))

    def _acknowledge(self, step: Any) -> None:
        self._do.tick(step.at)
        mind, message_id = step._value
        agent_id, row = mind.agent_id, mind.row
        if agent_id in self.virtual and message_id in row.inbox and row.state is not _OUT:
            self._do.acknowledge(step.at, agent_id, message_id, actor=PLAN)
