"""The agent list as an anywidget: rows live in the browser, which filters, searches and selects among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import anywidget

from coachsim.pages.board import Json
from coachsim.pages.home import Home

_HERE = Path(__file__).parent
_COLUMNS = (
    "agent_id", "name", "team", "campaigns", "lists", "queues", "state", "reason", "since", "connected", "unread"
)  # fmt: skip


class AgentGrid(anywidget.AnyWidget):
    """Shows agents; ``selected``, ``filter`` and ``search`` are what the browser last reported.

    ``source`` gives the rows and the clock (the floor's now, speed, paused, time zone and mode) whenever a browser is
    ready for them, so a second view or a reload gets them too; None = there is nothing yet.
    """

    _esm = (_HERE / "agent_grid.js").read_text(encoding="utf-8")
    _css = (_HERE / "agent_grid.css").read_text(encoding="utf-8")

    def __init__(self, source: Callable[[], tuple[Iterable[Json], Json] | None]) -> None:
        super().__init__()
        self.selected: list[str] = []
        self.filter: dict[str, list[str]] = {}
        self.search = ""
        self._source = source
        self._told = 0
        home = Home()
        self.on_msg(lambda *said: home.answer(self._heard, *said))

    def set_state(self, sync_data: Json) -> None:
        """Browsers set nothing here: what they report comes as messages."""

    def show(self) -> None:
        """Sends all rows."""
        found = self._source()
        if found is not None:
            rows, clock = found
            table = [[row[name] for name in _COLUMNS] for row in rows]
            self._tell({"method": "rows", "columns": _COLUMNS, "rows": table, "clock": clock})

    def patch(self, rows: list[Json], removed: list[str]) -> None:
        """Changes some rows: whole ones, or only the fields that moved."""
        if rows or removed:
            self._tell({"method": "patch", "rows": rows, "removed": removed})

    def pace(self, clock: Json) -> None:
        """The floor's clock goes differently now."""
        self._tell({"method": "clock", "clock": clock})

    def beat(self) -> None:
        """Lets a browser notice that the last change did not reach it."""
        self._tell({"method": "beat"})

    def _tell(self, content: Json) -> None:
        self._told += 1
        self.send(content | {"n": self._told})

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        match content:
            case {"event": "ready"}:
                self.show()
            case {"event": "chosen", "selected": list(selected), "filter": dict(chosen), "search": str(search)}:
                self.selected = [one for one in selected if isinstance(one, str)]
                self.filter, self.search = chosen, search
