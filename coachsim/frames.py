"""What watchers are told of an event: one frame (name, data) for a supervisor's scope, one for an agent.

The frame of a message is the same for all of its recipients, so that a server encodes it once.
"""

from __future__ import annotations

from collections.abc import Collection

from coachsim import views
from coachsim.audience import Scope, in_scope
from coachsim.days import to_iso
from coachsim.events import (
    Acknowledged,
    AgentChanged,
    ClearedDown,
    Connected,
    DayBegan,
    Disconnected,
    Event,
    Expired,
    NotReleased,
    Read,
    Scheduled,
    Sent,
    StateChanged,
    ToastsShown,
    Withdrawn,
)
from coachsim.scheduling import may_see
from coachsim.state import FloorState
from coachsim.views import Json

Frame = tuple[str, Json]


def supervisor_frames(floor: FloorState, event: Event, scope: Scope) -> list[Frame]:
    """What a supervisor with ``scope`` is told of an event; ``floor`` is as it was right after it. Often nothing.

    A ``delivery`` frame says that the deliveries of one agent got exactly these times now. ``reset`` asks the watcher
    to fetch everything afresh.
    """
    match event:
        case Sent():
            row = floor.messages[event.message.message_id]
            view = views.message(floor, row, scope)
            if view is None:
                return []
            return [("message", view | {"agent_ids": [d.agent_id for d in views.scoped_deliveries(row, scope)]})]
        case AgentChanged():
            if in_scope(event.agent.team, scope):
                return [("agent", views.agent(floor.agents[event.agent.agent_id]))]
            if event.previous_team is not None and in_scope(event.previous_team, scope):
                return [("agent", {"agent_id": event.agent.agent_id, "active": False})]
        case Connected() | StateChanged() | Disconnected():
            told = () if isinstance(event, Disconnected) else event.notified
            agent = floor.agents[event.agent_id]
            seen = [("agent", views.agent(agent))] if in_scope(agent.agent.team, scope) else []
            return [*seen, *_delivery_frames(floor, event, event.agent_id, told, told, "notified_at", scope)]
        case ToastsShown():
            return _delivery_frames(floor, event, event.agent_id, event.message_ids, _told(event), "toast_at", scope)
        case Read():
            return _delivery_frames(floor, event, event.agent_id, event.message_ids, _told(event), "read_at", scope)
        case Acknowledged():
            return _delivery_frames(floor, event, event.agent_id, (event.message_id,), (), "acknowledged_at", scope)
        case Expired():
            deliveries = views.scoped_deliveries(floor.messages[event.message_id], scope)
            if deliveries:
                lost = set(event.lost) & {delivery.agent_id for delivery in deliveries}
                when = to_iso(event.happened_at)
                return [("expired", {"message_id": event.message_id, "lost": sorted(lost), "lost_at": when})]
        case ClearedDown():
            when = to_iso(event.happened_at)
            return [("cleared", {"cleared_at": when, "by_hand": event.by_hand, "day": event.day})]
        case DayBegan():
            return [("reset", {})]
    return []


def schedule_frame(floor: FloorState, event: Event, caller: str, scope: Scope) -> Frame | None:
    """What whoever may see a scheduled message is told of it: the whole of it, under the name of what happened."""
    match event:
        case Scheduled():
            name = "scheduled"
        case Withdrawn() | NotReleased():
            name = "withdrawn" if isinstance(event, Withdrawn) else "not_released"
        case Sent(schedule_id=int()):
            name = "released"
        case _:
            return None
    assert event.schedule_id is not None
    row = floor.schedules[event.schedule_id]
    return (name, views.schedule(floor, row)) if may_see(row, caller, scope) else None


def _told(event: ToastsShown | Read) -> tuple[int, ...]:
    return tuple(mid for mid, told in zip(event.message_ids, event.notified, strict=True) if told)


def _delivery_frames(
    floor: FloorState,
    event: Event,
    agent_id: str,
    message_ids: tuple[int, ...],
    notified: tuple[int, ...],
    field: str,
    scope: Scope,
) -> list[Frame]:
    """At most two frames: for the messages that this told the agent of, and for those of which they knew."""
    seen = [mid for mid in message_ids if in_scope(floor.messages[mid].deliveries[agent_id].team, scope)]
    told = [mid for mid in seen if mid in notified]
    known = [mid for mid in seen if mid not in notified]
    when = to_iso(event.happened_at)
    frames: list[Frame] = []
    if told:
        times = dict.fromkeys((field, "notified_at"), when)
        frames.append(("delivery", {"agent_id": agent_id, "message_ids": told} | times))
    if known:
        frames.append(("delivery", {"agent_id": agent_id, "message_ids": known, field: when}))
    return frames


def recipients_of(floor: FloorState, event: Event) -> Collection[str] | None:
    """The agents whose pages an event concerns; None = every agent's page."""
    match event:
        case Sent():
            return event.agent_ids
        case StateChanged() | Read() | Acknowledged():
            return (event.agent_id,)
        case Expired():
            return floor.messages[event.message_id].deliveries.keys()
        case ClearedDown() | DayBegan():
            return None
    return ()


def agent_frame(floor: FloorState, event: Event) -> Frame | None:
    """What the pages of ``recipients_of(event)`` are told, the same for all; None = nothing.

    A page of a logged-out agent must not be given ``message`` frames: it fetches its list at log-in.
    """
    match event:
        case Sent():
            return "message", views.message_for_agents(floor.messages[event.message.message_id])
        case StateChanged():
            return "state", {
                "state": event.state.value,
                "reason": event.reason,
                "since": to_iso(floor.agents[event.agent_id].since),
            }
        case Read():
            return "read", {"message_ids": list(event.message_ids), "read_at": to_iso(event.happened_at)}
        case Acknowledged():
            return "acknowledged", {
                "message_id": event.message_id,
                "acknowledged_at": to_iso(event.happened_at),
            }
        case Expired():
            return "expired", {"message_id": event.message_id}
        case ClearedDown():
            return "cleared", {}
        case DayBegan():
            return "reset", {}
    return None
