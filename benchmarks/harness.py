"""What the benchmarks share: interleaved runs, medians, and one line of a table for each claim."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

HEADER = "| claim | ours | reference | ratio | goal |\n|---|---|---|---|---|"


def interleaved(
    *runs: Callable[[], object], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> list[list[float]]:
    """Seconds of each of the runs, in turns, so that a slow moment of the machine falls on all of them alike.

    One round before that does not count. Nothing is collected while a run is timed; all is collected before it.
    """
    seconds: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 1):
        for place, run in enumerate(runs):
            gc.collect()
            gc.freeze()
            gc.disable()
            try:
                start = clock()
                kept = run()
                taken = clock() - start
                del kept
            finally:
                gc.enable()
                gc.unfreeze()
            if number:
                seconds[place].append(taken)
    return seconds


def ratio(ours: Sequence[float], reference: Sequence[float]) -> float:
    """The median of the rounds' ratios: each of ours with the reference next to it."""
    return statistics.median(one / other for one, other in zip(ours, reference, strict=True))


def ms(seconds: Sequence[float]) -> str:
    """A median and the fastest, in milliseconds."""
    return f"{statistics.median(seconds) * 1e3:,.0f} ms (least {min(seconds) * 1e3:,.0f})"


def line(claim: str, ours: str, reference: str, measured: float | None, goal: float | None, note: str = "") -> str:
    """A line of the table; says where a goal is missed."""
    shown = "" if measured is None else f"{measured:.2f}" if measured >= 0.1 else f"{measured:.4f}"
    wanted = "" if goal is None else f"≤ {goal:g}"
    missed = measured is not None and goal is not None and measured > goal
    return f"| {claim} | {ours} | {reference} | {shown}{' **missed**' if missed else ''} | {wanted}{note} |"


def peak_mb() -> float:
    """The most memory that this process has had (MB)."""
    with suppress(OSError):
        for text in Path("/proc/self/status").read_text().splitlines():
            if text.startswith("VmHWM"):
                return int(text.split()[1]) / 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def start_peak() -> None:
    """Forgets the peak so far, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
