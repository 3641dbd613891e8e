"""``coachsim fit``: what it prints, the section of a scenario or the whole one that it writes, and what it refuses."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from coachsim import Scenario, fit, open_log, simulate
from coachsim.cli import main
from tests.unit.days_of import message, scenario

pytestmark = pytest.mark.timeout(300)

PEOPLE = {"tau_s": 6.0, "open_sigma": 0.6, "occupancy": 0.3, "bell_sigma": 0.7, "bell_never": 0.1}
MADE = scenario(
    floor={"agents": 30, "teams": 2},
    messages=[{"key": "tip", "body": "Hello", "start": "08:50", "every_min": 30, "until": "17:00"}],
    attention=PEOPLE,
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fit") / "log.duckdb"
    simulate(MADE, seed=1, days=2, player="arrays", out=path).close()
    return path


def test_it_prints_each_number_and_writes_a_section_that_a_scenario_takes(log, tmp_path, capsys):
    out = tmp_path / "attention.toml"
    assert main(["fit", str(log), "--by-team", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    with open_log(log) as opened:
        fitted = fit(opened)
    first, *lines = printed.splitlines()
    assert first == f"{fitted.stands_on}." and "30 agents" in first
    rows = {line.split()[0]: line for line in lines[1:13]}
    assert list(rows) == [one.name for one in fitted.parameters]
    assert f"{fitted.attention.tau_s:.3g}" in rows["tau_s"] and " to " in rows["tau_s"]
    # Nobody was asked to acknowledge.
    assert rows["ack_never"].endswith("assumed: 0 deliveries tell of it, 50 are the least")
    assert "\nTeam 1\n" in printed and "\nTeam 2\n" in printed
    section = tomllib.loads(out.read_text(encoding="utf-8"))
    plain = {key: value for key, value in MADE.model_dump(mode="json", exclude_none=True).items() if key != "attention"}
    assert Scenario.from_dict(plain | section).attention == fitted.attention


def test_a_file_that_is_there_stays_as_it_was_and_the_ending_is_checked(log, tmp_path, capsys):
    out = tmp_path / "attention.toml"
    out.write_text("mine")
    assert main(["fit", str(log), "--out", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "mine"
    with pytest.raises(SystemExit) as left:
        main(["fit", str(log), "--out", "attention.json"])
    assert left.value.code == 2


def test_a_thin_log_is_a_sentence_and_writes_nothing(tmp_path, capsys):
    path, out = tmp_path / "thin.duckdb", tmp_path / "attention.toml"
    simulate(scenario(floor={"agents": 5}, messages=[message()]), seed=1, out=path).close()
    assert main(["fit", str(path), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("The log is too thin to learn from: its 5 deliveries") and said.count("\n") == 1
    assert not out.exists()


def test_a_whole_floor_is_written_with_its_roster_and_can_be_simulated(log, tmp_path, capsys):
    out = tmp_path / "own" / "monday.toml"
    assert main(["fit", str(log), "--scenario", str(out), "--day", "2026-03-02"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(
        "30 agents on 2026-03-02; shifts and breaks from 1 day; 17 messages; attention learned from "
    )
    assert said[1] == f"Written to {out}, its roster to {tmp_path / 'own' / 'monday-roster.csv'}."
    made = Scenario.load(out)
    assert [(shift.start, shift.length_h) for shift in made.shifts] == [("09:00", 8.0)]
    with simulate(made, seed=2) as again:
        assert len(again.agents()) == 30 and again.messages()["body"].unique().tolist() == ["Hello"]
    # Nothing is overwritten.
    assert main(["fit", str(log), "--scenario", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_a_log_too_thin_for_its_attention_still_tells_of_its_shifts(tmp_path, capsys):
    path, out = tmp_path / "thin.duckdb", tmp_path / "thin.toml"
    simulate(scenario(floor={"agents": 5}, messages=[message()]), seed=1, out=path).close()
    assert main(["fit", str(path), "--scenario", str(out)]) == 0
    assert "attention as by default, since too little was read" in capsys.readouterr().out
    assert Scenario.load(out).attention == Scenario.from_dict({"name": "x", "shifts": [{"start": "09:00"}]}).attention
    assert main(["fit", str(path), "--scenario", str(tmp_path / "other.toml"), "--day", "2031-01-01"]) == 1
    assert "The log has no day '2031-01-01'" in capsys.readouterr().err
    for wrong in (["--scenario", "today.json"], ["--day", "2026-03-02"]):
        with pytest.raises(SystemExit) as left:
            main(["fit", str(path), *wrong])
        assert left.value.code == 2
    assert sorted(one.name for one in tmp_path.iterdir()) == ["thin-roster.csv", "thin.duckdb", "thin.toml"]
