"""Some days of a log, as a log of their own: they answer like the whole one, and nothing can be done to them."""

from __future__ import annotations

import shutil
import tempfile
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from coachsim import analysis, open_log
from coachsim.errors import InvalidInput, LogDamaged, LogError
from coachsim.events import StateChanged
from coachsim.log import LogWriter
from coachsim.log.part import FileSource, Part
from coachsim.log.snapshot import TABLES
from tests.unit.log_events import ANN, BO, IN, NIGHT, OUT, PaperDay

FIRST, SECOND = "2026-03-02", "2026-03-03"


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """The paper day, and an open day after it: Cy, who was on a break, goes; Bo reads nothing."""
    story = PaperDay()
    story.night(0, deliveries=3, lost=2)
    story.add(NIGHT + 2, StateChanged, "a3", agent_id="a3", state=OUT)
    story.send(NIGHT + 5, [(ANN, IN, True, False), (BO, IN, True, True)])
    log = tmp_path_factory.mktemp("log") / "log.duckdb"
    with LogWriter.open(log) as writer:
        writer.append(story.events).result(60)
    return log


@pytest.fixture(scope="module")
def part(path):
    """All its days, as a part."""
    with open_log(path, from_day="2000-01-01") as log:
        yield log


@pytest.mark.parametrize("table", TABLES)
def test_all_days_are_the_whole_log(path, part, table):
    with open_log(path) as whole:
        expected, found = (log.sql(f"SELECT * FROM {table} ORDER BY ALL") for log in (whole, part))
    pd.testing.assert_frame_equal(found, expected)
    assert part.where == str(path)


QUESTIONS = {
    "unread_rates": lambda log, **days: analysis.unread_rates(log, by=["team", "hour", "campaign"], **days),
    "lost": lambda log, **days: analysis.lost(log, by="state_at_send", **days),
    "time_to_read": lambda log, **days: analysis.time_to_read(log, since="notified", **days),
    "read_curve": lambda log, **days: analysis.read_curve(log, by="priority", **days),
    "load": lambda log, **days: analysis.load(log, by=["agent_id", "day"], **days),
    "presence": lambda log, **days: analysis.presence(log, by=["agent_id", "day"], **days),
}


@pytest.mark.parametrize("day", [FIRST, SECOND])
def test_a_day_is_answered_as_the_whole_log_answers_for_that_day(path, day):
    with open_log(path) as whole, open_log(path, from_day=day, to_day=date.fromisoformat(day)) as one_day:
        assert list(one_day.days().day) == [day]
        for name, ask in QUESTIONS.items():
            if name == "time_to_read" and day == FIRST:
                continue  # what is still unread is censored at the newest event, which is the day's here
            pd.testing.assert_frame_equal(ask(one_day), ask(whole, days=day), obj=name)


def test_a_day_begins_with_the_states_it_found(path):
    with open_log(path, from_day=SECOND) as log:
        assert list(log.state_changes().agent_id) == ["a3"]
        assert len(log.sql("FROM state_changes")) == 1
        presence = analysis.presence(log, by="agent_id")
        assert list(presence.logged_in_h * 60) == pytest.approx([5, 5, 0])
        assert list(presence.break_h * 60) == pytest.approx([0, 0, 2])
        assert list(presence.log_ins + presence.breaks) == [0, 0, 0]


def test_no_day_is_an_empty_log_that_can_be_asked(path):
    with open_log(path, from_day="2030-01-01") as log:
        assert log.deliveries().empty
        assert log.days().empty
        assert len(log.agents()) == 3
        assert analysis.unread_rates(log).sent[0] == 0


@pytest.mark.parametrize(
    "query",
    [
        "CREATE TABLE mine (x INTEGER)",
        "DELETE FROM closed_deliveries",
        "EXPLAIN ANALYZE DELETE FROM closed_deliveries",
        "UPDATE run_info SET seed = 1",
        "DROP VIEW deliveries",
        "COPY deliveries TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/out.duckdb'",
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM read_text('{folder}/secret.csv')",
        "SELECT * FROM glob('{folder}/*')",
        "INSTALL httpfs",
        "LOAD '{folder}/some.duckdb_extension'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET threads = 1",
        "RESET memory_limit",
        "PRAGMA threads = 1",
        "SELECT 1; COMMIT; DELETE FROM closed_deliveries",
        "BEGIN; DELETE FROM closed_deliveries; COMMIT",
    ],
)
def test_queries_can_only_read(part, tmp_path, query):
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InvalidInput, match="cannot answer"):
        part.sql(query.format(folder=tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == ["secret.csv"]
    assert len(part.deliveries()) == 10


def test_closing_it_leaves_nothing_behind(path, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    log = open_log(path, from_day=FIRST)
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]  # nobody else can open it
    log.close()
    log.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LogError, match="has been closed"):
        log.deliveries()


def test_what_is_no_day_is_refused(path):
    for given in ("monday", "2026-02-30", 5, ""):
        with pytest.raises(InvalidInput, match=f"'to_day' is a day such as 2026-11-22, not {given!r}"):
            open_log(path, to_day=given)


class Spoilt:
    """A source that gives this file for every table."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def fetch(self, table: str, file: Path, as_of: int | None) -> None:
        shutil.copy(self.file, file)


def test_a_newer_format_and_what_is_no_snapshot_are_refused_with_nothing_left(path, tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    source = FileSource(path, None, None)
    with monkeypatch.context() as newer:
        newer.setattr("coachsim.log.snapshot.FORMAT", 99)
        source.fetch("run", tmp_path / "newer.parquet", None)
    source.close()
    with pytest.raises(LogDamaged, match=r"newer version of coachsim \(log format 99, .* Update coachsim"):
        Part(Spoilt(tmp_path / "newer.parquet"), "the server")
    (tmp_path / "text.parquet").write_text("Hello")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    for file in ("text.parquet", "other.parquet"):
        with pytest.raises(LogDamaged, match="the server does not give tables of a coachsim log"):
            Part(Spoilt(tmp_path / file), "the server")
    assert list(folder.iterdir()) == []
