"""The way of events to the log and back: what is decided in one turn of the loop goes to the log together.

When thousands of pages report at once, handing over, waking and waiting would cost as much for each as the rules do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from coachsim.events import Event
from coachsim.log import LogWriter


class _Batch:
    """Events that are committed together or not at all, and those who wait for them."""

    __slots__ = ("error", "events", "is_done", "waiters")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.waiters: list[asyncio.Future[None]] = []
        self.is_done = False
        self.error: BaseException | None = None


class Commits:
    """Hands events to ``writer`` and tells what came of them, in order. All methods belong to one event loop.

    ``on_committed`` gets the events of each commit, before those who wait for it go on; ``on_failed`` the error of one
    that failed, after those who waited for it have been told.
    """

    def __init__(
        self,
        writer: LogWriter,
        on_committed: Callable[[Sequence[Event]], None],
        on_failed: Callable[[BaseException], None],
    ) -> None:
        self._writer = writer
        self._on_committed = on_committed
        self._on_failed = on_failed
        self._open: _Batch | None = None
        self._newest: _Batch | None = None
        self._done: deque[tuple[_Batch, BaseException | None]] = deque()
        self._waking = False

    def put(self, events: Sequence[Event]) -> None:
        """Takes events on. They are handed over when whatever else is ready in this turn of the loop has had it."""
        if not events:
            return
        if self._open is None:
            self._open = self._newest = _Batch()
            asyncio.get_running_loop().call_soon(self.hand_over)
        self._open.events += events

    async def settled(self) -> None:
        """Waits until everything put so far is committed; raises ``LogUnavailable`` where that failed."""
        batch = self._newest
        if batch is None:
            return
        if batch.error is not None:
            raise batch.error
        if not batch.is_done:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            batch.waiters.append(waiter)
            await waiter

    def hand_over(self) -> None:
        """Gives the writer what there is, now."""
        batch, self._open = self._open, None
        if batch is None:
            return
        loop = asyncio.get_running_loop()

        def hear(done: Future[None]) -> None:
            # In the writer's thread. The loop is woken once for whatever is committed by the time that it looks.
            self._done.append((batch, done.exception()))
            if not self._waking:
                self._waking = True
                loop.call_soon_threadsafe(self._take_done)

        self._writer.append(batch.events).add_done_callback(hear)

    def forget(self) -> None:
        """What failed has been dealt with: nobody is told of it any more."""
        self._newest = None

    def _take_done(self) -> None:
        self._waking = False  # before looking: what comes after the last look wakes the loop again
        while self._done:
            self._settle(*self._done.popleft())

    def _settle(self, batch: _Batch, error: BaseException | None) -> None:
        batch.is_done, batch.error = True, error
        if error is None:
            self._on_committed(batch.events)
        for waiter in batch.waiters:
            if waiter.done():
                continue  # who waited has been cancelled
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        if error is not None:
            self._on_failed(error)
