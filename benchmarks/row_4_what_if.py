"""Row 4: a what-if, 100 days of each of two variants with 250 agents, at most twice one engine day of 1,000 agents.

Everything from the scenarios to the table of differences, plans included, in one process. What the first answer takes
in a new process, with Python's start and all imports, is a figure of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.days import day
from benchmarks.harness import interleaved, line, ms, ratio
from coachsim import Scenario, compare
from coachsim.simulation import play

WEEKDAY = Path(__file__).parents[1] / "data" / "scenarios" / "weekday.toml"
FIRST = f"""
from coachsim import Scenario, compare
usual = Scenario.load({str(WEEKDAY)!r})
compare(usual, usual, replications=100, processes=1, progress=False)
"""


def main() -> None:
    usual = Scenario.load(WEEKDAY)
    longer = usual.model_copy(update={"policy": usual.policy.model_copy(update={"toast_seconds": 20.0})})
    plan = day(1_000)

    def what_if() -> object:
        return compare(usual, longer, replications=100, processes=1, progress=False)

    def first() -> object:
        return subprocess.run([sys.executable, "-c", FIRST], check=True, capture_output=True)

    ours, reference = interleaved(what_if, lambda: play(plan), rounds=9, clock=time.process_time)
    claim = "4: what-if, 100 days of 2 variants, 250 agents, weekday.toml"
    print(line(claim, ms(ours), f"one engine day of 1,000 agents {ms(reference)}", ratio(ours, reference), 2.0))
    alone, warm = interleaved(first, what_if, rounds=3)
    print(line("4: the first answer in a new process", ms(alone), f"warm {ms(warm)}", ratio(alone, warm), None))


if __name__ == "__main__":
    main()
