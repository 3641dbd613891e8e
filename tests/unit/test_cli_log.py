"""coachsim log summary and export of a log that no server holds."""

from __future__ import annotations

import csv

import pandas as pd
import pytest

from coachsim import open_log
from coachsim.cli import main
from coachsim.log import LogWriter
from coachsim.log.snapshot import TABLES
from tests.unit.log_events import ANN, BO, IN, NIGHT, PaperDay

FIRST, SECOND = "2026-03-02", "2026-03-03"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder with the paper day and an open day after it."""
    story = PaperDay()
    story.night(0, deliveries=3, lost=2)
    story.send(NIGHT + 5, [(ANN, IN, True, False), (BO, IN, True, True)], body='=1+1, "quoted"\nand a second line; ü')
    folder = tmp_path_factory.mktemp("floor")
    with LogWriter.open(folder / "log.duckdb") as writer:
        writer.append(story.events).result(60)
    return folder


def test_the_summary_of_two_days(data, capsys):
    assert main(["log", "summary", "--data", str(data)]) == 0
    head, first, second, everything, blank, about = capsys.readouterr().out.splitlines()
    assert head.split() == ["day", "messages", "sent", "notified", "read", "lost"]
    assert " ".join(first.split()) == f"{FIRST} 4 8 8 (100.0 %) 3 (37.5 %) 5 (62.5 %)"
    assert " ".join(second.split()) == f"{SECOND} 1 2 2 (100.0 %) 0 (0.0 %) 0 (0.0 %) not over yet"
    assert " ".join(everything.split()) == "all 5 10 10 (100.0 %) 3 (30.0 %) 5 (50.0 %)"
    assert blank == ""
    assert about.startswith("Live log of coachsim ")
    assert f"until 2026-03-03 03:05:00 UTC. {data / 'log.duckdb'}: " in about


def test_the_summary_of_some_days_and_of_none(data, capsys):
    assert main(["log", "summary", "--data", str(data / "log.duckdb"), "--to", FIRST]) == 0
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()[1:3]] == [
        [FIRST, "4", "8"],
        ["all", "4", "8"],
    ]
    assert main(["log", "summary", "--data", str(data), "--from", "2030-01-01"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split() == ["all", "0", "0", "0", "(–)", "0", "(–)", "0", "(–)"]
    assert "nothing of these days" in said.err and "retention_days" in said.err


def test_an_export_of_days_that_are_not_there_says_so(data, tmp_path, capsys):
    ask = ["log", "export", "--data", str(data), "--to"]
    assert main([*ask, "2026-01-01", str(tmp_path / "none.csv")]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("0 rows of deliveries") and "nothing of these days" in said.err
    assert main([*ask, FIRST, str(tmp_path / "some.csv")]) == 0
    assert capsys.readouterr().err == ""


def test_an_empty_log_has_a_summary(tmp_path, capsys):
    LogWriter.open(tmp_path / "log.duckdb").close()
    assert main(["log", "summary", "--data", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert ", empty. " in said.out
    assert said.err == ""


@pytest.mark.parametrize("table", TABLES)
def test_every_table_can_be_exported_both_ways(data, tmp_path, capsys, table):
    with open_log(data) as log:
        expected = log.sql(f"SELECT * FROM {table} ORDER BY ALL")
    for ending in ("csv", "parquet"):
        out = tmp_path / "new folder" / f"{table}.{ending}"
        assert main(["log", "export", str(out), "--table", table, "--data", str(data)]) == 0
        assert capsys.readouterr().out.startswith(f"{len(expected)} row")
    parquet = pd.read_parquet(tmp_path / "new folder" / f"{table}.parquet")
    assert list(parquet.columns) == list(expected.columns)
    with (tmp_path / "new folder" / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(expected.columns)
    assert len(parquet) == len(rows) == len(expected)
    for column in ("agent_id", "body", "subject"):
        if column in rows[0]:
            assert [row[column] for row in rows] == list(parquet[column])
            assert sorted(parquet[column]) == sorted(expected[column])


def test_days_and_values_in_csv(data, tmp_path):
    out = tmp_path / "deliveries.csv"
    assert main(["log", "export", str(out), "--data", str(data), "--from", SECOND, "--to", SECOND]) == 0
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["agent_id"], row["sent_at"], row["read_at"]) for row in rows] == [
        ("a1", "2026-03-03T03:05:00.000000Z", ""),
        ("a2", "2026-03-03T03:05:00.000000Z", ""),
    ]
    agents = tmp_path / "agents.csv"
    assert main(["log", "export", str(agents), "--table", "agents", "--data", str(data)]) == 0
    with agents.open(newline="", encoding="utf-8") as file:
        assert [row["campaigns"] for row in csv.DictReader(file)] == ["Spring", "", "Spring;Autumn"]


def test_no_file_is_overwritten_and_none_left_half_done(data, tmp_path, capsys):
    out = tmp_path / "out.csv"
    out.write_text("precious")
    assert main(["log", "export", str(out), "--data", str(data)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert main(["log", "export", str(tmp_path / "no.csv"), "--data", str(tmp_path)]) == 1
    assert "There is no log" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export", "x.txt"], "FILE ends in .parquet or .csv, not x.txt"),
        (["export", "x.csv", "--table", "events"], "invalid choice: 'events'"),
        (["export"], "FILE"),
        (["summary", "--from", "monday"], "'monday' is no day"),
        (["summary", "--data", "x", "--url", "http://x"], "--data or --url, not both"),
        ([], "COMMAND"),
    ],
)
def test_wrong_use_is_exit_code_2(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["log", *arguments])
    said = capsys.readouterr()
    assert (ended.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert says in said.err


def test_a_log_that_this_program_has_open_is_said_to_be_in_use(data, tmp_path, capsys):
    with LogWriter.open(tmp_path / "log.duckdb"):
        assert main(["log", "summary", "--data", str(tmp_path)]) == 1
    assert "already open" in capsys.readouterr().err
