"""Where the browser is, for tests of a page's kernel side: what the page says is kept, and its controls are pressed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from coachsim.pages.page import Page

NO_CONTROL_SENDS = [
    {"create_widget": ["this", "Text"], "id": "x", "props": {}},
    {"update_ref": {"functionRef": "close"}, "id": "x", "prop": "y"},
    {"event": "page_ready", "data": {}, "create_widget": ["this", "Text"]},
    {"event": "_handle_event", "data": {}},
    {"event": ["page_ready"]},
    "text",
]
"""What ipyvue would answer by importing a module, calling a method or making a widget, and what is no event at all."""


class Browser:
    """Hears what ``page`` tells: ``heard`` has each method with its data and its buffers."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.heard: list[tuple[str, dict, list[bytes] | None]] = []
        page.send = lambda content, buffers=None: self.heard.append((content["method"], content["args"][0], buffers))

    def press(self, event: str, **data: Any) -> None:
        """A control sends its event."""
        self.page._handle_event(self.page, {"event": event, "data": data}, [])

    def sends_no_event(self, content: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """What no control sends has no answer, and makes the kernel neither import nor call anything."""

        def never(*_: object) -> None:
            raise AssertionError("a module was imported for a browser")

        monkeypatch.setattr("ipyvue.VueTemplateWidget.import_module", never)
        self.heard.clear()
        self.page._handle_event(self.page, content, [])
        assert self.heard == []

    def said(self, method: str) -> list[dict]:
        """The data of everything told by this method so far."""
        return [data for name, data, _ in self.heard if name == method]

    async def wait_for(self, method: str, condition: Callable[[dict], bool] = lambda data: True) -> dict:
        """The first data told by this method that meets the condition."""
        async with asyncio.timeout(60):
            while not (found := [data for data in self.said(method) if condition(data)]):
                await asyncio.sleep(0.01)
        return found[0]
