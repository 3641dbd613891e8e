"""What deliveries are counted by: teams, campaigns, hours … as SQL that counts ten million rows in one pass.

A ``Question`` is one query being put together. Hour, priority and sender stand beside each delivery in
``all_deliveries``, since matching ten million rows with their messages costs more than counting them. What overlaps
(an agent is in several campaigns) is counted by the *set* of groups first and spread over its members at the end.

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
    if not keys:
        return frame
    return frame.astype({key: "int64" if key in ("hour", "message_id") else "str" for key in keys})


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
        if (wanted := names(days, "days")) is not None:
            self.only("list_contains($days, deliveries.day)", days=wanted)
        if (wanted := names(teams, "teams")) is not None:
            self.only("list_contains($teams, deliveries.team)", teams=wanted)
        if message_ids is not None and len(message_ids) == 1:
            self.only("deliveries.message_id = $message_id", message_id=message_ids[0])
        elif message_ids is not None:
            # The bounds let the database skip all that lies outside, which a set alone does not.
            bounds = "deliveries.message_id BETWEEN list_min($message_ids) AND list_max($message_ids)"
            self.only(f"{bounds} AND list_contains($message_ids, deliveries.message_id)", message_ids=message_ids)

    @property
    def by(self) -> str:
        """The keys as a list of columns; empty where there are none."""
        return columns(*self.keys)

    @property
    def where(self) -> str:
        """The condition, with ``deliveries`` for the table; empty where everything counts."""
        return f" WHERE {' AND '.join(self._conditions)}" if self._conditions else ""

    def only(self, condition: str, **values: Any) -> None:
        """Leaves in what meets the condition, in which each ``$name`` is that one of the ``values``."""
        self._conditions.append(condition)
        self.parameters |= values

    def answer(self, sql: str, *then_by: str) -> pd.DataFrame:
        """The query's answer, its rows in the order of the keys, then of the columns ``then_by``."""
        order = columns(self.by, *then_by)
        return typed(self.log.sql(f"{sql} ORDER BY {order}" if order else sql, self.parameters), self.keys)

    def counted(self, counts: Mapping[str, str], extra: Mapping[str, str] | None = None) -> str:
        """``WITH … counted``: a row for each group, with its keys, ``extra`` columns to count by, and the counts.

        ``counts`` and ``extra`` are names and SQL over the columns of ``deliveries``; counts are sums, so that those
        of parts can be added up.
        """
        extra = extra or {}
        sets = [key for key in self.keys if key in OVERLAPPING]
        ctes, joins = [], ""
        grouped = [f"deliveries.{key}" for key in self.keys if key not in sets]
        if sets:
            ctes += memberships(sets)
            joins += (
                " JOIN versions ON versions.agent_id = deliveries.agent_id"
                " AND deliveries.sent_at >= versions.valid_from AND deliveries.sent_at < versions.valid_to"
            )
            grouped.append("versions.set_id")
        chosen = columns(
            *grouped,
            *(f"{sql} AS {name}" for name, sql in extra.items()),
            *(f"{sql} AS {name}" for name, sql in counts.items()),
        )
        first = f"SELECT {chosen} FROM all_deliveries AS deliveries{joins}{self.where} GROUP BY ALL"
        if not sets:
            ctes.append(f"counted AS ({first})")
        else:
            summed = columns(self.by, *extra, *(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in counts))
            ctes.append(f"parts AS ({first})")
            ctes.append(f"counted AS (SELECT {summed} FROM parts JOIN sets USING (set_id) GROUP BY ALL)")
        return f"WITH {', '.join(ctes)} "


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
