"""What comes with coachsim: a scenario by its name, in Python and on the command line, from any folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from coachsim import Scenario, bundled
from coachsim.cli import main
from coachsim.errors import CoachsimError
from coachsim.scenario import ScenarioError


def test_every_scenario_loads_by_its_name_from_any_folder(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted((repository / "data" / "scenarios").glob("*.toml"))
    assert list(bundled.scenarios()) == [path.stem for path in paths]
    monkeypatch.chdir(tmp_path)
    for path in paths:
        assert Scenario.load(path.stem) == Scenario.load(path)


def test_a_file_goes_before_a_bundled_scenario_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weekday").mkdir()
    assert Scenario.load("weekday").folder == bundled.folder("data") / "scenarios"
    own = Scenario.from_dict({"name": "Mine", "floor": {"agents": 3}, "shifts": [{"start": "09:00"}]})
    (tmp_path / "night_shift").write_text(own.to_toml(), encoding="utf-8")
    assert Scenario.load("night_shift").name == "Mine"


def test_a_name_that_is_none_is_answered_with_those_there_are() -> None:
    with pytest.raises(ScenarioError, match=r"There is no scenario weekend\..* campaign_overload, .*, weekday\."):
        Scenario.load("weekend")


def test_the_command_line_takes_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "weekday", "monday_absences", "--replications", "2"]) == 0
    said = capsys.readouterr().out
    assert "2 days of each scenario" in said
    for name in ("weekday", "monday_absences"):
        assert Scenario.load(name).name in said


def test_a_folder_that_is_missing_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "_PACKAGE", tmp_path)
    with pytest.raises(CoachsimError, match="lost its folder dashboards"):
        bundled.folder("dashboards")
