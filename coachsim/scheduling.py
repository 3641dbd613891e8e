"""Messages that go out later: at a time, or right after what they wait for has happened on the floor.

``Scheduling`` is the part of the floor's rules that holds them. Who the audience is, and what the sender may, is taken
when the message goes out; what then happened is in its event, so a rebuilt floor decides nothing anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from coachsim.audience import Scope, confirmed, in_scope, resolve
from coachsim.days import HOUR, Schedule, to_iso
from coachsim.errors import (
    CoachsimError,
    ConditionMet,
    EmptyAudience,
    InvalidInput,
    RequestReused,
    TooLate,
    UnknownGroup,
    UnknownMessage,
    UnknownSchedule,
)
from coachsim.events import Event, Events, NotReleased, Scheduled, Sent, Withdrawn
from coachsim.models import FLOOR, AgentState, Audience, Draft, Message
from coachsim.state import FloorState, ScheduleRow, ScheduleStatus
from coachsim.when import When

FARTHEST = 14 * 24 * HOUR
MOST_WAITING = 100
"""As many scheduled messages of one sender may wait at a time."""

Rights = Callable[[str], Scope]
"""The teams that a sender may send to now (None = all); raises ``CoachsimError`` for one who may not send any more."""


def may_see(row: ScheduleRow, caller: str, scope: Scope) -> bool:
    """Whether a scheduled message is shown to a caller: to its sender, and to whoever sees all teams."""
    return scope is None or row.sender == caller


class Scheduling(FloorState):
    """The rules of scheduled messages. ``rights`` is asked when one goes out; None = those of when it was scheduled."""

    schedule: Schedule

    def __init__(self) -> None:
        super().__init__()
        self.rights: Rights | None = None
        self._waiting: dict[int, int] = {}  # by schedule_id: so many changes of state are needed at least

    def schedule_send(
        self, at: int, draft: Draft, when: When, *, actor: str, scope: Collection[str] | None = None
    ) -> Events:
        """Takes a message that is to go out later. Without a ``not_after`` an event is waited for until the clear-down.

        ``scope`` and ``request_id`` are as for ``send``; ask ``schedule_for_request`` for the first result. Raises
        ``ConditionMet`` where what it is to wait for is so already, and ``InvalidInput`` for times that cannot be.
        """
        draft = self._of_the_first(draft)
        first = self.schedule_for_request(actor, draft.request_id)
        if first is not None:
            wanted = replace(draft, recipients_digest=None), when
            if when.is_event and when.not_after is None:
                wanted = wanted[0], replace(when, not_after=first.when.not_after)
            if wanted != (first.draft, first.when):
                raise RequestReused(
                    "This request_id was already used for another scheduled message. Use a new one.",
                    field="request_id",
                )
            return ()
        if (actor, draft.request_id) in self.requests:
            raise RequestReused(
                "This request_id was already used today for another message. Use a new one.", field="request_id"
            )
        when = self._checked(at, draft, when)
        agent_ids = confirmed(self, draft, scope)
        if when.is_event:
            of = draft.audience
            if of.unread_of is not None or (of.filter is not None and of.filter.state):
                raise InvalidInput(
                    "Who it goes to would change while it waits: leave the state out, and remind at a time instead.",
                    field="audience",
                )
            if (is_so := self._is_so(when, agent_ids)) is not None:
                raise ConditionMet(f"{is_so} Nothing was scheduled: send it now, or at a time.", field="when")
        waiting = sum(row.sender == actor and row.status is ScheduleStatus.SCHEDULED for row in self.schedules.values())
        if waiting >= MOST_WAITING:
            raise InvalidInput(f"{waiting} of your messages wait already, the most there may be. Withdraw some.")
        teams = None if scope is None else tuple(sorted(scope))
        event = self._emit(Scheduled, at, actor, draft=replace(draft, recipients_digest=None), when=when, scope=teams)
        if when.is_event:
            self._waiting[event.seq] = self._needed(when, agent_ids)
        return (event,)

    def withdraw(self, at: int, schedule_id: int, *, actor: str, scope: Collection[str] | None = None) -> Events:
        """Takes back a scheduled message that has not gone out; one that will not go out anyway changes nothing.

        For its sender and whoever sees all teams; to others it is unknown. Raises ``TooLate`` once it has gone out.
        """
        row = self.schedules.get(schedule_id)
        if row is None or not may_see(row, actor, scope):
            raise UnknownSchedule(
                f"There is no scheduled message {schedule_id}, or not for you to see. Choose one of those that wait."
            )
        if row.status is ScheduleStatus.RELEASED:
            raise TooLate("It has gone out already, and a sent message cannot be taken back.")
        if row.status is not ScheduleStatus.SCHEDULED:
            return ()
        return (self._emit(Withdrawn, at, actor, schedule_id=schedule_id),)

    def schedule_for_request(self, sender: str, request_id: str) -> ScheduleRow | None:
        """What a sender's request_id scheduled, if it waits still or was decided today."""
        schedule_id = self.schedule_requests.get((sender, request_id))
        return None if schedule_id is None else self.schedules[schedule_id]

    def _checked(self, at: int, draft: Draft, when: When) -> When:
        """The same with its latest time; the times make sense."""
        assert self.day is not None
        if when.release_at is not None:
            if not at < when.release_at <= at + FARTHEST:
                raise InvalidInput(
                    "The time to send at has passed already, or is more than 14 days ahead. Choose another.",
                    field="when",
                )
        else:
            farthest = self.schedule.day_after(self.day.day, self.day.ends_at).ends_at
            when = replace(when, not_after=self.day.ends_at if when.not_after is None else when.not_after)
            if when.not_after is not None and not at < when.not_after <= farthest:
                raise InvalidInput(
                    f"The latest time has passed already, or is after the end of the next day ({to_iso(farthest)})."
                    " Choose another.",
                    field="when",
                )
        latest = when.release_at or when.not_after or at
        gone_at = self.day.ends_at if latest < self.day.ends_at else self.schedule.day_at(latest).ends_at
        self._check_confirmation(when.release_at or at, draft, gone_at)
        if draft.expires_at is not None:
            if draft.expires_at <= (when.release_at or at):
                raise InvalidInput("It would expire before it goes out. Choose a later expiry.", field="expires_at")
            if draft.expires_at > gone_at:
                raise InvalidInput(
                    f"The expiry is after the clear-down ({to_iso(gone_at)}) that takes the message anyway. Choose an"
                    " earlier time or none.",
                    field="expires_at",
                )
        return when

    # --- what is waited for ---

    def _needed(self, when: When, agent_ids: Collection[str]) -> int:
        """How many changes of state are needed at least until what is waited for is so; 0 = it is."""
        states = [self.agents[agent_id].state for agent_id in agent_ids]
        logged_in = states.count(AgentState.LOGGED_IN)
        if when.back_from_break:
            return states.count(AgentState.BREAK) or int(not logged_in)
        return max(0, when.needed(len(states)) - logged_in)

    def _recipients(self, row: ScheduleRow) -> list[str]:
        return reachable(self, row.draft.audience, row.scope if self.rights is None else self.rights(row.sender))

    def _is_so(self, when: When, agent_ids: Collection[str]) -> str | None:
        """Why there is nothing to wait for; None where there is."""
        states = [self.agents[agent_id].state for agent_id in agent_ids]
        if when.back_from_break:
            return None if AgentState.BREAK in states else "Nobody of them is on a break now."
        logged_in = states.count(AgentState.LOGGED_IN)
        return f"{logged_in} of {len(states)} are logged in already." if logged_in >= when.needed(len(states)) else None

    def _is_met(self, row: ScheduleRow) -> bool:
        try:
            needed = self._needed(row.when, self._recipients(row))
        except CoachsimError:
            needed = 1  # nobody is there to wait for at present; why is said when the time is up
        self._waiting[row.schedule_id] = needed
        return not needed

    # --- going out ---

    def _state_has_changed(self, at: int) -> Events:
        """After each change of an agent's state: what has waited for it goes out."""
        met = []
        for schedule_id, needed in list(self._waiting.items()):
            row = self.schedules.get(schedule_id)
            if row is None or row.status is not ScheduleStatus.SCHEDULED:
                del self._waiting[schedule_id]
            elif needed > 1:
                self._waiting[schedule_id] = needed - 1
            elif self._is_met(row):
                met.append(row)
        return tuple([self._release(at, row) for row in met])

    def _look_at_waiting(self, at: int) -> Events:
        """Whatever waits for an event is looked at afresh: agents are others than before, or the floor is rebuilt."""
        rows = [row for row in self.schedules.values() if row.when.is_event and row.status is ScheduleStatus.SCHEDULED]
        return tuple([self._release(at, row) for row in rows if self._is_met(row)])

    @property
    def _has_unseen(self) -> bool:
        """Whether something waits for an event that was not looked at since the floor was rebuilt."""
        return any(
            row.when.is_event and row.status is ScheduleStatus.SCHEDULED and schedule_id not in self._waiting
            for schedule_id, row in self.schedules.items()
        )

    def _decide(self, at: int, schedule_id: int) -> Event:
        """A scheduled message's time has come, or it has waited for long enough."""
        row = self.schedules[schedule_id]
        because = self._obstacle(at, row)
        if because is None and row.when.is_event and not self._is_met(row):
            because = "What it waited for did not happen in time."
        if because is not None:
            return self._emit(NotReleased, at, FLOOR, schedule_id=schedule_id, because=because)
        return self._release(at, row)

    def _obstacle(self, at: int, row: ScheduleRow) -> str | None:
        assert self.day is not None
        if row.when.release_at is not None and row.due < self.day.began_at:
            return "The floor was not running at its time, and the night's clear-down has passed since."
        if row.draft.expires_at is not None and row.draft.expires_at <= at:
            return "It expired before it could go out."
        if row.draft.ack_by is not None and row.draft.ack_by <= at:
            return "The time to confirm it by passed before it could go out."
        try:
            self._recipients(row)
        except CoachsimError as error:
            return error.message
        return None

    def _release(self, at: int, row: ScheduleRow) -> Event:
        assert self.day is not None
        draft, ends_at = row.draft, self.day.ends_at
        # What was to last into the next day ends with this one.
        if draft.expires_at is not None and draft.expires_at > ends_at:
            draft = replace(draft, expires_at=None)
        if draft.ack_by is not None and draft.ack_by > ends_at:
            draft = replace(draft, ack_by=ends_at)
        agent_ids = self._recipients(row)
        message = self._message(at, draft, row.sender)
        return self._deliver(at, FLOOR, message, agent_ids, schedule_id=row.schedule_id)

    # --- sending, now or later ---

    def _of_the_first(self, draft: Draft) -> Draft:
        """A reminder of a reminder reminds of the first message."""
        row = self.messages.get(draft.audience.unread_of or -1)
        if row is None or row.message.reminds is None:
            return draft
        return replace(draft, audience=row.message.audience)

    def _check_confirmation(self, at: int, draft: Draft, ends_at: int | None) -> None:
        if draft.chase is not None and draft.audience.unread_of is not None:
            raise InvalidInput("A reminder has no reminders of its own: the first message has them.", field="chase")
        if draft.ack_by is None:
            return
        if not draft.ack_required:
            raise InvalidInput("A time to confirm by needs a message that asks to be confirmed.", field="ack_by")
        if draft.ack_by <= at:
            raise InvalidInput("The time to confirm by has passed already. Choose a later one.", field="ack_by")
        ends_at = draft.ack_by if ends_at is None else ends_at
        if draft.ack_by > min(ends_at, draft.expires_at or ends_at):
            raise InvalidInput(
                "The time to confirm by is after the message is gone (its expiry, or the next clear-down at"
                f" {to_iso(ends_at)}). Choose an earlier one.",
                field="ack_by",
            )

    def _message(self, at: int, draft: Draft, sender: str) -> Message:
        return Message(
            message_id=max(at, self.newest_message_id + 1),
            sent_at=at,
            sender=sender,
            audience=draft.audience,
            body=draft.body,
            priority=draft.priority,
            ack_required=draft.ack_required,
            expires_at=draft.expires_at,
            request_id=draft.request_id,
            ack_by=draft.ack_by,
            chase=draft.chase,
        )

    def _deliver(
        self, at: int, actor: str, message: Message, agent_ids: list[str], *, schedule_id: int | None = None
    ) -> Event:
        rows = [self.agents[agent_id] for agent_id in agent_ids]
        told = tuple([row.connected and row.state is AgentState.LOGGED_IN for row in rows])
        return self._emit(
            Sent,
            at,
            actor,
            message=message,
            agent_ids=tuple(agent_ids),
            teams=tuple([row.agent.team for row in rows]),
            states=tuple([row.state for row in rows]),
            notified=told,
            toasted=tuple([now and not row.page for now, row in zip(told, rows, strict=True)]),
            schedule_id=schedule_id,
        )

    def _emit(self, kind: type[Event], at: int, actor: str, **values: Any) -> Event:
        """Makes an event and applies it. The commands of a simulated day's bulk do so without this detour."""
        event = kind(seq=self.seq + 1, happened_at=at, actor=actor, **values)
        self.apply(event)
        return event


def reachable(floor: FloorState, audience: Audience, scope: Scope) -> list[str]:
    """The agents that an audience means now; of agents named by hand, those who are still active and in scope.

    Raises as ``resolve`` does, in words for a sender who is not there to choose others.
    """
    if audience.agents:
        rows = [floor.agents[agent_id] for agent_id in audience.agents if agent_id in floor.agents]
        left = [row.agent.agent_id for row in rows if row.agent.active and in_scope(row.agent.team, scope)]
        if not left:
            raise EmptyAudience("None of the agents it was for is active and in its sender's teams any more.")
        return sorted(left)
    try:
        return resolve(floor, audience, scope)
    except EmptyAudience:
        raise EmptyAudience("Nobody matches whom it was for any more.") from None
    except UnknownGroup:
        raise UnknownGroup("A group that it was for has nobody any more whom its sender may send to.") from None
    except UnknownMessage:
        raise UnknownMessage("The message that it reminds of is not one of today any more.") from None
