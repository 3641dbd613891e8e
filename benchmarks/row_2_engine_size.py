"""Row 2: time per row of the engine at 30,000 agents, at most twice that at 1,000; and the memory it takes."""

from __future__ import annotations

import gc
import time

from benchmarks.days import day
from benchmarks.harness import interleaved, line, peak_mb, ratio, start_peak
from coachsim.plan import Plan
from coachsim.simulation import play


def rows(plan: Plan) -> int:
    """Rows of a day: its events and its deliveries."""
    events = play(plan)
    return len(events) + sum(len(getattr(event, "agent_ids", ())) for event in events)


def main() -> None:
    # Teams grow with the floor, so that an agent of either has as many messages.
    small, large = day(1_000), day(30_000, per_message=1_350)
    count, most = rows(small), rows(large)
    gc.collect()
    start_peak()
    play(large)
    peak = peak_mb()
    ours, reference = interleaved(lambda: play(large), lambda: play(small), rounds=3, clock=time.process_time)
    ours, reference = ([seconds / of for seconds in taken] for taken, of in ((ours, most), (reference, count)))
    per_row = [f"{sorted(taken)[len(taken) // 2] * 1e6:.2f} µs a row" for taken in (ours, reference)]
    claim = f"2: engine, 30,000 agents, {most:,} rows; the process peaks at {peak:,.0f} MB"
    print(
        line(claim, per_row[0], f"1,000 agents, {count:,} rows: {per_row[1]}", ratio(ours, reference), 2.0), flush=True
    )


if __name__ == "__main__":
    main()
