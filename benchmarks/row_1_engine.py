"""Row 1: the engine, plan to events through the floor, at most 1.5 times bare SimPy doing the same day."""

from __future__ import annotations

import time

from benchmarks import bare
from benchmarks.days import day
from benchmarks.harness import interleaved, line, ms, ratio
from coachsim.events import ClearedDown
from coachsim.simulation import play
from coachsim.state import FloorState


def same_day(plan) -> int:
    """Both play the same day, delivery by delivery; else the comparison would mean nothing. How many there are."""
    state = FloorState()
    events = play(plan)
    for event in events:
        state.apply(event)
        if isinstance(event, ClearedDown):
            break
    ours = {
        (row.message.request_id, agent_id): [one.toast_at, one.notified_at, one.read_at, one.acknowledged_at]
        for row in state.messages.values()
        for agent_id, one in row.deliveries.items()
    }
    same, theirs = bare.play(plan)
    assert ours == theirs
    assert list(events[1:-2]) == same  # the day's two beginnings and its end are the floor's own
    return len(ours)


def main() -> None:
    plan = day(1_000)
    deliveries = same_day(plan)
    ours, reference = interleaved(lambda: play(plan), lambda: bare.play(plan), rounds=15, clock=time.process_time)
    claim = f"1: engine, 1,000 agents, {len(plan.sends)} messages, {deliveries:,} deliveries"
    print(line(claim, ms(ours), f"bare SimPy {ms(reference)}", ratio(ours, reference), 1.5), flush=True)


if __name__ == "__main__":
    main()
