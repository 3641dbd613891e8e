"""Passwords are hashed two at a time and behind everything else: those who sign in at 09:00 keep no message waiting."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from coachsim.errors import ServerUnavailable
from coachsim.server.accounts import hash_password, verify_password

_Result = TypeVar("_Result")
AT_A_TIME = 2  # argon2 takes 64 MB each
_STAND_BACK = 5  # of 19: further back, a machine that is busy with other things lets nobody in any more


class Hashing:
    """A pool of threads for argon2. Who comes first is served first."""

    def __init__(self) -> None:
        self._closed = False
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._pool = ThreadPoolExecutor(AT_A_TIME, "hashing", initializer=_stand_back)

    async def hash(self, password: str) -> str:
        """What is kept of a new password."""
        async with self._turns:
            return await self._run(hash_password, password)

    async def verify(self, password_hash: str | None, password: str, *, still: Callable[[], None]) -> bool:
        """Whether it is this password. ``still`` is called when its turn has come, and may raise: a crowd of guesses
        that waited together is then turned away without being tried.
        """
        async with self._turns:
            still()
            return await self._run(verify_password, password_hash, password)

    async def _run(self, work: Callable[..., _Result], *values: str | None) -> _Result:
        if self._closed:
            raise ServerUnavailable("The server is stopping. Try again in a moment.")
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *values)

    def close(self) -> None:
        """Takes no more."""
        self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)


def _stand_back() -> None:
    """Gives the processor to the event loop first. On Linux a thread has a priority of its own; argon2's inherit it."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _STAND_BACK)
