"""Row 3: the array code, rows identical to the engine's, at least 50 times as fast as bare SimPy doing the same day."""

from __future__ import annotations

import time

from benchmarks import bare
from benchmarks.days import day
from benchmarks.harness import interleaved, line, ms, ratio
from coachsim.evaluate import outcome
from coachsim.outcome import NEVER
from coachsim.plan import draw, plan_of

AT_ONCE = 20


def main() -> None:
    scenario = day(1_000).scenario
    one, many = draw(scenario, [1]), draw(scenario, range(1, AT_ONCE + 1))
    plan = plan_of(one)
    found = outcome(one)
    ours = {
        (found.messages[message], found.agents[agent].agent_id): tuple(times)
        for message, agent, *times in zip(
            found.message,
            found.agent,
            found.toast_at,
            found.notified_at,
            found.read_at,
            found.acknowledged_at,
            strict=True,
        )
    }
    theirs = bare.play(plan)[1]
    assert ours == {name: tuple(NEVER if at is None else at for at in times) for name, times in theirs.items()}
    # What changes of states there were, in their order, is part of a day too.
    single, batch, reference = interleaved(
        lambda: (outcome(one), one.rota.by_time()),
        lambda: (outcome(many), many.rota.by_time()),
        lambda: bare.play(plan),
        rounds=15,
        clock=time.process_time,
    )
    claim = f"3: array code, 1,000 agents, {len(found):,} deliveries"
    print(line(claim + ", one day", ms(single), f"bare SimPy {ms(reference)}", ratio(single, reference), 1 / 20))
    each = [seconds / AT_ONCE for seconds in batch]
    print(
        line(
            claim + f", each of {AT_ONCE} days", ms(each), f"bare SimPy {ms(reference)}", ratio(each, reference), 1 / 50
        )
    )


if __name__ == "__main__":
    main()
