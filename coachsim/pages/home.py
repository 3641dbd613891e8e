"""Where a page lives: the event loop in which everything that a browser says is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Home:
    """The loop of whoever makes it, or of the first to say something where nothing runs yet.

    JupyterLab has the kernel hear each kind of widget in a thread of its own, which has a loop of its own. A page's
    client, its feed and its work in the background belong to the loop of the cell that made the page, and none of
    them may be touched from another thread.
    """

    def __init__(self) -> None:
        self._loop = _running()

    def answer(self, call: Callable[..., None], *said: Any) -> None:
        """Has ``call(*said)`` made in this loop: at once if this is it, else as soon as it comes to it."""
        here = _running()
        if self._loop is None or not self._loop.is_running():
            self._loop = here
        if self._loop is None or self._loop is here:
            call(*said)
        else:
            self._loop.call_soon_threadsafe(call, *said)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
