"""A log as it was when an event was its newest: what makes several answers be of one moment.

For one cursor the names of schema.sql then mean views of what had happened by that event. A day that has been closed
since is open again in them, worked out from its events.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from coachsim.errors import InvalidInput
from coachsim.log.file import schema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What a closed day consists of is found by its last event, except for deliveries, which have no seq.
_BY_SEQ = ("messages", "state_changes", "agent_changes", "schedule_changes", "audit")


def newest_seq(cursor: DuckDBPyConnection) -> int:
    """The number of the log's newest event; 0 in an empty log."""
    ((newest,),) = cursor.execute("SELECT coalesce(max(seq), 0) FROM events").fetchall()
    return int(newest)


def look_back(cursor: DuckDBPyConnection, seq: int) -> None:
    """From now on the cursor reads the log as of event ``seq``. Raises ``InvalidInput`` for one that is not there yet.

    The cursor should be in a transaction and be closed after use.
    """
    newest = newest_seq(cursor)
    if not 0 <= seq <= newest:
        raise InvalidInput(f"There is no event {seq}: the log's newest is {newest}.", field="as_of")
    ((database, cleared, last_message),) = cursor.execute(
        """
        SELECT current_database(), cleared,
               (SELECT coalesce(max(message_id), -1) FROM closed_messages WHERE closed_messages.seq <= cleared)
        FROM (SELECT coalesce(max(cleared_seq), 0) AS cleared FROM closed_days WHERE cleared_seq <= ?)
        """,
        [seq],
    ).fetchall()
    log = f'"{database.replace(chr(34), chr(34) * 2)}".main'
    bounds = {f"closed_{name}": f"seq <= {cleared}" for name in _BY_SEQ}
    bounds |= {"events": f"seq <= {seq}", "closed_days": f"cleared_seq <= {seq}"}
    bounds |= {"closed_deliveries": f"message_id <= {last_message}"}
    for table, bound in bounds.items():
        cursor.execute(f"CREATE TEMP VIEW {table} AS SELECT * FROM {log}.{table} WHERE {bound}")
    for view in _views():
        cursor.execute(view)


@cache
def _views() -> tuple[str, ...]:
    """The views of schema.sql, to be made for one cursor only."""
    import duckdb

    begin = "CREATE VIEW "
    queries = (statement.query for statement in duckdb.extract_statements(schema()))
    return tuple(
        query[query.index(begin) :].replace(begin, "CREATE TEMP VIEW ", 1) for query in queries if begin in query
    )
