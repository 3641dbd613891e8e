"""Practice: a floor whose virtual agents a SimPy engine plays in paced time, on a host like any other.

People send to the virtual agents, watch them read, or take an agent's seat and give it back. Floor time never passes
what the engine has still to do, so a busy machine makes floor time late, and nothing happens out of order.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from datetime import date
from pathlib import Path
from typing import Any

from coachsim.clock import PacedClock, SystemClock
from coachsim.days import Schedule
from coachsim.engine import PLAN, Engine
from coachsim.errors import CoachsimError, InvalidInput, LogError, SeatTaken, UnknownAgent
from coachsim.events import Event
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.log import Run
from coachsim.plan import Plan, check_seed, plan, practice_start
from coachsim.scenario import Scenario
from coachsim.scheduling import Rights
from coachsim.settings import Settings

DEFAULT_SPEED = 60.0
MAX_SPEED = 3_600.0
_TURN_S = 0.004
_logger = logging.getLogger(__name__)


class Practice:
    """A practice floor. Made by ``await Practice.open(…)``; ``host`` is its floor, for clients of every kind."""

    def __init__(self, host: FloorHost, clock: PacedClock, scenario: Scenario, seed: int, engine: Engine) -> None:
        self.host = host
        self.clock = clock
        self.scenario = scenario
        self.seed = seed
        self.seats: dict[str, str] = {}
        self._engine = engine
        self._rebuild = False
        self._seating = asyncio.Lock()
        self._wake = asyncio.Event()
        self._driving: asyncio.Task[None] | None = None
        self._waits = False

    @classmethod
    async def open(
        cls,
        data_dir: Path,
        scenario: Scenario,
        *,
        seed: int = 1,
        speed: float = DEFAULT_SPEED,
        today: date | None = None,
        rights: Rights | None = None,
        waits: bool = False,
    ) -> Practice:
        """Opens the practice floor in ``data_dir``, or makes one that starts ``today`` at ``practice_from``.

        What the plan has before that moment is played at once. An existing one goes on where it was committed last;
        one of another scenario or seed is refused (``WrongFolder``). ``rights`` is as for ``FloorHost.open``. A floor
        that ``waits`` stands still until ``begin``.
        """
        _check_speed(speed)
        check_seed(seed)
        settings = Settings(
            floor_name=scenario.name,
            time_zone=scenario.time_zone,
            clear_down=scenario.clear_down,
            toast_seconds=round(scenario.policy.toast_seconds),
            disconnect_after_s=0,
        )
        schedule = Schedule(scenario.time_zone, scenario.clear_down)
        label = today or date.fromisoformat(schedule.day_at(SystemClock().wall()).label)
        clocks: list[PacedClock] = []

        def clock_from(newest: int) -> PacedClock:
            clocks.append(PacedClock(newest or schedule.instant(label), speed=speed))
            clocks[0].set(paused=True)
            return clocks[0]

        run = Run(kind="practice", scenario=scenario.name, seed=seed)
        host = await FloorHost.open(data_dir, settings, clock=clock_from, run=run, rights=rights)
        try:
            assert host.floor.day is not None
            day = await asyncio.to_thread(plan, scenario, seed, day=date.fromisoformat(host.floor.day.day))
            practice = cls(host, clocks[0], scenario, seed, Engine(day, host.deciding, _no_act))
            host.attach(practice)
            is_new = not host.floor.agents
            await practice._join(day)
            if is_new:
                await practice._play_until(practice_start(scenario, label))
            await host.settled()
        except BaseException:
            await host.close()
            raise
        practice._waits = waits
        practice.clock.set(paused=waits)
        practice._driving = asyncio.create_task(practice._drive())
        return practice

    async def close(self) -> None:
        """Stops the engine and closes the host."""
        if self._driving is not None:
            self._driving.cancel()
            await asyncio.gather(self._driving, return_exceptions=True)
        await self.host.close()

    # --- what people can do ---

    def begin(self) -> None:
        """Somebody is here: floor time runs, if it has waited for that. Asked again, nothing."""
        if self._waits:
            self._waits = False
            self._change_pace(paused=False)

    async def set_pace(self, *, speed: float | None = None, paused: bool | None = None, actor: str) -> None:
        """Changes how fast floor time runs, or stops it. On record."""
        if speed is not None:
            _check_speed(speed)
        self._change_pace(speed=speed, paused=paused)
        detail = {"speed": self.clock.speed, "paused": self.clock.paused}
        await self.host.do(Floor.audit, actor=actor, action="pace", subject="clock", detail=detail)

    def _change_pace(self, *, speed: float | None = None, paused: bool | None = None) -> None:
        self.clock.set(speed=speed, paused=paused)
        self._wake.set()
        self.host.pace()

    async def take_seat(self, agent_id: str, *, holder: str) -> None:
        """``holder`` is this agent from now on: the virtual one stops, and floor time slows down to the wall's.

        Raises ``UnknownAgent``, or ``SeatTaken`` where somebody else has the seat.
        """
        if agent_id not in self._engine.plan.keys:
            raise UnknownAgent.named(agent_id)
        async with self._seating:
            taken_by = self.seats.get(agent_id)
            if taken_by == holder:
                return
            if taken_by is not None:
                raise SeatTaken(f"{taken_by} has this seat. Choose another agent, or ask them to give it back.")
            self.seats[agent_id] = holder
            self._engine.virtual.discard(agent_id)
            await self.host.do(Floor.disconnect, agent_id, actor=holder)
            await self.host.do(Floor.audit, actor=holder, action="seat_taken", subject=agent_id)
            if self.clock.speed != 1.0:
                await self.set_pace(speed=1.0, actor=holder)

    async def give_back(self, agent_id: str, *, holder: str) -> None:
        """The virtual agent takes over again and steps to where its plan is. Without the seat it does nothing."""
        async with self._seating:
            if self.seats.get(agent_id) != holder:
                return
            del self.seats[agent_id]
            await self.host.do(Floor.audit, actor=holder, action="seat_given_back", subject=agent_id)
            self._engine.rejoin(agent_id)
            await self.host.settled()

    # --- the player's side of the host ---

    def observe(self, event: Event) -> None:
        """Takes in an event that has just been decided."""
        self._engine.observe(event)
        self._wake.set()

    def rebuilt(self) -> None:
        """What was decided and not committed is gone: the engine starts anew from the floor as it is."""
        self._rebuild = True
        self._wake.set()

    def _act(self, at: int, command: Any, *args: Any, **kwargs: Any) -> tuple[Event, ...]:
        try:
            return self.host.play(at, command, *args, **kwargs)
        except LogError:
            raise
        except CoachsimError as error:
            # People may have moved the floor away from the plan: an agent made inactive, logged out by hand.
            _logger.info("the plan's %s was refused: %s", command.__name__, error)
            return ()

    # --- the day's course ---

    async def _join(self, day: Plan) -> None:
        """Brings the floor to where the plan is now, and starts an engine there."""
        host = self.host
        assert host.deciding.day is not None
        at = max(host.deciding.now, day.day.began_at)
        self._engine = Engine(day, host.deciding, self._act, start=at)
        self._engine.virtual -= set(self.seats)
        self._act(at, Floor.set_agents, day.agents, actor=PLAN)
        self._engine.recover()

    async def _play_until(self, moment: int) -> None:
        """Plays what lies before ``moment`` at once."""
        engine = self._engine
        while engine.next_at() <= moment:
            self._turn_until(moment)
            await self.host.settled()
        self.clock.restart_at(moment)

    def _turn_until(self, moment: float) -> None:
        stop = time.perf_counter() + _TURN_S
        while self._engine.next_at() <= moment and time.perf_counter() < stop:
            self._engine.step()

    async def _drive(self) -> None:
        while True:
            try:
                await self._turn()
            except LogError as error:
                _logger.warning("the practice waits for the log: %s", error)
                await asyncio.sleep(1)
            except Exception:
                _logger.exception("the practice floor's engine failed; it starts anew from the floor as it is")
                self.rebuilt()
                await asyncio.sleep(1)

    async def _turn(self) -> None:
        """One short stretch: waits for what comes next, or plays for a few milliseconds and lets others in."""
        if self._rebuild:
            await self._join(self._engine.plan)
            self._rebuild = False
        engine, clock = self._engine, self.clock
        ends_at = engine.plan.day.ends_at
        moment = min(engine.next_at(), ends_at)
        clock.wait_for(moment)
        # What is due at the very moment of a pause happens after it.
        left = math.inf if clock.paused else clock.seconds_until(moment)
        if left > 0:
            self._wake.clear()
            try:
                async with asyncio.timeout(min(left, 1.0)):
                    await self._wake.wait()
            except TimeoutError:
                pass
        elif moment >= ends_at:
            await self._next_day(ends_at)
        else:
            stop = time.perf_counter() + _TURN_S
            while moment < ends_at and clock.seconds_until(moment) <= 0 and time.perf_counter() < stop:
                clock.wait_for(moment)
                engine.step()
                moment = engine.next_at()
            await asyncio.sleep(0)

    async def _next_day(self, ends_at: int) -> None:
        self._act(ends_at, _tick_only)
        assert self.host.deciding.day is not None
        label = date.fromisoformat(self.host.deciding.day.day)
        day = await asyncio.to_thread(plan, self.scenario, self.seed, day=label)
        await self._join(day)


def _tick_only(floor: Floor, at: int) -> tuple[Event, ...]:
    return ()


def _no_act(at: int, command: Any, *args: Any, **kwargs: Any) -> tuple[Event, ...]:
    raise RuntimeError("this engine has not joined the floor")


def _check_speed(speed: float) -> None:
    if not 0.1 <= speed <= MAX_SPEED:
        raise InvalidInput(f"The speed {speed:g} is not between 0.1 and {MAX_SPEED:g}.", field="speed")
