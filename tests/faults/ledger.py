"""What the server has acknowledged: what it may therefore neither lose nor do twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sending:
    """A message that was asked for; ``message_id`` is None until the server has acknowledged it."""

    sender: str
    request_id: str
    body: str
    audience: dict[str, object]
    options: dict[str, object]
    message_id: int | None = None
    recipients: int = 0

    def asked(self) -> dict[str, object]:
        """The request, the same however often it is made."""
        return {"audience": self.audience, "body": self.body, "request_id": self.request_id, **self.options}


@dataclass(slots=True)
class Ledger:
    """Kept by the load's people, each of whom does one thing after the other; read while they pause."""

    sendings: dict[tuple[str, str], Sending] = field(default_factory=dict)
    read: set[tuple[str, int]] = field(default_factory=set)  # (agent, message) that the server said is read
    # By agent, in order: all up to an event is read that was in the list as of a later one.
    read_through: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    confirmed: set[tuple[str, int]] = field(default_factory=set)
    states: list[tuple[str, str, int]] = field(default_factory=list)  # (agent, state, as of which event)
    acknowledged: int = 0  # commands of all kinds
    unanswered: Counter[str] = field(default_factory=Counter)  # tries that had to be made again, by reason
    wrong: list[str] = field(default_factory=list)  # answers that no fault excuses
