"""Dotted paths into a scenario, such as ``policy.toast_seconds``: what a sweep varies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import product
from typing import Any

from coachsim.errors import InvalidInput
from coachsim.scenario import Scenario, ScenarioError


def combinations(scenario: Scenario, vary: Mapping[str, Sequence[Any]]) -> list[tuple[dict[str, Any], Scenario]]:
    """Every combination of the values, the last path's changing fastest, with the scenario that has them.

    Raises ``InvalidInput`` for what is no mapping of paths to values, ``ScenarioError`` for a path that the scenario
    does not have or a value that it cannot have.
    """
    if not isinstance(vary, Mapping) or not vary:
        raise InvalidInput('vary says what to change: {"policy.toast_seconds": [4, 8, 15]}.', field="vary")
    values = {}
    for path, given in vary.items():
        if not isinstance(path, str) or isinstance(given, str | bytes | Mapping) or not hasattr(given, "__iter__"):
            raise InvalidInput(f"vary[{path!r}] is a list of the values to try, not {given!r}.", field="vary")
        values[path] = [_plain(value) for value in given]
        if not values[path]:
            raise InvalidInput(f"vary[{path!r}] has no value to try.", field="vary")
    settings = [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    return [(chosen, changed(scenario, chosen)) for chosen in settings]


def changed(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """The scenario with other values at these paths, checked as if it had been read from a file."""
    data = scenario.model_dump(mode="json")
    for path, value in values.items():
        _set(data, path, value)
    said = ", ".join(f"{path} = {value!r}" for path, value in values.items())
    return Scenario.from_dict(data, folder=scenario.folder, what=f"With {said}")


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's: a scenario takes no others."""
    return value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value


def _set(data: dict[str, Any], path: str, value: Any) -> None:
    name, _, rest = path.partition(".")
    place: Any = data
    if name == "messages" and rest:
        # A key may have dots in it, a field has none.
        key, _, field = rest.rpartition(".")
        keys = [message["key"] for message in data["messages"]]
        if not key or key not in keys:
            raise ScenarioError(f"{path}: there is no message {key or rest!r}{_hint(key or rest, keys)}.")
        place, last = data["messages"][keys.index(key)], field
    else:
        *steps, last = path.split(".")
        for step in steps:
            place = place[_step(place, step, path)]
    place[_step(place, last, path)] = value


def _step(place: Any, step: str, path: str) -> Any:
    """The index or name that a step means in what it steps into."""
    if isinstance(place, dict) and step in place:
        return step
    if isinstance(place, list):
        if step.isascii() and step.isdigit() and int(step) < len(place):
            return int(step)
        raise ScenarioError(f"{path}: {step!r} is none of the {len(place)} there; they are counted from 0.")
    names = list(place) if isinstance(place, dict) else []
    raise ScenarioError(f"{path}: there is no field {step!r}{_hint(step, names)}.")


def _hint(name: str, names: Sequence[str]) -> str:
    close = get_close_matches(name, names, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
