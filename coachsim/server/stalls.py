"""How long the server's event loop is held up: whoever does that keeps every page waiting."""

from __future__ import annotations

import asyncio
from collections import deque

LOOK_S = 0.05
WINDOW_S = 60.0


class Stalls:
    """Wakes up every 50 ms and remembers how late it was, for a minute."""

    def __init__(self) -> None:
        self._worst: deque[tuple[int, float]] = deque()  # (second of the loop's clock, longest that ended in it)
        self._watching = asyncio.create_task(self._watch())

    @property
    def longest(self) -> float:
        """The longest of the last minute, in seconds."""
        return max((late for _, late in self._worst), default=0.0)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(LOOK_S)
            now = loop.time()
            late = now - before - LOOK_S
            if self._worst and self._worst[-1][0] == int(now):
                late = max(late, self._worst.pop()[1])
            self._worst.append((int(now), late))
            while self._worst[0][0] < now - WINDOW_S:
                self._worst.popleft()

    def close(self) -> None:
        """Looks no more."""
        self._watching.cancel()
