"""Seats: who is a virtual agent for a while (practice). A seat whose page has gone is given back by itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coachsim.errors import CoachsimError, Forbidden, NotFound, SeatTaken
from coachsim.server.sessions import Caller
from coachsim.server.stream import Streams

if TYPE_CHECKING:
    from coachsim.practice import Practice

PATIENCE_S = 60.0
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Held:
    """A seat, who took it, and when a page of it was last there."""

    caller: Caller
    seen: float


class Seats:
    """The seats of a site; a live one (``practice`` None) has none.

    ``still`` says whether a caller who was let in still would be. A seat without a page for ``patience`` seconds of
    the wall's time is given back.
    """

    def __init__(
        self,
        practice: Practice | None,
        streams: Streams,
        still: Callable[[Caller], bool],
    ) -> None:
        self._practice = practice
        self._streams = streams
        self._still = still
        self.patience = PATIENCE_S
        self._held: dict[str, _Held] = {}
        self._changing = asyncio.Lock()
        self._ended = asyncio.Event()
        self._watching = asyncio.create_task(self._watch()) if practice is not None else None

    def check(self) -> Practice:
        """The practice; ``NotFound`` on a live floor."""
        if self._practice is None:
            raise NotFound(
                "This floor is live: it has no seats to take, and its clock is the wall's. Ask a practice floor."
            )
        return self._practice

    def sit(self, agent_id: str, caller: Caller) -> str:
        """The agent whose seat this is, if it is the caller's. Counts as a sign of life."""
        if self._practice is None or self._practice.seats.get(agent_id) != caller.name:
            raise Forbidden("You do not have this seat. Take it first.")
        if agent_id in self._held:
            self._held[agent_id].seen = time.monotonic()
        return agent_id

    async def take(self, agent_id: str, caller: Caller) -> None:
        """The caller is this agent from now on; again is fine. ``SeatTaken`` where somebody else is."""
        practice = self.check()
        async with self._changing:
            try:
                await practice.take_seat(agent_id, holder=caller.name)
            finally:
                if practice.seats.get(agent_id) == caller.name:
                    self._held[agent_id] = _Held(caller, time.monotonic())

    async def give_back(self, agent_id: str, caller: Caller) -> None:
        """The virtual agent takes over again. A seat that nobody has is given back already."""
        holder = self.check().seats.get(agent_id)
        if holder is not None and holder != caller.name:
            raise SeatTaken(f"{holder} has this seat, and only they can give it back.")
        await self._release(agent_id)

    async def _release(self, agent_id: str) -> None:
        practice = self.check()
        async with self._changing:
            holder = practice.seats.get(agent_id)
            self._held.pop(agent_id, None)
            if holder is not None:
                self._streams.end_seat(agent_id)
                await practice.give_back(agent_id, holder=holder)

    # --- what happens by itself ---

    def signed_out(self) -> None:
        """Sign-ins may have ended: the seats of those go back."""
        self._ended.set()

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(min(1.0, self.patience / 4)):
                    await self._ended.wait()
            except TimeoutError:
                pass
            sign_ins_ended = self._ended.is_set()
            self._ended.clear()
            for agent_id, held in tuple(self._held.items()):
                if self._streams.has_page(agent_id):
                    held.seen = time.monotonic()
                gone = time.monotonic() - held.seen > self.patience
                if gone or (sign_ins_ended and not self._still(held.caller)):
                    try:
                        await self._release(agent_id)
                    except CoachsimError as error:
                        # What the log did not take is put right by the practice itself, once the log can be written.
                        _logger.warning("the seat of %s was given back without a record: %s", agent_id, error)

    async def close(self) -> None:
        """Ends the watch; the seats end with the server."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
