"""The line from a kernel to its page, on which what the kernel says can get lost, as if it broke for a moment."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.async_api import Page, WebSocketRoute


class KernelLine:
    """Every message of a kernel to its page comes by here. What the page says arrives always.

    >>> line = await KernelLine.of(page)  # before the page is opened
    >>> line.lose_one("previewed")
    """

    def __init__(self) -> None:
        self.lost = 0  # messages so far
        self._loses: Callable[[bytes], bool] = lambda said: False

    @classmethod
    async def of(cls, page: Page) -> KernelLine:
        """The line of a page that is still to be opened."""
        line = cls()
        await page.route_web_socket(re.compile(r"/api/kernels/"), line._opened)
        return line

    def lose_one(self, method: str) -> None:
        """The next message with this method is lost."""

        def loses(said: bytes) -> bool:
            if _is(said, method):
                self._loses = lambda said: False
                return True
            return False

        self._loses = loses

    def lose_until(self, method: str) -> None:
        """Whatever the kernel says is lost, until it says this."""

        def loses(said: bytes) -> bool:
            if _is(said, method):
                self._loses = lambda said: False
            return not _is(said, method)

        self._loses = loses

    def lose_all(self) -> None:
        """The line is dead, and nobody has noticed."""
        self._loses = lambda said: True

    def _opened(self, page: WebSocketRoute) -> None:
        kernel = page.connect_to_server()

        def pass_on(said: str | bytes) -> None:
            if self._loses(said.encode() if isinstance(said, str) else said):
                self.lost += 1
            else:
                page.send(said)

        kernel.on_message(pass_on)


def _is(said: bytes, method: str) -> bool:
    return re.search(rb'"method": ?"%b"' % method.encode(), said) is not None
