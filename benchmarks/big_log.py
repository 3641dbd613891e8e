"""A log of ten million deliveries: closed days copied from one simulated day, and an open day played behind them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.days import day
from coachsim.events import AgentChanged, ClearedDown, Event
from coachsim.log import LogWriter, Run
from coachsim.plan import plan
from coachsim.simulation import play

AGENTS = 1_000
TIME_ZONE = "Europe/London"
_FIRST = date(2024, 3, 25)  # the clocks change on the seventh day
_BATCH = 100  # days copied in one transaction

# What of the first day every copy has again, moved by whole days; the roster is loaded once.
_TIMES = {
    "events": ["happened_at"],
    "closed_days": ["began_at", "cleared_at"],
    "closed_deliveries": [
        "sent_at", "toast_at", "notified_at", "read_at", "acknowledged_at", "lost_at", "cleared_at",
    ],
    "closed_messages": ["sent_at", "expires_at"],
    "closed_state_changes": ["changed_at"],
}  # fmt: skip
_SEQS = {"seq", "began_seq", "cleared_seq"}


def make(path: Path, deliveries: int) -> int:
    """Writes a log of at least ``deliveries`` rows to ``path``; returns how many there are, the open day's included.

    A tenth of the agents changes campaigns, lists and queues half way.
    """
    scenario = day(AGENTS).scenario
    first = play(plan(scenario.model_copy(update={"date": _FIRST}), 1))
    with LogWriter.open(path, Run(kind="simulated", time_zone=TIME_ZONE)) as writer:
        writer.append(first[:-1]).result()  # each copy brings the beginning of its own day
    with duckdb.connect(str(path)) as log:
        log.execute("SET enable_progress_bar = false")
        (of_a_day,) = log.execute("SELECT count(*) FROM closed_deliveries").fetchone() or (0,)
        days = -(-deliveries // of_a_day)
        (seqs,) = log.execute("SELECT max(seq) FROM events").fetchone() or (0,)
        for start in range(1, days, _BATCH):
            log.execute("BEGIN")
            for table in _TIMES:
                log.execute(_copies(log, table, seqs), [start, min(start + _BATCH, days)])
            log.execute("COMMIT")
        log.execute(_CHANGED, [days // 2, days // 2 * seqs])
        log.execute("CHECKPOINT")
    last = _FIRST + timedelta(days=days)
    open_day = play(plan(scenario.model_copy(update={"date": last}), 2))
    with LogWriter.open(path) as writer:
        writer.append(_open(open_day, writer.seq)).result()
    with duckdb.connect(str(path), read_only=True) as log:
        (count,) = log.execute("SELECT count(*) FROM deliveries").fetchone() or (0,)
    return int(count)


def _copies(log: duckdb.DuckDBPyConnection, table: str, seqs: int) -> str:
    """The first day's rows once for each day from ``$1`` up to ``$2``, with times, ids and numbers moved on."""
    moved = []
    for (name,) in log.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ?", [table]).fetchall():
        if name in _TIMES[table]:
            moved.append(f"{name} + to_days(n) AS {name}")
        elif name == "message_id":
            moved.append("message_id + n * 86400000000 AS message_id")
        elif name == "message_ids":
            moved.append("list_transform(message_ids, lambda one: one + n * 86400000000) AS message_ids")
        elif name in _SEQS:
            moved.append(f"{name} + n * {seqs} AS {name}")
        elif name == "hour":
            local = f"timezone('{TIME_ZONE}', timezone('UTC', sent_at + to_days(n)))"
            moved.append(f"hour({local}) AS hour")  # in summer another one
        elif name == "day":
            moved.append("CAST(CAST(day AS DATE) + CAST(n AS INTEGER) AS VARCHAR) AS day")
        else:
            moved.append(name)
    has_day = table not in ("events", "closed_state_changes")
    first = f"day = '{_FIRST}'" if has_day else f"seq <= {seqs}"
    order = {"closed_deliveries": "message_id, agent_id", "closed_days": "began_seq"}.get(table, "seq")
    days = "(SELECT CAST(unnest(range($1, $2)) AS INTEGER) AS n)"
    chosen = f"SELECT {', '.join(moved)} FROM (FROM {table} WHERE {first}), {days}"
    return f"INSERT INTO {table} BY NAME {chosen} ORDER BY {order}"


_CHANGED = """
    INSERT INTO closed_agent_changes BY NAME
    SELECT $2 AS seq, changed_at + to_days(CAST($1 AS INTEGER)) AS changed_at, agent_id, name, team,
           list_transform(campaigns, lambda one: one || ' two') AS campaigns, lists[1:1] AS lists, queues, active
    FROM closed_agent_changes WHERE hash(agent_id) % 10 = 0
"""


def _open(events: list[Event], after: int) -> list[Event]:
    """A played day without its roster and without its end, numbered on."""
    kept = [one for one in events[:-1] if not isinstance(one, AgentChanged | ClearedDown)]
    return [replace(one, seq=after + place) for place, one in enumerate(kept, start=1)]
