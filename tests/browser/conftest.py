"""A real Chromium, and a watch on what its pages complain of or ask other hosts for.

Browser tests and their fixtures share one event loop for the whole session (``loop_scope="session"``): the browser is
started once, and a server can run in the test's own process, where the test can look at its floor.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Request, async_playwright, expect

# How long to wait for what has to come: a busy machine with two cores must not fail a test.
expect.set_options(timeout=60_000)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: dict[str, object]) -> AsyncIterator[Browser]:
    """Chromium, started once for all tests."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(**chromium)  # type: ignore[arg-type]
        yield started
        await started.close()


class PageLog:
    """What the pages of a test complained of. ``expect("503")`` lets complaints with these words pass."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._expected: list[str] = []

    def watch(self, context: BrowserContext, *, host: str = "127.0.0.1") -> None:
        """Watches every page that ``context`` opens from now on."""
        context.on("console", self._said)
        context.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))
        context.on("request", lambda request: self._asked(request, host))

    def expect(self, *words: str) -> None:
        """Complaints with any of these words are part of the test."""
        self._expected += words

    @property
    def unexpected(self) -> list[str]:
        """Complaints that no test asked for."""
        return [said for said in self.complaints if not any(words in said for words in self._expected)]

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _asked(self, request: Request, host: str) -> None:
        self.requests.append(request.url)
        if urlsplit(request.url).hostname not in (host, None):
            self.complaints.append(f"request to another host: {request.url}")


@pytest.fixture
def page_log() -> Iterator[PageLog]:
    """Fails the test at its end if a page complained, or asked another host for anything."""
    log = PageLog()
    yield log
    assert log.unexpected == []
