"""What the floor is at one moment, and how each event changes it.

``FloorState.apply`` is a fold over events and the only place where anything changes; nothing is decided here. So the
state after a restart, rebuilt from the log's events, is the state before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from heapq import heapify, heappop, heappush
from typing import Any

from coachsim.days import MINUTE
from coachsim.events import (
    Acknowledged,
    AgentChanged,
    Audited,
    ClearedDown,
    Connected,
    DayBegan,
    Disconnected,
    Event,
    Expired,
    NotReleased,
    Read,
    Restarted,
    Scheduled,
    Sent,
    StateChanged,
    ToastsShown,
    Withdrawn,
)
from coachsim.models import GROUP_KINDS, Agent, AgentState, Delivery, Draft, Message
from coachsim.when import When

_OUT = AgentState.LOGGED_OUT


@dataclass(slots=True)
class AgentRow:
    """One agent on the floor.

    ``inbox`` is what the dialog shows, ``unread`` the part of it not read yet. ``pageless_since`` is set while the
    agent is present without a page. ``present_from`` is set while they are present, ``present_before`` (µs) how long
    they had been before that, on the open day.
    """

    agent: Agent
    state: AgentState = _OUT
    reason: str | None = None
    since: int | None = None
    connected: bool = False
    page: bool = True
    pageless_since: int | None = None
    present_from: int | None = None
    present_before: int = 0
    inbox: dict[int, Delivery] = field(default_factory=dict)
    unread: dict[int, Delivery] = field(default_factory=dict)

    @property
    def present(self) -> bool:
        """Logged in or on a break."""
        return self.state is not _OUT

    def present_time(self, at: int) -> int:
        """How long (µs) the agent has been present since the open day began."""
        return self.present_before + (0 if self.present_from is None else at - self.present_from)

    @property
    def unnotified(self) -> tuple[int, ...]:
        """Unread messages that the agent has not been told of yet."""
        return tuple([mid for mid, delivery in self.unread.items() if delivery.notified_at is None])


@dataclass(slots=True)
class MessageRow:
    """One message of the day: ``seq`` is the event that sent it.

    ``reminders`` are the messages that remind of it. ``reminded``, where it has a rule for that: by agent, how often
    they have been, and how long they had been present (``AgentRow.present_time``) then, or at the send.
    """

    message: Message
    seq: int
    deliveries: dict[str, Delivery]
    expired: bool = False
    reminders: list[int] = field(default_factory=list)
    reminded: dict[str, tuple[int, int]] = field(default_factory=dict)


class ScheduleStatus(StrEnum):
    """What has become of a scheduled message; only ``scheduled`` is still open."""

    SCHEDULED = "scheduled"
    RELEASED = "released"
    NOT_RELEASED = "not_released"
    WITHDRAWN = "withdrawn"


@dataclass(slots=True)
class ScheduleRow:
    """A message that is to go out later, or was: ``closed_at`` is when what became of it did, by ``closed_by``.

    ``message_id`` is there once it has gone out, ``because`` where it did not.
    """

    schedule_id: int
    scheduled_at: int
    sender: str
    draft: Draft
    when: When
    scope: tuple[str, ...] | None = None
    status: ScheduleStatus = ScheduleStatus.SCHEDULED
    closed_at: int | None = None
    closed_by: str | None = None
    message_id: int | None = None
    because: str | None = None

    @property
    def due(self) -> int:
        """When it is decided at the latest."""
        if self.when.release_at is not None:
            return self.when.release_at
        assert self.when.not_after is not None
        ends = (self.when.not_after, self.draft.expires_at, self.draft.ack_by)
        return min(moment for moment in ends if moment is not None)


@dataclass(frozen=True, slots=True)
class Opening:
    """An agent as the open day found them: what a rebuild starts from."""

    agent: Agent
    state: AgentState
    since: int | None
    reason: str | None


class FloorState:
    """Agents, today's messages and the schedule's position, as the events so far have made them.

    Before ``_quiet_until`` nothing happens by itself. Whatever may bring that forward sets it to 0: look closely.
    """

    def __init__(self) -> None:
        self.agents: dict[str, AgentRow] = {}
        self.groups: dict[tuple[str, str], set[str]] = {}
        self.messages: dict[int, MessageRow] = {}
        self.requests: dict[tuple[str, str], int] = {}
        self.day: DayBegan | None = None
        self.seq = 0
        self.now = 0
        self.newest_message_id = 0
        self.schedules: dict[int, ScheduleRow] = {}
        self.schedule_requests: dict[tuple[str, str], int] = {}
        self._releases: list[tuple[int, int]] = []
        self._expiries: list[tuple[int, int]] = []
        self._pageless: list[tuple[int, str]] = []
        self._chases: list[tuple[int, int, str]] = []
        self._chased = False  # whether a message of the day has a rule for reminders
        self._quiet_until = 0
        self._appliers: dict[type[Event], Callable[[Any], None]] = {
            DayBegan: self._day_began,
            Restarted: self._restarted,
            AgentChanged: self._agent_changed,
            Connected: self._connected,
            Disconnected: self._disconnected,
            StateChanged: self._state_changed,
            Sent: self._sent,
            Scheduled: self._scheduled,
            Withdrawn: self._withdrawn,
            NotReleased: self._not_released,
            ToastsShown: self._toasts_shown,
            Read: self._read,
            Acknowledged: self._acknowledged,
            Expired: self._expired,
            ClearedDown: self._cleared_down,
            Audited: lambda event: None,
        }

    def restore(self, openings: Iterable[Opening], events: Iterable[Event], pending: Iterable[Scheduled] = ()) -> None:
        """Rebuilds from the agents as the open day found them and its events, the ``DayBegan`` first.

        ``pending`` are the messages scheduled on earlier days that nothing had become of by then.
        """
        for scheduled in pending:
            self._scheduled(scheduled)
        for opening in openings:
            self._place(opening.agent)
            row = self.agents[opening.agent.agent_id]
            row.state, row.since, row.reason = opening.state, opening.since, opening.reason
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Changes the state as ``event`` says. Events come in their order, each once."""
        if event.happened_at < self.now:
            raise went_back(event.happened_at, self.now)
        self._appliers[type(event)](event)
        self.seq, self.now = event.seq, event.happened_at

    # --- what happens by itself, and when ---

    def next_expiry(self) -> tuple[int, int] | None:
        """(moment, message_id) of the next message whose time runs out."""
        while self._expiries:
            expires_at, message_id = self._expiries[0]
            row = self.messages.get(message_id)
            if row is not None and not row.expired:
                return expires_at, message_id
            heappop(self._expiries)
        return None

    def next_pageless(self) -> tuple[int, str] | None:
        """(since when, agent_id) of the agent who has been present without a page for longest."""
        while self._pageless:
            since, agent_id = self._pageless[0]
            if self.agents[agent_id].pageless_since == since:
                return since, agent_id
            heappop(self._pageless)
        return None

    def next_chase(self) -> tuple[int, int] | None:
        """(moment, message_id) of the next reminder that a message's rule asks for; on a whole minute."""
        while self._chases:
            due, message_id, agent_id = self._chases[0]
            now_due = self.chase_due(message_id, agent_id)
            if now_due == due:
                return due, message_id
            heappop(self._chases)
            if now_due is not None and now_due > due:
                heappush(self._chases, (now_due, message_id, agent_id))
        return None

    def chase_due(self, message_id: int, agent_id: str) -> int | None:
        """When an agent is to be reminded of a message by its rule, if they stay present; None if they are not."""
        row, agent = self.messages.get(message_id), self.agents.get(agent_id)
        if row is None or row.message.chase is None or agent is None or agent.present_from is None:
            return None
        times, mark = row.reminded[agent_id]
        if times >= row.message.chase.times or message_id not in agent.unread or not agent.agent.active:
            return None
        due = agent.present_from + mark + row.message.chase.after - agent.present_before
        return -(-due // MINUTE) * MINUTE

    def _watch_chase(self, message_id: int, agent_id: str) -> None:
        due = self.chase_due(message_id, agent_id)
        if due is not None:
            heappush(self._chases, (due, message_id, agent_id))
            self._quiet_until = 0

    def next_release(self) -> tuple[int, int] | None:
        """(moment, schedule_id) of the scheduled message that is next to be decided."""
        while self._releases:
            due, schedule_id = self._releases[0]
            row = self.schedules.get(schedule_id)
            if row is not None and row.status is ScheduleStatus.SCHEDULED:
                return due, schedule_id
            heappop(self._releases)
        return None

    def open_deliveries(self) -> Iterator[Delivery]:
        """The deliveries that no clear-down has closed yet."""
        for row in self.messages.values():
            for delivery in row.deliveries.values():
                if delivery.cleared_at is None:
                    yield delivery

    # --- one method for each kind of event ---

    def _day_began(self, event: DayBegan) -> None:
        self.day = event
        self.messages.clear()
        self.requests.clear()
        self._expiries.clear()
        self._chases.clear()
        self._chased = False
        for row in self.agents.values():
            row.present_before, row.present_from = 0, event.happened_at if row.present else None
        for schedule_id, one in list(self.schedules.items()):
            if one.status is not ScheduleStatus.SCHEDULED:
                del self.schedules[schedule_id], self.schedule_requests[one.sender, one.draft.request_id]
        self._quiet_until = 0

    def _restarted(self, event: Restarted) -> None:
        for row in self.agents.values():
            row.connected = False
            self._watch_page(row, event.happened_at)

    def _agent_changed(self, event: AgentChanged) -> None:
        self._place(event.agent)

    def replace_agent(self, agent_id: str, agent: Agent) -> None:
        """The agent has another id and name from now on, as in the log. For one on whom the open day has nothing."""
        row = self.agents.pop(agent_id)
        for key in _group_keys(row.agent):
            self.groups[key].discard(agent_id)
        self._pageless = [waiting for waiting in self._pageless if waiting[1] != agent_id]
        heapify(self._pageless)
        self.agents[agent.agent_id] = row
        row.agent = agent
        for key in _group_keys(agent):
            self.groups.setdefault(key, set()).add(agent.agent_id)
        for waiting in self.schedules.values():
            audience = waiting.draft.audience
            if agent_id in audience.agents:
                named = tuple([agent.agent_id if one == agent_id else one for one in audience.agents])
                waiting.draft = replace(waiting.draft, audience=replace(audience, agents=named))

    def _place(self, agent: Agent) -> None:
        row = self.agents.get(agent.agent_id)
        if row is None:
            self.agents[agent.agent_id] = AgentRow(agent)
        else:
            for key in _group_keys(row.agent):
                self.groups[key].discard(agent.agent_id)
            row.agent = agent
        for key in _group_keys(agent):
            self.groups.setdefault(key, set()).add(agent.agent_id)

    def _connected(self, event: Connected) -> None:
        row = self.agents[event.agent_id]
        row.connected, row.page, row.pageless_since = True, event.page, None
        self._notify(row, event.notified, event.happened_at)

    def _disconnected(self, event: Disconnected) -> None:
        row = self.agents[event.agent_id]
        row.connected = False
        self._watch_page(row, event.happened_at)

    def _state_changed(self, event: StateChanged) -> None:
        row, state = self.agents[event.agent_id], event.state
        if row.state is not state:
            moves = row.state is _OUT or state is _OUT
            row.state, row.since = state, event.happened_at
            if moves:
                self._came_or_went(row, event.happened_at)
        row.reason = event.reason
        if event.notified:
            self._notify(row, event.notified, event.happened_at)
        if not row.connected or row.pageless_since is not None:
            self._watch_page(row, event.happened_at)

    def _came_or_went(self, row: AgentRow, at: int) -> None:
        row.present_before = row.present_time(at)
        row.present_from = at if row.present else None
        if row.present and self._chased:
            for message_id in row.unread:
                self._watch_chase(message_id, row.agent.agent_id)

    def _watch_page(self, row: AgentRow, at: int) -> None:
        if row.connected or not row.present:
            row.pageless_since = None
        elif row.pageless_since is None:
            row.pageless_since = at
            heappush(self._pageless, (at, row.agent.agent_id))
            self._quiet_until = 0

    def _notify(self, row: AgentRow, message_ids: Iterable[int], at: int) -> None:
        for message_id in message_ids:
            row.unread[message_id].notified_at = at

    def _sent(self, event: Sent) -> None:
        message, at, agents = event.message, event.happened_at, self.agents
        message_id = message.message_id
        deliveries: dict[str, Delivery] = {}
        for agent_id, team, state, notified, toasted in zip(
            event.agent_ids, event.teams, event.states, event.notified, event.toasted, strict=True
        ):
            agent = agents[agent_id]
            deliveries[agent_id] = agent.inbox[message_id] = agent.unread[message_id] = Delivery(
                message_id, agent_id, team, at, state, at if toasted else None, at if notified else None
            )
        self.messages[message_id] = row = MessageRow(message, event.seq, deliveries)
        self.newest_message_id = message_id
        self.requests[message.sender, message.request_id] = message_id
        if message.expires_at is not None:
            heappush(self._expiries, (message.expires_at, message_id))
            self._quiet_until = 0
        if message.chase is not None:
            self._chased = True
            row.reminded = {agent_id: (0, agents[agent_id].present_time(at)) for agent_id in deliveries}
        if message.reminds is not None:
            row = self.messages[message.reminds]
            row.reminders.append(message_id)
            for agent_id in deliveries.keys() & row.reminded:
                row.reminded[agent_id] = (row.reminded[agent_id][0] + 1, agents[agent_id].present_time(at))
        if row.reminded:
            for agent_id in deliveries:
                self._watch_chase(row.message.message_id, agent_id)
        if event.schedule_id is not None:
            self._close(event.schedule_id, event, ScheduleStatus.RELEASED).message_id = message_id

    def _scheduled(self, event: Scheduled) -> None:
        row = ScheduleRow(event.schedule_id, event.happened_at, event.actor, event.draft, event.when, event.scope)
        self.schedules[row.schedule_id] = row
        self.schedule_requests[row.sender, row.draft.request_id] = row.schedule_id
        heappush(self._releases, (row.due, row.schedule_id))
        self._quiet_until = 0

    def _withdrawn(self, event: Withdrawn) -> None:
        self._close(event.schedule_id, event, ScheduleStatus.WITHDRAWN)

    def _not_released(self, event: NotReleased) -> None:
        self._close(event.schedule_id, event, ScheduleStatus.NOT_RELEASED).because = event.because

    def _close(self, schedule_id: int, event: Event, status: ScheduleStatus) -> ScheduleRow:
        row = self.schedules[schedule_id]
        row.status, row.closed_at, row.closed_by = status, event.happened_at, event.actor
        return row

    def _toasts_shown(self, event: ToastsShown) -> None:
        row = self.agents[event.agent_id]
        for message_id, told in zip(event.message_ids, event.notified, strict=True):
            delivery = row.unread[message_id]
            delivery.toast_at = event.happened_at
            if told:
                delivery.notified_at = event.happened_at

    def _read(self, event: Read) -> None:
        row, at = self.agents[event.agent_id], event.happened_at
        for message_id, told in zip(event.message_ids, event.notified, strict=True):
            delivery = row.unread.pop(message_id)
            delivery.read_at = at
            if told:
                delivery.notified_at = at

    def _acknowledged(self, event: Acknowledged) -> None:
        self.messages[event.message_id].deliveries[event.agent_id].acknowledged_at = event.happened_at

    def _expired(self, event: Expired) -> None:
        row = self.messages[event.message_id]
        row.expired = True
        for agent_id in event.lost:
            row.deliveries[agent_id].lost_at = event.happened_at
            del self.agents[agent_id].unread[event.message_id]
            del self.agents[agent_id].inbox[event.message_id]

    def _cleared_down(self, event: ClearedDown) -> None:
        for delivery in self.open_deliveries():
            delivery.cleared_at = event.happened_at
            if delivery.read_at is None and delivery.lost_at is None:
                delivery.lost_at = event.happened_at
        for row in self.agents.values():
            row.inbox.clear()
            row.unread.clear()


def went_back(at: int, now: int) -> ValueError:
    """The error of whoever plays a floor with times out of order."""
    return ValueError(f"time went back: {at} is before the newest event at {now}")


def _group_keys(agent: Agent) -> Iterator[tuple[str, str]]:
    for kind in GROUP_KINDS:
        for value in agent.groups(kind):
            yield kind, value
