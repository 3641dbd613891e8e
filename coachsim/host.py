"""FloorHost: a floor that lives. Commands go in, are committed to the log, and only then are answered and shown.

It keeps the floor twice. One copy is ahead: it decides, and its events are on their way to the disk. The other,
``host.floor``, has only what is committed, and is all that readers and watchers ever see. So nobody can be shown
something that a crash would take back.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from coachsim.clock import Clock, ClockWatch, SystemClock
from coachsim.commits import Commits
from coachsim.days import SECOND, Schedule
from coachsim.errors import LogError, LogUnavailable, WrongFolder
from coachsim.events import DayBegan, Event
from coachsim.floor import Floor
from coachsim.log import LOG_FILE, LogWriter, Run
from coachsim.models import FLOOR, Agent
from coachsim.scheduling import Rights
from coachsim.settings import Settings

_LOOK_EVERY = 1.0
_RETRY_EVERY = 2.0
_logger = logging.getLogger(__name__)


class Player(Protocol):
    """Who plays virtual agents on a host."""

    def observe(self, event: Event) -> None:
        """Takes in an event that has just been decided."""

    def rebuilt(self) -> None:
        """What was decided and not committed is gone: look at the floor anew."""


Watcher = Callable[[Event], None]
Command = Callable[..., tuple[Event, ...]]


class FloorHost:
    """A live floor on one log. Made by ``await FloorHost.open(…)``; all methods belong to one event loop."""

    def __init__(self, writer: LogWriter, floor: Floor, settings: Settings, clock: Clock) -> None:
        self.writer = writer
        self.settings = settings
        self.floor = floor
        self._ahead = copy.deepcopy(floor)
        self._rights: Rights | None = None
        self._releases_from: int | None = None  # the floor does not run yet
        self.clock = clock
        self._watch = ClockWatch()
        self.mode = "live"
        self._watchers: list[Watcher] = []
        self._players: list[Player] = []
        self._fault_watchers: list[Callable[[], None]] = []
        self._faults: dict[str, str] = {}
        self._today: list[Event] = []
        self._commits = Commits(writer, self._committed, self._commit_failed)
        self._recovery: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    async def open(
        cls,
        data_dir: Path,
        settings: Settings,
        *,
        clock: Clock | Callable[[int], Clock] | None = None,
        run: Run | None = None,
        rights: Rights | None = None,
    ) -> FloorHost:
        """Opens or creates the log in ``data_dir``, rebuilds the floor and catches up on what was missed.

        ``clock`` may be a function of the newest event's time (µs, 0 in a new log) that gives the clock. ``run`` says
        what writes the log; one that another kind of run has written is refused. ``rights`` says which teams the sender
        of a scheduled message may send to when it goes out (None = those of when it was scheduled). Raises
        ``LogLocked``, ``LogDamaged`` or ``WrongFolder``.
        """
        data_dir.mkdir(parents=True, exist_ok=True)
        run = run or Run()
        shown = {"policy": {"toast_seconds": float(settings.toast_seconds)}}  # what a fit has to know of the desk
        run = replace(
            run,
            site=settings.site,
            floor_name=settings.floor_name,
            time_zone=settings.time_zone,
            detail=run.detail | shown,
        )
        writer = await asyncio.to_thread(LogWriter.open, data_dir / LOG_FILE, run)
        try:
            _check_run(writer.run, run, data_dir)
            floor = _new_floor(settings)
            restored = await asyncio.to_thread(writer.load)
            floor.restore(restored.openings, restored.events, restored.pending)
            if callable(clock):
                clock = clock(floor.now)
            host = cls(writer, floor, settings, clock or SystemClock())
            host.mode = run.kind
            host._rights = host._ahead.rights = rights
            host._today = list(restored.events)
            host._look()
            await host.do(Floor.open_day if floor.day is None else Floor.restart)
            host._releases_from = host.now()
        except BaseException:
            await asyncio.to_thread(writer.close)
            raise
        host._heart = asyncio.create_task(host._beat())
        return host

    # --- commands ---

    async def do(self, command: Command, *args: Any, **kwargs: Any) -> tuple[Event, ...]:
        """Runs a command of ``Floor`` now (``host.do(Floor.send, draft, actor=…)``) and returns its events.

        What was due by itself comes first. Returns when everything is committed, the events of an identical earlier
        request included; raises what the command raises, or ``LogUnavailable`` with nothing done.
        """
        clock = self._look()  # a jump is seen before the night that it would bring
        events = self._do(clock, clock, command, *args, **kwargs)
        await self.settled()
        return events

    def play(self, at: int, command: Command, *args: Any, **kwargs: Any) -> tuple[Event, ...]:
        """Runs a command at floor time ``at`` (not before the newest event) and does not wait for its commit.

        For whoever plays the floor's virtual agents; raises like ``do``.
        """
        return self._do(at, at, command, *args, **kwargs)

    def _do(self, at: int, clock: int, command: Command, *args: Any, **kwargs: Any) -> tuple[Event, ...]:
        self._check_open()
        at = max(at, self._ahead.now)
        self._tick(at, clock)
        events = command(self._ahead, at, *args, **kwargs)
        self._put(events)
        return events

    async def clear_down(self, *, actor: str) -> None:
        """Empties the inboxes now, by hand. Where an alarm is holding the night's clear-down, it is that one."""
        self._check_open()
        day = self._ahead.day
        clock = self._look()
        if self._watch.holding and day is not None and day.ends_at <= clock:
            self._watch.release()
            self._set_fault("clock", None)
            await self.do(Floor.audit, actor=actor, action="clear_down_released", subject=day.day)
        else:
            await self.do(Floor.clear_down, actor=actor)

    async def settled(self) -> None:
        """Waits until everything that the rules have decided so far is committed."""
        await self._commits.settled()

    def now(self) -> int:
        """Floor time in µs: the wall clock, but never before the newest event."""
        return max(self.clock.wall(), self._ahead.now)

    # --- watching ---

    def watch(self, on_event: Watcher, on_faults: Callable[[], None] | None = None) -> Callable[[], None]:
        """Calls ``on_event`` with each committed event, in order, right after ``floor`` has it.

        ``on_faults`` is called when ``faults`` changes. Returns what ends the watching.
        """
        self._watchers.append(on_event)
        if on_faults is not None:
            self._fault_watchers.append(on_faults)

        def stop() -> None:
            if on_event in self._watchers:
                self._watchers.remove(on_event)
            if on_faults is not None and on_faults in self._fault_watchers:
                self._fault_watchers.remove(on_faults)

        return stop

    def attach(self, player: Player) -> None:
        """Takes on a player of virtual agents. It hears of events as they are decided, before they are committed."""
        self._players.append(player)

    @property
    def deciding(self) -> Floor:
        """The copy of the floor that is ahead. For players only: what it says may still come to nothing."""
        return self._ahead

    @property
    def seq(self) -> int:
        """The newest committed event."""
        return self.floor.seq

    @property
    def faults(self) -> list[str]:
        """What is wrong with this floor now, a sentence each; empty when all is well."""
        return list(self._faults.values())

    @property
    def fault_kinds(self) -> list[str]:
        """The names of what is wrong now, in step with ``faults``."""
        return list(self._faults)

    def report(self, key: str, sentence: str | None) -> None:
        """Puts a sentence among ``faults``, or takes it away (None); ``key`` names the trouble."""
        self._set_fault(key, sentence)

    def replace_agent(self, agent_id: str, agent: Agent) -> None:
        """An inactive agent has become another in the log (log/pseudonyms.py): shows that, with no event."""
        for floor in (self.floor, self._ahead):
            if agent_id in floor.agents:
                floor.replace_agent(agent_id, agent)

    def recent(self, after: int) -> list[Event] | None:
        """The committed events after ``after``; None where that is before today or no number of this log."""
        if not self._today or after > self.seq or after < self._today[0].seq - 1:
            return None
        return self._today[after - self._today[0].seq + 1 :]

    # --- the way to the log ---

    def _put(self, events: Sequence[Event]) -> None:
        for player in self._players:
            for event in events:
                player.observe(event)
        self._commits.put(events)

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            self._show(event)

    def _commit_failed(self, error: BaseException) -> None:
        if self._recovery is None and not self._closed:
            _logger.error("a commit failed: %s", error)
            self._set_fault("log", f"Nothing can be sent or read just now: {error}")
            self._recovery = asyncio.get_running_loop().create_task(self._recover())

    def _show(self, event: Event) -> None:
        self.floor.apply(event)
        if isinstance(event, DayBegan):
            self._today.clear()
        self._today.append(event)
        for watcher in tuple(self._watchers):
            try:
                watcher(event)
            except Exception:
                # One broken watcher must not keep the others, or the answer to the command, from hearing of it.
                _logger.exception("a watcher failed on event %d", event.seq)
                self._set_fault("watcher", "A page could not be updated; the server's log has the error.")

    async def _recover(self) -> None:
        while not self._closed:
            await asyncio.sleep(_RETRY_EVERY)
            try:
                await asyncio.to_thread(self.writer.recover)
                restored = await asyncio.to_thread(self.writer.load)
            except LogError as error:
                _logger.error("the log is still unavailable: %s", error)
                continue
            except Exception as error:
                # Whatever it was may be over the next time, and nobody else would ever try.
                _logger.exception("the log is still unavailable: %s", error)
                continue
            # The log is the truth: what it has beyond what was shown (a commit that failed only in its answer) is
            # shown now, and what was decided but never committed is forgotten.
            for event in restored.events:
                if event.seq > self.floor.seq:
                    self._show(event)
            self._ahead = copy.deepcopy(self.floor)
            self._ahead.rights = self._rights
            self._releases_from = self.now()
            self._commits.forget()
            self._recovery = None
            self._set_fault("log", None)
            for player in self._players:
                player.rebuilt()
            return

    def _check_open(self) -> None:
        if self._closed:
            raise LogUnavailable("The floor has been closed. Open it again first.")
        if self._recovery is not None:
            raise LogUnavailable(self._faults.get("log", "The log cannot be written just now. Try again in a moment."))

    # --- time ---

    async def _beat(self) -> None:
        while True:
            try:
                due = self._ahead.next_due(hold_clear_down=self._watch.holding, releases_from=self._releases_from)
                if self._recovery is not None:
                    due = None  # what is due stays so until the log can be written
                wait = _LOOK_EVERY if due is None else min(_LOOK_EVERY, self.clock.seconds_until(due))
                await asyncio.sleep(wait)
                clock = self._look()
                if self._recovery is None:
                    self._tick(max(clock, self._ahead.now), clock)
            except Exception:
                _logger.exception("what happens by itself failed")
                self._set_fault("beat", "The floor's own clockwork failed; the server's log has the error.")
                await asyncio.sleep(_LOOK_EVERY)

    def _tick(self, at: int, clock: int) -> None:
        # Floor time stays ahead of a clock that was set back; the night, and what is scheduled, wait for the clock.
        holding = self._watch.holding
        if holding:
            self._releases_from = None if self._releases_from is None else max(at, self._releases_from)
        self._put(self._ahead.tick(at, nights_until=0 if holding else clock, releases_from=self._releases_from))

    def _look(self) -> int:
        """What the clock shows (µs), after seeing whether it jumped."""
        clock = self.clock.wall()
        moved = self._watch.look(clock, self.clock.boot())
        if moved:
            direction = "forward" if moved > 0 else "back"
            sentence = (
                f"The server's clock jumped {direction} by {abs(moved) // SECOND} s. A clear-down that is due waits"
                " until the clocks have agreed for 10 minutes, or until an admin clears down by hand."
            )
            _logger.warning(sentence)
            self._set_fault("clock", sentence)
            if self._recovery is None and not self._closed:
                self._put(
                    self._ahead.audit(
                        self.now(), actor=FLOOR, action="clock_jump", subject="clock", detail={"moved_us": moved}
                    )
                )
        elif not self._watch.holding:
            self._set_fault("clock", None)
        return clock

    def pace(self) -> None:
        """Tells who watches that the floor's clock goes differently now."""
        for told in tuple(self._fault_watchers):
            told()

    def _set_fault(self, key: str, sentence: str | None) -> None:
        if self._faults.get(key) == sentence:
            return
        if sentence is None:
            del self._faults[key]
        else:
            self._faults[key] = sentence
        for told in tuple(self._fault_watchers):
            told()

    async def close(self) -> None:
        """Commits what is under way and gives the log back. Can be called twice."""
        if self._closed:
            return
        self._closed = True
        for task in (self._heart, self._recovery):
            if task is not None:
                task.cancel()
        self._commits.hand_over()
        await asyncio.to_thread(self.writer.close)


def _check_run(found: Run, wanted: Run, data_dir: Path) -> None:
    mine, theirs = [(run.kind, run.scenario, run.seed) for run in (wanted, found)]
    if mine == theirs:
        return

    def words(kind: str, scenario: str | None, seed: int | None) -> str:
        return f"{kind} floor" + (f" of scenario {scenario!r} with seed {seed}" if scenario else "")

    raise WrongFolder(
        f"{data_dir} holds the log of a {words(*theirs)}, not of a {words(*mine)}. Choose another folder with --data."
    )


def _new_floor(settings: Settings) -> Floor:
    schedule = Schedule(settings.time_zone, settings.clear_down)
    return Floor(schedule, disconnect_after=settings.disconnect_after_s * SECOND)
