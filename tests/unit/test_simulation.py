"""Simulated days as logs: what is in one agrees with the rules, and with what asking the log gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import coachsim
from coachsim.cli import main
from coachsim.errors import InvalidInput, LogUnavailable
from coachsim.log.records import SELECT, from_row
from coachsim.plan import plan
from coachsim.scenario import Scenario
from coachsim.simulation import play, simulate
from tests.unit.days_of import message, scenario
from tests.unit.stage import deliveries
from tests.unit.test_log_matches_floor import TIMES

SMALL = scenario(floor={"agents": 12, "teams": 3}, messages=[message(ack_required=True), message("16:59", to="a team")])


@pytest.fixture(scope="module")
def weekday(repository: Path) -> Scenario:
    return Scenario.load(repository / "data" / "scenarios" / "weekday.toml")


def test_the_log_has_the_events_that_were_played_and_replayed_they_give_its_deliveries(weekday, tmp_path):
    simulate(weekday, seed=3, out=tmp_path / "day.duckdb").close()
    times = ", ".join(f"epoch_us(deliveries.{name})" for name in TIMES)
    with duckdb.connect(tmp_path / "day.duckdb", read_only=True) as log:
        events = [from_row(row) for row in log.execute(f"SELECT {SELECT} FROM events ORDER BY seq").fetchall()]
        asked = log.execute(
            "SELECT events.payload->>'$.request_id', deliveries.agent_id, message_id, team, state_at_send, status,"
            f" {times} FROM deliveries JOIN events USING (message_id) WHERE kind = 'sent'"
        ).fetchall()
    assert events == play(plan(weekday, 3))
    replayed = {
        (*key, one.message_id, one.team, one.state_at_send, one.status, *(getattr(one, name) for name in TIMES))
        for key, one in deliveries(events).items()
    }
    assert set(asked) == replayed
    assert len(asked) == len(replayed) > 1_500


def test_a_log_says_what_it_was_made_of(tmp_path):
    with simulate(SMALL, seed=5, out=tmp_path / "day.duckdb") as log:
        (run,) = log.sql("FROM run").itertuples()
        assert (run.kind, run.scenario, run.seed, run.time_zone) == ("simulated", SMALL.name, 5, "Europe/London")
        assert Scenario.from_dict(json.loads(run.detail)["scenario"]) == SMALL
        assert log.days()["day"].tolist()[0] == "2026-03-02"


def test_a_simulation_without_a_file_lives_as_long_as_its_log():
    log = coachsim.simulate(SMALL, seed=1)
    assert Path(log.where).exists()
    assert len(log.deliveries()) == 16
    where = Path(log.where)
    log.close()
    del log
    assert not where.parent.exists()


def test_no_file_is_overwritten_and_none_left_unfinished(tmp_path):
    out = tmp_path / "day.duckdb"
    simulate(SMALL, seed=1, out=out).close()
    before = out.read_bytes()
    with pytest.raises(InvalidInput, match="exists already"):
        simulate(SMALL, seed=2, out=out)
    assert out.read_bytes() == before
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_no_log_can_keep_is_refused(seed):
    with pytest.raises(InvalidInput, match="A seed is a whole number"):
        simulate(SMALL, seed=seed)


def test_a_place_that_cannot_be_written_is_said_to_be_one(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises((LogUnavailable, OSError)):
        simulate(SMALL, seed=1, out=tmp_path / "file" / "day.duckdb")


# --- the command ---

TOML = (
    'name = "Short"\nfloor.agents = 5\n[[shifts]]\nstart = "09:00"\n[[messages]]\nkey = "m"\nbody = "x"\nat = "10:00"\n'
)


def test_the_command_writes_a_log_and_counts_what_is_in_it(tmp_path, capsys):
    (tmp_path / "s.toml").write_text(TOML)
    out = tmp_path / "runs" / "day.duckdb"
    assert main(["simulate", str(tmp_path / "s.toml"), "--seed", "7", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert str(out) in said and "5 deliveries" in said
    with coachsim.open_log(out) as log:
        assert log.sql("SELECT seed FROM run").iloc[0, 0] == 7
    assert main(["simulate", str(tmp_path / "s.toml"), "--seed", "7", "--out", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err


def test_the_command_names_a_misspelt_field(tmp_path, capsys):
    (tmp_path / "s.toml").write_text(TOML.replace("agents", "agent"))
    assert main(["simulate", str(tmp_path / "s.toml"), "--seed", "7", "--out", str(tmp_path / "o")]) == 1
    assert "floor.agent" in capsys.readouterr().err


def test_the_command_without_a_seed_is_wrong_use(tmp_path):
    done = subprocess.run([sys.executable, "-m", "coachsim.cli", "simulate", "x.toml"], capture_output=True, text=True)
    assert done.returncode == 2 and "--seed" in done.stderr
