"""The rules of the floor: what may happen, and what then happens. Commands in, events out; no clock and no I/O.

Every command takes the time first, checks everything, and either raises a ``CoachsimError`` with nothing done or
applies and returns the events it caused (none where nothing changed). Times must not go backwards. Whoever plays the
floor calls ``tick(at)`` before each command: it does what happens by itself up to ``at``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from coachsim.audience import confirmed, resolve
from coachsim.days import MINUTE, Schedule, to_iso
from coachsim.errors import (
    AcknowledgementNotAsked,
    InactiveAgent,
    InvalidInput,
    InvalidTransition,
    NotPresent,
    NotReadYet,
    RequestReused,
    UnknownAgent,
    UnknownMessage,
)
from coachsim.events import (
    Acknowledged,
    AgentChanged,
    Audited,
    ClearedDown,
    Connected,
    DayBegan,
    Disconnected,
    Event,
    Events,
    Expired,
    Read,
    Restarted,
    StateChanged,
    ToastsShown,
)
from coachsim.models import FLOOR, MAX_REASON, Agent, AgentState, Audience, Delivery, Draft, Message, clean_text
from coachsim.scheduling import Scheduling
from coachsim.state import AgentRow, MessageRow, went_back
from coachsim.wording import STATES

DISCONNECT_AFTER = 5 * MINUTE

_OUT, _IN = AgentState.LOGGED_OUT, AgentState.LOGGED_IN
_ALLOWED = {
    (AgentState.LOGGED_OUT, AgentState.LOGGED_IN),
    (AgentState.LOGGED_IN, AgentState.BREAK),
    (AgentState.BREAK, AgentState.LOGGED_IN),
    (AgentState.LOGGED_IN, AgentState.LOGGED_OUT),
    (AgentState.BREAK, AgentState.LOGGED_OUT),
}


class Floor(Scheduling):
    """One contact-centre floor. ``schedule`` and ``disconnect_after`` (µs; 0 = never) are its settings."""

    def __init__(self, schedule: Schedule, *, disconnect_after: int = DISCONNECT_AFTER) -> None:
        super().__init__()
        self.schedule = schedule
        self.disconnect_after = disconnect_after

    # --- the day, and what happens by itself ---

    def open_day(self, at: int) -> Events:
        """Begins the first day of a new floor; on a floor that has a day it does nothing."""
        if self.day is not None:
            return ()
        day = self.schedule.day_at(at)
        return (self._begin(at, day.label, day.began_at, day.ends_at),)

    def restart(self, at: int) -> Events:
        """After a rebuild: no page is connected any more."""
        return (self._emit(Restarted, at, FLOOR),)

    def next_due(self, *, hold_clear_down: bool = False, releases_from: int | None = 0) -> int | None:
        """When something next happens by itself; None if nothing will. It may lie in the past."""
        due = self._next(0 if hold_clear_down else _ALWAYS, releases_from)
        return None if due is None else due[0]

    def tick(self, at: int, *, nights_until: int | None = None, releases_from: int | None = 0) -> Events:
        """Everything that is due by itself up to and including ``at``, in its order, each at its own time.

        Clear-downs come before expiries, those before log-outs of the disconnected, then scheduled messages, reminders
        last. Clear-downs and messages scheduled for after ``nights_until`` (``at``, if it is not given) wait; one that
        comes late for that reason happens at the time of the newest event. No scheduled message goes out, or is given
        up, before ``releases_from`` (None = at all): one that is late because the floor was not running goes out when
        it really does.
        """
        if at < self.now:
            raise went_back(at, self.now)
        if at < self._quiet_until:
            return ()
        events: list[Event] = []
        until = at if nights_until is None else nights_until
        while (due := self._next(until, releases_from)) is not None and due[0] <= at:
            moment, kind, subject = due
            moment = max(moment, self.now)
            if kind == _CLEAR_DOWN:
                events += self._end_day(moment)
            elif kind == _EXPIRY:
                events.append(self._expire(moment, int(subject)))
            elif kind == _RELEASE:
                events.append(self._decide(moment, int(subject)))
            elif kind == _CHASE:
                events.append(self._remind(moment, int(subject)))
            else:
                events.append(self._change_state(moment, FLOOR, self.agents[subject], _OUT, "disconnected"))
                events += self._state_has_changed(moment)
        if releases_from is not None and releases_from <= at and self._has_unseen:
            events += self._look_at_waiting(at)
        # A held clear-down is past, and what waits unseen may be so already: then each tick looks closely.
        self._quiet_until = 0 if self._has_unseen else self.next_due() or 0
        return tuple(events)

    def _next(self, until: float, releases_from: int | None) -> tuple[int, int, str] | None:
        dues: list[tuple[int, int, str]] = []
        if self.day is not None and self.day.ends_at <= until:
            dues.append((self.day.ends_at, _CLEAR_DOWN, ""))
        if (expiry := self.next_expiry()) is not None:
            dues.append((expiry[0], _EXPIRY, str(expiry[1])))
        if self.disconnect_after and (pageless := self.next_pageless()) is not None:
            dues.append((pageless[0] + self.disconnect_after, _DISCONNECT, pageless[1]))
        if releases_from is not None and (release := self.next_release()) is not None and release[0] <= until:
            dues.append((max(release[0], releases_from), _RELEASE, str(release[1])))
        if (chase := self.next_chase()) is not None:
            dues.append((chase[0], _CHASE, str(chase[1])))
        return min(dues, default=None)

    def _end_day(self, at: int) -> list[Event]:
        assert self.day is not None
        scheduled = self.day.ends_at
        after = self.schedule.day_after(self.day.day, scheduled)
        cleared = self._clear(at, FLOOR, by_hand=False)
        return [cleared, self._begin(at, after.label, scheduled, after.ends_at)]

    def _begin(self, at: int, label: str, began_at: int, ends_at: int) -> Event:
        return self._emit(
            DayBegan,
            at,
            FLOOR,
            day=label,
            began_at=began_at,
            ends_at=ends_at,
            time_zone=self.schedule.time_zone,
            clear_down=self.schedule.clear_down,
        )

    def _expire(self, at: int, message_id: int) -> Event:
        deliveries = self.messages[message_id].deliveries
        lost = tuple(agent_id for agent_id in deliveries if message_id in self.agents[agent_id].unread)
        return self._emit(Expired, at, FLOOR, message_id=message_id, lost=lost)

    def clear_down(self, at: int, *, actor: str) -> Events:
        """Empties all inboxes now, by hand. The day goes on, and the night's clear-down still comes."""
        return (self._clear(at, actor, by_hand=True),)

    def _clear(self, at: int, actor: str, *, by_hand: bool) -> Event:
        assert self.day is not None
        closing = list(self.open_deliveries())
        return self._emit(
            ClearedDown,
            at,
            actor,
            day=self.day.day,
            by_hand=by_hand,
            deliveries=len(closing),
            lost=sum(delivery.read_at is None and delivery.lost_at is None for delivery in closing),
        )

    # --- the roster ---

    def set_agents(self, at: int, agents: Iterable[Agent], *, actor: str) -> Events:
        """Adds or updates these agents; those not named stay as they are, those that are as given write nothing.

        An agent made inactive is logged out.
        """
        events: list[Event] = []
        for agent in agents:
            row = self.agents.get(agent.agent_id)
            if row is not None and row.agent == agent:
                continue
            before = row.agent.team if row is not None else None
            event = AgentChanged(seq=self.seq + 1, happened_at=at, actor=actor, agent=agent, previous_team=before)
            self.apply(event)
            events.append(event)
            row = self.agents[agent.agent_id]
            if not agent.active and row.present:
                events.append(self._change_state(at, FLOOR, row, _OUT, "inactive"))
        if events and self._waiting:
            events += self._look_at_waiting(at)
        return tuple(events)

    # --- agents ---

    def connect(self, at: int, agent_id: str, *, actor: str, page: bool = True) -> Events:
        """The agent's first page is there. If logged in, they are told of what they had not been told of.

        ``page`` is False for a simulated agent: toasts show at once and need no report.
        """
        row = self._active(agent_id)
        if row.connected and row.page == page:
            return ()
        notified = row.unnotified if row.state is _IN else ()
        event = Connected(
            seq=self.seq + 1, happened_at=at, actor=actor, agent_id=agent_id, page=page, notified=notified
        )
        self.apply(event)
        return (event,)

    def disconnect(self, at: int, agent_id: str, *, actor: str) -> Events:
        """The agent's last page is gone. What state they are in stays, for ``disconnect_after``."""
        if not self._known(agent_id).connected:
            return ()
        return (self._emit(Disconnected, at, actor, agent_id=agent_id),)

    def set_state(self, at: int, agent_id: str, state: AgentState, *, actor: str, reason: str | None = None) -> Events:
        """Moves an agent to ``state``; ``InvalidTransition`` where the floor does not allow it.

        The state the agent already has writes nothing, unless the reason differs.
        """
        row = self._active(agent_id)
        if reason is not None:
            reason = _clean_reason(reason)
        if reason is not None and state is _IN:
            raise InvalidInput("Being logged in has no reason. Leave it out.", field="reason")
        if state is row.state:
            if reason == row.reason:
                return ()
        elif (row.state, state) not in _ALLOWED:
            raise InvalidTransition(
                f"{row.agent.name} is {STATES[row.state]} and cannot be {STATES[state]} next. Log in first.",
                field="state",
            )
        changed = self._change_state(at, actor, row, state, reason)
        return (changed, *self._state_has_changed(at)) if self._waiting else (changed,)

    def _change_state(self, at: int, actor: str, row: AgentRow, state: AgentState, reason: str | None) -> Event:
        entering = state is _IN and row.state is not _IN
        notified = row.unnotified if entering and row.connected and row.unread else ()
        agent_id = row.agent.agent_id
        event = StateChanged(
            seq=self.seq + 1,
            happened_at=at,
            actor=actor,
            agent_id=agent_id,
            state=state,
            reason=reason,
            notified=notified,
        )
        self.apply(event)
        return event

    # --- messages ---

    def send(self, at: int, draft: Draft, *, actor: str, scope: Collection[str] | None = None) -> Events:
        """Sends a message to everyone its audience means now, one delivery each; recipients are frozen here.

        ``scope`` is the sender's teams (None = all). A ``request_id`` repeated within the day sends nothing: ask
        ``sent_for_request`` for the first result. With another content it is ``RequestReused``.
        """
        if self.schedule_for_request(actor, draft.request_id) is not None:
            raise RequestReused(
                "This request_id was already used for a scheduled message. Use a new one.", field="request_id"
            )
        draft = self._of_the_first(draft)
        first = self.sent_for_request(actor, draft.request_id)
        if first is not None:
            if _content(first.message) != _content(draft):
                raise RequestReused(
                    "This request_id was already used today for another message. Use a new one.", field="request_id"
                )
            return ()
        self._check_expiry(at, draft.expires_at)
        self._check_confirmation(at, draft, self.day.ends_at if self.day is not None else None)
        agent_ids = confirmed(self, draft, scope)
        return (self._deliver(at, actor, self._message(at, draft, actor), agent_ids),)

    def _remind(self, at: int, message_id: int) -> Event:
        """What a message's rule asks for: all that are due by now get one reminder."""
        row = self.messages[message_id]
        first = row.message
        due = [(agent_id, self.chase_due(message_id, agent_id)) for agent_id in row.deliveries]
        message = replace(
            first,
            message_id=max(at, self.newest_message_id + 1),
            sent_at=at,
            audience=Audience(unread_of=message_id),
            request_id=f"reminder {len(row.reminders) + 1} of {message_id}",
            ack_by=first.ack_by if first.ack_by is not None and first.ack_by > at else None,
            chase=None,
        )
        return self._deliver(
            at, FLOOR, message, [agent_id for agent_id, when in due if when is not None and when <= at]
        )

    def _check_expiry(self, at: int, expires_at: int | None) -> None:
        if expires_at is None:
            return
        if expires_at <= at:
            raise InvalidInput("The expiry has passed already. Choose a later time.", field="expires_at")
        if self.day is not None and expires_at > self.day.ends_at:
            raise InvalidInput(
                f"The expiry is after the next clear-down ({to_iso(self.day.ends_at)}), which takes the message"
                " anyway. Choose an earlier time or none.",
                field="expires_at",
            )

    def show_toasts(self, at: int, agent_id: str, message_ids: Iterable[int], *, actor: str) -> Events:
        """A page reports that toasts of these messages are on the screen.

        Counts once for a message, only while it is unread and the agent is logged in; the rest is passed over, since
        a page may report what was read or cleared a moment ago.
        """
        row = self._known(agent_id)
        if row.state is not _IN:
            return ()
        shown = {mid: row.unread[mid] for mid in message_ids if mid in row.unread and row.unread[mid].toast_at is None}
        if not shown:
            return ()
        told = {"message_ids": tuple(shown), "notified": _untold(shown)}
        return (self._emit(ToastsShown, at, actor, agent_id=agent_id, **told),)

    def open_inbox(self, at: int, agent_id: str, *, actor: str, through: int | None = None) -> Events:
        """The dialog was open and visible; all that it showed is read.

        ``through`` is the ``seq`` of the newest event that the page displayed; without it, all that is there. Raises
        ``NotPresent`` for a logged-out agent.
        """
        row = self._present(agent_id)
        if through is None:
            shown = row.unread
        else:
            shown = {mid: one for mid, one in row.unread.items() if self.messages[mid].seq <= through}
        if not shown:
            return ()
        event = Read(
            seq=self.seq + 1,
            happened_at=at,
            actor=actor,
            agent_id=agent_id,
            message_ids=tuple(shown),
            notified=_untold(shown),
        )
        self.apply(event)
        return (event,)

    def acknowledge(self, at: int, agent_id: str, message_id: int, *, actor: str) -> Events:
        """The agent confirms a message that asks for it, after reading it; a second time changes nothing."""
        row = self._present(agent_id)
        delivery = row.inbox.get(message_id)
        if delivery is None:
            raise UnknownMessage("This message is not in your list any more. Nothing was confirmed.")
        if not self.messages[message_id].message.ack_required:
            raise AcknowledgementNotAsked("This message does not ask to be confirmed. Reading it is enough.")
        if delivery.read_at is None:
            raise NotReadYet("Read the message before you confirm it.")
        if delivery.acknowledged_at is not None:
            return ()
        seq = self.seq + 1
        event = Acknowledged(seq=seq, happened_at=at, actor=actor, agent_id=agent_id, message_id=message_id)
        self.apply(event)
        return (event,)

    def audit(
        self, at: int, *, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
    ) -> Events:
        """Puts something on record that the rules do not see."""
        return (self._emit(Audited, at, actor, action=action, subject=subject, detail=dict(detail or {})),)

    # --- questions ---

    def resolve(self, audience: Audience, scope: Collection[str] | None = None) -> list[str]:
        """The agents an audience means now, by agent_id; errors as ``send`` would give."""
        return resolve(self, audience, scope)

    def sent_for_request(self, sender: str, request_id: str) -> MessageRow | None:
        """What a sender's request_id sent today, if it did."""
        message_id = self.requests.get((sender, request_id))
        return None if message_id is None else self.messages[message_id]

    # --- helpers ---

    def _known(self, agent_id: str) -> AgentRow:
        row = self.agents.get(agent_id)
        if row is None:
            raise UnknownAgent.named(agent_id)
        return row

    def _active(self, agent_id: str) -> AgentRow:
        row = self.agents.get(agent_id) or self._known(agent_id)
        if not row.agent.active:
            raise InactiveAgent(
                f"{row.agent.name} has been made inactive. An admin can change that in the roster.", field="agent_id"
            )
        return row

    def _present(self, agent_id: str) -> AgentRow:
        row = self.agents.get(agent_id) or self._known(agent_id)
        if row.state is _OUT:
            raise NotPresent(f"{row.agent.name} is logged out. Log in to see coach messages.")
        return row


_ALWAYS = math.inf
_CLEAR_DOWN, _EXPIRY, _DISCONNECT, _RELEASE, _CHASE = range(5)


def _untold(unread: Mapping[int, Delivery]) -> tuple[bool, ...]:
    """Of each of these, whether the agent has not been told of it yet."""
    return tuple([delivery.notified_at is None for delivery in unread.values()])


@lru_cache(maxsize=1_000)
def _clean_reason(reason: str) -> str | None:
    """Few reasons are given many times; one that is refused is looked at each time."""
    return clean_text(reason, what="reason", field="reason", limit=MAX_REASON, empty_ok=True) or None


def _content(sent: Message | Draft) -> tuple[object, ...]:
    return sent.audience, sent.body, sent.priority, sent.ack_required, sent.expires_at, sent.ack_by, sent.chase
