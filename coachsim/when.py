"""When a scheduled message goes out: at a time, or at an event on the floor that has to come by a latest time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from coachsim.days import to_iso, to_micros
from coachsim.errors import InvalidInput

_EVENTS = ("back_from_break", "logged_in_share")
_SAY = (
    'Say when it goes out: {"at": time}, {"back_from_break": true} or {"logged_in_share": 0.8}; the last two may have'
    ' a "not_after".'
)


@dataclass(frozen=True, slots=True)
class When:
    """Exactly one of: ``release_at`` a time (µs); ``back_from_break``, every recipient who is present is logged in
    again; ``logged_in_share``, so much of the audience (0 to 1) is logged in.

    ``not_after`` (µs) is until when one of the last two is waited for. Raises ``InvalidInput``.
    """

    release_at: int | None = None
    back_from_break: bool = False
    logged_in_share: float | None = None
    not_after: int | None = None

    def __post_init__(self) -> None:
        if (self.release_at is not None) + self.back_from_break + (self.logged_in_share is not None) != 1:
            raise InvalidInput(_SAY, field="when")
        if self.logged_in_share is not None and not 0 < self.logged_in_share <= 1:
            raise InvalidInput("The share logged in is more than 0 and at most 1, such as 0.8.", field="when")
        if self.release_at is not None and self.not_after is not None:
            raise InvalidInput("A time needs no latest time. Leave not_after out.", field="when")

    @property
    def is_event(self) -> bool:
        """Whether it waits for something to happen rather than for a time."""
        return self.release_at is None

    def needed(self, audience: int) -> int:
        """How many of so many agents have to be logged in for the share."""
        return max(1, ceil((self.logged_in_share or 0) * audience - 1e-9))  # 0.29 of 100 is 29, whatever floats say

    @classmethod
    def from_json(cls, data: Any) -> When:
        """Reads ``{"at": time}``, ``{"back_from_break": true}`` or ``{"logged_in_share": share}``, the last two
        perhaps with ``not_after``; times are ISO 8601 with their zone. ``InvalidInput`` for anything else."""
        if not isinstance(data, Mapping) or not data or not data.keys() <= {"at", *_EVENTS, "not_after"}:
            raise InvalidInput(_SAY, field="when")
        share, back = data.get("logged_in_share"), data.get("back_from_break", False)
        if not isinstance(back, bool) or isinstance(share, bool) or not isinstance(share, int | float | None):
            raise InvalidInput(_SAY, field="when")
        return cls(
            release_at=moment(data.get("at"), what="time to send at", field="when"),
            back_from_break=back,
            logged_in_share=share,
            not_after=moment(data.get("not_after"), what="latest time", field="when"),
        )

    def to_json(self) -> dict[str, Any]:
        """The shape that ``from_json`` reads."""
        values: dict[str, Any] = {
            "at": to_iso(self.release_at),
            "back_from_break": self.back_from_break or None,
            "logged_in_share": self.logged_in_share,
            "not_after": to_iso(self.not_after),
        }
        return {name: value for name, value in values.items() if value is not None}


def whole(value: Any) -> Any:
    """12.0 is 12: to JSON they are the same number. Anything else stays what it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def moment(value: Any, *, what: str, field: str) -> int | None:
    """An ISO 8601 time with its zone in µs; None stays None. Raises ``InvalidInput`` naming ``what`` it is to be."""
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is not None:
            return to_micros(found)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidInput(f"The {what} has to be a time with its zone, such as 2026-11-22T17:00:00Z.", field=field)
