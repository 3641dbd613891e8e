"""Scenario: everything that a what-if can vary about a floor's day, with units, checked, from and to TOML.

Times of day are wall-clock ``HH:MM`` in the floor's time zone. A *spread* is the half-width of a uniform draw: 09:00
with a spread of 10 minutes is any moment from 08:50 to 09:10. ``data/README.md`` lists every field.
"""

from __future__ import annotations

import datetime as dt
import difflib
import tomllib
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from coachsim.errors import CoachsimError, InvalidInput
from coachsim.models import MAX_BODY, MAX_REASON, Audience, clean_text

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1e6)]
NotNegative = Annotated[float, Field(ge=0, le=1e6)]
Count = Annotated[int, Field(ge=0, le=100_000)]


class ScenarioError(CoachsimError):
    """A scenario that cannot be used; the message names every field at fault."""

    code = "scenario"
    http_status = 422


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _wall_time(value: str) -> str:
    try:
        dt.datetime.strptime(value, "%H:%M")
    except ValueError:
        raise ValueError("write a time of day as HH:MM, such as 09:30") from None
    if len(value) != 5:
        raise ValueError("write a time of day as HH:MM, such as 09:30")
    return value


class FloorShape(_Part):
    """Who works here: a roster file, or so many made-up agents in so many groups."""

    roster: str | None = Field(None, description="roster CSV, relative to the scenario's file; instead of the counts")
    agents: Count = Field(250, description="agents")
    teams: Annotated[int, Field(ge=1, le=1_000)] = Field(10, description="teams")
    campaigns: Annotated[int, Field(ge=0, le=1_000)] = Field(4, description="campaigns")
    lists: Annotated[int, Field(ge=0, le=1_000)] = Field(6, description="lists")
    queues: Annotated[int, Field(ge=0, le=1_000)] = Field(5, description="queues")


class Shift(_Part):
    """One pattern of shifts; agents are dealt to the patterns by their shares."""

    start: str = Field(description="time of day, HH:MM")
    length_h: Annotated[float, Field(gt=0, le=16)] = Field(8.0, description="hours")
    share: Positive = Field(1.0, description="weight among the patterns")
    start_spread_min: Annotated[float, Field(ge=0, le=120)] = Field(10.0, description="minutes, half-width")
    length_spread_min: Annotated[float, Field(ge=0, le=120)] = Field(10.0, description="minutes, half-width")

    _time = field_validator("start")(_wall_time)


class Break(_Part):
    """A planned break, in *waves* if not all go at once: wave n starts ``wave_gap_min`` after wave n−1."""

    reason: str = Field(description="1 to 25 characters, as the agent's page shows it")
    after_min: NotNegative = Field(description="minutes from the start of the shift")
    length_min: NotNegative = Field(description="minutes")
    after_spread_min: NotNegative = Field(5.0, description="minutes, half-width")
    length_spread_min: NotNegative = Field(3.0, description="minutes, half-width")
    waves: Annotated[int, Field(ge=1, le=100)] = Field(1, description="groups that go one after the other")
    wave_gap_min: NotNegative = Field(0.0, description="minutes between two waves")

    @field_validator("reason")
    @classmethod
    def _reason(cls, value: str) -> str:
        return clean_text(value, what="reason", field="reason", limit=MAX_REASON)


class UnplannedBreaks(_Part):
    """Breaks that nobody planned: a Poisson stream with lognormal lengths."""

    per_hour: Annotated[float, Field(ge=0, le=6)] = Field(0.1, description="breaks an hour of shift")
    length_median_min: Positive = Field(5.0, description="minutes, median")
    length_sigma: Annotated[float, Field(ge=0, le=3)] = Field(0.5, description="of the logarithm")


class PlannedMessage(_Part):
    """A message, or a series of them: at one time, or every so often from one time until another."""

    key: str = Field(description="stable name: its draws hang on it", min_length=1, max_length=60)
    body: str = Field(description="1 to 1,000 characters")
    to: dict[str, Any] | Literal["everyone", "a team", "an agent"] = Field(
        "everyone",
        description="'everyone', 'a team' or 'an agent' (drawn anew each time), or an audience as the API has it",
    )
    at: str | None = Field(None, description="time of day, HH:MM")
    every_min: Positive | None = Field(None, description="minutes between two of a series")
    start: str | None = Field(None, description="time of day of the first of a series, HH:MM")
    until: str | None = Field(None, description="time of day before which the series ends, HH:MM")
    priority: Literal["normal", "urgent"] = Field("normal", description="normal or urgent")
    ack_required: bool = Field(False, description="true asks for an acknowledgement")
    expires_after_min: Positive | None = Field(None, description="minutes after the send; none = the night")

    @field_validator("at", "start", "until")
    @classmethod
    def _time(cls, value: str | None) -> str | None:
        return None if value is None else _wall_time(value)

    @field_validator("body")
    @classmethod
    def _body(cls, value: str) -> str:
        return clean_text(value, what="message", field="body", limit=MAX_BODY)

    @field_validator("to")
    @classmethod
    def _to(cls, value: Any) -> Any:
        if isinstance(value, dict):
            Audience.from_json(value)
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
    open_sigma: Annotated[float, Field(ge=0, le=3)] = Field(0.8, description="of the logarithm")
    occupancy: Share = Field(0.7, description="share of time on a call")
    call_mean_s: Positive = Field(240.0, description="seconds, mean length of a call")
    bell_median_s: Positive = Field(900.0, description="seconds, median, from being notified to looking at the bell")
    bell_sigma: Annotated[float, Field(ge=0, le=3)] = Field(1.0, description="of the logarithm")
    bell_never: Share = Field(0.05, description="share of bells never looked at for their own sake")
    ack_median_s: Positive = Field(8.0, description="seconds, median, from reading to acknowledging")
    ack_sigma: Annotated[float, Field(ge=0, le=3)] = Field(0.6, description="of the logarithm")
    ack_never: Share = Field(0.03, description="share never acknowledged though asked for and read")


class Policy(_Part):
    """What the desk decides, not the people."""

    toast_seconds: Positive = Field(8.0, description="seconds that a toast stays")
    urgent_toast_seconds: Positive = Field(60.0, description="seconds that an urgent one stays, in a simulation")


class Scenario(_Part):
    """A floor's day. ``Scenario.load(path)`` reads TOML; ``model_copy(update=…)`` makes a variant."""

    name: str = Field(description="what a person calls it", min_length=1, max_length=80)
    description: str = Field("", description="what it stands for")
    date: dt.date = Field(dt.date(2026, 3, 2), description="label of the simulated day")
    time_zone: str = Field("Europe/London", description="IANA name")
    clear_down: str = Field("03:00", description="time of day, HH:MM")
    practice_from: str = Field("10:30", description="time of day at which a new practice floor starts, HH:MM")
    absence: Share = Field(0.06, description="share of agents absent on a day")
    floor: FloorShape = Field(default_factory=lambda: FloorShape.model_validate({}))
    shifts: tuple[Shift, ...] = Field(description="patterns of shifts")
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
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("not an IANA time zone, such as Europe/London") from None
        return value

    @model_validator(mode="after")
    def _keys(self) -> Scenario:
        names = [message.key for message in self.messages]
        if len(set(names)) < len(names):
            raise ValueError("two messages have the same key")
        if not self.shifts:
            raise ValueError("there is no shift, so nobody would ever work")
        return self

    @classmethod
    def load(cls, path: Path | str) -> Scenario:
        """Reads a TOML file; ``ScenarioError`` names every misspelt or impossible field at once."""
        path = Path(path)
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ScenarioError(f"There is no scenario {path}. Check the path.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{path} cannot be read: {error}.") from error
        except tomllib.TOMLDecodeError as error:
            raise ScenarioError(f"{path} is not valid TOML: {error}.") from error
        return cls.from_dict(data, folder=path.resolve().parent, what=str(path))

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, folder: Path = Path(), what: str = "The scenario") -> Scenario:
        """Checks a scenario given as nested dicts, as TOML has it."""
        unknown = _unknown_fields(cls, data)
        if unknown:
            raise ScenarioError(f"{what}: " + "; ".join(unknown) + ".")
        try:
            return cls.model_validate(data | {"folder": folder})
        except ValidationError as error:
            raise ScenarioError(f"{what}: " + "; ".join(_fault(one) for one in error.errors()) + ".") from None

    def roster_path(self) -> Path | None:
        """Where the roster lies, if the floor has one."""
        return None if self.floor.roster is None else self.folder / self.floor.roster


def _unknown_fields(model: type[BaseModel], data: Any, at: str = "") -> list[str]:
    """A sentence for each field that no model knows, with what it may have been meant to be."""
    if not isinstance(data, dict):
        return []
    found = []
    fields = {name for name in model.model_fields if name != "folder"}
    for name, value in data.items():
        if name not in fields:
            close = difflib.get_close_matches(name, fields, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            found.append(f"there is no field {at + name!r}{hint}")
            continue
        for part in _parts(model.model_fields[name].annotation):
            for index, item in enumerate(value if isinstance(value, list) else [value]):
                place = f"{at}{name}[{index}]." if isinstance(value, list) else f"{at}{name}."
                found += _unknown_fields(part, item, place)
    return found


def _parts(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (tuple, UnionType):
        return [part for inner in get_args(annotation) for part in _parts(inner)]
    return []


def _fault(error: Any) -> str:
    where = ""
    for step in error["loc"]:
        where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else str(step)
    cause = error.get("ctx", {}).get("error")
    said = cause.message if isinstance(cause, InvalidInput) else str(cause) if cause else error["msg"]
    said = said[0].lower() + said[1:].rstrip(".") if said else said
    return f"{where}: {said}" if where else said
