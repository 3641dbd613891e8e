"""Who an audience means: resolving it to agents, within the teams a sender may reach."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import replace

from coachsim.errors import (
    AudienceChanged,
    EmptyAudience,
    InactiveAgent,
    UnknownAgent,
    UnknownGroup,
    UnknownMessage,
)
from coachsim.models import GROUP_KINDS, Audience, Draft, Filter
from coachsim.state import FloorState

Scope = Collection[str] | None


def resolve(floor: FloorState, audience: Audience, scope: Scope = None) -> list[str]:
    """The agent ids that ``audience`` means now, sorted, each once; logged-out agents included.

    ``scope`` is the sender's teams (None = all): a filter or *everyone* means those in it, and a named agent or team
    outside it is as unknown as one that does not exist. Raises ``UnknownAgent``, ``UnknownGroup``, ``InactiveAgent``,
    ``UnknownMessage`` or ``EmptyAudience``.
    """
    if audience.unread_of is not None:
        return _unread(floor, audience.unread_of, scope)
    if audience.agents:
        return sorted({_named(floor, agent_id, scope) for agent_id in audience.agents})
    chosen = _matching(floor, audience.filter, scope) if audience.filter else floor.agents
    found = [agent_id for agent_id in chosen if floor.agents[agent_id].agent.active]
    if audience.filter and audience.filter.state:
        found = [agent_id for agent_id in found if floor.agents[agent_id].state in audience.filter.state]
    if scope is not None:
        found = [agent_id for agent_id in found if in_scope(floor.agents[agent_id].agent.team, scope)]
    if not found:
        raise EmptyAudience("Nobody matches. Choose other groups or agents.", field="audience")
    return sorted(found)


def recipients_digest(agent_ids: Iterable[str]) -> str:
    """A short fingerprint of exactly these recipients; the confirmation dialog's promise is checked against it."""
    return hashlib.sha256("\n".join(sorted(agent_ids)).encode()).hexdigest()[:32]


def confirmed(floor: FloorState, draft: Draft, scope: Scope) -> list[str]:
    """The agents that a draft's audience means now; ``AudienceChanged`` where others were confirmed."""
    agent_ids = resolve(floor, draft.audience, scope)
    if draft.recipients_digest is not None and draft.recipients_digest != recipients_digest(agent_ids):
        raise AudienceChanged(
            "Who this goes to has changed since you looked. Check the recipients and confirm again.",
            field="recipients_digest",
        )
    return agent_ids


def in_scope(team: str, scope: Scope) -> bool:
    """Whether a caller with ``scope`` may see this team."""
    return scope is None or team in scope


def _named(floor: FloorState, agent_id: str, scope: Scope) -> str:
    row = floor.agents.get(agent_id)
    if row is None or not in_scope(row.agent.team, scope):
        raise UnknownAgent.named(agent_id, field="audience")
    if not row.agent.active:
        raise InactiveAgent(
            f"{row.agent.name} has been made inactive and receives nothing. Leave them out.", field="audience"
        )
    return agent_id


def _unread(floor: FloorState, message_id: int, scope: Scope) -> list[str]:
    """The active recipients of a message of today who have not read it, lost ones included."""
    row = floor.messages.get(message_id)
    visible = [] if row is None else [one for one in row.deliveries.values() if in_scope(one.team, scope)]
    if not visible:
        raise UnknownMessage(
            f"There is no message {message_id} today, or not for you to see. Choose one of the day's messages.",
            field="audience",
        )
    agents = [floor.agents[one.agent_id].agent for one in visible if one.read_at is None]
    found = [agent.agent_id for agent in agents if agent.active and in_scope(agent.team, scope)]
    if not found:
        raise EmptyAudience("Everybody has read it. Nobody is left to remind.", field="audience")
    return sorted(found)


def _matching(floor: FloorState, wanted: Filter, scope: Scope) -> Collection[str]:
    chosen: set[str] | None = None
    for kind in GROUP_KINDS:
        values = getattr(wanted, kind)
        if not values:
            continue
        members: set[str] = set()
        for value in values:
            group = floor.groups.get((kind, value), ())
            if not any(in_scope(floor.agents[agent_id].agent.team, scope) for agent_id in group):
                raise UnknownGroup(
                    f"There is no {kind} {value!r} on the roster, or not for you to see. Check how it is written.",
                    field="audience",
                )
            members.update(group)
        chosen = members if chosen is None else chosen & members
    return floor.agents if chosen is None else chosen


def part_in_scope(audience: Audience, agent_ids: Collection[str], scope: Scope) -> Audience:
    """An audience without what names agents or teams outside the scope; ``agent_ids`` are its recipients in scope."""
    if scope is None or audience.everyone or audience.unread_of is not None:
        return audience
    if audience.filter is None:
        return Audience(agents=tuple(agent_ids))
    return Audience(filter=replace(audience.filter, team=tuple(team for team in audience.filter.team if team in scope)))
