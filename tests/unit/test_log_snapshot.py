"""Snapshots: the days asked for, and of them only what the reader's teams may see."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from coachsim.errors import InvalidInput
from coachsim.events import AgentChanged, Audited, StateChanged
from coachsim.log import LogWriter
from coachsim.log.snapshot import snapshot
from coachsim.models import Audience, Filter
from tests.unit.log_events import ANN, BO, CY, IN, NIGHT, OUT, PaperDay, at
from tests.unit.test_log import STABLE

FIRST, SECOND = "2026-03-02", "2026-03-03"


@pytest.fixture(scope="module")
def story() -> PaperDay:
    """The paper day, and an open day after it on which Bo has moved to Green."""
    story = PaperDay()
    story.add(200, Audited, "admin", action="password_reset", subject="a1", detail={})
    story.add(201, Audited, "admin", action="roster_loaded", subject="roster.csv", detail={"changed": 3})
    story.night(0, deliveries=3, lost=2)
    moved = type(BO)("a2", "Bo", "Green")
    story.add(NIGHT + 1, AgentChanged, "admin", agent=moved, previous_team="Blue")
    story.add(NIGHT + 2, StateChanged, "a3", agent_id="a3", state=OUT)
    story.fifth = story.send(
        NIGHT + 5, [(ANN, IN, True, False), (moved, IN, True, True)], Audience(filter=Filter(state=("logged_in",)))
    )
    return story


@pytest.fixture(scope="module")
def rows(story, tmp_path_factory):
    """Asks for a snapshot and reads it back as dicts."""
    with LogWriter.open(tmp_path_factory.mktemp("log") / "log.duckdb") as writer:
        writer.append(story.events).result(60)

        def ask(table: str, start=None, end=None, teams=None) -> list[dict[str, Any]]:
            return pq.read_table(io.BytesIO(snapshot(writer.cursor(), table, start, end, teams))).to_pylist()

        yield ask


@pytest.mark.parametrize("table", [*STABLE, "run"])
@pytest.mark.parametrize("teams", [None, ["Blue"], ["Nobody"]])
def test_a_snapshot_has_the_tables_columns_even_when_empty(story, tmp_path, table, teams):
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        empty = pq.read_table(io.BytesIO(snapshot(writer.cursor(), table, None, None, teams)))
        writer.append(story.events).result(60)
        full = pq.read_table(io.BytesIO(snapshot(writer.cursor(), table, None, None, teams)))
        described = writer.cursor().execute(f"SELECT column_name FROM (DESCRIBE {table})").fetchall()
    assert empty.column_names == full.column_names == [row[0] for row in described]
    assert empty.schema.equals(full.schema)


def test_deliveries_are_scoped_by_the_team_at_the_send(rows):
    assert len(rows("deliveries")) == 10
    assert [row["agent_id"] for row in rows("deliveries", teams=["Green"])] == ["a3", "a3", "a3", "a2"]
    assert {row["team"] for row in rows("deliveries", teams=["Blue"])} == {"Blue"}
    assert rows("deliveries", teams=[]) == []


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (None, None, 10),
        (FIRST, FIRST, 8),
        (SECOND, SECOND, 2),
        (SECOND, None, 2),
        (None, FIRST, 8),
        ("2027-01-01", None, 0),
    ],
)
def test_the_days_asked_for_are_both_included(rows, start, end, count):
    assert len(rows("deliveries", start, end)) == count


def test_messages_show_the_part_in_scope(rows, story):
    blue = {row["message_id"]: row for row in rows("messages", teams=["Blue"])}
    assert {id_: row["recipients"] for id_, row in blue.items()} == {
        story.first: 2, story.second: 1, story.third: 1, story.fourth: 1, story.fifth: 1,
    }  # fmt: skip
    assert json.loads(blue[story.first]["audience"]) == {"everyone": True}
    assert json.loads(blue[story.second]["audience"]) == {"filter": {"team": ["Blue"]}}
    assert json.loads(blue[story.third]["audience"]) == {"agents": ["a1"]}
    assert json.loads(blue[story.fifth]["audience"]) == {"filter": {"state": ["logged_in"]}}
    green = [row["message_id"] for row in rows("messages", teams=["Green"])]
    assert green == [story.first, story.second, story.third, story.fifth]
    assert [row["recipients"] for row in rows("messages")] == [3, 2, 2, 1, 2]


def test_agents_and_what_they_did_are_scoped_by_their_team_now(rows):
    assert [row["agent_id"] for row in rows("agents", teams=["Blue"])] == ["a1"]
    assert [row["agent_id"] for row in rows("agents", teams=["Green"])] == ["a2", "a3"]
    assert [(row["agent_id"], row["team"]) for row in rows("agent_versions", teams=["Green"])] == [
        ("a2", "Blue"),
        ("a2", "Green"),
        ("a3", "Green"),
    ]
    assert {row["agent_id"] for row in rows("state_changes", teams=["Blue"])} == {"a1"}
    assert [row["agent_id"] for row in rows("state_changes", SECOND, SECOND)] == ["a3"]
    assert len(rows("state_changes", FIRST, FIRST)) == 6


def test_days_count_what_is_in_scope(rows):
    def counts(**scope):
        return [(row["day"], row["deliveries"], row["lost"]) for row in rows("days", **scope)]

    assert counts() == [(FIRST, 8, 5), (SECOND, None, None)]
    assert counts(teams=["Green"]) == [(FIRST, 3, 2), (SECOND, None, None)]
    assert counts(teams=["Nobody"]) == [(FIRST, 0, 0), (SECOND, None, None)]


def test_audit_is_only_about_what_is_in_scope(rows, story):
    green = rows("audit", teams=["Green"])
    assert [(row["action"], row["subject"]) for row in green] == [
        ("agent_changed", "a2"),
        ("agent_changed", "a3"),
        ("sent", str(story.first)),
        ("sent", str(story.second)),
        ("cleared_down", FIRST),
        ("sent", str(story.third)),
        ("cleared_down", FIRST),
        ("agent_changed", "a2"),
        ("sent", str(story.fifth)),
    ]
    assert json.loads(green[5]["detail"]) == {"audience": {"agents": ["a3"]}, "recipients": 1, "priority": "urgent"}
    assert json.loads(green[4]["detail"]) == {"by_hand": True}
    everything = rows("audit")
    assert [row["action"] for row in everything].count("roster_loaded") == 1
    assert len(everything) == 13
    assert [row["action"] for row in rows("audit", SECOND)] == ["agent_changed", "sent"]
    assert [row["action"] for row in rows("audit", FIRST, FIRST)][-1] == "cleared_down"


def test_run_is_for_every_reader(rows):
    assert rows("run", teams=["Nobody"])[0]["kind"] == "live"


def test_times_come_back_to_the_microsecond(rows, story):
    first = rows("deliveries")[0]
    assert first["sent_at"].isoformat() == "2026-03-02T03:10:00"
    assert at(10) == story.first
    assert CY.agent_id == rows("agents", teams=["Green"])[1]["agent_id"]


@pytest.mark.parametrize("table", ["events", "closed_deliveries", "deliveries; DROP TABLE events", ""])
def test_only_the_stable_tables_are_given(rows, table):
    with pytest.raises(InvalidInput, match="has no table"):
        rows(table)


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "' OR 1=1 --"])
def test_a_day_has_to_be_a_day(rows, day):
    with pytest.raises(InvalidInput, match="is no day"):
        rows("deliveries", day)


@pytest.mark.parametrize("table", ["state_changes", "all_state_changes", "deliveries"])
@pytest.mark.parametrize("teams", [None, ["Green"]])
def test_long_tables_are_read_in_parts_and_nothing_is_lost_between_them(rows, monkeypatch, table, teams):
    asked = [(None, None), (SECOND, None), (None, FIRST)]
    whole = [rows(table, *days, teams=teams) for days in asked]
    monkeypatch.setattr("coachsim.log.snapshot._EVENTS", 2)
    monkeypatch.setattr("coachsim.log.snapshot._ROWS", 1)
    assert [rows(table, *days, teams=teams) for days in asked] == whole
    assert len(whole[0]) > 2
