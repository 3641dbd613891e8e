"""The vocabulary of the floor: agents, states, audiences, messages, deliveries. The events are in ``events``.

Nothing here acts; classes check their own values and that is all. Times are ``int`` microseconds since the Unix epoch,
UTC, under names ending in ``_at``: floats drift, and time zones belong to the edges.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from coachsim.errors import InvalidInput
from coachsim.when import whole

MAX_BODY = 1_000
MAX_REASON = 25
MAX_REQUEST_ID = 100
FLOOR = "floor"
"""The actor of what happens by itself."""
COMMAND_LINE = "command-line"
"""The actor of what somebody does with the command line."""
MAX_CHASE_MIN = 8 * 60
MAX_CHASES = 5
_MINUTE = 60_000_000
_SHAPES = 'An audience is {"agents": […]}, {"filter": {…}}, {"everyone": true} or {"unread_of": id}.'
GROUP_KINDS = ("campaign", "list", "team", "queue")
# Blanks, Unicode's Default_Ignorable_Code_Point, and the Braille pattern without a dot: alone they show nothing.
_UNSEEN = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]*"
)


class AgentState(StrEnum):
    """Where an agent is in the working day. *Present* means ``logged_in`` or ``break``."""

    LOGGED_OUT = "logged_out"
    LOGGED_IN = "logged_in"
    BREAK = "break"


class Priority(StrEnum):
    """``urgent`` toasts stay until they are closed; nothing else differs."""

    NORMAL = "normal"
    URGENT = "urgent"


class Status(StrEnum):
    """What has become of a delivery; each has exactly one."""

    WAITING = "waiting"
    NOTIFIED = "notified"
    READ = "read"
    ACKNOWLEDGED = "acknowledged"
    LOST = "lost"


def is_blank(text: str) -> bool:
    """Whether nobody would see anything of ``text``: it is empty, or all blanks and characters without a shape."""
    return _UNSEEN.fullmatch(text) is not None


def clean_text(text: str, *, what: str, field: str, limit: int, empty_ok: bool = False) -> str:
    """The text trimmed, with line ends as ``\\n``; refuses control characters, an empty text and one over ``limit``.

    Raises ``InvalidInput`` naming ``field``. Format characters (RTL marks, joiners) are text and stay; a text of
    nothing else is empty.
    """
    cleaned = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if is_blank(cleaned):
        cleaned = ""
    if not cleaned and not empty_ok:
        raise InvalidInput(f"The {what} is empty. Type something first.", field=field)
    if len(cleaned) > limit:
        raise InvalidInput(
            f"The {what} has {len(cleaned):,} characters; {limit:,} is the most. Shorten it.", field=field
        )
    for char in "" if cleaned.isprintable() else cleaned:
        if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t":
            raise InvalidInput(f"The {what} contains the control character U+{ord(char):04X}. Remove it.", field=field)
    return cleaned


@dataclass(frozen=True, slots=True)
class Agent:
    """One person on the roster: one team; any number of campaigns, lists and queues.

    Agents are never deleted, only made inactive.
    """

    agent_id: str
    name: str
    team: str
    campaigns: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    active: bool = True

    def groups(self, kind: str) -> tuple[str, ...]:
        """The agent's groups of one of ``GROUP_KINDS``."""
        return (self.team,) if kind == "team" else getattr(self, kind + "s")


@dataclass(frozen=True, slots=True)
class Filter:
    """Any of the values within one kind, all of the kinds together; an empty kind does not narrow."""

    campaign: tuple[str, ...] = ()
    list: tuple[str, ...] = ()
    team: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    state: tuple[str, ...] = ()

    @property
    def given(self) -> dict[str, tuple[str, ...]]:
        """The kinds that narrow, with their values."""
        return {kind: getattr(self, kind) for kind in (*GROUP_KINDS, "state") if getattr(self, kind)}


@dataclass(frozen=True, slots=True)
class Audience:
    """Who a message is for: named agents, a filter, everyone, or those who have not read a message of today.

    Exactly one of the four. A message to the last, ``unread_of`` a message_id, is a *reminder* of that message.
    """

    agents: tuple[str, ...] = ()
    filter: Filter | None = None
    everyone: bool = False
    unread_of: int | None = None

    def __post_init__(self) -> None:
        if bool(self.agents) + (self.filter is not None) + self.everyone + (self.unread_of is not None) != 1:
            raise InvalidInput(
                "Say who it is for: agents, a filter, everyone, or the unread of a message (exactly one).",
                field="audience",
            )
        if self.filter is not None:
            if not self.filter.given:
                raise InvalidInput(
                    "The filter is empty. Choose at least one value, or ask for everyone.", field="audience"
                )
            for state in self.filter.state:
                if state not in tuple(AgentState):
                    raise InvalidInput(
                        f"There is no agent state {state!r}; use logged_in, break or logged_out.", field="audience"
                    )

    @classmethod
    def from_json(cls, data: Any) -> Audience:
        """Reads ``{"agents": […]}``, ``{"filter": {kind: […]}}``, ``{"everyone": true}`` or ``{"unread_of": id}``.

        Raises ``InvalidInput`` for anything else.
        """
        if not isinstance(data, dict) or len(data) != 1:
            raise InvalidInput(
                _SHAPES,
                field="audience",
            )
        (kind, value), *_ = data.items()
        value = whole(value)
        match kind:
            case "agents":
                return cls(agents=_strings(value, "agents"))
            case "everyone" if value is True:
                return cls(everyone=True)
            case "unread_of" if type(value) is int and 0 <= value < 1 << 63:
                return cls(unread_of=value)
            case "filter" if isinstance(value, dict):
                for name in value:
                    if name not in (*GROUP_KINDS, "state"):
                        raise InvalidInput(
                            f"A filter knows no {name!r}; it has {', '.join(GROUP_KINDS)} and state.", field="audience"
                        )
                return cls(filter=Filter(**{name: _strings(values, name) for name, values in value.items()}))
        raise InvalidInput(f"An audience cannot have {kind!r} with this value. {_SHAPES}", field="audience")

    def to_json(self) -> dict[str, Any]:
        """The shape that ``from_json`` reads."""
        if self.agents:
            return {"agents": list(self.agents)}
        if self.filter is not None:
            return {"filter": {kind: list(values) for kind, values in self.filter.given.items()}}
        if self.unread_of is not None:
            return {"unread_of": self.unread_of}
        return {"everyone": True}


def _strings(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise InvalidInput(f"{name!r} has to be a list of texts.", field="audience")
    if name == "agents" and not value:
        raise InvalidInput("No agent is named. Select at least one.", field="audience")
    return tuple(dict.fromkeys(value))


@dataclass(frozen=True, slots=True)
class Chase:
    """A message's rule for reminders: whoever has been present for ``after`` (µs) without reading it gets one.

    Then another after as long again, ``times`` at most for each agent.
    """

    after: int
    times: int

    @classmethod
    def from_json(cls, data: Any) -> Chase:
        """Reads ``{"after_min": 10, "times": 2}``; ``InvalidInput`` for anything else."""
        if not isinstance(data, dict) or data.keys() != {"after_min", "times"}:
            raise InvalidInput('Reminders are asked for as {"after_min": 10, "times": 2}.', field="chase")
        after_min, times = whole(data["after_min"]), whole(data["times"])
        if type(after_min) is not int or not 1 <= after_min <= MAX_CHASE_MIN:
            raise InvalidInput(
                f"Reminders come after 1 to {MAX_CHASE_MIN} whole minutes. Choose another number.", field="chase"
            )
        if type(times) is not int or not 1 <= times <= MAX_CHASES:
            raise InvalidInput(f"Nobody is reminded more than {MAX_CHASES} times. Choose 1 to that.", field="chase")
        return cls(after_min * _MINUTE, times)

    def to_json(self) -> dict[str, int]:
        """The shape that ``from_json`` reads."""
        return {"after_min": self.after // _MINUTE, "times": self.times}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a sender hands in: everything of a message but its time, its id and its recipients.

    ``recipients_digest`` is what the preview gave; where it no longer holds the send is refused. ``ack_by`` is until
    when a message that asks to be confirmed wants that.
    """

    audience: Audience
    body: str
    request_id: str
    priority: Priority = Priority.NORMAL
    ack_required: bool = False
    expires_at: int | None = None
    recipients_digest: str | None = None
    ack_by: int | None = None
    chase: Chase | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "body", clean_text(self.body, what="message", field="body", limit=MAX_BODY))
        clean_text(self.request_id, what="request_id", field="request_id", limit=MAX_REQUEST_ID)
        if len(self.request_id) > MAX_REQUEST_ID:  # it is kept as it is given, blanks around it included
            raise InvalidInput(
                f"The request_id has more than {MAX_REQUEST_ID} characters. Shorten it.", field="request_id"
            )


@dataclass(frozen=True, slots=True)
class Message:
    """A message as sent. There is no operation that changes or recalls one.

    ``message_id`` is the microsecond of sending, bumped if taken, so ids grow.
    """

    message_id: int
    sent_at: int
    sender: str
    audience: Audience
    body: str
    priority: Priority
    ack_required: bool
    expires_at: int | None
    request_id: str
    ack_by: int | None = None
    chase: Chase | None = None

    @property
    def reminds(self) -> int | None:
        """The message_id of the message that this one is a reminder of."""
        return self.audience.unread_of


@dataclass(slots=True)
class Delivery:
    """What one message became for one agent. Times never go backwards and are None until they happen."""

    message_id: int
    agent_id: str
    team: str
    sent_at: int
    state_at_send: AgentState
    toast_at: int | None = None
    notified_at: int | None = None
    read_at: int | None = None
    acknowledged_at: int | None = None
    lost_at: int | None = None
    cleared_at: int | None = None

    @property
    def status(self) -> Status:
        """The one status it has now."""
        if self.lost_at is not None:
            return Status.LOST
        if self.acknowledged_at is not None:
            return Status.ACKNOWLEDGED
        if self.read_at is not None:
            return Status.READ
        return Status.NOTIFIED if self.notified_at is not None else Status.WAITING
