"""What virtual agents have in mind: when each unread message prompts them to look, and the draws of each message."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from coachsim.models import Message
from coachsim.people.attention import Prompts
from coachsim.people.presence import Presence
from coachsim.state import AgentRow


class Mind:
    """What one virtual agent has in mind: when each unread message prompts them.

    ``due`` is when they look next: the earliest of these moments, or at once where that has passed. ``due_for`` is the
    message it is of. ``row`` is the agent on the floor, from when the floor has them.
    """

    __slots__ = ("agent_id", "due", "due_for", "presence", "prompts", "rank", "row")

    row: AgentRow

    def __init__(self, agent_id: str, rank: int, presence: Presence) -> None:
        self.agent_id = agent_id
        self.rank = rank
        self.presence = presence
        self.prompts: dict[int, int] = {}
        self.due: int | None = None
        self.due_for = 0


class Drawn(NamedTuple):
    """The draws of one message: µs of presence, or ``NEVER``. ``acks`` where it asks to be acknowledged.

    ``toasts`` and ``bells`` run in step with ``agent_ids``, which are sorted.
    """

    number: int
    message_id: int
    expires_at: float
    agent_ids: Sequence[str]
    toasts: list[int]
    bells: list[int]
    acks: dict[str, int] | None

    @classmethod
    def of(cls, number: int, message: Message, agent_ids: Sequence[str], prompts: Prompts) -> Drawn:
        """The ``number``-th message of the day."""
        acks = dict(zip(agent_ids, prompts.ack.tolist(), strict=True)) if message.ack_required else None
        expires_at = inf if message.expires_at is None else message.expires_at
        toasts, bells = prompts.toast.tolist(), prompts.bell.tolist()
        return cls(number, message.message_id, expires_at, agent_ids, toasts, bells, acks)

    def toast(self, agent_id: str) -> int:
        """The delay from this agent's toast to opening, or ``NEVER``."""
        return self.toasts[bisect_left(self.agent_ids, agent_id)]

    def bell(self, agent_id: str) -> int:
        """The delay from telling this agent to opening, or ``NEVER``."""
        return self.bells[bisect_left(self.agent_ids, agent_id)]
