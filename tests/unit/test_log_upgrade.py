"""Logs of earlier formats: opened by today's version they say what they said, and the old file is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from coachsim.cli import main
from coachsim.errors import LogDamaged, LogLocked, LogOutdated, LogUnavailable
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.log import LogWriter, file, open_log, upgrade
from coachsim.log.file import FORMAT, open_for_reading
from coachsim.models import Audience, Draft
from coachsim.settings import Settings
from tests.fixtures.logs import answers, formats, load
from tests.server.test_sign_in import cli
from tests.unit.floors import HOUR, TEN
from tests.unit.test_host import HandClock


def said(path: Path):
    with LogWriter.open(path) as writer:
        return answers(writer.cursor())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of today's format, which the tests below take for an earlier one."""
    load(FORMAT, tmp_path / "log.duckdb")
    return tmp_path / "log.duckdb"


@pytest.fixture
def next_format(monkeypatch: pytest.MonkeyPatch) -> int:
    """A format that comes after today's: a column more, which holds something in the rows before it."""
    number = FORMAT + 1
    text = file.schema().replace("CREATE TABLE closed_days (", "CREATE TABLE closed_days (\n    note VARCHAR,")
    text += "\nCREATE TABLE notes (note VARCHAR);"
    for module in (file, upgrade):
        monkeypatch.setattr(module, "FORMAT", number)
        monkeypatch.setattr(module, "schema", lambda: text)
    monkeypatch.setattr(upgrade, "AFTER", {FORMAT: ["UPDATE closed_days SET note = 'before'"]})
    return number


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


@pytest.mark.parametrize("number", formats())
async def test_a_log_of_every_format_says_today_what_it_said_then(number: int, tmp_path: Path):
    then = load(number, tmp_path / "log.duckdb")
    assert said(tmp_path / "log.duckdb") == then
    with open_log(tmp_path / "log.duckdb") as log:
        assert log.sql("SELECT format FROM run")["format"].tolist() == [FORMAT]
        assert len(log.deliveries()) == len(then["deliveries"])
    # A floor goes on from it: the nights since then are made up for, and something can be sent.
    days_later = HandClock(TEN + 5 * 24 * HOUR)
    host = await FloorHost.open(tmp_path, Settings(time_zone="UTC"), clock=days_later)
    try:
        assert {"a1", "a2", "a3"} <= host.floor.agents.keys()
        await host.do(Floor.send, Draft(Audience(everyone=True), "On we go", "r"), actor="sup")
    finally:
        await host.close()
    now = said(tmp_path / "log.duckdb")
    assert [row for row in now["messages"] if row["body"] != "On we go"] == then["messages"]


def test_every_format_so_far_is_kept():
    assert formats() == list(range(1, FORMAT + 1))


def test_an_earlier_log_is_copied_and_kept(path: Path, next_format: int):
    before = path.read_bytes()
    with pytest.raises(LogOutdated, match=r"coachsim log upgrade log\.duckdb"):
        open_for_reading(path)
    then = said(path)
    assert names(path.parent) == {"log.duckdb", f"log.format-{FORMAT}.duckdb"}
    assert (path.parent / f"log.format-{FORMAT}.duckdb").read_bytes() == before
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT DISTINCT note FROM closed_days").fetchall() == [("before",)]
        assert connection.execute("SELECT format FROM run_info").fetchall() == [(next_format,)]
        assert answers(connection) == then == load(FORMAT, path.with_name("again.duckdb"))
    assert said(path) == then  # and is not copied a second time
    assert len(list(path.parent.glob("log.format-*"))) == 1
    path.unlink()
    path.with_name("again.duckdb").rename(path)
    said(path)  # the old log put back: what was kept before stays
    assert len(list(path.parent.glob("log.format-*"))) == 2


def test_what_is_still_beside_the_file_comes_along(path: Path, next_format: int):
    # A server that was killed leaves its last commits in the .wal.
    script = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute(\"PRAGMA wal_autocheckpoint='1GB'\");"
        'c.execute("INSERT INTO recoveries VALUES (now()::TIMESTAMP)"); os._exit(9)'
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=False, timeout=60)
    assert path.with_name("log.duckdb.wal").exists()
    with LogWriter.open(path) as writer:
        assert writer.cursor().execute("SELECT count(*) FROM recoveries").fetchone() == (1,)


def test_a_failure_leaves_the_log_as_it_was(path: Path, next_format: int, monkeypatch: pytest.MonkeyPatch):
    before = path.read_bytes()
    with monkeypatch.context() as wrong:
        wrong.setattr(upgrade, "AFTER", {FORMAT: ["UPDATE no_such_table SET note = 'before'"]})
        with pytest.raises(LogDamaged):
            LogWriter.open(path)
    with monkeypatch.context() as full:

        def no_room(*_: object) -> None:
            raise OSError(28, "No space left on device")

        full.setattr(upgrade, "_keep", no_room)
        with pytest.raises(LogUnavailable):
            LogWriter.open(path)
    assert names(path.parent) == {"log.duckdb"}
    assert path.read_bytes() == before
    said(path)


def test_a_log_that_is_in_use_is_left_alone(path: Path, next_format: int):
    holder = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(LogLocked):
            LogWriter.open(path)
        process.communicate()
    assert names(path.parent) == {"log.duckdb"}


def test_the_command_says_what_it_did(path: Path, next_format: int, capsys: pytest.CaptureFixture[str]):
    assert main(["log", "upgrade", str(path)]) == 0
    assert capsys.readouterr().out == f"{path} is of today's format now; the old log is log.format-{FORMAT}.duckdb.\n"
    assert names(path.parent) == {"log.duckdb", f"log.format-{FORMAT}.duckdb"}


def test_the_command_says_when_there_is_nothing_to_do(path: Path):
    done = cli(path.parent, "log", "upgrade", str(path))
    assert (done.returncode, done.stdout) == (0, f"{path} is of today's format already.\n")
    assert names(path.parent) == {"log.duckdb"}


def test_from_format_1_on_deliveries_come_to_have_what_they_are_counted_by(tmp_path: Path):
    load(1, tmp_path / "log.duckdb")
    LogWriter.open(tmp_path / "log.duckdb").close()
    with open_log(tmp_path / "log.duckdb") as log:
        rows = log.sql(
            "SELECT one.hour, hour(one.sent_at) AS its_hour, one.priority, about.priority AS its_priority, one.sender,"
            " about.sender AS its_sender FROM all_deliveries AS one JOIN messages AS about USING (message_id)"
        )  # that floor's zone is UTC
        assert len(rows) == len(log.deliveries()) > 0
        for key in ("hour", "priority", "sender"):
            assert (rows[key] == rows[f"its_{key}"]).all()
