"""Simulated days: ``simulate`` plays one day of a scenario and gives the log that a real one would have left."""

from __future__ import annotations

import gc
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coachsim.days import Schedule
from coachsim.engine import Engine
from coachsim.errors import InvalidInput
from coachsim.floor import Floor
from coachsim.log import LOG_FILE, LogWriter, MessageLog, Run
from coachsim.models import Event
from coachsim.plan import Plan, plan
from coachsim.scenario import Scenario

_CHUNK = 5_000


def simulate(scenario: Scenario, *, seed: int, out: Path | str | None = None) -> MessageLog:
    """Plays one day of ``scenario`` and returns its log, read-only.

    ``out`` is the DuckDB file to make; without it the log lives until it is closed. The same scenario, seed and version
    give the same events. Raises ``InvalidInput`` if ``out`` exists.
    """
    if out is not None and Path(out).exists():
        raise InvalidInput(f"{out} exists already. Choose another name, or remove it first.", field="out")
    keeper = None if out is not None else tempfile.TemporaryDirectory(prefix="coachsim-")
    path = Path(out) if out is not None else Path(str(keeper and keeper.name)) / LOG_FILE
    day = plan(scenario, seed)
    events = play(day)
    run = Run(kind="simulated", scenario=scenario.name, seed=seed, time_zone=scenario.time_zone)
    with LogWriter.open(path, run) as writer:
        for start in range(0, len(events), _CHUNK):
            writer.append(events[start : start + _CHUNK]).result()
    log = MessageLog.open(path)
    if keeper is not None:
        weakref.finalize(log, keeper.cleanup)
    return log


def play(day: Plan) -> Sequence[Event]:
    """The events of a planned day on a floor of its own, the clear-down that closes it included."""
    floor = Floor(Schedule(day.scenario.time_zone, day.scenario.clear_down), disconnect_after=0)
    events: list[Event] = list(floor.open_day(day.day.began_at))
    player: Engine

    def act(at: int, command: Any, *args: Any, **kwargs: Any) -> tuple[Event, ...]:
        events.extend(floor.tick(at))
        caused: tuple[Event, ...] = command(floor, at, *args, **kwargs)
        for event in caused:
            events.append(event)
            player.observe(event)
        return caused

    player = Engine(day, floor, act)
    with _without_collection():
        player.open_day()
        player.run()
        events.extend(floor.tick(day.day.ends_at))
    return events


@contextmanager
def _without_collection() -> Iterator[None]:
    """No garbage collection while a day is played: everything made stays, so looking for rubbish is wasted (1.7x)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
