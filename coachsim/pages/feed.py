"""Follows a floor through its client: loads, listens, reconnects, and tells a page no more often than it can show."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from coachsim.errors import CoachsimError, Forbidden, NotSignedIn
from coachsim.pages.board import Board, Json

if TYPE_CHECKING:
    from coachsim.client import FloorClient

PAUSE_S = 0.6  # an update is one message to the list and one to the page: with the beats four a second at most
BEAT_S = 4.0
_RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0)
_logger = logging.getLogger(__name__)


class Feed:
    """Keeps ``board`` current and calls back, on the event loop:

    ``loaded()`` after everything was fetched afresh, ``changed()`` when the board has changes to take, ``line(state)``
    with ``live``, ``reconnecting`` or ``signed_out``, ``failed(error)`` for what nobody expected, and ``beat()`` every
    few seconds, so that a browser can tell a quiet floor from a dead kernel.
    """

    def __init__(
        self,
        client: FloorClient,
        board: Board,
        *,
        loaded: Callable[[], None],
        changed: Callable[[], None],
        line: Callable[[str], None],
        failed: Callable[[BaseException], None],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.client = client
        self.board = board
        self.me: Json = {}
        self.state = "connecting"
        self._loaded = loaded
        self._changed = changed
        self._line = line
        self._failed = failed
        self._beat = beat
        self._dirty = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to follow; needs a running event loop."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(work()) for work in (self._follow, self._tell, self._beats)]

    async def stop(self) -> None:
        """Ends the tasks and lets go of the client."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.client.close()

    def _set_line(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._line(state)

    async def _follow(self) -> None:
        tries = 0
        while True:
            try:
                after = await self._load()
                self._loaded()
                self._set_line("live")
                tries = 0
                await self._listen(after)
            except (NotSignedIn, Forbidden):
                self._set_line("signed_out")
                return
            except CoachsimError as error:
                _logger.info("The floor cannot be followed just now: %s", error)
            except Exception as error:
                self._failed(error)
            if self.state != "connecting":
                self._set_line("reconnecting")
            await asyncio.sleep(_RETRY_S[min(tries, len(_RETRY_S) - 1)])
            tries += 1

    async def _load(self) -> int:
        client = self.client
        self.me = await client.me()
        lists = (await client.agents(), await client.messages(), await client.schedules())
        return self.board.load(await client.floor(), *lists)

    async def _listen(self, after: int) -> None:
        async for event_id, name, data in self.client.events(after):
            if name == "reset":
                after = await self._load()
                self._loaded()
            elif name == "signed_out":
                raise NotSignedIn("You are signed out. Sign in again.")
            elif name == "reconnecting":
                self._set_line("reconnecting")
                continue
            else:
                self.board.apply(event_id, name, data)
                self._dirty.set()
            self._set_line("live")

    async def _tell(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                self._changed()
            except Exception as error:
                self._failed(error)
            await asyncio.sleep(PAUSE_S)

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            self._beat()
