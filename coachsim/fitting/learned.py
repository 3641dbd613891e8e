"""``scenario_of(log)``: a day of a log as a scenario: its people, shifts, breaks and messages, to be asked what if."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from coachsim import roster
from coachsim.days import HOUR, to_datetime, to_micros
from coachsim.errors import InvalidInput, NotEnoughEvidence
from coachsim.fitting.attendance import Attendance
from coachsim.fitting.fitted import Fitted, fit
from coachsim.fitting.observed import policy_of
from coachsim.fitting.patterns import shifts
from coachsim.fitting.pauses import breaks
from coachsim.fitting.sent import planned
from coachsim.log import MessageLog
from coachsim.models import Agent
from coachsim.scenario import Attention, FloorShape, Policy, Scenario, ScenarioError

ROSTER = "roster.csv"
_NAME = 80
_SAYS = {"absence": "the share of absent agents", "lengths": "how long shifts last that are not over"}


@dataclass(frozen=True, slots=True)
class Learned:
    """A ``scenario`` learned from a log, and the ``agents`` of its floor.

    ``compare(learned.scenario, …, agents=learned.agents)`` asks what if; ``save`` writes both as files. ``day`` is the
    day (label) that it is of, known up to ``as_of`` (the floor's clock); ``days`` are those that shifts and breaks were
    learned from. ``fitted`` is what the attention was learned as, None where it is as given or by default. ``assumed``
    names what the log did not tell (``absence``, ``lengths``). ``left_out`` messages went to nobody of these agents.
    """

    scenario: Scenario
    agents: tuple[Agent, ...]
    day: str
    as_of: str
    days: tuple[str, ...]
    fitted: Fitted | None
    assumed: tuple[str, ...]
    left_out: int

    def __repr__(self) -> str:
        return f"<Learned: {self.scenario.description}>"

    @property
    def roster_csv(self) -> str:
        """The agents as a roster file."""
        return roster.write(self.agents)

    def save(self, path: Path | str) -> tuple[Path, Path]:
        """Writes the scenario to ``path`` and its roster beside it, as ``NAME-roster.csv``: both or neither.

        Returns the two paths. Raises ``InvalidInput`` where one of them is there already, ``ScenarioError`` where it
        cannot be written.
        """
        path = Path(path)
        csv = path.with_name(f"{path.stem}-{ROSTER}")
        contents = {csv: self.roster_csv, path: self.named(csv.name).to_toml()}
        written: list[Path] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for file, content in contents.items():
                with file.open("x", encoding="utf-8") as opened:
                    written.append(file)
                    opened.write(content)
        except (OSError, UnicodeEncodeError) as error:
            for done in written:
                done.unlink(missing_ok=True)
            if isinstance(error, FileExistsError):
                raise InvalidInput(f"{file} exists already. Choose another name, or remove it first.") from error
            raise ScenarioError(f"{path} and its roster cannot be written: {error}.") from error
        return path, csv

    def named(self, csv: str) -> Scenario:
        """The scenario with its roster in a file of this name, beside its own."""
        return self.scenario.model_copy(update={"floor": FloorShape.model_validate({"roster": csv})})


@dataclass(frozen=True, slots=True)
class _Span:
    """The ``days`` (labels) that are learned from, ``over`` those of them that are over, and the last one's schedule.

    They are known from ``began_at`` to ``until``, in µs since 1970.
    """

    days: tuple[str, ...]
    over: tuple[str, ...]
    began_at: int
    until: int
    zone: ZoneInfo
    clear_down: str

    @classmethod
    def of(cls, log: MessageLog, day: date | str | None, days: int) -> _Span:
        """So many days up to ``day``, or to the newest on which anything was sent or anybody logged in."""
        if type(days) is not int or days < 1:
            raise InvalidInput(f"'days' is a whole number from 1, not {days!r}.", field="days")
        known = log.sql(_DAYS).to_dict("records")
        newest = log.newest()
        if not known or newest is None:
            raise NotEnoughEvidence("The log has no day yet: nothing has happened on this floor.")
        last = _place(known, day)
        chosen, after = known[max(0, last - days + 1) : last + 1], known[last + 1 : last + 2]
        zone = ZoneInfo(chosen[-1]["time_zone"])
        return cls(
            days=tuple(row["day"] for row in chosen),
            over=tuple(row["day"] for row in chosen if row["closed"]),
            began_at=chosen[0]["began"],
            until=min([to_micros(newest.replace(tzinfo=UTC)), *(row["began"] for row in after)]),
            zone=zone,
            clear_down=_clear_down([row["began"] for row in known[: last + 1]], zone),
        )

    @property
    def day(self) -> str:
        """The one that it is all about."""
        return self.days[-1]

    @property
    def as_of(self) -> str:
        """What clocks on the floor showed at its end."""
        return f"{to_datetime(self.until, self.zone):%H:%M}"


_DAYS = """
    SELECT day, epoch_us(began_at) AS began, cleared_at IS NOT NULL AS closed,
           coalesce(time_zone, (SELECT time_zone FROM run), 'UTC') AS time_zone,
           day IN (SELECT day FROM messages) OR EXISTS (
               SELECT 1 FROM all_state_changes WHERE state = 'logged_in' AND changed_at > all_days.began_at
           ) AS busy
    FROM all_days WHERE day IS NOT NULL ORDER BY began_at
"""


def _place(known: list[dict[str, Any]], day: date | str | None) -> int:
    if day is not None:
        label = day if isinstance(day, str) else day.isoformat()[:10]
        for place, row in enumerate(known):
            if row["day"] == label:
                return place
        raise InvalidInput(f"The log has no day {label!r}; its last is {known[-1]['day']}.", field="day")
    busy = [place for place, row in enumerate(known) if row["busy"]]
    return busy[-1] if busy else len(known) - 1


def _clear_down(began: list[int], zone: ZoneInfo) -> str:
    """The time of day at which days begin: that of the newest on whose night no clock was changed."""
    for moment in reversed(began):
        before, after = to_datetime(moment - 3 * HOUR, zone), to_datetime(moment + 3 * HOUR, zone)
        if before.utcoffset() == after.utcoffset():
            break
    return f"{to_datetime(moment, zone):%H:%M}"


def scenario_of(
    log: MessageLog,
    *,
    day: date | str | None = None,
    days: int = 28,
    attention: Attention | None = None,
    policy: Policy | None = None,
) -> Learned:
    """The floor of a log on ``day`` (a date or label) as a scenario; by default the newest day on which anything was.

    Agents are those who were active at its end, or are now; its messages are those that were sent, at their minutes.
    Shifts, absence and breaks are estimated from the changes of state of that day and those before it, ``days`` in all
    at most. ``attention`` is how people read; without it, it is learned from the days of these that are over (``fit``),
    and as a scenario has it by default where they are too thin. ``policy`` as for ``fit``.

    Raises ``NotEnoughEvidence`` where nobody was on the roster or nobody logged in; ``InvalidInput`` for a day that the
    log does not have. docs/scenario-of-a-log.md says how it is done, and what a scenario cannot say of a floor.

    >>> learned = scenario_of(log)
    >>> [shift.start for shift in learned.scenario.shifts]
    ['09:00']
    >>> len(learned.agents)
    40
    """
    span = _Span.of(log, day, days)
    seen = Attendance.of(log, span.zone, span.began_at, span.until)
    if not seen.agents:
        raise NotEnoughEvidence(f"No agent was on the roster on {span.day}, so there is no floor to start from.")
    found = shifts(seen, int(span.clear_down[:2]) * 60 + int(span.clear_down[3:]))
    taken, others = breaks(seen.stays)
    messages, left_out = planned(log, span.day, seen)
    shown = policy or policy_of(log)
    fitted = None
    if attention is None:
        fitted = _fitted(log, span.over, shown)
    stands_on = [
        f"{_many(len(seen.agents), 'agent')} on {span.day}{'' if span.day in span.over else f' as of {span.as_of}'}",
        f"shifts and breaks from {_many(len(span.days), 'day')}",
        _many(len(messages), "message"),
        _says_attention(fitted, given=attention is not None),
        *(f"{_SAYS[name]} is assumed" for name in found.assumed),
    ]
    (floor_name,) = log.sql("SELECT coalesce(nullif(floor_name, ''), scenario, 'Floor') AS name FROM run")["name"]
    scenario = Scenario.model_validate(
        {
            "name": f"{str(floor_name)[: _NAME - 12]}, {span.day}",
            "description": f"{'; '.join(stands_on)}.",
            "date": date.fromisoformat(span.day),
            "time_zone": span.zone.key,
            "clear_down": span.clear_down,
            "absence": found.absence,
            "floor": {"roster": ROSTER},
            "shifts": found.patterns,
            "breaks": taken,
            "unplanned_breaks": others,
            "messages": messages,
            "attention": fitted.attention if fitted else attention or Attention.model_validate({}),
            "policy": shown,
        }
    )
    return Learned(scenario, seen.agents, span.day, span.as_of, span.days, fitted, found.assumed, left_out)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _says_attention(fitted: Fitted | None, *, given: bool) -> str:
    if given:
        return "attention as given"
    if fitted is None:
        return "attention as by default, since too little was read on days that are over"
    return f"attention learned from {fitted.stands_on}"


def _fitted(log: MessageLog, over: tuple[str, ...], shown: Policy) -> Fitted | None:
    try:
        return fit(log, days=list(over), policy=shown)
    except NotEnoughEvidence:
        return None
