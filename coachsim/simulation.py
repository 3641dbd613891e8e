"""Simulated days: ``simulate`` plays one day of a scenario and gives the log that a real one would have left."""

from __future__ import annotations

import gc
import tempfile
import uuid
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal

from coachsim.days import Schedule
from coachsim.enact import enact
from coachsim.engine import Engine
from coachsim.errors import InvalidInput
from coachsim.events import Event
from coachsim.floor import Floor
from coachsim.log import LOG_FILE, LogWriter, MessageLog, Run
from coachsim.log.file import discard, put_in_place
from coachsim.models import Agent
from coachsim.plan import Plan, check_seed, draw, plan, plan_of
from coachsim.scenario import Scenario

MOST_DAYS = 366
_CHUNK = 50_000


def simulate(
    scenario: Scenario,
    *,
    seed: int,
    days: int = 1,
    agents: Sequence[Agent] | None = None,
    out: Path | str | None = None,
    player: Literal["engine", "arrays"] = "engine",
) -> MessageLog:
    """Plays one day of ``scenario``, or so many ``days`` one after the other, and returns the log, read-only.

    The first day is the scenario's date; every day has its own draws and the same people, the scenario's own unless
    ``agents`` are given. ``out`` is the DuckDB file to make; without it the log lives as long as what is returned. The
    same scenario, seed and version give the same events, whichever ``player`` plays: the SimPy engine, or the array
    code of ``evaluate``. Raises ``InvalidInput`` if ``out`` exists, and leaves no unfinished log behind.

    >>> with simulate(Scenario.load("weekday"), seed=1) as log:
    ...     log.days()[["day", "deliveries", "lost"]].head(1)
              day  deliveries  lost
    0  2026-03-03        1785   139
    """
    check_seed(seed)
    if out is not None and Path(out).exists():
        raise _taken(out)
    if player not in ("engine", "arrays"):
        raise InvalidInput(f"A player is 'engine' or 'arrays', not {player!r}.", field="player")
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"A simulation is of 1 to {MOST_DAYS} days, not {days}.", field="days")
    first = draw(scenario, [seed], agents=agents)
    day = plan_of(first)
    events = play(day, days) if player == "engine" else enact(first, days)
    if out is not None:
        write_log(day, events, Path(out))
        return MessageLog.open(out)
    folder = tempfile.TemporaryDirectory(prefix="coachsim-")
    path = Path(folder.name) / LOG_FILE
    write_log(day, events, path)
    log = MessageLog.open(path)
    weakref.finalize(log, folder.cleanup)
    return log


def write_log(day: Plan, events: Sequence[Event], path: Path) -> None:
    """Writes the events of a simulation that begins with ``day`` as a log at ``path``: whole, or not at all."""
    scenario = day.scenario
    detail = {"scenario": scenario.model_dump(mode="json")}
    run = Run(kind="simulated", scenario=scenario.name, seed=day.seed, time_zone=scenario.time_zone, detail=detail)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with LogWriter.make(unfinished, run) as writer:
            for start in range(0, len(events), _CHUNK):
                writer.append(events[start : start + _CHUNK]).result()
        if not put_in_place(unfinished, path):
            raise _taken(path)
    finally:
        discard(unfinished)


def _taken(out: Path | str) -> InvalidInput:
    return InvalidInput(f"{out} exists already. Choose another name, or remove it first.", field="out")


class _SimulatedFloor(Floor):
    """The floor of one planned day: it keeps its events, and its engine hears of each as it happens."""

    def __init__(self, day: Plan) -> None:
        super().__init__(Schedule(day.scenario.time_zone, day.scenario.clear_down), disconnect_after=0)
        self.events: list[Event] = []
        self.engine = Engine(day, self)

    def apply(self, event: Event) -> None:
        """Changes the floor, and tells."""
        Floor.apply(self, event)
        self.events.append(event)
        self.engine.observe(event)


def play(day: Plan, days: int = 1) -> Sequence[Event]:
    """The events of a planned day on a floor of its own, the clear-down that closes it included.

    More ``days`` follow it on the same floor, with the plans of their own dates.
    """
    floor = _SimulatedFloor(day)
    with _without_collection():
        floor.open_day(day.day.began_at)
        for number in range(days):
            if number:
                floor.engine = Engine(_next_day(floor, day), floor)
            floor.engine.open_day()
            floor.engine.run()
            floor.tick(floor.engine.plan.day.ends_at)
    return floor.events


def _next_day(floor: Floor, first: Plan) -> Plan:
    assert floor.day is not None
    return plan(first.scenario, first.seed, day=date.fromisoformat(floor.day.day), agents=first.agents)


@contextmanager
def _without_collection() -> Iterator[None]:
    """No garbage collection while a day is played: everything made stays, so looking for rubbish is wasted."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
