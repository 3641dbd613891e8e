"""Scenario: everything that a what-if can vary about a floor's day, with units, checked, from and to TOML.

Times of day are wall-clock ``HH:MM`` in the floor's time zone. A *spread* is the half-width of a uniform draw: 09:00
with a spread of 10 minutes is any moment from 08:50 to 09:10. ``data/README.md`` lists every field.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from coachsim import bundled
from coachsim.days import is_time_zone
from coachsim.errors import CoachsimError
from coachsim.faults import fault, unknown_fields
from coachsim.models import MAX_BODY, MAX_REASON, Audience, clean_text

# Strict: a number is a number and true is true, not whatever could be read as one.
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Positive = Annotated[float, Field(gt=0, le=1e6, strict=True)]
Minutes = Annotated[float, Field(ge=0, le=1_440, strict=True)]
Spread = Annotated[float, Field(ge=0, le=120, strict=True)]
Interval = Annotated[float, Field(ge=0.1, le=1_440, strict=True)]
Sigma = Annotated[float, Field(ge=0, le=3, strict=True)]
Count = Annotated[int, Field(ge=0, le=100_000, strict=True)]
Groups = Annotated[int, Field(ge=0, le=1_000, strict=True)]
_WALL_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_FIRST_DATE, _LAST_DATE = dt.date(1970, 1, 3), dt.date(2199, 12, 30)


class ScenarioError(CoachsimError):
    """A scenario that cannot be used; the message names every field at fault."""

    code = "scenario"
    http_status = 422


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _wall_time(value: str) -> str:
    if not _WALL_TIME.fullmatch(value):
        raise ValueError("write a time of day as HH:MM, such as 09:30")
    return value


class FloorShape(_Part):
    """Who works here: a roster file, or so many made-up agents in so many groups."""

    roster: str | None = Field(
        None,
        description="roster CSV, relative to the scenario's file; instead of the counts",
        pattern=r"^[^\x00-\x1f]+$",
    )
    agents: Count = Field(250, description="how many agents are made up")
    teams: Annotated[int, Field(ge=1, le=1_000, strict=True)] = Field(
        10, description="how many teams they are in, one each"
    )
    campaigns: Groups = Field(4, description="how many campaigns, one or two for each agent")
    lists: Groups = Field(6, description="how many lists, likewise")
    queues: Groups = Field(5, description="how many queues, likewise")


class Shift(_Part):
    """One pattern of shifts; agents are dealt to the patterns that are open to their team by their shares."""

    start: str = Field(description="time of day of logging in, HH:MM")
    length_h: Annotated[float, Field(gt=0, le=16, strict=True)] = Field(8.0, description="hours until logging out")
    share: Positive = Field(1.0, description="weight among the patterns: twice the weight, twice the agents")
    start_spread_min: Spread = Field(10.0, description="minutes, half-width of the start")
    length_spread_min: Spread = Field(10.0, description="minutes, half-width of the length")
    teams: tuple[str, ...] = Field((), description="the teams that work it; without any, all teams do")

    _time = field_validator("start")(_wall_time)


class Break(_Part):
    """A planned break, in *waves* if not all go at once: wave n starts ``wave_gap_min`` after wave n−1."""

    reason: str = Field(description="1 to 25 characters, as the agent's page shows it")
    after_min: Minutes = Field(description="minutes from the start of the shift, for the first wave")
    length_min: Minutes = Field(description="minutes that it lasts")
    after_spread_min: Spread = Field(5.0, description="minutes, half-width of its start")
    length_spread_min: Spread = Field(3.0, description="minutes, half-width of its length")
    waves: Annotated[int, Field(ge=1, le=100, strict=True)] = Field(1, description="groups that go one after the other")
    wave_gap_min: Minutes = Field(0.0, description="minutes between two waves")

    @field_validator("reason")
    @classmethod
    def _reason(cls, value: str) -> str:
        return clean_text(value, what="reason", field="reason", limit=MAX_REASON)


class UnplannedBreaks(_Part):
    """Breaks that nobody planned: a Poisson stream with lognormal lengths."""

    per_hour: Annotated[float, Field(ge=0, le=6, strict=True)] = Field(0.1, description="breaks an hour of shift")
    length_median_min: Positive = Field(5.0, description="minutes, median length")
    length_sigma: Sigma = Field(0.5, description="standard deviation of the length's logarithm")


class PlannedMessage(_Part):
    """A message, or a series of them: at one time, or every so often from one time until another."""

    key: str = Field(description="stable name, without '#': its draws hang on it")
    body: str = Field(description="1 to 1,000 characters")
    to: dict[str, Any] | str = Field(
        "everyone",
        description="'everyone', 'a team' or 'an agent' (drawn for each send), or an audience as the API has it",
    )
    at: str | None = Field(None, description="time of day, HH:MM")
    every_min: Interval | None = Field(None, description="minutes between two of a series, 0.1 to 1,440")
    start: str | None = Field(None, description="time of day of the first of a series, HH:MM")
    until: str | None = Field(None, description="time of day before which the series ends, HH:MM")
    priority: Literal["normal", "urgent"] = Field("normal", description="normal or urgent")
    ack_required: bool = Field(False, strict=True, description="true asks for an acknowledgement")
    expires_after_min: Interval | None = Field(
        None, description="minutes after the send, 0.1 to 1,440; none = the night"
    )

    @field_validator("at", "start", "until")
    @classmethod
    def _time(cls, value: str | None) -> str | None:
        return None if value is None else _wall_time(value)

    @field_validator("key")
    @classmethod
    def _key(cls, value: str) -> str:
        # The sends of a series are named key#0, key#1 …: no other message may have such a name.
        if "#" in value:
            raise ValueError("a key has no '#' in it")
        return clean_text(value, what="key", field="key", limit=60)

    @field_validator("body")
    @classmethod
    def _body(cls, value: str) -> str:
        return clean_text(value, what="message", field="body", limit=MAX_BODY)

    @field_validator("to", mode="before")
    @classmethod
    def _to(cls, value: Any) -> Any:
        if isinstance(value, dict):
            Audience.from_json(value)
        elif value not in ("everyone", "a team", "an agent"):
            raise ValueError("write 'everyone', 'a team', 'an agent' or an audience such as { agents = ['a001'] }")
        return value

    @model_validator(mode="after")
    def _when(self) -> PlannedMessage:
        series = (self.every_min, self.start, self.until)
        if (self.at is not None) == any(part is not None for part in series) or (
            self.at is None and any(part is None for part in series)
        ):
            raise ValueError("give either 'at', or all of 'every_min', 'start' and 'until'")
        return self


class Attention(_Part):
    """How agents come to read. The structure is the literature's, the numbers are assumptions unless fitted."""

    tau_s: Positive = Field(4.0, description="seconds: how fast a toast is noticed, 1-exp(-s/tau)")
    fatigue: Share = Field(0.01, description="share of noticing lost with each earlier message of the day")
    open_median_s: Positive = Field(25.0, description="seconds, median, from a noticed toast to opening")
    open_sigma: Sigma = Field(0.8, description="standard deviation of that delay's logarithm")
    occupancy: Share = Field(
        0.7, description="share of time on a call: the chance that a noticed toast waits for one to end"
    )
    call_mean_s: Positive = Field(240.0, description="seconds, mean length of a call")
    bell_median_s: Positive = Field(900.0, description="seconds, median, from being notified to looking at the bell")
    bell_sigma: Sigma = Field(1.0, description="standard deviation of that delay's logarithm")
    bell_never: Share = Field(0.05, description="share of bells never looked at for their own sake")
    ack_median_s: Positive = Field(8.0, description="seconds, median, from reading to confirming")
    ack_sigma: Sigma = Field(0.6, description="standard deviation of that delay's logarithm")
    ack_never: Share = Field(0.03, description="share never confirmed, though asked for and read")


class Policy(_Part):
    """What the desk decides, not the people."""

    toast_seconds: Positive = Field(8.0, description="seconds that a toast stays")
    urgent_toast_seconds: Positive = Field(60.0, description="seconds that an urgent one stays, in a simulation")


class Scenario(_Part):
    """A floor's day. ``Scenario.load(path)`` reads TOML; ``model_copy(update=…)`` makes a variant.

    >>> usual = Scenario.load("weekday")
    >>> usual.model_copy(update={"absence": 0.2}).absence
    0.2
    """

    name: str = Field(description="what a person calls it", min_length=1, max_length=80)
    description: str = Field("", description="what it stands for")
    date: dt.date = Field(
        dt.date(2026, 3, 2), description="label of the simulated day, YYYY-MM-DD", ge=_FIRST_DATE, le=_LAST_DATE
    )
    time_zone: str = Field("Europe/London", description="IANA name")
    clear_down: str = Field("03:00", description="time of day, HH:MM")
    practice_from: str = Field("10:30", description="time of day at which a new practice floor starts, HH:MM")
    absence: Share = Field(0.06, description="share of agents absent on a day")
    floor: FloorShape = Field(default_factory=lambda: FloorShape.model_validate({}))
    shifts: tuple[Shift, ...] = Field(description="patterns of shifts, at least one")
    breaks: tuple[Break, ...] = Field((), description="planned breaks")
    unplanned_breaks: UnplannedBreaks = Field(default_factory=lambda: UnplannedBreaks.model_validate({}))
    messages: tuple[PlannedMessage, ...] = Field((), description="what is sent")
    attention: Attention = Field(default_factory=lambda: Attention.model_validate({}))
    policy: Policy = Field(default_factory=lambda: Policy.model_validate({}))
    folder: Path = Field(Path(), exclude=True, repr=False)

    _times = field_validator("clear_down", "practice_from")(_wall_time)

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if not is_time_zone(value):
            raise ValueError("not an IANA time zone, such as Europe/London")
        return value

    @model_validator(mode="after")
    def _together(self) -> Scenario:
        names = [message.key for message in self.messages]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two messages have the key {twice[0]!r}")
        if not self.shifts:
            raise ValueError("there is no shift, so nobody would ever work")
        for index, message in enumerate(self.messages):
            # A series until the clear-down lasts until the day's end.
            ends = message.until and (self.into_day(message.until) or 1_440)
            if message.start and ends and ends <= self.into_day(message.start):
                raise ValueError(f"messages[{index}].until: the series would end before it starts")
        return self

    def into_day(self, wall: str) -> int:
        """How many minutes on the clock a time of day is after the clear-down."""
        return (_minutes(wall) - _minutes(self.clear_down)) % 1_440

    @classmethod
    def load(cls, path: Path | str) -> Scenario:
        """Reads a TOML file, or a scenario that comes with coachsim by its name, such as ``weekday``.

        ``ScenarioError`` names every misspelt or impossible field at once.
        """
        path = bundled.scenario(path)
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            known = ", ".join(bundled.scenarios())
            raise ScenarioError(
                f"There is no scenario {path}. Check the path, or take one of those that come with coachsim: {known}."
            ) from None
        except OSError as error:
            raise ScenarioError(f"{path} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise ScenarioError(f"{path} cannot be read: it is not UTF-8 text. Save it as UTF-8.") from error
        except (ValueError, RecursionError) as error:  # also of numbers too long and of brackets too deep
            raise ScenarioError(f"{path} is not valid TOML: {error}.") from error
        return cls.from_dict(data, folder=path.resolve().parent, what=str(path))

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, folder: Path = Path(), what: str = "The scenario") -> Scenario:
        """Checks a scenario given as nested dicts, as TOML has it."""
        unknown = unknown_fields(cls, data)
        if unknown:
            raise ScenarioError(f"{what}: " + "; ".join(unknown) + ".")
        try:
            return cls.model_validate(data | {"folder": folder})
        except ValidationError as error:
            raise ScenarioError(f"{what}: " + "; ".join(fault(one) for one in error.errors()) + ".") from None

    def roster_path(self) -> Path | None:
        """Where the roster is, if the floor has one."""
        return None if self.floor.roster is None else self.folder / self.floor.roster

    def to_toml(self) -> str:
        """The scenario as TOML with every field, also those that are as by default; ``load`` reads it back.

        A roster stays where it is: a comment says from where its path counts.
        """
        said = "# Every field is described in data/README.md of coachsim.\n"
        if self.floor.roster is not None:
            path = "".join(char if char.isprintable() else "?" for char in self.floor.roster)
            said += f"# This floor needs the roster {path}, a path counted from the folder that this file lies in.\n"
        return said + tomli_w.dumps(self.model_dump(exclude_none=True))

    def save(self, path: Path | str) -> None:
        """Writes ``to_toml`` to a file; a roster's path is changed so that it is found from there.

        Raises ``ScenarioError`` where the file cannot be written.
        """
        path, roster = Path(path), self.roster_path()
        moved = self
        if roster is not None:
            away = os.path.relpath(roster.resolve(), path.resolve().parent)
            floor = self.floor.model_copy(update={"roster": Path(away).as_posix()})
            moved = self.model_copy(update={"floor": floor})
        try:
            path.write_text(moved.to_toml(), encoding="utf-8")
        except (OSError, UnicodeEncodeError) as error:
            raise ScenarioError(f"{path} cannot be written: {error}.") from error


def _minutes(wall: str) -> int:
    return int(wall[:2]) * 60 + int(wall[3:])
