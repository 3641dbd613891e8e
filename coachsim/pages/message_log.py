"""MessageLogPage: what was read, how fast, and what was lost, on the days and in the teams one chooses."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets
from ipywidgets import widget_serialization

from coachsim.errors import CoachsimError
from coachsim.pages.message_log_answers import GROUPS, SINCE, SPANS, TABS, WHATS, Answers, Json, View
from coachsim.pages.message_log_source import Index, LogSource
from coachsim.pages.page import Page, Superseded, styled

if TYPE_CHECKING:
    from coachsim.log import MessageLog

_PART = 1 << 20
"""Files go to the browser in parts of so many bytes: a bigger message would end a connection on its way."""
_SLOTS = ("first", "second", "reach", "curve")
_CHOICES = {"tab": TABS, "what": WHATS, "by": GROUPS, "since": SINCE, "span": tuple(SPANS)}


@dataclass(frozen=True)
class Wanted:
    """Everything that the page shows at one time, as the browser asked for it with ``ticket``."""

    ticket: int
    refresh: int = 0
    """How often one has pressed Refresh."""
    first: str | None = None
    last: str | None = None
    teams: tuple[str, ...] | None = None
    view: View = field(default_factory=View)
    message_id: int | None = None
    stop: threading.Event = field(default_factory=threading.Event, compare=False)

    @property
    def of(self) -> tuple[Any, ...]:
        """What the answers hang on."""
        return self.refresh, self.first, self.last, self.teams


class MessageLogPage(Page):
    """The message log page: rates with their counts, times to read, load, presence, and every message.

    ``log`` is a ``MessageLog``, a path, or a server's address; None is the server in ``COACHSIM_URL``, as whoever the
    page belongs to, else the live log of this machine. Show it as the last line of a cell. ``await page.close_page()``
    ends its work.

    >>> page = MessageLogPage("data/live")
    """

    called = "message log page"
    template = traitlets.Unicode(styled("message_log")).tag(sync=True)
    first = traitlets.Any().tag(sync=True, **widget_serialization)
    second = traitlets.Any().tag(sync=True, **widget_serialization)
    reach = traitlets.Any().tag(sync=True, **widget_serialization)
    curve = traitlets.Any().tag(sync=True, **widget_serialization)

    def __init__(self, log: MessageLog | Path | str | None = None) -> None:
        self._source = LogSource(log)
        self._index: tuple[int, Index] | None = None
        self._answers: tuple[tuple[Any, ...], Answers] | None = None
        self._wanted: Wanted | None = None
        self._working: asyncio.Task[None] | None = None
        self._asking = asyncio.Lock()
        self._script: str | None = None
        super().__init__()

    async def close_page(self) -> None:
        """Ends what runs in the background, and gives the log back."""
        if self._wanted is not None:
            self._wanted.stop.set()
        self._source.interrupt()
        running = [*self._jobs, *([self._working] if self._working else [])]
        await asyncio.gather(*running, return_exceptions=True)
        async with self._asking:
            await asyncio.to_thread(self._source.close)

    def vue_ask(self, data: Json) -> None:
        """The page is to show this now."""
        if self._wanted is not None:
            self._wanted.stop.set()
            self._source.interrupt()
        self._wanted = _wanted(data)
        if self._working is None or self._working.done():
            self._working = asyncio.ensure_future(self._work())

    # --- the newest request wins: one thread at a time, and what is out of date is stopped ---

    async def _work(self) -> None:
        done: Wanted | None = None
        while (wanted := self._wanted) is not None and wanted is not done and not wanted.stop.is_set():
            done = wanted
            try:
                async with self._asking:
                    await self._one(wanted)
                self._tell("done", {"ticket": wanted.ticket})
            except Exception as error:
                if wanted.stop.is_set():
                    continue  # its query was stopped
                self._tell("done", {"ticket": wanted.ticket})
                if isinstance(error, CoachsimError):
                    self.refused(error)
                else:
                    self.failed(error)

    async def _one(self, wanted: Wanted) -> None:
        if self._index is None or self._index[0] != wanted.refresh:
            self._answers = None
            self._index = (wanted.refresh, await asyncio.to_thread(self._source.index))
        index = self._index[1]
        first, last = _days(index, wanted)
        self._tell("choices", _choices(index, first, last))
        if first is None or last is None or not index.teams:
            self._tell("nothing", {"sentence": _nothing(index)})
            return
        if self._answers is None or self._answers[0] != wanted.of:
            log = await _current(wanted, self._source.log, first, last)
            self._answers = (wanted.of, Answers(log, index, first, last, wanted.teams))
        answers = self._answers[1]
        self._tell("summary", await _current(wanted, answers.summary))
        self._tell("messages", await _current(wanted, answers.messages))
        drawn = await _current(wanted, answers.charts, wanted.view)
        await self._draw(wanted, dict(zip(_SLOTS, drawn, strict=False)))
        self._tell("charts", {"tab": wanted.view.tab, "charts": [_about(chart) for chart in drawn]})
        if wanted.message_id is not None:
            await self._open(wanted, answers)

    async def _open(self, wanted: Wanted, answers: Answers) -> None:
        assert wanted.message_id is not None
        found = await _current(wanted, _message, answers, wanted)
        charts = {slot: found[slot] for slot in ("reach", "curve")}
        await self._draw(wanted, charts)
        self._tell("message", found | {slot: _about(chart) for slot, chart in charts.items()})

    async def _draw(self, wanted: Wanted, drawn: dict[str, Json]) -> None:
        """Puts charts into their places; the first time with the script, which may have to be made."""
        if self._script is None:
            self._script = await asyncio.to_thread(_chart_script)
        from coachsim.charts import offline  # by now it is there

        if wanted.stop.is_set():
            raise Superseded("Something newer was asked for.")
        for name, made in drawn.items():
            chart = getattr(self, name)
            if chart is None:
                chart = offline.widget(None, script=self._script)
                chart.spec = made["spec"]
                setattr(self, name, chart)
            else:
                chart.spec = made["spec"]

    # --- files ---

    def vue_download(self, data: Json) -> None:
        """The deliveries that are shown, as a file."""
        kind = data.get("kind")
        if self._answers is not None and kind in ("csv", "parquet"):
            self._in_background(self._download(self._answers[1], kind))

    async def _download(self, answers: Answers, kind: str) -> None:
        async with self._asking:
            name, content = await asyncio.to_thread(answers.file, kind)
        for start in range(0, max(1, len(content)), _PART):
            part = content[start : start + _PART]
            self._tell("file", {"name": name, "last": start + _PART >= len(content)}, [part])


def _message(answers: Answers, wanted: Wanted) -> Json:
    assert wanted.message_id is not None
    return answers.message(wanted.message_id, dark=wanted.view.dark)


async def _current(wanted: Wanted, ask: Any, *arguments: Any) -> Any:
    """What a thread answers, unless something newer has been asked for meanwhile (``Superseded``)."""
    if wanted.stop.is_set():
        raise Superseded("Something newer was asked for.")
    answer = await asyncio.to_thread(ask, *arguments)
    if wanted.stop.is_set():
        raise Superseded("Something newer was asked for.")
    return answer


def _wanted(data: Json) -> Wanted:
    """A browser's request; what cannot be is as if it had not been asked for."""
    view = View(dark=bool(data.get("dark")))
    for one in fields(View):
        if one.name in _CHOICES and data.get(one.name) in _CHOICES[one.name]:
            view = replace(view, **{one.name: data[one.name]})
    teams, message_id = data.get("teams"), data.get("message_id")
    return Wanted(
        ticket=int(data["ticket"]),
        refresh=int(data.get("refresh", 0)),
        first=_label(data.get("first")),
        last=_label(data.get("last")),
        teams=tuple(sorted(map(str, teams))) if isinstance(teams, list) and teams else None,
        view=view,
        message_id=message_id if isinstance(message_id, int) else None,
    )


def _label(day: Any) -> str | None:
    try:
        return date.fromisoformat(day).isoformat()
    except (TypeError, ValueError):
        return None


def _days(index: Index, wanted: Wanted) -> tuple[str | None, str | None]:
    """From which day to which: those asked for, as far as they are there, else the default."""
    known = {day.label for day in index.days}
    first = wanted.first if wanted.first in known else index.default_day
    last = wanted.last if wanted.last in known else first
    return (first, last) if first is None or last is None or first <= last else (last, first)


def _choices(index: Index, first: str | None, last: str | None) -> Json:
    return {
        "days": [{"label": day.label, "says": f"{day.says}{' · open' if day.open else ''}"} for day in index.days],
        "teams": list(index.teams),
        "first": first,
        "last": last,
        "as_of": index.as_of,
        "floor": index.floor,
    }


def _nothing(index: Index) -> str:
    if not index.days:
        return "The log has no day yet: nothing has happened on this floor. Press Refresh once agents have logged in."
    return "There are no agents in your teams yet. An admin loads them from a roster, or gives you other teams."


def _about(chart: Json) -> Json:
    return {name: chart[name] for name in ("title", "caption", "description")}


def _chart_script() -> str:
    from coachsim.charts.offline import widget_script

    return widget_script()
