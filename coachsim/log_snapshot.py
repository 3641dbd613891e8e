"""Snapshots: one stable table of the log, for some days and within a reader's scope, as Parquet.

The scope rules are the API's: agents by their team now, deliveries by their team at send, a message if a recipient is
in scope, and then only the part in scope. One query for each table; what they share is in ``_WITH``, whose parameters
are the first and the last day and the teams (null = no bound).
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING

from coachsim.audience import Scope, part_in_scope
from coachsim.errors import InvalidInput
from coachsim.models import Audience
from coachsim.records import to_json

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

TABLES = ("deliveries", "messages", "state_changes", "agents", "agent_versions", "days", "run", "audit")
_ROWS = 100_000  # as many are in memory at a time, besides the compressed bytes

# The days asked for, as labels and as the events they cover: a day goes up to and including its night's clear-down.
_WITH = """
WITH asked AS (
    SELECT coalesce($1::VARCHAR, '') AS first_day, coalesce($2::VARCHAR, '9999-12-31') AS last_day
),
span AS (
    SELECT coalesce((SELECT max(cleared_seq) FROM all_days, asked WHERE day < first_day), 0) AS after_seq,
           coalesce((SELECT min(began_seq) FROM all_days, asked WHERE day > last_day), 9223372036854775807)
               AS before_seq
),
in_team AS (SELECT agent_id FROM agents WHERE $3::VARCHAR[] IS NULL OR list_contains($3::VARCHAR[], team)),
seen AS (
    SELECT deliveries.* FROM deliveries, asked
    WHERE day BETWEEN first_day AND last_day AND ($3::VARCHAR[] IS NULL OR list_contains($3::VARCHAR[], team))
)
"""

_DELIVERIES = "SELECT * FROM seen ORDER BY message_id, agent_id"

_MESSAGES = """
    SELECT messages.* REPLACE (seen_by.recipients AS recipients), seen_by.agent_ids
    FROM messages
    JOIN (
        SELECT message_id, count(*) AS recipients, list(agent_id ORDER BY agent_id) AS agent_ids
        FROM seen GROUP BY message_id
    ) AS seen_by USING (message_id)
    ORDER BY message_id
"""

_STATE_CHANGES = """
    SELECT agent_id, changed_at, state, reason, actor
    FROM all_state_changes, span
    WHERE seq > after_seq AND seq < before_seq AND agent_id IN (FROM in_team)
    ORDER BY seq
"""

_AGENTS = "SELECT * FROM agents WHERE agent_id IN (FROM in_team) ORDER BY agent_id"

_AGENT_VERSIONS = "SELECT * FROM agent_versions WHERE agent_id IN (FROM in_team) ORDER BY agent_id, valid_from"

# A closed day's counts are of what the reader may see; an open day has none yet.
_DAYS = """
    SELECT
        day, began_at, cleared_at,
        CASE WHEN cleared_at IS NOT NULL THEN coalesce(counted.deliveries, 0) END AS deliveries,
        CASE WHEN cleared_at IS NOT NULL THEN coalesce(counted.lost, 0) END AS lost
    FROM (SELECT days.* FROM days, asked WHERE day BETWEEN first_day AND last_day) AS wanted
    LEFT JOIN (
        SELECT day, count(*) AS deliveries, count(lost_at) AS lost FROM seen GROUP BY day
    ) AS counted USING (day)
    ORDER BY began_at
"""

_RUN = "SELECT * FROM run"

# With a scope: sends with a recipient in it, agents of its teams, clear-downs (they concern everyone, but without the
# whole floor's counts), and what was put on record about an agent of its teams.
_AUDIT = """
    SELECT happened_at, actor, action, subject,
           CASE WHEN kind = 'cleared_down' AND $3::VARCHAR[] IS NOT NULL
                THEN CAST(json_object('by_hand', detail->'$.by_hand') AS VARCHAR) ELSE detail END AS detail,
           kind, seen_by.agent_ids
    FROM (
        SELECT all_audit.* FROM all_audit, span WHERE seq > after_seq AND seq < before_seq
    ) AS wanted
    LEFT JOIN (
        SELECT CAST(message_id AS VARCHAR) AS message_id, list(agent_id ORDER BY agent_id) AS agent_ids
        FROM seen WHERE $3::VARCHAR[] IS NOT NULL GROUP BY message_id
    ) AS seen_by ON kind = 'sent' AND subject = message_id
    WHERE $3::VARCHAR[] IS NULL
       OR kind = 'cleared_down'
       OR (kind = 'sent' AND seen_by.agent_ids IS NOT NULL)
       OR (kind IN ('agent_changed', 'audited') AND subject IN (FROM in_team))
    ORDER BY seq
"""

_QUERIES = {
    "deliveries": _DELIVERIES,
    "messages": _MESSAGES,
    "state_changes": _STATE_CHANGES,
    "agents": _AGENTS,
    "agent_versions": _AGENT_VERSIONS,
    "days": _DAYS,
    "run": _RUN,
    "audit": _AUDIT,
}


def snapshot(cursor: DuckDBPyConnection, table: str, start_day: str | None, end_day: str | None, teams: Scope) -> bytes:
    """The table as Parquet: days from ``start_day`` to ``end_day`` (labels, both included), within ``teams``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if table not in _QUERIES:
        raise InvalidInput(f"The log has no table {table!r}. There are {', '.join(TABLES)}.", field="table")
    days = [_day(start_day, "from"), _day(end_day, "to")]
    query = _QUERIES[table] if table == "run" else _WITH + _QUERIES[table]
    parameters = [*days, None if teams is None else sorted(teams)]
    used = [value for place, value in enumerate(parameters, start=1) if f"${place}" in query]
    finish = _FINISH.get(table, _as_it_is)
    rows = cursor.sql(query, params=used).to_arrow_reader(_ROWS)
    batches = (finish(batch, teams) for batch in rows)
    first = next(batches, None)
    if first is None:
        first = finish(pa.RecordBatch.from_pylist([], schema=rows.schema), teams)
    written = io.BytesIO()
    with pq.ParquetWriter(written, first.schema, compression="zstd") as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch)
    return written.getvalue()


def _day(day: str | None, field: str) -> str | None:
    if day is None:
        return None
    try:
        return date.fromisoformat(day).isoformat()
    except ValueError:
        raise InvalidInput(f"{day!r} is no day. Write it as in 2026-11-22.", field=field) from None


def _as_it_is(batch: pa.RecordBatch, teams: Scope) -> pa.RecordBatch:
    return batch


def _finish_messages(batch: pa.RecordBatch, teams: Scope) -> pa.RecordBatch:
    """The audience as far as the reader may see it; takes the recipients out again."""
    if teams is not None:
        texts = [
            reduced_audience(text, agent_ids, teams)
            for text, agent_ids in zip(
                batch.column("audience").to_pylist(), batch.column("agent_ids").to_pylist(), strict=True
            )
        ]
        batch = _replaced(batch, "audience", texts)
    return batch.drop_columns(["agent_ids"])


def _finish_audit(batch: pa.RecordBatch, teams: Scope) -> pa.RecordBatch:
    """The same for what the record says of sends."""
    if teams is not None:
        details = [
            _reduced_detail(detail, agent_ids, teams) if kind == "sent" else detail
            for kind, detail, agent_ids in zip(
                batch.column("kind").to_pylist(),
                batch.column("detail").to_pylist(),
                batch.column("agent_ids").to_pylist(),
                strict=True,
            )
        ]
        batch = _replaced(batch, "detail", details)
    return batch.drop_columns(["kind", "agent_ids"])


def _replaced(batch: pa.RecordBatch, column: str, values: list[str]) -> pa.RecordBatch:
    import pyarrow as pa

    place = batch.schema.get_field_index(column)
    return batch.set_column(place, batch.schema.field(place), pa.array(values, type=batch.schema.field(place).type))


def reduced_audience(text: str, agent_ids: list[str], teams: Collection[str]) -> str:
    """An audience's JSON without what names agents or teams outside the scope."""
    return to_json(part_in_scope(Audience.from_json(json.loads(text)), agent_ids, teams).to_json())


def _reduced_detail(text: str, agent_ids: list[str], teams: Collection[str]) -> str:
    detail = json.loads(text)
    detail["recipients"] = len(agent_ids)
    detail["audience"] = json.loads(reduced_audience(to_json(detail["audience"]), agent_ids, teams))
    return to_json(detail)


_FINISH = {"messages": _finish_messages, "audit": _finish_audit}
