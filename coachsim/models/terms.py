"""The words of the vocabulary: states of agents, priorities, what becomes of a delivery; texts that somebody typed."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from coachsim.errors import InvalidInput

MAX_BODY = 1_000
MAX_REASON = 25
MAX_REQUEST_ID = 100
FLOOR = "floor"
"""The actor of what happens by itself."""
COMMAND_LINE = "command-line"
"""The actor of what somebody does with the command line."""
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
