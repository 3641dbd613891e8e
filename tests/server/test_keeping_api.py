"""The archive and pseudonyms through a running server, and by the command line with and without one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from coachsim import roster
from coachsim.log import LOG_FILE, open_log
from tests.server.past import two_closed_days
from tests.server.test_cli import cli, failed
from tests.serving import PEOPLE, Served, add_everybody, serve, until

NOW_GONE = (replace(PEOPLE[0], active=False), *PEOPLE[1:])


@pytest.fixture
def two_days(tmp_path: Path) -> Path:
    """A floor's folder with two closed days: Ann (a1) read on the first and was made inactive on it."""
    data = tmp_path / "floor"
    add_everybody(data)
    two_closed_days(data, PEOPLE)
    return data


def days_of(data: Path) -> list[str]:
    return sorted(path.name for path in data.glob("archive/site=leeds/day=*"))


def test_a_server_archives_what_was_missed_and_what_it_is_asked_for(two_days):
    with serve(two_days, people=NOW_GONE) as served, served.client("admin") as admin:
        until(lambda: len(days_of(two_days)) == 2, "the archive")
        first = days_of(two_days)[0].removeprefix("day=")
        assert admin.post("/api/archive").json()["days"] == [day.removeprefix("day=") for day in days_of(two_days)]
        assert admin.post("/api/archive", params={"to": first}).json()["days"] == [first]
        wrong = admin.post("/api/archive", params={"from": "soon"})
        assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "from")
        by_hand = cli("log", "archive", "--to", first, data=two_days)
        assert by_hand.stdout == f"1 day written to {two_days / 'archive'}.\n"
    again = cli("log", "archive", data=two_days)
    assert again.stdout == f"2 days written to {two_days / 'archive'}.\n"


def test_after_a_kill_the_next_start_archives_what_is_missing(two_days):
    with serve(two_days, people=NOW_GONE) as served:
        served.kill()  # while it begins to archive
    with serve(two_days, people=NOW_GONE):
        until(lambda: len(days_of(two_days)) == 2, "the archive")
    counted = f"SELECT count(*) FROM '{two_days}/archive/site=*/day=*/deliveries.parquet'"
    assert duckdb.sql(counted).fetchall() == [(2,)]
    assert not list(two_days.glob("archive/site=leeds/.*"))


def test_a_former_agent_becomes_a_pseudonym_while_the_server_runs(two_days):
    with serve(two_days, people=NOW_GONE) as served, served.client("admin") as admin:
        until(lambda: len(days_of(two_days)) == 2, "the archive")
        refused = admin.post("/api/agents/a2/pseudonym")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "agent_in_use")
        assert admin.post("/api/agents/nobody/pseudonym").status_code == 404
        answer = admin.post("/api/agents/a1/pseudonym")
        assert answer.status_code == 200, answer.text
        new = answer.json()["agent_id"]
        listed = {agent.agent_id for agent in roster.read(admin.get("/api/roster").content)}
        assert new in listed
        assert "a1" not in listed
        gone = admin.post("/api/agents/a1/pseudonym")
        assert gone.status_code == 404
        archived = duckdb.sql(f"SELECT DISTINCT agent_id FROM '{two_days}/archive/*/*/deliveries.parquet'").fetchall()
        assert set(archived) == {(new,), ("a2",)}
    with serve(two_days, people=PEOPLE[1:]):  # takes the log as it is now
        pass
    with open_log(two_days) as log:
        assert set(log.deliveries()["agent_id"]) == {new, "a2"}
        assert set(log.state_changes()["agent_id"]) == {new}
        (said,) = log.sql("SELECT actor, subject FROM audit WHERE action = 'pseudonym'").itertuples(index=False)
        assert tuple(said) == ("admin", new)
    assert b"Ann Ames" not in (two_days / LOG_FILE).read_bytes(), "the copy at the start left no trace"


def test_without_a_server_the_command_line_does_it(two_days):
    assert "active" in failed(cli("log", "pseudonym", "a2", data=two_days))
    done = cli("log", "pseudonym", "a1", data=two_days)
    assert done.returncode == 0, done.stderr
    new = done.stdout.split()[2]
    assert new.startswith("former-")
    for place in ("backups", "exports", "texts of messages", "account"):
        assert place in done.stdout, "what is not reached is said"
    assert b"Ann Ames" not in (two_days / LOG_FILE).read_bytes()
    with open_log(two_days) as log:
        assert set(log.agents()["agent_id"]) == {new, "a2", "a3", "a4"}
        (said,) = log.sql("SELECT actor, detail FROM audit WHERE action = 'pseudonym'").itertuples(index=False)
        assert (said.actor, json.loads(said.detail)) == ("command-line", {})
    assert "no agent" in failed(cli("log", "pseudonym", "a1", data=two_days))


def test_a_practice_floor_keeps_nobodys_record(tmp_path):
    scenario = str(Path(__file__).parents[2] / "data" / "scenarios" / "night_shift.toml")
    with serve(tmp_path / "practice", "--practice", scenario) as served, served.client("admin") as admin:
        for path in ("/api/archive", "/api/agents/a1/pseudonym"):
            assert admin.post(path).status_code == 404
    assert not (tmp_path / "practice" / "archive").exists()
    assert "no live floor" in failed(cli("log", "archive", data=tmp_path / "practice"))


def test_where_there_is_no_log_it_is_said(tmp_path):
    for arguments in (("archive",), ("pseudonym", "a1")):
        assert "no log" in failed(cli("log", *arguments, data=tmp_path))


def test_a_day_that_is_none_is_wrong_use(two_days):
    assert "no day" in failed(cli("log", "archive", "--from", "soon", data=two_days), 2)


def test_what_is_too_old_goes_at_the_start(two_days):
    with (two_days / "settings.toml").open("a", encoding="utf-8") as settings:
        settings.write("retention_days = 1\n")
    with serve(two_days, people=NOW_GONE) as served:
        until(lambda: len(days_of(two_days)) == 1, "the archive")
        assert isinstance(served, Served)
    with open_log(two_days) as log:
        assert len(log.days()) == 2
        (said,) = log.sql("SELECT detail FROM audit WHERE action = 'retention'").itertuples(index=False)
        assert json.loads(said.detail)["rows"]["deliveries"] == 2
