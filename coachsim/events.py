"""The events that a log is made of: one for each command that changed something, in the order of their commits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from coachsim.models import Agent, AgentState, Draft, Message
from coachsim.when import When


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. ``seq`` counts the log's events from 1; ``actor`` is who did it.

    ``actor`` is an account, ``floor`` for what happens by itself, or ``plan`` for a simulated agent.
    """

    seq: int
    happened_at: int
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBegan(Event):
    """A day of the schedule opened: ``day`` is its label (ISO date), ``ends_at`` its scheduled clear-down."""

    day: str
    began_at: int
    ends_at: int
    time_zone: str
    clear_down: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted(Event):
    """The floor was rebuilt from its log: no page is connected until it connects anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentChanged(Event):
    """An agent joined the roster or differs from before; ``agent`` is how they are from now on.

    ``previous_team`` is None for one who joined.
    """

    agent: Agent
    previous_team: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(Event):
    """The agent's first page opened its stream. ``notified``: message ids that this told them of.

    ``page`` is False for a simulated agent, whose toasts show at once and are not reported.
    """

    agent_id: str
    page: bool = True
    notified: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(Event):
    """The agent's last page closed its stream."""

    agent_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(Event):
    """The agent's state, or the reason for it, is another. ``notified``: message ids that this told them of."""

    agent_id: str
    state: AgentState
    reason: str | None = None
    notified: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Event):
    """A message went out; ``schedule_id`` is that of one that had been scheduled.

    The five fields after the message run in step: one entry for each recipient, by agent_id.
    """

    message: Message
    agent_ids: tuple[str, ...]
    teams: tuple[str, ...]
    states: tuple[AgentState, ...]
    notified: tuple[bool, ...]
    toasted: tuple[bool, ...]
    schedule_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled(Event):
    """``actor`` wants this sent later. What becomes of it is a ``Sent``, a ``Withdrawn`` or a ``NotReleased``.

    ``scope`` are the teams that the sender might send to then (None = all).
    """

    draft: Draft
    when: When
    scope: tuple[str, ...] | None = None

    @property
    def schedule_id(self) -> int:
        """Its number: that of this event."""
        return self.seq


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn(Event):
    """A scheduled message was taken back before it went out."""

    schedule_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReleased(Event):
    """A scheduled message did not go out; ``because`` is a sentence for its sender."""

    schedule_id: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToastsShown(Event):
    """Toasts of these messages were on a visible page of the agent.

    ``notified`` runs in step with ``message_ids``: whether this is what told the agent of it.
    """

    agent_id: str
    message_ids: tuple[int, ...]
    notified: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Event):
    """These messages were in the agent's open, visible dialog for the first time. ``notified``: as for toasts."""

    agent_id: str
    message_ids: tuple[int, ...]
    notified: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged(Event):
    """The agent confirmed a message that asked for it."""

    agent_id: str
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(Event):
    """A message's time ran out; ``lost`` are the agents who had not read it."""

    message_id: int
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearedDown(Event):
    """All inboxes were emptied; what was unread is lost. By hand it ends no day.

    ``deliveries`` and ``lost`` count what this clear-down closed, and what of that became lost by it.
    """

    day: str
    by_hand: bool
    deliveries: int
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited(Event):
    """Something that the floor's rules do not see but an auditor asks about, such as a roster load or an alarm."""

    action: str
    subject: str
    detail: dict[str, Any] = field(default_factory=dict)


EVENT_KINDS: dict[str, type[Event]] = {
    "day_began": DayBegan,
    "restarted": Restarted,
    "agent_changed": AgentChanged,
    "connected": Connected,
    "disconnected": Disconnected,
    "state_changed": StateChanged,
    "sent": Sent,
    "scheduled": Scheduled,
    "withdrawn": Withdrawn,
    "not_released": NotReleased,
    "toasts_shown": ToastsShown,
    "read": Read,
    "acknowledged": Acknowledged,
    "expired": Expired,
    "cleared_down": ClearedDown,
    "audited": Audited,
}
KIND_OF: dict[type[Event], str] = {event: kind for kind, event in EVENT_KINDS.items()}
Events = tuple[Event, ...]
