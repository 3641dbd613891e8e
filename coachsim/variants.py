"""Variants: what a trainer changes about a scenario. Each function leaves the old one and gives a new one, checked.

A value that cannot be raises ``ScenarioError``; its ``field`` is the name of the argument at fault. Because draws hang
on names, a variant has the same people on the same day: what differs in its outcome is what was changed.
"""

from __future__ import annotations

import math
from typing import Any

from coachsim.scenario import PlannedMessage, Scenario, ScenarioError

WINDOW_MIN = 480
"""Minutes over which a single message is spread when it becomes a series: eight hours from its time."""
MOST_A_DAY = 1_000
_DAY_MIN = 1_440


def message_of(scenario: Scenario, key: str) -> PlannedMessage:
    """The scenario's message with this key."""
    return scenario.messages[_place(scenario, key)]


def first_at(message: PlannedMessage) -> str:
    """The time of day, HH:MM, of a message, or of the first of its series."""
    first = message.at or message.start
    assert first is not None  # the model has one of the two
    return first


def sends_a_day(scenario: Scenario, key: str) -> int:
    """How many times a message goes out on a day on which no clock changes."""
    message = message_of(scenario, key)
    if message.every_min is None:
        return 1
    start, until = _window(scenario, message)
    return math.ceil(round((until - start) / message.every_min, 6))


def send_at(scenario: Scenario, key: str, at: str) -> Scenario:
    """The message goes out at ``at``, HH:MM. A series is moved as a whole: as many messages, as far apart."""
    message = message_of(scenario, key)
    if message.at is not None:
        return _with_message(scenario, key, "at", at=at)
    # Checked as a time of day before anything is worked out from it.
    moved = message_of(_with_message(scenario, key, "at", start=at, until=scenario.clear_down), key)
    start, until = _window(scenario, message)
    until += scenario.into_day(first_at(moved)) - start
    if until > _DAY_MIN:
        raise ScenarioError(
            f"The series {key!r} lasts {_hours(until - scenario.into_day(at))}: from {at} it would go on after the"
            f" clear-down at {scenario.clear_down}. Start it earlier, or send fewer messages.",
            field="at",
        )
    return _with_message(scenario, key, "at", start=at, until=_wall(scenario, until))


def send_to(scenario: Scenario, key: str, to: dict[str, Any] | str) -> Scenario:
    """The message goes to somebody else: 'everyone', 'a team', 'an agent', or an audience as the API has it.

    Whether the floor has such a team or agent is seen when the day is planned.
    """
    return _with_message(scenario, key, "to", to=to)


def messages_a_day(scenario: Scenario, key: str, count: int) -> Scenario:
    """The message goes out ``count`` times a day, evenly between the first and the end of the series; 0 = not at all.

    A single message becomes a series over the ``WINDOW_MIN`` minutes from its time, or what is left of the day.
    """
    if type(count) is not int or not 0 <= count <= MOST_A_DAY:
        raise ScenarioError(f"Messages a day: {count!r} is not a whole number from 0 to {MOST_A_DAY:,}.", field="count")
    message = message_of(scenario, key)
    if count == sends_a_day(scenario, key):
        return scenario
    if count == 0:
        return without(scenario, key)
    first = first_at(message)
    if count == 1:
        return _with_message(scenario, key, "count", at=first, every_min=None, start=None, until=None)
    start, until = _window(scenario, message)
    # Rounded up to 60 µs: rounded down, one more message would fit in.
    every_min = math.ceil((until - start) / count * 1e6) / 1e6
    return _with_message(
        scenario, key, "count", at=None, every_min=every_min, start=first, until=_wall(scenario, until)
    )


def without(scenario: Scenario, key: str) -> Scenario:
    """The message is not sent."""
    place = _place(scenario, key)
    return _changed(scenario, "key", messages=[*scenario.messages[:place], *scenario.messages[place + 1 :]])


def added(scenario: Scenario, message: dict[str, Any]) -> Scenario:
    """One message, or one series, more; ``message`` has the fields of a scenario's ``[[messages]]``."""
    return _changed(scenario, "message", messages=[*scenario.messages, message])


def toasts(scenario: Scenario, seconds: float, *, urgent_seconds: float | None = None) -> Scenario:
    """A toast stays ``seconds``, an urgent one ``urgent_seconds`` (None = as before)."""
    policy = scenario.policy.model_dump() | {"toast_seconds": _number(seconds)}
    changed = _changed(scenario, "seconds", policy=policy)
    if urgent_seconds is None:
        return changed
    return _changed(changed, "urgent_seconds", policy=policy | {"urgent_toast_seconds": _number(urgent_seconds)})


def breaks_at_once(scenario: Scenario) -> Scenario:
    """Everybody of a shift goes on each planned break together: no waves, no spread."""
    return _with_breaks(scenario, "scenario", waves=1, wave_gap_min=0.0, after_spread_min=0.0)


def breaks_in_waves(scenario: Scenario, waves: int, gap_min: float) -> Scenario:
    """Each planned break is taken by ``waves`` groups, one every ``gap_min`` minutes, the first when it was planned."""
    _with_breaks(scenario, "waves", waves=waves)  # names the argument at fault
    return _with_breaks(scenario, "gap_min", waves=waves, wave_gap_min=_number(gap_min))


def attention(scenario: Scenario, **fields: float) -> Scenario:
    """Agents notice and read otherwise: any of the fields of ``[attention]``, such as ``bell_never=0.1``."""
    changed = scenario
    for name, value in fields.items():
        parts = changed.attention.model_dump() | {name: _number(value)}
        changed = _changed(changed, name, attention=parts)
    return changed


# --- the parts of a scenario, replaced and checked ---


def _place(scenario: Scenario, key: str) -> int:
    for place, message in enumerate(scenario.messages):
        if message.key == key:
            return place
    there = ", ".join(repr(message.key) for message in scenario.messages) or "none"
    raise ScenarioError(f"{scenario.name} has no message {key!r}. Its messages: {there}.", field="key")


def _window(scenario: Scenario, message: PlannedMessage) -> tuple[int, int]:
    """When a message's series begins and ends, in minutes on the clock after the clear-down."""
    start = scenario.into_day(first_at(message))
    if message.until is None:
        return start, min(start + WINDOW_MIN, _DAY_MIN)
    return start, scenario.into_day(message.until) or _DAY_MIN


def _wall(scenario: Scenario, minutes: int) -> str:
    """The time of day so many minutes after the clear-down."""
    hours, rest = divmod((minutes - scenario.into_day("00:00")) % _DAY_MIN, 60)
    return f"{hours:02}:{rest:02}"


def _hours(minutes: int) -> str:
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def _number(value: Any) -> Any:
    """A whole number where a fraction may stand is one, too; anything else is left for the model to refuse."""
    return float(value) if type(value) is int else value


def _with_message(scenario: Scenario, key: str, field: str, **values: Any) -> Scenario:
    place = _place(scenario, key)
    messages = [message.model_dump() for message in scenario.messages]
    messages[place] |= values
    return _changed(scenario, field, messages=messages)


def _with_breaks(scenario: Scenario, field: str, **values: Any) -> Scenario:
    return _changed(scenario, field, breaks=[one.model_dump() | values for one in scenario.breaks])


def _changed(scenario: Scenario, field: str, **parts: Any) -> Scenario:
    try:
        return Scenario.from_dict(scenario.model_dump() | parts, folder=scenario.folder, what=scenario.name)
    except ScenarioError as error:
        raise ScenarioError(error.message, field=field) from None
