"""Where replications are counted: in this process, in several, or on a cluster. All of them give the same tallies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread, current_thread, main_thread
from types import ModuleType
from typing import Protocol

from coachsim.errors import CoachsimError
from coachsim.evaluate import evaluate
from coachsim.models import Agent
from coachsim.scenario import Scenario
from coachsim.tally import Tally, tally


class WorkersLost(CoachsimError):
    """The processes that were to count ended without an answer."""

    code = "workers_lost"
    http_status = 503


@dataclass(frozen=True, slots=True)
class Variant:
    """A scenario with its agents, so that whoever counts it needs no roster file. ``message``: count only this one."""

    scenario: Scenario
    agents: tuple[Agent, ...]
    message: str | None = None

    def counted(self, seeds: Sequence[int]) -> Tally:
        """The tally of a day for each seed."""
        return tally(evaluate(self.scenario, seeds, agents=self.agents), message=self.message)


@dataclass(frozen=True, slots=True)
class Task:
    """Some replications of one variant: the days with ``seeds``, the first of which is replication ``start``."""

    variant: int
    start: int
    seeds: tuple[int, ...]


class Workers(Protocol):
    """Who counts. ``hands``: how many tasks at once."""

    hands: int

    def counted(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Tally]]:
        """Each task with its tally, as they are done."""
        ...

    def begun(self) -> Iterator[tuple[Task, Tally]]:
        """After an interruption: the tasks that are as good as done; the others are dropped."""
        ...


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Here:
    hands = 1

    def __init__(self, variants: Sequence[Variant]):
        self._variants = variants

    def counted(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Tally]]:
        for task in tasks:
            yield task, self._variants[task.variant].counted(task.seeds)

    def begun(self) -> Iterator[tuple[Task, Tally]]:
        return iter(())


def here(variants: Sequence[Variant]) -> Workers:
    """This process, one task after the other."""
    return _Here(variants)


class _Processes:
    def __init__(self, pool: ProcessPoolExecutor, variants: Sequence[Variant], hands: int):
        self._pool = pool
        self._variants = variants
        self.hands = hands
        self._given: dict[Future[Tally], Task] = {}

    def counted(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Tally]]:
        self._given = {}
        left = iter(tasks)
        with _explained():
            # One for each to count and one to go on with. The pool is never given what it would have to give back: one
            # that loses a process waits for ever if any of its tasks was cancelled (Python 3.11).
            waiting = self._give(islice(left, 2 * self.hands))
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                waiting |= self._give(islice(left, len(done)))
                for each in done:
                    yield self._given[each], each.result()

    def begun(self) -> Iterator[tuple[Task, Tally]]:
        with _explained():
            for done in as_completed(self._given):
                yield self._given[done], done.result()

    def _give(self, tasks: Iterable[Task]) -> set[Future[Tally]]:
        given = set()
        with _main_left_alone(), _ctrl_c_later():
            for task in tasks:
                future = self._pool.submit(self._variants[task.variant].counted, task.seeds)
                self._given[future] = task
                given.add(future)
        return given


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise WorkersLost(
            "A worker process ended without an answer, perhaps for want of memory. Close other programs and try again,"
            " or count in one process (processes=1)."
        ) from error


@contextmanager
def local_processes(variants: Sequence[Variant], hands: int) -> Iterator[Workers]:
    """So many processes of this machine. They end with the block; what they had not begun is dropped."""
    # Not forked: a notebook's kernel and a server have threads, and a fork would copy their locks as they are.
    pool = ProcessPoolExecutor(hands, mp_context=get_context("spawn"), initializer=_depend_on_the_parent)
    try:
        yield _Processes(pool, variants, hands)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _depend_on_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A worker waits for tasks on a pipe that it holds open itself: it would never hear that its parent was killed.
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """While processes start, Ctrl-C waits: it is for this process alone, and after they are there.

    It reaches every process of the terminal, and a notebook's interrupt every process of the kernel's group. A process
    can say that it ignores it only once it runs Python, and ended by it before that, it would be taken for lost; one
    half started would be known to nobody.
    """
    heard = []
    in_main = current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is not None
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(True)) if in_main else None
    # Children inherit what is blocked. In this process other threads take the signal meanwhile: hence the handler.
    can_block = hasattr(signal, "pthread_sigmask")  # not on Windows
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if can_block else set()
    try:
        yield
    finally:
        if can_block:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if in_main:
            signal.signal(signal.SIGINT, before)
    if heard:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _main_left_alone() -> Iterator[None]:
    """While processes start, ``__main__`` is an empty module.

    A spawned process runs its parent's script again, to have its names. Ours needs none of them, and a script that
    compares without ``if __name__ == "__main__":`` would start itself without end.
    """
    mine = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = mine
