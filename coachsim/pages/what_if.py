"""WhatIfPage: change a day with sliders, and see at once who reads what, when, and who is missed."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import traitlets
from ipywidgets import widget_serialization

from coachsim.errors import CoachsimError
from coachsim.pages.page import Page, Superseded, styled
from coachsim.pages.what_if_controls import Json, asked, choices
from coachsim.pages.what_if_scenarios import Offer, Opened, folders, offers, opened
from coachsim.pages.what_if_work import CHARTS, SPANS, Bench, Job, Results, View, shown, specification
from coachsim.scenario import Scenario

if TYPE_CHECKING:
    from coachsim.tally import Tally

_PROGRESS_S = 0.2


class WhatIfPage(Page):
    """The what-if page: a scenario as it is (A) beside a variant of it (B), on the same people and days.

    ``scenario`` is one made in code; without it, the page offers the TOML files of ``folder``, or of the server's and
    the bundled ones, and on a server the floor as it is today. Show it as the last line of a cell.
    ``await page.close_page()`` ends its work.

    >>> page = WhatIfPage(Scenario.load("weekday"))
    """

    called = "what-if page"
    template = traitlets.Unicode(styled("what_if")).tag(sync=True)
    curves = traitlets.Any().tag(sync=True, **widget_serialization)
    missed = traitlets.Any().tag(sync=True, **widget_serialization)

    def __init__(self, scenario: Scenario | None = None, *, folder: Path | str | None = None) -> None:
        self._given = scenario
        self._folders = folders(folder)
        self._offers: list[Offer] = []
        self._opened: Opened | None = None
        self._chosen = 0
        self._learning = asyncio.Lock()
        self._choices: Json = {}
        self._view = View()
        self._bench = Bench()
        self._job: Job | None = None
        self._results: Results | None = None
        self._shown: Json | None = None
        self._working: asyncio.Task[None] | None = None
        self._script: str | None = None
        self._drawing = asyncio.Lock()
        super().__init__()

    @property
    def variant(self) -> Scenario | None:
        """Scenario B of the results that are shown; None before there are any."""
        return self._results.job.asked.b if self._results else None

    @property
    def tallies(self) -> tuple[Tally, Tally] | None:
        """What A and B came to, as shown; None before that."""
        return (self._results.a, self._results.b) if self._results else None

    async def close_page(self) -> None:
        """Ends what runs in the background."""
        if self._job is not None:
            self._job.stop.set()
        running = [*self._jobs, *([self._working] if self._working else [])]
        for job in running:
            job.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def vue_page_ready(self, data: Json) -> None:
        """A browser has drawn the frame and wants what there is."""
        self._view = replace(self._view, dark=bool(data.get("dark")))
        if self._opened is None:
            self._in_background(self._begin())
        else:
            self._tell_scenario()
            if self._shown is not None:
                self._tell("results", self._shown)
        self._in_background(self._draw())

    async def _begin(self) -> None:
        if self._given is None:
            self._offers = await asyncio.to_thread(offers, self._folders)
            if not self._offers:
                where = " or ".join(str(folder) for folder in self._folders)
                self._tell(
                    "empty", {"sentence": f"There is no scenario in {where}. Put a TOML file there, and reload."}
                )
                return
        await self._load(0)

    def vue_choose(self, data: Json) -> None:
        """Another scenario was chosen."""
        number = data.get("number")
        if isinstance(number, int) and 0 <= number < len(self._offers):
            self._in_background(self._load(number))

    async def _load(self, number: int) -> None:
        self._chosen = number
        self._stop()
        self._opened = self._results = self._shown = None
        try:
            found = await self._open(number)
            offered = choices(found.scenario, found.agents) if found is not None else {}
        except CoachsimError as error:
            if number == self._chosen:  # not if another was chosen meanwhile
                self._tell("refused", {"number": number, "names": self._names(), "sentence": error.message})
            return
        if found is not None and number == self._chosen:
            notes = {"attention_note": found.attention, "silent": found.silent}
            self._opened, self._choices = found, offered | notes
            self._tell_scenario()

    async def _open(self, number: int) -> Opened | None:
        """A scenario that is offered; None if another was chosen before its turn came."""
        if self._given is not None:
            return await asyncio.to_thread(opened, self._given)
        path = self._offers[number].path
        if path is not None:
            return await asyncio.to_thread(opened, path)
        from coachsim.pages import what_if_floor

        self._tell("learning", {"number": number, "names": self._names(), "sentence": what_if_floor.WAIT})
        async with self._learning:  # one at a time: it is work for the machine that the server runs on
            return await what_if_floor.opened() if number == self._chosen else None

    def _names(self) -> list[str]:
        return [offer.name for offer in self._offers] or ([self._given.name] if self._given else [])

    def _tell_scenario(self) -> None:
        assert self._opened is not None
        about = {"name": self._names()[self._chosen], "description": self._opened.about}
        self._tell("scenario", about | {"names": self._names(), "number": self._chosen, "choices": self._choices})

    # --- sliders moved: check, play, show; the newest wins ---

    def vue_ask(self, data: Json) -> None:
        """The controls are so now."""
        if self._opened is None:
            return
        form = data.get("form")
        ticket = int(data["ticket"])
        wanted = asked(self._opened.scenario, form if isinstance(form, dict) else {})
        self._tell("checked", {"ticket": ticket, "faults": wanted.faults})
        if not wanted.faults:
            self._play(Job(ticket, wanted, self._opened.agents))

    def _play(self, job: Job) -> None:
        self._stop()
        self._job = job
        if self._working is None or self._working.done():
            self._working = asyncio.ensure_future(self._work())

    def _stop(self) -> None:
        if self._job is not None:
            self._job.stop.set()

    async def _work(self) -> None:
        """Plays the newest job until there is none that is newer: one thread at a time."""
        done: Job | None = None
        while (job := self._job) is not None and job is not done and not job.stop.is_set():
            done = job
            try:
                await self._one(job)
            except Superseded:
                continue
            except CoachsimError as error:
                self._tell("failed", {"ticket": job.ticket, "sentence": error.message})
            except Exception as error:
                self._tell("failed", {"ticket": job.ticket, "sentence": ""})
                self.failed(error)

    async def _one(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        told = 0.0

        def tell(days: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told > _PROGRESS_S:
                told = time.monotonic()
                progress = {"ticket": job.ticket, "done": days, "total": total}
                loop.call_soon_threadsafe(self._tell, "progress", progress)

        results = await asyncio.to_thread(self._bench.play, job, tell)
        page = await asyncio.to_thread(shown, results)
        if job.stop.is_set():
            raise Superseded("Something newer was asked for.")
        self._results, self._shown = results, page
        self._tell("results", page)
        await self._draw()

    # --- charts ---

    def vue_view(self, data: Json) -> None:
        """The results are to be drawn otherwise: over another span, as differences, in the dark."""
        span, what = data.get("span"), data.get("what")
        self._view = View(
            span if span in SPANS else self._view.span,
            what if what in ("curves", "differences") else self._view.what,
            bool(data.get("dark", self._view.dark)),
        )
        self._in_background(self._draw())

    async def _draw(self) -> None:
        """Draws the results that there are now; the first time with the script, which may have to be made."""
        async with self._drawing:
            if self._script is None:
                self._script = await asyncio.to_thread(_chart_script)
            from coachsim.charts import offline  # by now it is there

            results, view = self._results, self._view
            if results is None:
                return
            for name in CHARTS:
                drawn = await asyncio.to_thread(specification, name, results, view)
                if results is not self._results:
                    return  # newer ones are on their way here
                chart = getattr(self, name)
                if chart is None:
                    chart = offline.widget(None, script=self._script)
                    chart.spec = drawn
                    setattr(self, name, chart)
                else:
                    chart.spec = drawn

    # --- files ---

    def vue_save(self, data: Json) -> None:
        """The variant as a scenario file."""
        form = data.get("form")
        if self._opened is None:
            return
        scenario = self._opened.scenario
        wanted = asked(scenario, form if isinstance(form, dict) else {})
        if wanted.faults:
            self._tell("checked", {"ticket": -1, "faults": wanted.faults})
            return
        named = ", ".join([scenario.name, *wanted.changes, *wanted.assumed])[:80]
        made = wanted.b.model_copy(update={"name": named})
        name, roster = _file_name(named), self._opened.roster
        if roster is None:
            self._tell("file", {"name": f"{name}.toml", "type": "application/toml", "text": made.to_toml()})
        else:
            self._tell("file", {"name": f"{name}.zip", "type": "application/zip"}, [_with_roster(made, roster, name)])

    def vue_download(self, _data: Json) -> None:
        """The results that are shown, as CSV."""
        if self._results is not None:
            self._in_background(self._download(self._results))

    async def _download(self, results: Results) -> None:
        from coachsim.pages.what_if_results import results_csv

        made = results.job.asked
        about = {
            "scenario": made.a.name,
            "A": ", ".join(["as planned", *made.assumed]),
            "B": ", ".join([*made.changes, *made.assumed]) or "as planned",
            "counted": made.message or "all messages",
        }
        text = await asyncio.to_thread(results_csv, results.a, results.b, results.job.names, about=about)
        self._tell("file", {"name": f"{_file_name(made.a.name)}-what-if.csv", "type": "text/csv", "text": text})


def _with_roster(scenario: Scenario, roster: str, name: str) -> bytes:
    """A ZIP file of the scenario and of the roster that lies beside it."""
    csv = f"{name}-roster.csv"
    floor = scenario.floor.model_copy(update={"roster": csv})
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as files:
        files.writestr(f"{name}.toml", scenario.model_copy(update={"floor": floor}).to_toml())
        files.writestr(csv, roster)
    return written.getvalue()


def _chart_script() -> str:
    from coachsim.charts.offline import widget_script

    return widget_script()


def _file_name(name: str) -> str:
    kept = "".join(char if char.isalnum() else "-" for char in name.lower())
    return "-".join(filter(None, kept.split("-")))[:60] or "scenario"
