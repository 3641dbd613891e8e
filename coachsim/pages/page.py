"""What every page is: a template, events that its controls send by name, and work in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from ipyvuetify.VuetifyTemplate import VuetifyTemplate

from coachsim.errors import CoachsimError
from coachsim.pages.board import Json
from coachsim.pages.home import Home

_HERE = Path(__file__).parent
_logger = logging.getLogger(__name__)


def text(name: str) -> str:
    """A file that lies beside the pages."""
    return (_HERE / name).read_text(encoding="utf-8")


def styled(name: str) -> str:
    """The template of the page ``name``, with its styles."""
    return f"{text(name + '.vue')}<style>\n{text(name + '.css')}</style>\n"


class Superseded(CoachsimError):
    """Something newer was asked for; what was under way is dropped."""

    code = "superseded"


class Page(VuetifyTemplate):
    """A page in a notebook's kernel. Every error is logged and said on the page, and the page goes on.

    An event ``x`` of the browser is answered by the method ``vue_x``, with the event's data.
    """

    called = "page"
    """What people call it."""
    comfort = "Reload if it goes on."
    """What is said after an error that nobody expected."""

    def __init__(self, **traits: Any) -> None:
        self._jobs: set[asyncio.Task[None]] = set()
        self._home = Home()
        super().__init__(**traits)

    # --- to the browser ---

    def _tell(self, method: str, data: Json, buffers: list[bytes] | None = None) -> None:
        self.send({"method": method, "args": [data]}, buffers=buffers)

    def failed(self, error: BaseException) -> None:
        """An error nobody expected: it is logged, and said on the page, and the page goes on."""
        _logger.error("The %s failed at something.", self.called, exc_info=error)
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self._tell("trouble", {"sentence": f"Something went wrong in the page ({said}). {self.comfort}"})

    def refused(self, error: CoachsimError) -> None:
        """What could not be done, in a sentence."""
        _logger.warning("The %s: %s", self.called, error.message)
        self._tell("trouble", {"sentence": error.message})

    # --- from the browser: only these events, and never ipyvue's own requests to import a module or call a function ---

    def set_state(self, sync_data: Json) -> None:
        """Browsers set nothing here: what they report comes as events."""

    def _handle_event(self, _widget: Any, content: Any, _buffers: Any) -> None:
        self._home.answer(self._answer, content)

    def _answer(self, content: Any) -> None:
        try:
            name = content.get("event") if isinstance(content, dict) else None
            if name not in self.events or "create_widget" in content or "update_ref" in content:
                _logger.warning("Refused a message that no control of the %s sends.", self.called)
                return
            data = content.get("data")
            getattr(self, f"vue_{name}")(data if isinstance(data, dict) else {})
        except Exception as error:
            self.failed(error)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a request of the browser in the background; the one place that catches what it did not expect."""

        async def guarded() -> None:
            try:
                await work
            except CoachsimError as error:
                self.refused(error)
            except Exception as error:
                self.failed(error)

        job = asyncio.ensure_future(guarded())
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
