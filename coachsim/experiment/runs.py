"""Replications: the same seeds for every variant, as many as are asked for or as an interval needs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from coachsim.errors import InvalidInput
from coachsim.experiment.cluster import cluster as cluster_workers
from coachsim.experiment.work import Task, Variant, Workers, here, local_processes, usable_cores
from coachsim.intervals import Estimate, mean_interval, paired_interval
from coachsim.models import Agent
from coachsim.plan import SEEDS, floor_of
from coachsim.scenario import FloorShape, Scenario
from coachsim.tally import Tally, checked_measure

MOST = 10_000
"""Replications after which a half-width is given up."""
FEWEST = 20
"""Replications before which no half-width is believed: an interval of few days may be narrow by luck."""
SERIAL_S = 2.0
"""Seconds of work that are done in this process; starting others takes about as long."""
_CHUNK_S = 0.4  # so that progress moves, and an interruption loses little

Progress = bool | Callable[[int, int], None]
"""True shows a bar if it takes more than a moment; a function is told (days done, days in all) in this thread.

Such a function may raise ``KeyboardInterrupt`` to stop, as Ctrl-C does.
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many replications, from which seed: so many, or as many as ``half_width`` of ``measure`` needs."""

    replications: int
    half_width: float | None
    measure: str
    seed: int


@dataclass(frozen=True, slots=True)
class Runs:
    """A tally for each variant, on the same seeds.

    ``interrupted``: there are fewer than was wanted. ``reached``: whether the half-width was; None if none was wanted.
    """

    tallies: tuple[Tally, ...]
    interrupted: bool
    reached: bool | None


def replicate(
    scenarios: Sequence[Scenario],
    wanted: Wanted,
    *,
    message: str | None = None,
    agents: Sequence[Agent] | None = None,
    cluster: Any = None,
    processes: int | None = None,
    progress: Progress = True,
) -> Runs:
    """Counts the days of all scenarios.

    After Ctrl-C the replications that all variants have are kept, if there are two at least.
    """
    variants = _with_agents(scenarios, message, agents)
    with ExitStack() as open_until_done:
        tell = open_until_done.enter_context(_teller(progress))
        counting = _Counting(variants, wanted.seed, tell, processes)
        reached = None
        try:
            if cluster is not None:
                counting.workers = open_until_done.enter_context(cluster_workers(cluster, variants))
            if wanted.half_width is None:
                counting.extend(wanted.replications, open_until_done)
            else:
                reached = _until_narrow(counting, wanted, open_until_done)
        except KeyboardInterrupt:
            if counting.kept() < 2:
                raise
            return Runs(counting.tallies(), True, None if wanted.half_width is None else False)
        return Runs(counting.tallies(), False, reached)


def _with_agents(scenarios: Sequence[Scenario], message: str | None, agents: Sequence[Agent] | None) -> list[Variant]:
    """All on the floor of ``agents``, if given; else each floor is read once, however many variants share it."""
    if agents is not None:
        return [Variant(scenario, tuple(agents), message) for scenario in scenarios]
    floors: dict[tuple[str, FloorShape], tuple[Agent, ...]] = {}
    variants = []
    for scenario in scenarios:
        shape = (str(scenario.roster_path()), scenario.floor)
        if shape not in floors:
            floors[shape] = tuple(floor_of(scenario))
        variants.append(Variant(scenario, floors[shape], message))
    return variants


class _Counting:
    """The replications so far, in parts; ``workers`` are None as long as this process counts by itself."""

    def __init__(
        self, variants: Sequence[Variant], seed: int, tell: Callable[[int, int], None], processes: int | None
    ) -> None:
        self.workers: Workers | None = None
        self._variants = variants
        self._seed = seed
        self._tell = tell
        self._processes = processes
        self._parts: dict[int, dict[int, Tally]] = {}  # by first replication, then by variant
        self._done = 0  # days
        self._day_s = 0.0  # what a day takes here, as last seen

    def kept(self) -> int:
        """How many replications, from the first on, all variants have."""
        upto = 0
        while len(parts := self._parts.get(upto, {})) == len(self._variants):
            upto += len(parts[0].seeds)
        return upto

    def tallies(self) -> tuple[Tally, ...]:
        """Each variant's tally of the replications that all have, in the order of the seeds."""
        kept = self.kept()
        starts = sorted(start for start in self._parts if start < kept)
        return tuple(
            Tally.joined([self._parts[start][number] for start in starts]) for number in range(len(self._variants))
        )

    def extend(self, upto: int, open_until_done: ExitStack) -> None:
        """Counts replications until there are ``upto``."""
        total = upto * len(self._variants)
        # The first is counted here, whoever does the rest: so what is wrong with a scenario is said at once.
        if not self._parts and upto:
            self._count(here(self._variants), 0, 1, 1, total)
        size = 32
        while (start := self.kept()) < upto:
            left = upto - start
            # The very first day also pays for what is loaded at first use: it does not count as slow.
            if self.workers is None and (start > 1 or len(self._variants) > 1 or self._processes):
                self.workers = self._more_hands(left, open_until_done)
            if self.workers is not None:
                even = math.ceil(left * len(self._variants) / (4 * self.workers.hands))
                self._count(self.workers, start, upto, min(even, max(4, self._in_time(4 * _CHUNK_S))), total)
            else:
                size = max(1, min(left, size, self._in_time(_CHUNK_S)))
                self._count(here(self._variants), start, start + size, size, total)
                size *= 4

    def _in_time(self, seconds: float) -> int:
        return max(1, int(seconds / max(self._day_s, 1e-6)))

    def _more_hands(self, left: int, open_until_done: ExitStack) -> Workers | None:
        hands = self._processes or usable_cores()
        if hands == 1 or (self._processes is None and left * len(self._variants) * self._day_s < SERIAL_S):
            return None
        return open_until_done.enter_context(local_processes(self._variants, hands))

    def _count(self, workers: Workers, start: int, end: int, size: int, total: int) -> None:
        tasks = [
            Task(variant, first, tuple(range(self._seed + first, self._seed + min(first + size, end))))
            for first in range(start, end, size)
            for variant in range(len(self._variants))
        ]
        self._day_s = math.inf
        last = time.perf_counter()
        try:
            for task, part in workers.counted(tasks):
                now = time.perf_counter()
                self._day_s = min(self._day_s, (now - last) * workers.hands / len(task.seeds))
                last = now
                self._keep(task, part)
                self._done += len(task.seeds)
                self._tell(self._done, total)
        except KeyboardInterrupt:
            for task, part in workers.begun():
                self._keep(task, part)
            raise

    def _keep(self, task: Task, part: Tally) -> None:
        self._parts.setdefault(task.start, {})[task.variant] = part


def _until_narrow(counting: _Counting, wanted: Wanted, open_until_done: ExitStack) -> bool:
    """More and more replications until the half-width is reached; False if it is not after ``MOST``.

    How many come next hangs on the numbers alone, so every machine stops at the same one.
    """
    assert wanted.half_width is not None
    upto = FEWEST
    while True:
        counting.extend(upto, open_until_done)
        widths = [estimate.half_width for estimate in _watched(counting.tallies(), wanted.measure)]
        if any(width is None for width in widths):
            raise InvalidInput(
                f"{wanted.measure} has no value on nearly all of the first {upto} days, so there is no interval to"
                " narrow. Choose another measure, or give the number of replications.",
                field="measure",
            )
        widest = max(width for width in widths if width is not None)
        if widest <= wanted.half_width:
            return True
        if upto >= MOST:
            return False
        needed = math.ceil(min(4.0, 1.05 * (widest / wanted.half_width) ** 2) * upto)
        upto = min(MOST, max(needed, upto + FEWEST // 2))


def _watched(tallies: Sequence[Tally], measure: str) -> list[Estimate]:
    """What a half-width is asked of: the differences from the first variant, or the value if there is only one."""
    first, *others = [tally.values(measure) for tally in tallies]
    return [paired_interval(other, first) for other in others] or [mean_interval(first)]


def wanted_of(replications: int | None, half_width: float | None, measure: str, seed: int) -> Wanted:
    """Checks how many replications are asked for, of which measure and from which seed."""
    checked_measure(measure)
    if replications is not None and half_width is not None:
        raise InvalidInput("Give either replications or half_width, not both.", field="half_width")
    if half_width is not None and not (math.isfinite(half_width) and half_width > 0):
        raise InvalidInput(f"A half-width is a number above 0, not {half_width!r}.", field="half_width")
    number = whole(100 if replications is None else replications, "replications", 1, 100_000)
    return Wanted(number, half_width, measure, whole(seed, "seed", 0, SEEDS - 1 - max(number, MOST)))


def whole(value: Any, name: str, low: int, high: int) -> int:
    """The value as a whole number in a range; ``InvalidInput`` names it otherwise."""
    try:
        number = None if isinstance(value, bool) else int(value.__index__())
    except AttributeError:
        number = None
    if number is None or not low <= number <= high:
        raise InvalidInput(f"{name} is a whole number from {low} to {high}, not {value!r}.", field=name)
    return number


@contextmanager
def _teller(progress: Progress) -> Iterator[Callable[[int, int], None]]:
    if callable(progress):
        yield progress
        return
    from tqdm.auto import tqdm

    bars: list[Any] = []

    def tell(done: int, total: int) -> None:
        if not bars:
            bars.append(
                tqdm(desc="Simulated days", unit="day", delay=1.0, disable=not progress, leave=False, total=total)
            )
        (bar,) = bars
        if bar.total != total:
            bar.reset(total)  # a notebook's bar takes another total in no other way
        bar.update(done - bar.n)

    try:
        yield tell
    finally:
        for bar in bars:
            bar.close()
