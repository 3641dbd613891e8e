"""A floor with a plan's people on it, for tests: the engine plays, and people may step in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coachsim.days import Schedule
from coachsim.engine import Engine
from coachsim.events import ClearedDown, Event
from coachsim.floor import Floor
from coachsim.models import Delivery
from coachsim.plan import Plan
from coachsim.state import FloorState, Opening


class Stage:
    """Plays ``plan`` as far as it is told to. ``events`` is everything that has happened."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.events: list[Event] = []
        self.floor = Floor(Schedule(plan.scenario.time_zone, plan.scenario.clear_down), disconnect_after=0)
        self.events += self.floor.open_day(plan.day.began_at)
        self.engine = Engine(plan, self.floor, self.act)
        self.engine.open_day()

    def act(self, at: int, command: Any, *args: Any, **values: Any) -> Iterable[Event]:
        self.events += self.floor.tick(at)
        caused = command(self.floor, at, *args, **values)
        for event in caused:
            self.events.append(event)
            self.engine.observe(event)
        return caused

    def until(self, moment: int) -> None:
        """Plays everything up to and including ``moment``."""
        while self.engine.next_at() <= moment:
            self.engine.step()
        self.events += self.floor.tick(moment)

    def to_the_end(self) -> None:
        self.engine.run()
        self.events += self.floor.tick(self.plan.day.ends_at)

    def rebuild(self, moment: int) -> None:
        """What a restart at ``moment`` does: a floor made of the events, and an engine that knows nothing else."""
        events, self.floor = self.events, Floor(self.floor.schedule, disconnect_after=0)
        self.floor.restore([], events)
        self.engine = Engine(self.plan, self.floor, self.act, start=moment)
        self.engine.recover()


def whole_day(plan: Plan) -> Stage:
    """The day played to its end."""
    stage = Stage(plan)
    stage.to_the_end()
    return stage


def deliveries(events: Iterable[Event], openings: Iterable[Opening] = ()) -> dict[tuple[str, str], Delivery]:
    """Every delivery of the events' day, by the message's key and the agent, with its clear-down where that came."""
    state = FloorState()
    day = []
    for event in events:
        day.append(event)
        if isinstance(event, ClearedDown) and not event.by_hand:
            break
    state.restore(openings, day)
    return {
        (row.message.request_id, agent_id): delivery
        for row in state.messages.values()
        for agent_id, delivery in row.deliveries.items()
    }
