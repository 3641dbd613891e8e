"""Sweeps: every combination once, on the same days; a path or value that cannot be is said before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coachsim import Scenario, compare, sweep
from coachsim.errors import CoachsimError, InvalidInput
from coachsim.experiment.vary import changed, combinations
from coachsim.scenario import ScenarioError
from coachsim.tally import MEASURES
from tests.unit.days_of import LUNCH, message, scenario


def day(**values: Any) -> Scenario:
    """A small floor with a break, and messages of which one has a dot in its key."""
    given: dict[str, Any] = {
        "floor": {"agents": 12, "teams": 2},
        "breaks": [LUNCH],
        "attention": {"tau_s": 8.0, "bell_never": 0.5, "open_sigma": 0.5},
        "messages": [message("10:00"), message("11:00", key="v1.2 is out")],
    }
    return scenario(**given | values)


def test_a_sweep_has_every_combination_compared_with_the_first() -> None:
    vary = {"policy.toast_seconds": [4, 8], "absence": (0.0, 0.2, 0.4)}
    table = sweep(day(), vary, replications=12, seed=5)
    assert list(table.columns[:3]) == ["policy.toast_seconds", "absence", "measure"]
    pairs = table[["policy.toast_seconds", "absence"]].drop_duplicates()
    expected = [(toast, absence) for toast in (4, 8) for absence in (0.0, 0.2, 0.4)]
    assert list(pairs.itertuples(index=False, name=None)) == expected
    assert len(table) == 6 * len(MEASURES)
    # The same numbers as when the same scenarios are compared by hand.
    by_hand = [changed(day(), {"policy.toast_seconds": toast, "absence": absence}) for toast, absence in expected]
    compared = compare(by_hand, replications=12, seed=5)
    assert table.drop(columns=list(vary)).equals(compared.drop(columns="variant"))
    assert table.attrs["seeds"] == list(range(5, 17))


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("policy.toast_seconds", 20.0, lambda one: one.policy.toast_seconds),
        ("absence", 0.5, lambda one: one.absence),
        ("breaks.0.waves", 3, lambda one: one.breaks[0].waves),
        ("shifts.0.start", "08:00", lambda one: one.shifts[0].start),
        ("floor.agents", 30, lambda one: one.floor.agents),
        ("messages.m10:00.at", "12:00", lambda one: one.messages[0].at),
        ("messages.v1.2 is out.priority", "urgent", lambda one: one.messages[1].priority),
        ("messages.m10:00.to", {"filter": {"team": ["Team 1"]}}, lambda one: one.messages[0].to),
        ("date", "2026-03-05", lambda one: one.date.isoformat()),
    ],
)
def test_a_path_changes_one_value_and_nothing_else(path: str, value: Any, found: Any) -> None:
    before = day()
    after = changed(before, {path: value})
    assert found(after) == value
    assert found(before) != value
    assert changed(after, {path: found(before)}) == before


def test_numpys_numbers_are_as_good_as_pythons() -> None:
    vary = {"floor.agents": np.arange(1, 3), "absence": np.linspace(0, 0.5, 2)}
    chosen = combinations(day(), vary)
    assert [tuple(values.values()) for values, _ in chosen] == [(1, 0.0), (1, 0.5), (2, 0.0), (2, 0.5)]
    assert type(chosen[0][0]["floor.agents"]) is int


def test_a_changed_scenario_finds_its_roster(repository: Path) -> None:
    weekday = Scenario.load(repository / "data" / "scenarios" / "weekday.toml")
    ((_, other),) = combinations(weekday, {"absence": [0.5]})
    assert other.roster_path() == weekday.roster_path()
    assert other == weekday.model_copy(update={"absence": 0.5})


@pytest.mark.parametrize(
    ("vary", "error", "says"),
    [
        ({"policy.toast_second": [1]}, ScenarioError, r"no field 'toast_second' \(did you mean 'toast_seconds'\?\)"),
        ({"polcy.toast_seconds": [1]}, ScenarioError, r"no field 'polcy' \(did you mean 'policy'\?\)"),
        ({"policy.toast_seconds": [4, -1]}, ScenarioError, r"With policy.toast_seconds = -1: policy.toast_seconds: "),
        ({"policy.toast_seconds": ["long"]}, ScenarioError, "valid number"),
        ({"absence": [0.1, 1.5]}, ScenarioError, "absence: input should be less than or equal to 1"),
        ({"messages.m10:01.at": ["12:00"]}, ScenarioError, r"no message 'm10:01' \(did you mean 'm10:00'\?\)"),
        ({"messages.m10:00": ["12:00"]}, ScenarioError, r"no message 'm10:00'"),
        ({"messages.m10:00.att": ["12:00"]}, ScenarioError, "no field 'att'"),
        ({"messages.m10:00.at": ["25:00"]}, ScenarioError, "HH:MM"),
        ({"messages.m10:00.every_min": [5.0]}, ScenarioError, "give either 'at'"),
        ({"breaks.1.waves": [2]}, ScenarioError, "'1' is none of the 1 there"),
        ({"breaks.first.waves": [2]}, ScenarioError, "'first' is none of the 1 there"),
        ({"absence.rate": [2]}, ScenarioError, "no field 'rate'"),
        ({"floor.agents": [True]}, ScenarioError, "floor.agents"),
        ({"folder": ["/"]}, ScenarioError, "no field 'folder'"),
        ({}, InvalidInput, "vary says what to change"),
        ([("absence", [0.1])], InvalidInput, "vary says what to change"),
        ({"absence": 0.1}, InvalidInput, "a list of the values to try, not 0.1"),
        ({"messages.m10:00.at": "12:00"}, InvalidInput, "a list of the values to try"),
        ({"absence": []}, InvalidInput, "has no value to try"),
        ({1: [0.1]}, InvalidInput, "a list of the values"),
    ],
)
def test_what_cannot_be_varied_is_said_before_anything_runs(vary: Any, error: type[CoachsimError], says: str) -> None:
    told: list[int] = []
    with pytest.raises(error, match=says):
        sweep(day(), vary, progress=lambda done, total: told.append(done))
    assert told == []
