"""Row 1b: writing a day to a log file, at most twice one columnar load of the same rows.

The reference is the least that any log of these rows takes: every table that the log has in the end, as ready Arrow
frames, loaded into a new DuckDB file of the same schema in one transaction.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

from benchmarks.days import day
from benchmarks.harness import interleaved, line, ms, ratio
from coachsim.log.file import schema
from coachsim.simulation import play, write_log

TABLES = (
    "events",
    "closed_deliveries",
    "closed_messages",
    "closed_state_changes",
    "closed_agent_changes",
    "closed_audit",
)


def main() -> None:
    plan = day(1_000)
    events = play(plan)
    tables = schema()
    with tempfile.TemporaryDirectory() as folder:
        taken = iter(range(10_000))

        def path() -> Path:
            return Path(folder) / f"{next(taken)}.duckdb"

        def ours() -> Path:
            where = path()
            write_log(plan, events, where)
            return where

        with duckdb.connect(ours(), read_only=True) as log:
            frames = {table: log.sql(f"FROM {table}").to_arrow_table() for table in TABLES}

        def reference() -> None:
            with duckdb.connect(path()) as log:
                log.execute(tables)
                log.execute("BEGIN")
                for table, frame in frames.items():
                    log.register("frame", frame)
                    log.execute(f"INSERT INTO {table} SELECT * FROM frame")
                log.execute("COMMIT")

        written, loaded = interleaved(ours, reference, rounds=9)
    rows = sum(len(frame) for frame in frames.values())
    claim = f"1b: writing that day to a log, {len(events):,} events, {rows:,} rows in all"
    print(line(claim, ms(written), f"one columnar load {ms(loaded)}", ratio(written, loaded), 2.0), flush=True)


if __name__ == "__main__":
    main()
