"""FloorClient: what a page may ask of a floor, with one contract test for all that are one.

``LocalClient`` asks a host in the same process, ``RemoteClient`` (``coachsim.remote``) a server; both give the same
answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from coachsim import frames, templates, views
from coachsim.audience import Scope
from coachsim.days import to_datetime, to_iso
from coachsim.errors import InvalidInput, NotFound
from coachsim.events import Event, Sent
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.models import AgentState, Audience, Chase, Draft, Message, Priority
from coachsim.shelf import Keeper, KeptInMemory
from coachsim.views import Json
from coachsim.when import When, moment

if TYPE_CHECKING:
    from coachsim.adviser import Adviser
    from coachsim.practice import Practice

HEARTBEAT_S = 15.0
PACE_S = 5.0
RECENT = 10
StreamItem = tuple[int, str, Json]


class FloorClient(Protocol):
    """The questions a coaching page asks. Answers are as ``api.yaml`` describes them.

    Every method raises ``CoachsimError`` where the floor or the server refuses.
    """

    async def me(self) -> Json:
        """Who is asking: name, roles, teams, agent_id, mode."""

    async def floor(self) -> Json:
        """The floor's name, time, day and counts by state."""

    async def agents(self, *, q: str = "", **filters: Collection[str]) -> Json:
        """The active agents in scope; ``filters`` are campaign, list, team, queue and state."""

    async def preview(self, audience: Mapping[str, Any], *, template: str | None = None) -> Json:
        """Who an audience would be now, and as ``body`` what a ``template`` would be for them now. Sends nothing."""

    async def advice(self, audience: Mapping[str, Any], *, priority: str = "normal", by: str | None = None) -> Json:
        """What a message to an audience can be expected to come to, now and at a better time today, if there is one.

        ``by`` is until when reading counts; without it, until most of today's work is done.
        """

    async def send(
        self,
        audience: Mapping[str, Any],
        body: str,
        *,
        request_id: str,
        priority: str = "normal",
        ack_required: bool = False,
        expires_at: str | None = None,
        recipients_digest: str | None = None,
        ack_by: str | None = None,
        chase: Mapping[str, Any] | None = None,
    ) -> Json:
        """Sends; the same ``request_id`` again gives the first answer and sends nothing.

        ``chase`` is a rule for reminders, ``{"after_min": 10, "times": 2}``.
        """

    async def schedule(
        self, audience: Mapping[str, Any], body: str, when: Mapping[str, Any], *, request_id: str, **message: Any
    ) -> Json:
        """Takes a message, given as to ``send``, that goes out later; its request_id again gives the first answer.

        ``when`` is ``{"at": time}``, ``{"back_from_break": True}`` or ``{"logged_in_share": 0.8}``, the last two
        perhaps with ``not_after``.
        """

    async def schedules(self) -> Json:
        """The scheduled messages that wait, and those of which something became today."""

    async def withdraw(self, schedule_id: int) -> Json:
        """Takes back a scheduled message that has not gone out."""

    async def messages(self, day: str | None = None) -> Json:
        """A day's messages with their counts, newest first; None = the open day."""

    async def deliveries(self, message_id: int) -> Json:
        """Each recipient's delivery of a message."""

    async def recent(self) -> Json:
        """The last ten different texts that the caller sent, newest first, of earlier days too."""

    async def templates(self, *, hidden: bool = False) -> Json:
        """The caller's own templates and the shared ones, by title; or those of them that were deleted."""

    async def template(self, template_id: int) -> Json:
        """A template with its versions, newest first."""

    async def new_template(self, title: str, body: str, *, shared: bool = False) -> Json:
        """Keeps a text as a template; shared with all who may send, or the caller's own."""

    async def change_template(self, template_id: int, title: str, body: str, *, shared: bool, version: int) -> Json:
        """The next version of a template, made from ``version``; a deleted one is there again."""

    async def delete_template(self, template_id: int) -> None:
        """Hides a template; its versions are kept."""

    async def practice(self, *, speed: float | None = None, paused: bool | None = None) -> Json:
        """Changes how fast a practice floor's time runs, or stops it; ``NotFound`` on a live floor."""

    def events(self, after: int) -> AsyncIterator[StreamItem]:
        """(id, name, data) of what happens after event ``after``, for as long as it is listened to."""

    async def close(self) -> None:
        """Lets go of what the client holds."""


class LocalClient:
    """A client of a host in the same process, acting as ``actor`` within ``scope`` (teams; None = all)."""

    def __init__(
        self,
        host: FloorHost,
        *,
        practice: Practice | None = None,
        actor: str,
        scope: Scope = None,
        roles: Collection[str] = ("supervisor",),
        agent_id: str | None = None,
        templates: Keeper | None = None,
        adviser: Adviser | None = None,
    ) -> None:
        self._host = host
        self._practice = practice
        self._actor = actor
        self._scope = scope
        self._roles = tuple(roles)
        self._agent_id = agent_id
        self._templates = templates or KeptInMemory(host.now)
        self._adviser = adviser

    def _answer(self, data: Json) -> Json:
        return data | {"as_of": self._host.seq}

    async def me(self) -> Json:
        """Who is asking."""
        sees_teams = not set(self._roles) <= {"agent", "telephony"}
        teams: Any = ("all" if self._scope is None else sorted(self._scope)) if sees_teams else None
        return {
            "name": self._actor,
            "roles": list(self._roles),
            "teams": teams,
            "agent_id": self._agent_id,
            "mode": self._host.mode,
        }

    async def floor(self) -> Json:
        """The floor's name, time, day and counts by state."""
        host = self._host
        day = host.floor.day
        return self._answer(
            {
                "floor": host.settings.floor_name,
                "site": host.settings.site,
                "mode": host.mode,
                **floor_notice(host),
                "day": day.day if day else None,
                "time_zone": day.time_zone if day else host.settings.time_zone,
                "clear_down": host.settings.clear_down,
                "next_clear_down": to_iso(day.ends_at) if day else None,
                "toast_seconds": host.settings.toast_seconds,
                "counts": views.by_state(row.state for row in views.visible_agents(host.floor, self._scope)),
            }
        )

    async def agents(self, *, q: str = "", **filters: Collection[str]) -> Json:
        """The active agents in scope that match."""
        return self._answer({"agents": views.agents(self._host.floor, self._scope, q=q, filters=filters)})

    async def preview(self, audience: Mapping[str, Any], *, template: str | None = None) -> Json:
        """Who an audience would be now, and what a template would be for them now. Sends nothing."""
        floor = self._host.floor
        found = views.preview(floor, Audience.from_json(audience), self._scope)
        if template is None:
            return found
        agents = [floor.agents[one["agent_id"]].agent for one in found["names"]]
        zone = ZoneInfo(floor.day.time_zone if floor.day else self._host.settings.time_zone)
        time = to_datetime(self._host.now(), zone).strftime("%H:%M")
        return found | {"body": templates.filled(template, [(agent.name, agent.team) for agent in agents], time)}

    async def advice(self, audience: Mapping[str, Any], *, priority: str = "normal", by: str | None = None) -> Json:
        """What a message to an audience can be expected to come to, now and at a better time today."""
        if self._adviser is None:
            # Imported here: it brings the model of attention, which a floor does without until somebody asks.
            from coachsim.adviser import Adviser

            self._adviser = Adviser(self._host, practice=self._practice)
        agent_ids = self._host.floor.resolve(Audience.from_json(audience), self._scope)
        urgent, until = _priority(priority) is Priority.URGENT, moment(by, what="time to read by", field="by")
        if until is not None and until <= self._host.now():
            raise InvalidInput("The time to read by has passed already. Choose a later one.", field="by")
        return self._answer(await self._adviser.advise(agent_ids, urgent=urgent, by=until))

    async def send(
        self,
        audience: Mapping[str, Any],
        body: str,
        *,
        request_id: str,
        priority: str = "normal",
        ack_required: bool = False,
        expires_at: str | None = None,
        recipients_digest: str | None = None,
        ack_by: str | None = None,
        chase: Mapping[str, Any] | None = None,
    ) -> Json:
        """Sends, and answers when it is committed."""
        draft = _draft(
            audience,
            body,
            request_id=request_id,
            priority=priority,
            ack_required=ack_required,
            expires_at=expires_at,
            recipients_digest=recipients_digest,
            ack_by=ack_by,
            chase=chase,
        )
        events = await self._host.do(Floor.send, draft, actor=self._actor, scope=self._scope)
        # From the event, not from the floor: that may have cleared it down by the time that it is committed.
        for event in events:
            if isinstance(event, Sent):
                return self._sent(event.message, event.states)
        row = self._host.floor.sent_for_request(self._actor, request_id)
        if row is None:
            raise NotFound("The day ended while this was sent again; the message went out once and is in the log.")
        return self._sent(row.message, [delivery.state_at_send for delivery in row.deliveries.values()])

    def _sent(self, message: Message, states: Sequence[AgentState]) -> Json:
        return self._answer(
            {
                "message_id": message.message_id,
                "sent_at": to_iso(message.sent_at),
                "recipients": len(states),
                "by_state": views.by_state(states),
            }
        )

    async def schedule(
        self, audience: Mapping[str, Any], body: str, when: Mapping[str, Any], *, request_id: str, **message: Any
    ) -> Json:
        """Takes a message that goes out later, and answers when that is committed."""
        draft = _draft(audience, body, request_id=request_id, **message)
        await self._host.do(Floor.schedule_send, draft, When.from_json(when), actor=self._actor, scope=self._scope)
        row = self._host.floor.schedule_for_request(self._actor, request_id)
        if row is None:
            raise NotFound("The day ended while this was scheduled, and it has been decided. See the message log.")
        return self._answer(views.schedule(self._host.floor, row))

    async def schedules(self) -> Json:
        """The scheduled messages that wait, and those of which something became today."""
        return self._answer({"schedules": views.schedules(self._host.floor, self._actor, self._scope)})

    async def withdraw(self, schedule_id: int) -> Json:
        """Takes back a scheduled message that has not gone out."""
        await self._host.do(Floor.withdraw, schedule_id, actor=self._actor, scope=self._scope)
        row = self._host.floor.schedules.get(schedule_id)
        if row is None:
            raise NotFound("The day ended while this was withdrawn; it was, and is in the log.")
        return self._answer(views.schedule(self._host.floor, row))

    async def messages(self, day: str | None = None) -> Json:
        """A day's messages with their counts, newest first."""
        floor = self._host.floor
        if day is None or (floor.day is not None and day == floor.day.day):
            return self._answer({"messages": views.messages(floor, self._scope)})
        past = await asyncio.to_thread(self._host.writer.past_messages, _day(day), self._scope)
        return self._answer({"messages": past})

    async def deliveries(self, message_id: int) -> Json:
        """Each recipient's delivery, of an earlier day too."""
        floor = self._host.floor
        if message_id in floor.messages:
            return self._answer({"deliveries": views.deliveries(floor, message_id, self._scope)})
        past = await asyncio.to_thread(self._host.writer.past_deliveries, message_id, self._scope)
        if not past:
            raise views.unknown_message(message_id)
        return self._answer({"deliveries": past})

    async def recent(self) -> Json:
        """The last ten different texts that the caller sent."""
        messages = [row.message for row in self._host.floor.messages.values()]
        newest = {one.body: one.sent_at for one in messages if one.sender == self._actor}
        if len(newest) < RECENT:
            past = await asyncio.to_thread(self._host.writer.past_bodies, self._actor, RECENT)
            newest = dict(past) | newest
        texts = sorted(newest.items(), key=lambda text: text[1], reverse=True)[:RECENT]
        return self._answer({"texts": [{"body": body, "sent_at": to_iso(at)} for body, at in texts]})

    async def templates(self, *, hidden: bool = False) -> Json:
        """The templates that the caller sees."""
        return self._answer({"templates": self._templates.shelf().listed(self._actor, hidden=hidden)})

    async def template(self, template_id: int) -> Json:
        """A template with its versions."""
        return self._answer(self._templates.shelf().told(self._actor, template_id))

    async def new_template(self, title: str, body: str, *, shared: bool = False) -> Json:
        """Keeps a text as a template."""
        made = self._templates.keep(lambda shelf, at: shelf.new(at, self._actor, title=title, body=body, shared=shared))
        assert made is not None  # a new one always differs from what there is
        return await self.template(made.template_id)

    async def change_template(self, template_id: int, title: str, body: str, *, shared: bool, version: int) -> Json:
        """The next version of a template."""
        self._templates.keep(
            lambda shelf, at: shelf.changed(
                at, self._actor, template_id, title=title, body=body, shared=shared, version=version
            )
        )
        return await self.template(template_id)

    async def delete_template(self, template_id: int) -> None:
        """Hides a template."""
        self._templates.keep(lambda shelf, at: shelf.deleted(at, self._actor, template_id))

    async def practice(self, *, speed: float | None = None, paused: bool | None = None) -> Json:
        """Changes the pace of a practice floor; ``NotFound`` on a live one."""
        if self._practice is None:
            raise NotFound("This floor is live: its clock is the wall's. Ask a practice floor.")
        await self._practice.set_pace(speed=speed, paused=paused, actor=self._actor)
        return self._answer(floor_notice(self._host))

    async def events(self, after: int) -> AsyncIterator[StreamItem]:
        """What happens after event ``after``; starts with ``reset`` where that is not the newest one."""
        queue: asyncio.Queue[StreamItem] = asyncio.Queue()
        host = self._host

        def tell(event: Event) -> None:
            scheduled = frames.schedule_frame(host.floor, event, self._actor, self._scope)
            told = frames.supervisor_frames(host.floor, event, self._scope) + ([scheduled] if scheduled else [])
            for name, data in told:
                queue.put_nowait((event.seq, name, data))

        def faults() -> None:
            queue.put_nowait((host.seq, "floor", floor_notice(host)))

        # Floor time of a practice may fall behind its pace: a page's clock is set again from time to time.
        practice, paced = host.mode == "practice", time.monotonic()
        stop = host.watch(tell, faults)
        try:
            yield host.seq, "heartbeat", {"as_of": host.seq}
            if after != host.seq:
                yield host.seq, "reset", {}
            while True:
                try:
                    # Not ``wait_for``: it would lose a cancellation of whoever listens that comes with an event.
                    async with asyncio.timeout(PACE_S if practice else HEARTBEAT_S):
                        item = await queue.get()
                except TimeoutError:
                    item = host.seq, "heartbeat", {"as_of": host.seq}
                yield item
                if practice and time.monotonic() - paced > PACE_S:
                    paced = time.monotonic()
                    yield host.seq, "floor", floor_notice(host)
        finally:
            stop()

    async def close(self) -> None:
        """Nothing is held: the host belongs to whoever opened it."""


def floor_notice(host: FloorHost) -> Json:
    """The part of a floor that changes without an event: its clock's pace, and what is wrong."""
    return {
        "now": to_iso(host.now()),
        "speed": host.clock.speed,
        "paused": host.clock.paused,
        "faults": host.faults,
    }


def _draft(
    audience: Mapping[str, Any],
    body: str,
    *,
    request_id: str,
    priority: str = "normal",
    ack_required: bool = False,
    expires_at: str | None = None,
    recipients_digest: str | None = None,
    ack_by: str | None = None,
    chase: Mapping[str, Any] | None = None,
) -> Draft:
    return Draft(
        audience=Audience.from_json(audience),
        body=body,
        request_id=request_id,
        priority=_priority(priority),
        ack_required=ack_required,
        expires_at=moment(expires_at, what="expiry", field="expires_at"),
        recipients_digest=recipients_digest,
        ack_by=moment(ack_by, what="time to confirm by", field="ack_by"),
        chase=None if chase is None else Chase.from_json(chase),
    )


def _priority(value: str) -> Priority:
    try:
        return Priority(value)
    except ValueError:
        raise InvalidInput(f"There is no priority {value!r}; use normal or urgent.", field="priority") from None


def _day(value: str) -> str:
    try:
        return datetime.strptime(value, "%Y-%m-%d").date().isoformat()
    except ValueError:
        raise InvalidInput(f"{value!r} is no day. Write it as 2026-11-22.", field="day") from None
