"""What virtual agents have in mind: when each unread message prompts them to look, and the draws of each message."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from coachsim.attention import Prompts
from coachsim.models import Message
from coachsim.presence import Presence


class Mind:
    """What one virtual agent has in mind: when each unread message prompts them.

    ``due`` is the earliest of these moments, ``due_for`` the message it is of.
    """

    __slots__ = ("due", "due_for", "presence", "prompts", "rank")

    def __init__(self, rank: int, presence: Presence) -> None:
        self.rank = rank
        self.presence = presence
        self.prompts: dict[int, int] = {}
        self.due: int | None = None
        self.due_for = 0


class Drawn(NamedTuple):
    """The draws of one message, for ``agent_ids``, which are sorted. ``acks`` where it asks to be acknowledged."""

    number: int
    message_id: int
    expires_at: float
    agent_ids: Sequence[str]
    prompts: Prompts
    acks: dict[str, int] | None

    @classmethod
    def of(cls, number: int, message: Message, agent_ids: Sequence[str], prompts: Prompts) -> Drawn:
        """The ``number``-th message of the day."""
        acks = dict(zip(agent_ids, prompts.ack.tolist(), strict=True)) if message.ack_required else None
        expires_at = inf if message.expires_at is None else message.expires_at
        return cls(number, message.message_id, expires_at, agent_ids, prompts, acks)

    def toast(self, agent_id: str) -> int:
        """The delay from this agent's toast to opening, or ``NEVER``."""
        return int(self.prompts.toast[bisect_left(self.agent_ids, agent_id)])

    def bell(self, agent_id: str) -> int:
        """The delay from telling this agent to opening, or ``NEVER``."""
        return int(self.prompts.bell[bisect_left(self.agent_ids, agent_id)])
