"""Templates: texts with ``{name}``, ``{team}``, ``{time}`` in them, checked when they are kept, filled before a send.

One message is one text for all who get it. So ``{name}`` can be filled in for one agent only, ``{team}`` for agents of
one team, ``{time}`` for anybody. ``{{`` and ``}}`` are braces. What cannot be filled in is refused, never sent raw.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from coachsim.errors import TemplateFault
from coachsim.models import MAX_BODY, clean_text

PLACEHOLDERS = ("name", "team", "time")
MAX_TITLE = 60
_MARK = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_BRACES = {"{{": "{", "}}": "}"}


def checked_title(title: str) -> str:
    """The title on one line; ``InvalidInput`` where it is empty or has more than 60 characters."""
    return clean_text(" ".join(title.split()), what="title", field="title", limit=MAX_TITLE)


def checked_text(text: str, *, field: str = "body") -> str:
    """The text as it is kept: trimmed, and every placeholder one that there is.

    Raises ``InvalidInput`` as for a message, or ``TemplateFault``.
    """
    text = clean_text(text, what="template", field=field, limit=MAX_BODY)
    for mark in _MARK.finditer(text):
        found = mark.group()
        if found in _BRACES or mark[1] in PLACEHOLDERS:
            continue
        if mark[1] is None:
            raise TemplateFault(
                f"There is a single {found} in the template. A brace itself is {2 * found}.", field=field
            )
        raise TemplateFault(
            f"There is no placeholder {_shortened(found)}; there are {{name}}, {{team}} and {{time}}. A brace itself is"
            " {{ or }}.",
            field=field,
        )
    return text


def placeholders(text: str) -> list[str]:
    """The placeholders that a checked text has, each once, in the order of ``PLACEHOLDERS``."""
    found = {mark[1] for mark in _MARK.finditer(text)}
    return [name for name in PLACEHOLDERS if name in found]


def filled(text: str, agents: Sequence[tuple[str, str]], time: str, *, field: str = "template") -> str:
    """The message that a template is for these ``agents``, each a name and a team, at ``time`` (``14:05``).

    Raises ``TemplateFault`` where a placeholder does not mean the same for all of them, or the message is too long.
    """
    text = checked_text(text, field=field)
    wanted = placeholders(text)
    teams = sorted({team for _, team in agents})
    if "name" in wanted and len(agents) != 1:
        raise TemplateFault(
            f"{{name}} can be filled in for one agent, and this is for {len(agents):,}. Take it out, or send to one.",
            field=field,
        )
    if "team" in wanted and len(teams) != 1:
        raise TemplateFault(
            f"{{team}} can be filled in where all are of one team, and these are of {len(teams):,}. Take it out, or"
            " send to one team.",
            field=field,
        )
    values = {"time": time} | ({"name": agents[0][0], "team": teams[0]} if agents else {})
    body = _MARK.sub(lambda mark: _BRACES.get(mark.group()) or values[mark[1]], text).strip()
    if not 0 < len(body) <= MAX_BODY:
        raise TemplateFault(
            f"Filled in, the message has {len(body):,} characters; {MAX_BODY:,} is the most. Shorten it.", field=field
        )
    return body


def _shortened(found: str) -> str:
    return found if len(found) <= 30 else f"{found[:28]}…}}"
