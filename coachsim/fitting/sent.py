"""What was sent on a day of a log, as the planned messages of a scenario."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from coachsim.days import MINUTE
from coachsim.fitting.attendance import Attendance
from coachsim.log import MessageLog
from coachsim.models import GROUP_KINDS, Agent, Audience, Filter, is_blank
from coachsim.scenario import PlannedMessage
from coachsim.sends import matches

_KEY = 40
_MOST_MIN, _LEAST_MIN = 1_440.0, 0.1


def planned(log: MessageLog, day: str, seen: Attendance) -> tuple[tuple[PlannedMessage, ...], int]:
    """The day's messages, each at the minute at which it was sent; and how many went to nobody who is still there.

    An audience stays as it was given where it means the same people on this floor. Where it does not, because its
    sender has only some of the teams or the roster has changed, it is narrowed to those teams, or becomes the list of
    those who got it; so does a reminder, which went to whoever had not read another message. A filter by state stays:
    it means whoever is in that state on the simulated day.
    """
    sent = log.sql(_MESSAGES, {"day": day})
    got = log.sql("SELECT message_id, agent_id FROM deliveries WHERE day = $day", {"day": day})
    recipients = {int(message_id): set(rows) for message_id, rows in got.groupby("message_id")["agent_id"]}
    wall = seen.wall_minutes(sent["moment"].tolist())["minute"]
    groups = {(kind, group) for agent in seen.agents for kind in GROUP_KINDS for group in agent.groups(kind)}
    found: list[PlannedMessage] = []
    left_out = 0
    taken: set[str] = set()
    for minute, row in zip(wall.tolist(), sent.to_dict("records"), strict=True):
        got_it = recipients.get(row["message_id"], set())
        to = _to(Audience.from_json(json.loads(row["audience"])), got_it, seen.agents, groups)
        if to is None:
            left_out += 1
            continue
        key = _key(row["body"], taken)
        taken.add(key)
        lasts = None if row["expires"] != row["expires"] else (row["expires"] - row["moment"]) / MINUTE
        message = {
            "key": key,
            "body": row["body"],
            "to": to,
            "at": f"{int(minute) // 60:02}:{int(minute) % 60:02}",
            "priority": row["priority"],
            "ack_required": bool(row["ack_required"]),
            "expires_after_min": None if lasts is None else round(min(_MOST_MIN, max(_LEAST_MIN, lasts)), 2),
        }
        found.append(PlannedMessage.model_validate(message))
    return tuple(found), left_out


_MESSAGES = """
    SELECT message_id, epoch_us(sent_at) AS moment, audience, body, priority, ack_required,
           CAST(epoch_us(expires_at) AS DOUBLE) AS expires
    FROM messages WHERE day = $day ORDER BY message_id
"""


def _to(
    audience: Audience, recipients: Collection[str], agents: Sequence[Agent], groups: Collection[tuple[str, str]]
) -> dict[str, Any] | str | None:
    """The audience on this floor; None where nobody of it is there."""
    here = {agent.agent_id for agent in agents if agent.agent_id in recipients}
    if not here:
        return None
    teams = tuple(sorted({agent.team for agent in agents if agent.agent_id in here}))
    for one in (audience, _of_teams(audience, teams)):
        if one is None or not _is_known(one, groups):
            continue
        if one.filter is not None and one.filter.state:
            return one.to_json()
        if {agent.agent_id for agent in agents if matches(agent, one)} == here:
            return "everyone" if one.everyone else one.to_json()
    return Audience(agents=tuple(sorted(here))).to_json()


def _is_known(audience: Audience, groups: Collection[tuple[str, str]]) -> bool:
    """Whether the audience is one by itself, and the floor has all groups that it names."""
    if audience.unread_of is not None:
        return False
    given = audience.filter.given if audience.filter else {}
    return all((kind, group) in groups for kind in GROUP_KINDS for group in given.get(kind, ()))


def _of_teams(audience: Audience, teams: tuple[str, ...]) -> Audience | None:
    """The audience within some teams; None for named agents and reminders."""
    if audience.agents or audience.unread_of is not None:
        return None
    return Audience(filter=replace(audience.filter or Filter(), team=teams))


def _key(body: str, taken: Collection[str]) -> str:
    """The first words, as a name that no other message has."""
    words = " ".join(body.replace("#", " ").split())
    short = words if len(words) <= _KEY else words[:_KEY].rsplit(" ", 1)[0] + " …"
    name = "message" if is_blank(short) else short
    number, key = 1, name
    while key in taken:
        number += 1
        key = f"{name} ({number})"
    return key
