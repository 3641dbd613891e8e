"""What virtual agents have in mind: when each unread message prompts them to look, and the draws of each message."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from coachsim.attention import Prompts
from coachsim.models import Message
from coachsim.presence import Presence


class Mind:
    """What one virtual agent has in mind: when each unread message prompts them, and the earliest of these moments."""

    __slots__ = ("due", "presence", "prompts", "rank")

    def __init__(self, rank: int, presence: Presence) -> None:
        self.rank = rank
        self.presence = presence
        self.prompts: dict[int, int] = {}
        self.due: int | None = None


class Drawn(NamedTuple):
    """The draws of one message: ``prompts`` in step with ``agent_ids``, which are sorted."""

    number: int
    message: Message
    agent_ids: Sequence[str]
    prompts: Prompts

    def place(self, agent_id: str) -> int:
        """Where an agent is in ``agent_ids``."""
        return bisect_left(self.agent_ids, agent_id)
