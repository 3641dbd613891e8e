"""Adviser: when to send, on a floor that lives. It looks up what ``coachsim.advice`` has to know, and answers as JSON.

Computing happens in a thread, one advice at a time: nobody waits for it but who asked.
"""

from __future__ import annotations

import asyncio
import logging
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from coachsim import advice, past_days
from coachsim.advice import Advice, Prospect
from coachsim.anyway import Waiting, prompts
from coachsim.days import SECOND, to_iso
from coachsim.errors import CoachsimError
from coachsim.events import DayBegan, Event
from coachsim.host import FloorHost
from coachsim.models import Delivery, Priority
from coachsim.outcome import NEVER, STATES, Ints
from coachsim.people.draws import keys
from coachsim.people.habits import Habits, Now
from coachsim.scenario import Attention, Policy
from coachsim.state import AgentRow, FloorState

if TYPE_CHECKING:
    from coachsim.practice import Practice

Json = dict[str, Any]
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Model:
    attention: Attention
    policy: Policy
    source: str
    stands_on: str


@dataclass(frozen=True, slots=True)
class Unread:
    """What some agents have unread at a moment, as the floor has it: the deliveries themselves, which go on to change.

    So taking it costs the floor's thread no more than a pointer for each, and whoever reads it may take their time.
    """

    deliveries: list[tuple[Delivery, ...]]
    earlier: list[int]
    urgent: frozenset[int]

    @classmethod
    def of(cls, floor: FloorState, rows: Sequence[AgentRow]) -> Unread:
        urgent = [mid for mid, row in floor.messages.items() if row.message.priority is Priority.URGENT]
        return cls([tuple(row.unread.values()) for row in rows], [len(row.inbox) for row in rows], frozenset(urgent))

    def waiting(self, at: int, began_at: int) -> Waiting:
        """As it was ``at`` that moment: of what has become of it since, nothing."""
        unread = list(chain.from_iterable(self.deliveries))

        def moments(times: Iterable[int | None]) -> Ints:
            known = [NEVER if time is None or time > at else time - began_at for time in times]
            return np.array(known, np.int64)

        toasted = moments(one.toast_at for one in unread) != NEVER
        urgent = np.array([one.message_id in self.urgent for one in unread], np.bool_)
        return Waiting(
            agent=np.repeat(np.arange(len(self.deliveries)), [len(some) for some in self.deliveries]),
            told=moments(one.notified_at for one in unread),
            prompt=prompts(toasted, urgent),
            earlier=np.array(self.earlier, np.int64),
        )


class Adviser:
    """Advises on messages to agents of ``host``'s floor.

    ``attention_file`` may hold the attention that was learned from its log; on a practice floor, it is the scenario's.
    """

    def __init__(
        self, host: FloorHost, *, practice: Practice | None = None, attention_file: Path | None = None
    ) -> None:
        self._host = host
        self._practice = practice
        self._file = attention_file
        self._habits: tuple[str, Habits] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._ready: asyncio.Task[None] | None = None
        self._unwatch: Callable[[], None] = _nothing

    def keep_ready(self) -> None:
        """Looks up the past days now and after each night, so that nobody has to wait for that. Ended by ``close``."""
        self._unwatch = self._host.watch(self._on_event)
        self._ready = asyncio.create_task(self._prepare())

    async def close(self) -> None:
        """Ends what ``keep_ready`` began, when the log is not being read any more."""
        self._unwatch()
        if self._ready is not None:
            await self._ready

    def _on_event(self, event: Event) -> None:
        if isinstance(event, DayBegan) and (self._ready is None or self._ready.done()):
            self._ready = asyncio.create_task(self._prepare())

    async def _prepare(self) -> None:
        async with self._one_at_a_time:
            day = self._host.floor.day
            try:
                if day is not None:
                    await self._usual(day.day)
            except CoachsimError as error:  # whoever asks for advice is told
                _logger.warning("the past days could not be looked up: %s", error)
            except Exception as error:  # whatever it is: kept in the task, it would be said to nobody before ``close``
                _logger.exception("the past days could not be looked up: %s", error)

    async def advise(self, agent_ids: Sequence[str], *, urgent: bool, by: int | None) -> Json:
        """What a message to these agents can be expected to come to, now and at a better moment, until ``by`` (µs)."""
        async with self._one_at_a_time:
            floor = self._host.floor
            assert floor.day is not None
            usual = await self._usual(floor.day.day)
            model = await asyncio.to_thread(self._model)
            day = floor.day  # and where everybody is: looked up last, since the past may have taken a while
            assert day is not None
            at, began_at = self._host.now(), day.began_at
            rows = [floor.agents[agent_id] for agent_id in agent_ids]
            now = _now(rows, at - began_at, day.ends_at - began_at, began_at)
            unread = Unread.of(floor, rows)

            def computed() -> tuple[Advice, Json]:
                until = None if by is None else by - began_at
                of, their_keys, waiting = usual.only(agent_ids), keys(agent_ids), unread.waiting(at, began_at)
                found = advice.advise(
                    of, now, their_keys, waiting, model.attention, model.policy, urgent=urgent, by=until
                )
                return found, _load(waiting, model.attention)

            found, load = await asyncio.to_thread(computed)
        return _told(found, began_at, rows, model) | {"load": load}

    async def _usual(self, label: str) -> Habits:
        if self._habits is None or self._habits[0] != label:
            self._habits = (label, await asyncio.to_thread(self._past, label))
        return self._habits[1]

    def _past(self, label: str) -> Habits:
        if self._practice is None:
            return past_days.logged(self._host.writer, label)
        return past_days.played(self._practice.scenario, self._practice.seed, label)

    def _model(self) -> _Model:
        if self._practice is not None:
            scenario = self._practice.scenario
            return _Model(scenario.attention, scenario.policy, "scenario", f"as in the scenario {scenario.name}")
        policy = Policy.model_validate({"toast_seconds": float(self._host.settings.toast_seconds)})
        usual = Attention.model_validate({})
        if self._file is None or not self._file.exists():
            return _Model(usual, policy, "default", "usual numbers, not learned from this floor yet")
        try:
            text = self._file.read_text(encoding="utf-8")
            learned = Attention.model_validate(tomllib.loads(text)["attention"])
        except (OSError, ValueError, KeyError, ValidationError) as error:
            _logger.warning("%s cannot be used for advice: %s", self._file, error)
            return _Model(usual, policy, "default", f"usual numbers, since {self._file.name} cannot be used")
        said = text.partition("\n")[0].removeprefix("#").strip().removesuffix(".")
        return _Model(
            learned, policy, "learned", said[:1].lower() + said[1:] if said.startswith("Learned") else "learned"
        )


def _nothing() -> None:
    """Nothing is watched."""


def _now(rows: Sequence[AgentRow], at: int, length: int, began_at: int) -> Now:
    def came(row: AgentRow) -> int:
        if row.present_from is not None:
            return max(0, row.present_from - row.present_before - began_at)
        return 0 if row.present_before else NEVER

    return Now(
        at=at,
        length=length,
        state=np.array([STATES.index(row.state) for row in rows], np.int8),
        reason=tuple(row.reason for row in rows),
        since=np.array([(row.since or began_at) - began_at for row in rows], np.int64),
        came=np.array([came(row) for row in rows], np.int64),
    )


def _told(found: Advice, began_at: int, rows: Sequence[AgentRow], model: _Model) -> Json:
    def prospect(one: Prospect) -> Json:
        return {
            "at": to_iso(one.at + began_at),
            "logged_in": round(one.logged_in),
            "read_rate": round(one.read, 4),
            "low": round(one.low, 4),
            "high": round(one.high, 4),
            "median_s": None if one.median is None else round(one.median / SECOND),
        }

    surely, perhaps, hardly = advice.expected(found.chances)
    away = [row.agent for row, gone in zip(rows, hardly.tolist(), strict=True) if gone]
    return {
        "by": to_iso(found.by + began_at),
        "now": prospect(found.now),
        "better": None if found.better is None else prospect(found.better),
        "in_before": {
            "surely": surely,
            "perhaps": perhaps,
            "hardly": [{"agent_id": agent.agent_id, "name": agent.name} for agent in away],
        },
        "attention": {"source": model.source, "stands_on": model.stands_on},
        "past_days": found.days,
        "repetitions": found.reps,
    }


def _load(waiting: Waiting, attention: Attention) -> Json:
    level = advice.level(attention.fatigue)
    sent = waiting.earlier
    return {
        "least": int(sent.min()),
        "median": float(np.median(sent)),
        "most": int(sent.max()),
        "level": level,
        "over": 0 if level is None else int((sent + 1 > level).sum()),
    }
