"""What a caller may see of a floor, as JSON-ready dicts: the answers of the API, scoped, and nothing else.

Pure functions of a floor and a *scope* (the caller's teams; None = all). Agents are in scope by their team now,
deliveries by their team at send; a message is visible if a recipient is, and then shows only the part in scope.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from coachsim.audience import Scope, in_scope, part_in_scope, recipients_digest
from coachsim.days import to_iso
from coachsim.errors import UnknownMessage
from coachsim.floor import Floor
from coachsim.models import AgentState, Audience, Delivery, Status
from coachsim.scheduling import may_see
from coachsim.state import AgentRow, FloorState, MessageRow, ScheduleRow
from coachsim.wording import filter_text

Json = dict[str, Any]


def by_state(states: Iterable[AgentState]) -> dict[str, int]:
    """How many are in each state; every state is there."""
    counts = Counter(states)
    return {state.value: counts[state] for state in (AgentState.LOGGED_IN, AgentState.BREAK, AgentState.LOGGED_OUT)}


def visible_agents(floor: FloorState, scope: Scope) -> list[AgentRow]:
    """The active agents in scope."""
    return [row for row in floor.agents.values() if row.agent.active and in_scope(row.agent.team, scope)]


def agent(row: AgentRow) -> Json:
    """One agent as the list shows them."""
    person = row.agent
    return {
        "agent_id": person.agent_id,
        "name": person.name,
        "team": person.team,
        "campaigns": list(person.campaigns),
        "lists": list(person.lists),
        "queues": list(person.queues),
        "active": person.active,
        "state": row.state.value,
        "reason": row.reason,
        "since": to_iso(row.since),
        "connected": row.connected,
        "unread": len(row.unread),
    }


def agents(
    floor: FloorState, scope: Scope, *, q: str = "", filters: dict[str, Collection[str]] | None = None
) -> list[Json]:
    """The active agents in scope that match: any value within a kind, all kinds together, ``q`` in the name."""
    wanted = {kind: set(values) for kind, values in (filters or {}).items() if values}
    needle = q.casefold().strip()
    rows = [
        row
        for row in visible_agents(floor, scope)
        if needle in row.agent.name.casefold()
        and all(
            row.state in values if kind == "state" else not values.isdisjoint(row.agent.groups(kind))
            for kind, values in wanted.items()
        )
    ]
    rows.sort(key=lambda row: (row.agent.team, row.agent.name.casefold(), row.agent.agent_id))
    return [agent(row) for row in rows]


def preview(floor: Floor, audience: Audience, scope: Scope) -> Json:
    """Who an audience would be now; errors as a send would give."""
    agent_ids = floor.resolve(audience, scope)
    rows = [floor.agents[agent_id] for agent_id in agent_ids]
    return {
        "recipients": len(rows),
        "names": [{"agent_id": row.agent.agent_id, "name": row.agent.name} for row in rows],
        "by_state": by_state(row.state for row in rows),
        "logged_in_connected": sum(row.connected and row.state is AgentState.LOGGED_IN for row in rows),
        "audience_text": audience_text(floor, audience, agent_ids),
        "recipients_digest": recipients_digest(agent_ids),
    }


def audience_text(floor: FloorState, audience: Audience, agent_ids: Collection[str]) -> str:
    """An audience in words: a name, a number of agents, the filter's values, 'everyone', or how many had not read."""
    if audience.everyone:
        return "everyone"
    if audience.filter is not None:
        return filter_text(audience.filter)
    if audience.unread_of is not None:
        return f"{len(agent_ids)} who had not read it"
    if len(agent_ids) == 1:
        (only,) = agent_ids
        return floor.agents[only].agent.name
    return f"{len(agent_ids)} agents"


def scoped_deliveries(row: MessageRow, scope: Scope) -> list[Delivery]:
    """The deliveries of a message that a caller may see, by agent_id."""
    return [delivery for delivery in row.deliveries.values() if in_scope(delivery.team, scope)]


def message(floor: FloorState, row: MessageRow, scope: Scope) -> Json | None:
    """A message with its counts, both ways; None where no recipient is in scope."""
    deliveries = scoped_deliveries(row, scope)
    if not deliveries:
        return None
    sent = row.message
    agent_ids = [delivery.agent_id for delivery in deliveries]
    audience = part_in_scope(sent.audience, agent_ids, scope)
    statuses = Counter(delivery.status for delivery in deliveries)
    return {
        "message_id": sent.message_id,
        "sent_at": to_iso(sent.sent_at),
        "sender": sent.sender,
        "audience": audience.to_json(),
        "audience_text": audience_text(floor, audience, agent_ids),
        "body": sent.body,
        "priority": sent.priority.value,
        "ack_required": sent.ack_required,
        "ack_by": to_iso(sent.ack_by),
        "expires_at": to_iso(sent.expires_at),
        "expired": row.expired,
        "reminds": sent.reminds,
        "chase": None if sent.chase is None else sent.chase.to_json(),
        "recipients": len(deliveries),
        "by_status": {status.value: statuses[status] for status in Status},
        "by_milestone": {
            "notified": sum(delivery.notified_at is not None for delivery in deliveries),
            "read": sum(delivery.read_at is not None for delivery in deliveries),
            "acknowledged": sum(delivery.acknowledged_at is not None for delivery in deliveries),
        },
    }


def messages(floor: FloorState, scope: Scope) -> list[Json]:
    """The open day's messages that a caller may see, newest first."""
    rows = sorted(floor.messages.values(), key=lambda row: row.message.message_id, reverse=True)
    return [view for row in rows if (view := message(floor, row, scope)) is not None]


def schedule(floor: FloorState, row: ScheduleRow) -> Json:
    """A scheduled message, and what became of it."""
    draft = row.draft
    unread = draft.audience.unread_of is not None
    return {
        "schedule_id": row.schedule_id,
        "scheduled_at": to_iso(row.scheduled_at),
        "sender": row.sender,
        "audience": draft.audience.to_json(),
        "audience_text": "whoever has not read it"
        if unread
        else audience_text(floor, draft.audience, draft.audience.agents),
        "body": draft.body,
        "priority": draft.priority.value,
        "ack_required": draft.ack_required,
        "ack_by": to_iso(draft.ack_by),
        "expires_at": to_iso(draft.expires_at),
        "chase": None if draft.chase is None else draft.chase.to_json(),
        "when": row.when.to_json(),
        "status": row.status.value,
        "closed_at": to_iso(row.closed_at),
        "closed_by": row.closed_by,
        "message_id": row.message_id,
        "because": row.because,
    }


def schedules(floor: FloorState, caller: str, scope: Scope) -> list[Json]:
    """The scheduled messages that a caller may see: those that wait and those of which something became today.

    The one that is due first comes first.
    """
    rows = [row for row in floor.schedules.values() if may_see(row, caller, scope)]
    return [schedule(floor, row) for row in sorted(rows, key=lambda row: (row.due, row.schedule_id))]


def deliveries(floor: FloorState, message_id: int, scope: Scope) -> list[Json]:
    """Each recipient's delivery; ``UnknownMessage`` where the caller may see none."""
    row = floor.messages.get(message_id)
    visible = scoped_deliveries(row, scope) if row else []
    if not visible:
        raise unknown_message(message_id)
    return [delivery_view(floor, one) for one in visible]


def unknown_message(message_id: int) -> UnknownMessage:
    """The answer for a message that does not exist or has no recipient in scope."""
    return UnknownMessage(f"There is no message {message_id}, or not for you to see. Choose one of the day's messages.")


def delivery_view(floor: FloorState, one: Delivery) -> Json:
    """One delivery under the log's column names, with the agent's name."""
    return {
        "message_id": one.message_id,
        "agent_id": one.agent_id,
        "name": floor.agents[one.agent_id].agent.name,
        "team": one.team,
        "sent_at": to_iso(one.sent_at),
        "state_at_send": one.state_at_send.value,
        "toast_at": to_iso(one.toast_at),
        "notified_at": to_iso(one.notified_at),
        "read_at": to_iso(one.read_at),
        "acknowledged_at": to_iso(one.acknowledged_at),
        "lost_at": to_iso(one.lost_at),
        "cleared_at": to_iso(one.cleared_at),
        "status": one.status.value,
    }


def inbox(floor: FloorState, agent_id: str) -> Json:
    """What an agent's page shows: the day's messages oldest first, while the agent is present."""
    row = floor.agents[agent_id]
    shown = row.inbox.values() if row.present else ()
    return {
        "agent": {"agent_id": agent_id, "name": row.agent.name, "team": row.agent.team},
        "state": row.state.value,
        "reason": row.reason,
        "since": to_iso(row.since),
        "messages": [_inbox_message(floor.messages[one.message_id], one) for one in shown],
        "unread": len(row.unread) if row.present else 0,
    }


def _inbox_message(row: MessageRow, one: Delivery) -> Json:
    return {
        **message_for_agents(row),
        "expired": row.expired,
        "notified_at": to_iso(one.notified_at),
        "read_at": to_iso(one.read_at),
        "acknowledged_at": to_iso(one.acknowledged_at),
    }


def message_for_agents(row: MessageRow) -> Json:
    """A message as it goes to every recipient, the same for all of them."""
    sent = row.message
    return {
        "message_id": sent.message_id,
        "sent_at": to_iso(sent.sent_at),
        "sender": sent.sender,
        "body": sent.body,
        "priority": sent.priority.value,
        "ack_required": sent.ack_required,
        "ack_by": to_iso(sent.ack_by),
        "expires_at": to_iso(sent.expires_at),
        "reminds": sent.reminds,
        "seq": row.seq,
    }
