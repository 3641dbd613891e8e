"""What deliveries are counted by: teams, campaigns, hours … as SQL that counts ten million rows in one pass.

A ``Question`` is one query being put together. Two things keep it fast. Hours on the floor's clocks are looked up by
the hour in UTC, since converting each row's time to a time zone costs ten times the counting. And what overlaps (an
agent is in several campaigns) is counted by the *set* of groups first and spread over its members at the end.

No value is written into the text of a query: text comes from the tables below, values are bound as parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from coachsim.analysis.arguments import names
from coachsim.errors import InvalidInput
from coachsim.log import MessageLog

KEYS = ("team", "campaign", "list", "queue", "hour", "state_at_send", "priority", "sender", "day")
"""What ``by`` may name. Campaigns, lists and queues overlap: their rows must not be added up."""

OVERLAPPING = {"campaign": "campaigns", "list": "lists", "queue": "queues"}
_OF_MESSAGE = ("priority", "sender")
QUARTER = 900_000_000
"""Microseconds of a quarter of an hour. Time zones' offsets are whole quarters, so each lies in one local hour."""


def checked(by: Any, allowed: tuple[str, ...] = KEYS) -> tuple[str, ...]:
    """``by`` as a tuple of keys: None or an empty list is none. Raises ``InvalidInput`` for a name that is no key."""
    given = tuple(names(by, "by") or ())
    for place, key in enumerate(given):
        if key not in allowed:
            raise InvalidInput(f"Nothing is counted by {key!r}. 'by' may name {', '.join(allowed)}.", field="by")
        if key in given[:place]:
            raise InvalidInput(f"'by' names {key!r} twice. Name it once.", field="by")
    return given


def columns(*parts: str) -> str:
    """A list of columns in SQL; empty parts are left out."""
    return ", ".join(part for part in parts if part)


def typed(frame: pd.DataFrame, keys: tuple[str, ...]) -> pd.DataFrame:
    """The frame with its keys as text also where it is empty, for which the database's driver knows no type."""
    return frame.astype({key: "str" for key in keys if key not in ("hour", "message_id")})


class Question:
    """A query about the deliveries of ``log``, counted by ``keys``, as it is put together.

    ``days`` and ``teams`` leave only those in, ``message_ids`` only these messages.
    """

    def __init__(
        self,
        log: MessageLog,
        keys: tuple[str, ...],
        *,
        days: Any = None,
        teams: Any = None,
        message_ids: list[int] | None = None,
    ) -> None:
        self.log = log
        self.keys = keys
        self.parameters: dict[str, Any] = {}
        self._conditions: list[str] = []
        self.only("list_contains($days, deliveries.day)", "days", names(days, "days"))
        self.only("list_contains($teams, deliveries.team)", "teams", names(teams, "teams"))
        # The bounds let the database skip all that lies outside, which a set alone does not.
        bounds = "deliveries.message_id BETWEEN list_min($message_ids) AND list_max($message_ids)"
        self.only(f"{bounds} AND list_contains($message_ids, deliveries.message_id)", "message_ids", message_ids)

    @property
    def by(self) -> str:
        """The keys as a list of columns; empty where there are none."""
        return columns(*self.keys)

    def only(self, condition: str, name: str, value: Any) -> None:
        """Leaves in what meets the condition, in which ``$name`` is ``value``. None changes nothing."""
        if value is not None:
            self._conditions.append(condition)
            self.parameters[name] = value

    def answer(self, sql: str, *then_by: str) -> pd.DataFrame:
        """The query's answer, its rows in the order of the keys, then of the columns ``then_by``."""
        order = columns(self.by, *then_by)
        return typed(self.log.sql(f"{sql} ORDER BY {order}" if order else sql, self.parameters), self.keys)

    def counted(self, counts: Mapping[str, str], extra: Mapping[str, str] | None = None) -> str:
        """``WITH … counted``: a row for each group, with its keys, ``extra`` columns to count by, and the counts.

        ``counts`` and ``extra`` are names and SQL over the columns of ``deliveries``; counts are sums, so that those
        of parts can be added up.
        """
        # A message, or an hour in UTC, stands for many deliveries: unless more is asked of each (extra, sets), they
        # are counted first, and only the counts are matched with what is known of the message or the hour.
        extra = extra or {}
        sets = [key for key in self.keys if key in OVERLAPPING]
        of_message = [key for key in self.keys if key in _OF_MESSAGE]
        ctes, joins, grouped, late = [], "", [], []
        for key in self.keys:
            if key == "hour":
                ctes.append(hours(self))
                unit = "epoch_us(deliveries.sent_at) // $unit"
                if extra or sets:
                    joins += f" JOIN hours ON {unit} = hours.unit"
                    grouped.append("hours.hour")
                else:
                    grouped.append(f"{unit} AS unit")
                    late.append("JOIN hours USING (unit)")
            elif key not in sets and key not in of_message:
                grouped.append(f"deliveries.{key}")
        if of_message:
            ctes.append(f"about AS MATERIALIZED (SELECT message_id, {columns(*of_message)} FROM messages)")
            if extra or sets:
                joins += " JOIN about ON about.message_id = deliveries.message_id"
                grouped += [f"about.{key}" for key in of_message]
            else:
                grouped.append("deliveries.message_id")
                late.append("JOIN about USING (message_id)")
        if sets:
            ctes += memberships(sets)
            joins += (
                " JOIN versions ON versions.agent_id = deliveries.agent_id"
                " AND deliveries.sent_at >= versions.valid_from AND deliveries.sent_at < versions.valid_to"
            )
            grouped.append("versions.set_id")
            late.append("JOIN sets USING (set_id)")
        where = f" WHERE {' AND '.join(self._conditions)}" if self._conditions else ""
        chosen = columns(
            *grouped,
            *(f"{sql} AS {name}" for name, sql in extra.items()),
            *(f"{sql} AS {name}" for name, sql in counts.items()),
        )
        first = f"SELECT {chosen} FROM deliveries{joins}{where} GROUP BY ALL"
        if not late:
            ctes.append(f"counted AS ({first})")
        else:
            summed = columns(self.by, *extra, *(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in counts))
            ctes.append(f"parts AS ({first})")
            ctes.append(f"counted AS (SELECT {summed} FROM parts {' '.join(late)} GROUP BY ALL)")
        return f"WITH {', '.join(ctes)} "


def hours(question: Question) -> str:
    """``hours(unit, hour)``: the hour on the floor's clocks, for each ``$unit`` microseconds that have messages."""
    question.parameters["zone"] = found = zone(question.log)
    between = question.log.sql(_BETWEEN, {"zone": found})["between"][0]
    question.parameters["unit"] = QUARTER if between else 4 * QUARTER
    return (
        "units AS (SELECT unnest(range(epoch_us(min(sent_at)) // $unit, epoch_us(max(sent_at)) // $unit + 1)) AS unit"
        " FROM messages), hours AS MATERIALIZED (SELECT unit,"
        " hour(timezone($zone, timezone('UTC', make_timestamp(unit * $unit)))) AS hour FROM units)"
    )


# Whether hours on the floor's clocks begin between those of UTC, as in India: then quarters have to be told apart.
_BETWEEN = f"""
    WITH span AS (
        SELECT epoch_us(min(sent_at)) // {4 * QUARTER} AS first, epoch_us(max(sent_at)) // {4 * QUARTER} AS last
        FROM messages
    ),
    starts AS (SELECT make_timestamp(unnest(range(first, last + 1)) * {4 * QUARTER}) AS starts FROM span),
    clocks AS (
        SELECT timezone($zone, timezone('UTC', starts)) AS begins,
               timezone($zone, timezone('UTC', starts + INTERVAL 3599 SECOND)) AS ends
        FROM starts
    )
    SELECT count(*) AS between FROM clocks
    WHERE date_trunc('hour', begins) <> begins OR date_trunc('hour', ends) <> begins
"""


def zone(log: MessageLog) -> str:
    """The floor's time zone (IANA), as ``run`` has it: the newest day's, where it has changed."""
    (found,) = log.sql("SELECT coalesce(time_zone, 'UTC') AS time_zone FROM run").time_zone
    return str(found)


def memberships(sets: list[str]) -> list[str]:
    """``versions``: each agent's set of groups from when to when; ``sets``: the groups that are in each set."""
    held = columns(*(OVERLAPPING[key] for key in sets))
    members = "versions"
    for key in sets:  # one unnest after the other: each campaign with each queue
        members = f"(SELECT *, unnest({OVERLAPPING[key]}) AS {key} FROM {members})"
    return [
        "versions AS MATERIALIZED (SELECT agent_id, team, active, valid_from,"
        " coalesce(valid_to, TIMESTAMP 'infinity') AS valid_to,"
        f" dense_rank() OVER (ORDER BY {held}) AS set_id, {held} FROM agent_versions)",
        f"sets AS MATERIALIZED (SELECT DISTINCT set_id, {columns(*sets)} FROM {members})",
    ]
