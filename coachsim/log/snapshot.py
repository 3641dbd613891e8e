"""Snapshots: one table of the log, for some days and within a reader's scope, as Parquet.

The scope rules are the API's: agents by their team now, deliveries by their team at send, a message if a recipient is
in scope, and then only the part in scope. Besides the stable tables there are those that a log is put together from
again (``PARTS``): with the events' numbers, and with the state in which the first day found each agent.

The file says in its metadata (``coachsim``, JSON) what it is a snapshot of: ``as_of``, the newest event then, which
given again makes several tables be of one moment; ``newest``, the time of the newest event of the days asked for;
``after``, the last event before them; and ``format``, the version of the log.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any, BinaryIO

import duckdb

from coachsim.audience import Scope, part_in_scope
from coachsim.errors import InvalidInput
from coachsim.log.as_of import look_back, newest_seq
from coachsim.log.file import FORMAT, explained
from coachsim.log.records import to_json
from coachsim.models import Audience

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from coachsim.log.writer import LogWriter

TABLES = ("deliveries", "messages", "state_changes", "agents", "agent_versions", "days", "run", "audit")
"""The stable tables."""
PARTS = ("run", "all_days", "all_agent_changes", "all_messages", "deliveries", "all_state_changes", "all_audit")
"""The tables that a log is put together from (log/part.py)."""
METADATA = b"coachsim"
_ROWS = 100_000  # as many are in memory at a time
_EVENTS = 1_000_000  # as many are sorted at a time

# The days asked for, as labels and as the events they cover: a day goes up to and including its night's clear-down.
_WITH = """
WITH asked AS (
    SELECT coalesce($first::VARCHAR, '') AS first_day, coalesce($last::VARCHAR, '9999-12-31') AS last_day
),
span AS (
    SELECT coalesce(
               (SELECT max(cleared_seq) FROM all_days, asked WHERE day < first_day),
               (SELECT min(began_seq) - 1 FROM all_days),  -- earlier days may have been taken out (log/retention.py)
               0
           ) AS after_seq,
           coalesce((SELECT min(began_seq) FROM all_days, asked WHERE day > last_day), 9223372036854775807)
               AS before_seq
)
"""
_WITH_SCOPE = f"""{_WITH},
in_team AS (SELECT agent_id FROM agents WHERE list_contains($teams::VARCHAR[], team)),
seen AS (
    SELECT message_id, agent_id, day, lost_at FROM deliveries, asked
    WHERE day BETWEEN first_day AND last_day AND list_contains($teams::VARCHAR[], team)
),
picked AS (SELECT message_id FROM all_messages WHERE json_exists(audience, '$.agents')),
seen_by AS (
    SELECT message_id, count(*) AS recipients,
           list(agent_id ORDER BY agent_id) FILTER (message_id IN (FROM picked)) AS agent_ids
    FROM seen GROUP BY message_id
)
"""

_ABOUT = """
    SELECT after_seq, least(before_seq - 1, coalesce((SELECT max(seq) FROM events), 0)) AS last_seq, coalesce(
        (SELECT max(happened_at) FROM events WHERE seq = (SELECT max(seq) FROM events, span WHERE seq < before_seq)),
        (SELECT max(cleared_at) FROM all_days, asked WHERE day <= last_day)
    ) AS newest
    FROM span
"""

_MESSAGES = (
    "SELECT all_messages.* FROM all_messages, asked WHERE day BETWEEN first_day AND last_day ORDER BY message_id"
)
_SEEN_MESSAGES = """
    SELECT all_messages.* REPLACE (seen_by.recipients AS recipients), seen_by.agent_ids
    FROM all_messages JOIN seen_by USING (message_id)
    ORDER BY message_id
"""

_IN_SPAN = "seq > after_seq AND seq < before_seq"
_STATE_CHANGES = "SELECT * FROM all_state_changes WHERE seq > $low AND seq <= $high {only} ORDER BY seq"
_OPENINGS = """
    SELECT * FROM (
        SELECT DISTINCT ON (agent_id) * FROM all_state_changes WHERE seq <= $low ORDER BY agent_id, seq DESC
    )
    WHERE true {only} ORDER BY seq
"""

_DAYS = "SELECT all_days.* FROM all_days, asked WHERE day BETWEEN first_day AND last_day ORDER BY began_seq"
# A closed day's counts are of what the reader may see; an open day has none yet.
_SEEN_DAYS = """
    SELECT wanted.* REPLACE (
        CASE WHEN cleared_at IS NOT NULL THEN coalesce(counted.deliveries, 0) END AS deliveries,
        CASE WHEN cleared_at IS NOT NULL THEN coalesce(counted.lost, 0) END AS lost
    )
    FROM (SELECT all_days.* FROM all_days, asked WHERE day BETWEEN first_day AND last_day) AS wanted
    LEFT JOIN (
        SELECT day, count(*) AS deliveries, count(lost_at) AS lost FROM seen GROUP BY day
    ) AS counted USING (day)
    ORDER BY began_seq
"""

_AUDIT = f"SELECT all_audit.* FROM all_audit, span WHERE {_IN_SPAN} ORDER BY seq"
# With a scope: sends with a recipient in it, agents of its teams, clear-downs (they concern everyone, but without the
# whole floor's counts), and what was put on record about an agent of its teams.
_SEEN_AUDIT = f"""
    SELECT wanted.* REPLACE (
        CASE WHEN kind = 'cleared_down' THEN CAST(json_object('by_hand', detail->'$.by_hand') AS VARCHAR)
             ELSE detail END AS detail
    ), seen_by.recipients, seen_by.agent_ids
    FROM (SELECT all_audit.* FROM all_audit, span WHERE {_IN_SPAN}) AS wanted
    LEFT JOIN seen_by ON kind = 'sent' AND subject = CAST(message_id AS VARCHAR)
    WHERE kind = 'cleared_down'
       OR (kind = 'sent' AND seen_by.recipients IS NOT NULL)
       OR (kind IN ('agent_changed', 'audited') AND subject IN (FROM in_team))
    ORDER BY seq
"""

# Each table's query for a reader who sees all, and for one with a scope. What may be long is read in parts instead.
_QUERIES = {
    "messages": (_MESSAGES, _SEEN_MESSAGES),
    "all_messages": (_MESSAGES, _SEEN_MESSAGES),
    "days": (_DAYS, _SEEN_DAYS),
    "all_days": (_DAYS, _SEEN_DAYS),
    "audit": (_AUDIT, _SEEN_AUDIT),
    "all_audit": (_AUDIT, _SEEN_AUDIT),
    "run": ("FROM run", "FROM run"),
}
for _name, _order in (("agents", "agent_id"), ("agent_versions", "agent_id, valid_from"), ("all_agent_changes", "seq")):
    _QUERIES[_name] = (
        f"FROM {_name} ORDER BY {_order}",
        f"FROM {_name} WHERE agent_id IN (FROM in_team) ORDER BY {_order}",
    )


def snapshot(cursor: DuckDBPyConnection, table: str, start_day: str | None, end_day: str | None, teams: Scope) -> bytes:
    """The table as Parquet: days from ``start_day`` to ``end_day`` (labels, both included), within ``teams``."""
    written = io.BytesIO()
    write(cursor, written, table, start_day, end_day, teams)
    return written.getvalue()


def write(
    cursor: DuckDBPyConnection,
    file: BinaryIO,
    table: str,
    start_day: str | None,
    end_day: str | None,
    teams: Scope,
    as_of: int | None = None,
) -> int:
    """Writes the table to ``file``, a part at a time; returns the event that it is as of.

    ``as_of`` asks for the log as it was at an earlier event: the table is then of the same moment as another one.
    The cursor should be in a transaction and be closed after use. Raises ``InvalidInput``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if table not in (*TABLES, *PARTS):
        raise InvalidInput(f"The log has no table {table!r}. There are {', '.join(TABLES)}.", field="table")
    asked = _Asked(cursor, _day(start_day, "from"), _day(end_day, "to"), teams)
    newest = newest_seq(cursor)
    if as_of is not None and as_of != newest:
        look_back(cursor, as_of)
    as_of = newest if as_of is None else as_of
    ((after, last, until),) = asked.rows(_ABOUT).fetchall()
    about = {"format": FORMAT, "as_of": as_of, "after": after, "newest": until.isoformat() if until else None}
    schema = cursor.sql(f"FROM {table} LIMIT 0").to_arrow_table().schema
    finish = _FINISH.get(table.removeprefix("all_"), _as_it_is)
    with pq.ParquetWriter(file, schema.with_metadata({METADATA: to_json(about)}), compression="zstd") as writer:
        for batch in asked.batches(table, after, last):
            whole = finish(batch, teams).select(schema.names)
            writer.write_batch(pa.RecordBatch.from_arrays(whole.columns, schema=writer.schema))
    return as_of


def write_from(
    writer: LogWriter,
    file: BinaryIO,
    table: str,
    start_day: str | None,
    end_day: str | None,
    teams: Scope,
    as_of: int | None = None,
) -> int:
    """As ``write``, from a log that goes on being written. Raises ``LogError`` as well."""
    cursor = writer.cursor()
    try:
        with explained(writer.path):
            cursor.execute("BEGIN")
            return write(cursor, file, table, start_day, end_day, teams, as_of)
    finally:
        with suppress(duckdb.Error):
            cursor.close()


class _Asked:
    """What is asked of the log behind ``cursor``: the days from ``first`` to ``last``, within ``teams``."""

    def __init__(self, cursor: DuckDBPyConnection, first: str | None, last: str | None, teams: Scope) -> None:
        self._cursor = cursor
        self._teams = teams
        self._values = {"first": first, "last": last, "teams": None if teams is None else sorted(teams)}

    def rows(self, query: str, **values: Any) -> Any:
        """The answer to a query on what ``_WITH`` or, with a scope, ``_WITH_SCOPE`` names."""
        query = (_WITH if self._teams is None else _WITH_SCOPE) + query
        used = {name: value for name, value in (self._values | values).items() if f"${name}" in query}
        return self._cursor.sql(query, params=used)

    def batches(self, table: str, after: int, last: int) -> Iterator[pa.RecordBatch]:
        """The rows of the table, in its order; the days asked for are the events after ``after`` up to ``last``."""
        if table == "deliveries":
            queries = self._deliveries()
        elif table in ("state_changes", "all_state_changes"):
            queries = self._state_changes(after, last, openings=table == "all_state_changes")
        else:
            everything, in_scope = _QUERIES[table]
            queries = iter([self.rows(everything if self._teams is None else in_scope)])
        for query in queries:
            yield from query.to_arrow_reader(_ROWS)

    def _deliveries(self) -> Iterator[Any]:
        """Sorted a day at a time, however many there are. A day's message ids are a range, which the scan is cut to."""
        days = self.rows(
            """SELECT day, min(message_id), max(message_id) FROM closed_messages, asked
            WHERE day BETWEEN first_day AND last_day GROUP BY day ORDER BY day"""
        ).fetchall()
        scope = "" if self._teams is None else "AND list_contains($teams::VARCHAR[], team)"
        order = "ORDER BY message_id, agent_id"
        closed = f"""SELECT * FROM closed_deliveries
            WHERE message_id BETWEEN $low AND $high AND day = $day {scope} {order}"""
        for day, low, high in days:
            yield self.rows(closed, day=day, low=low, high=high)
        open_ = f"SELECT open_deliveries.* FROM open_deliveries, asked WHERE day BETWEEN first_day AND last_day {scope}"
        yield self.rows(f"{open_} {order}")

    def _state_changes(self, after: int, last: int, *, openings: bool) -> Iterator[Any]:
        only = "" if self._teams is None else "AND agent_id IN (FROM in_team)"
        if openings:
            yield self.rows(_OPENINGS.format(only=only), low=after)
        for low in range(after, last, _EVENTS):
            yield self.rows(_STATE_CHANGES.format(only=only), low=low, high=min(low + _EVENTS, last))


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
    """The audience as far as the reader may see it."""
    if teams is None:
        return batch
    columns = (batch.column(name).to_pylist() for name in ("audience", "agent_ids"))
    return _replaced(
        batch, "audience", [reduced_audience(text, ids or [], teams) for text, ids in zip(*columns, strict=True)]
    )


def _finish_audit(batch: pa.RecordBatch, teams: Scope) -> pa.RecordBatch:
    """The same for what the record says of sends."""
    if teams is None:
        return batch
    columns = (batch.column(name).to_pylist() for name in ("kind", "detail", "recipients", "agent_ids"))
    details = [
        _reduced_detail(detail, recipients, ids or [], teams) if kind == "sent" else detail
        for kind, detail, recipients, ids in zip(*columns, strict=True)
    ]
    return _replaced(batch, "detail", details)


def _replaced(batch: pa.RecordBatch, column: str, values: list[str]) -> pa.RecordBatch:
    import pyarrow as pa

    place = batch.schema.get_field_index(column)
    return batch.set_column(place, batch.schema.field(place), pa.array(values, type=batch.schema.field(place).type))


def reduced_audience(text: str, agent_ids: list[str], teams: Collection[str]) -> str:
    """An audience's JSON without what names agents or teams outside the scope."""
    return to_json(part_in_scope(Audience.from_json(json.loads(text)), agent_ids, teams).to_json())


def _reduced_detail(text: str, recipients: int, agent_ids: list[str], teams: Collection[str]) -> str:
    detail = json.loads(text)
    detail["recipients"] = recipients
    detail["audience"] = json.loads(reduced_audience(to_json(detail["audience"]), agent_ids, teams))
    return to_json(detail)


_FINISH = {"messages": _finish_messages, "audit": _finish_audit}
