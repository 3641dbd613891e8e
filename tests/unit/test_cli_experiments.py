"""``coachsim compare``: what it prints, what it writes, and what it refuses before the work starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from coachsim import Scenario, compare
from coachsim.cli import experiments, main
from coachsim.experiment import runs

SCENARIO = """
name = "{name}"
absence = {absence}

[floor]
agents = 20
teams = 2

[[shifts]]
start = "09:00"

[[messages]]
key = "morning"
body = "Good morning"
at = "10:00"
"""


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two scenarios: with few absent, and with many."""
    paths = []
    for name, absence in (("Usual", 0.1), ("Flu", 0.5)):
        path = tmp_path / f"{name.lower()}.toml"
        path.write_text(SCENARIO.format(name=name, absence=absence))
        paths.append(str(path))
    return paths


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever starts to count fails the test."""

    def never(*given: object, **named: object) -> None:
        raise AssertionError("the work was started")

    monkeypatch.setattr(experiments.coachsim, "compare", never, raising=False)
    yield


def test_a_comparison_is_printed_with_intervals_and_counts(
    files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *files, "--replications", "30", "--seed", "7"]) == 0
    said, complaints = capsys.readouterr()
    assert complaints == ""
    lines = said.splitlines()
    assert lines[0] == "30 days of each scenario, seeds 7 to 36. In brackets: 95 % intervals."
    assert lines[1] == "Differences are from Usual, day by day with the same seed."
    table = compare([Scenario.load(path) for path in files], replications=30, seed=7).set_index(["variant", "measure"])
    row = table.loc[("Flu", "lost_rate")]
    (flu,) = [line for line in lines[lines.index("lost_rate: lost, of those sent") :][:3] if line.startswith("  Flu ")]
    numbers = [float(number) for number in re.findall(r"[-+]?\d+\.\d+", flu)]
    expected = [100 * row[name] for name in ("value", "low", "high", "difference", "difference_low", "difference_high")]
    assert numbers == pytest.approx([*expected, table.value["Flu", "lost"], 20.0], abs=0.06)
    assert "of 20.0 a day" in flu


def test_what_is_missing_is_said(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", files[1], "--replications", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 day of each scenario, seed 1.")
    assert "Differences" not in said
    assert "(–)" in said
    assert "nan" not in said
    assert main(["compare", files[1], "--replications", "40"]) == 0
    assert re.search(r"without \d+ of 40 days, on which it was not reached", capsys.readouterr().out)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_all_of_it_is_written_to_a_file(
    files: list[str], tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / f"result.{ending}"
    assert main(["compare", *files, "--replications", "5", "--out", str(out)]) == 0
    assert f"Written to {out}." in capsys.readouterr().out
    written = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    expected = compare([Scenario.load(path) for path in files], replications=5)
    pd.testing.assert_frame_equal(written, expected, check_dtype=False, rtol=1e-12)
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_half_width_is_reached_or_said_not_to_be(
    files: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["compare", *files, "--half-width", "0.05", "--measure", "read_rate"]) == 0
    assert "not reached." not in capsys.readouterr().out
    monkeypatch.setattr(runs, "MOST", 40)
    assert main(["compare", *files, "--half-width", "1e-6"]) == 0
    said, complaints = capsys.readouterr()
    assert complaints == ""
    assert "The half-width 1e-06 of lost_rate was not reached." in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--replications", "0"], "--replications: replications is a whole number from 1 to 100000, not 0"),
        (["--replications", "x"], "invalid int value"),
        (["--replications", "5", "--half-width", "0.1"], "not allowed with"),
        (["--half-width", "-1"], "--half-width: A half-width is a number above 0"),
        (["--measure", "lost-rate"], "--measure: There is no measure 'lost-rate'; did you mean 'lost_rate'?"),
        (["--seed", "-1"], "--seed: seed is a whole number"),
        (["--out", "result.xlsx"], "--out writes .csv or .parquet, not result.xlsx"),
        (["--out", "result"], "--out writes .csv or .parquet"),
    ],
)
def test_wrong_use_is_exit_code_2_before_anything_runs(
    files: list[str], options: list[str], says: str, capsys: pytest.CaptureFixture[str], no_work: None
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["compare", *files, *options])
    said, complaints = capsys.readouterr()
    assert left.value.code == 2
    assert says in complaints
    assert (said, complaints.count("\n")) == ("", 1)
    assert "coachsim compare --help" in complaints


def test_failures_are_one_sentence_and_exit_code_1(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], no_work: None
) -> None:
    there = tmp_path / "there.csv"
    there.write_text("mine")
    assert main(["compare", *files, "--out", str(there)]) == 1
    assert capsys.readouterr() == ("", f"{there} exists already. Choose another name, or remove it first.\n")
    assert there.read_text() == "mine"
    assert main(["compare", "none.toml"]) == 1
    said, complaint = capsys.readouterr()
    assert said == ""
    assert complaint.startswith("There is no scenario none.toml. Check the path, or ") and complaint.count("\n") == 1


def test_a_file_that_comes_in_between_is_not_overwritten(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "result.csv"

    def slow(*given: object, **named: object) -> pd.DataFrame:
        out.write_text("theirs")
        return compare(*given, **(named | {"progress": False}))  # type: ignore[arg-type]

    monkeypatch.setattr(experiments.coachsim, "compare", slow, raising=False)
    assert main(["compare", files[0], "--replications", "2", "--out", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "theirs"
