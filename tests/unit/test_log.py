"""What the stable tables say, against days worked out by hand; what a floor reads back; what a reader may not do."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from coachsim.errors import InvalidInput, LogError, LogLocked, ServerUnavailable
from coachsim.events import AgentChanged, Audited, StateChanged
from coachsim.log import LogWriter, MessageLog, Run, open_log
from coachsim.models import Agent
from coachsim.state import Opening
from tests.unit.log_events import ANN, BO, BREAK, CY, IN, NIGHT, OUT, START, PaperDay, Story, at

# The columns that scripts and users rely on.
STABLE = {
    "deliveries": "message_id agent_id team day sent_at state_at_send toast_at notified_at read_at"
    " acknowledged_at lost_at cleared_at status",
    "messages": "message_id day sent_at sender audience body priority ack_required expires_at recipients",
    "state_changes": "agent_id changed_at state reason actor",
    "agents": "agent_id name team campaigns lists queues active",
    "agent_versions": "agent_id name team campaigns lists queues active valid_from valid_to",
    "days": "day began_at cleared_at deliveries lost",
    "audit": "happened_at actor action subject detail",
}


def write(path: Path, story: Story, run: Run | None = None) -> None:
    with LogWriter.open(path, run) as writer:
        writer.append(story.events).result(60)


@pytest.fixture
def log_of(tmp_path):
    """Writes a story to a file and opens it for reading."""
    opened = []

    def make(story: Story, run: Run | None = None) -> MessageLog:
        path = tmp_path / f"{len(opened)}.duckdb"
        write(path, story, run)
        opened.append(open_log(path))
        return opened[-1]

    yield make
    for log in opened:
        log.close()


def moments(frame: pd.DataFrame, *columns: str) -> list[tuple]:
    """The frame's rows with times as minutes after the start, None where there is none."""
    rows = []
    for row in frame.itertuples(index=False):
        values = []
        for column, value in zip(frame.columns, row, strict=True):
            if isinstance(value, pd.Timestamp):
                value = (value - pd.Timestamp(START, unit="us")) / pd.Timedelta(minutes=1)
            elif not isinstance(value, list) and pd.api.types.is_scalar(value) and pd.isna(value):
                value = None
            if not columns or column in columns:
                values.append(value)
        rows.append(tuple(values))
    return rows


PAPER = "message_id agent_id team state_at_send toast_at notified_at read_at acknowledged_at lost_at cleared_at status"


@pytest.mark.parametrize("closed", [False, True])
def test_deliveries_are_those_worked_out_on_paper(log_of, closed):
    story = PaperDay()
    if closed:
        story.night(0, deliveries=3, lost=2)
    frame = log_of(story).deliveries()
    assert list(frame.columns) == STABLE["deliveries"].split()
    assert moments(frame[PAPER.split()]) == story.rows(closed=closed)
    assert set(frame["day"]) == {"2026-03-02"}
    sent = {story.first: 10, story.second: 20, story.third: 110, story.fourth: 140}
    assert [row[1] for row in moments(frame[["message_id", "sent_at"]])] == [sent[id_] for id_ in frame["message_id"]]


def test_closed_days_and_the_open_day_stand_together(log_of):
    story = PaperDay()
    story.night(0, deliveries=3, lost=2)
    later = story.send(NIGHT + 5, [(ANN, IN, True, True)])
    log = log_of(story)
    assert len(log.deliveries()) == len(story.rows(closed=True)) + 1
    assert moments(log.deliveries().tail(1)[["message_id", "day", "status"]]) == [(later, "2026-03-03", "notified")]
    assert moments(log.days()) == [("2026-03-02", 0, NIGHT, 8, 5), ("2026-03-03", NIGHT, None, None, None)]
    assert list(log.messages()["day"]) == ["2026-03-02"] * 4 + ["2026-03-03"]
    closed = log.sql("SELECT count(*) AS n FROM closed_deliveries")["n"][0]
    assert closed == 8, "the closed day is a table, not worked out anew for each query"


def test_days_without_a_message_have_a_row_each(log_of):
    story = Story()
    story.day(0)
    story.people(ANN)
    for number in range(3):
        story.night(number)
    log = log_of(story)
    assert list(log.days()["day"]) == ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"]
    assert list(log.days()["deliveries"])[:3] == [0, 0, 0]


def test_messages(log_of):
    story = PaperDay()
    frame = log_of(story).messages()
    assert list(frame.columns) == STABLE["messages"].split()
    assert moments(frame) == [
        (story.first, "2026-03-02", 10, "sup", '{"everyone":true}', "Hello", "normal", True, None, 3),
        (
            story.second,
            "2026-03-02",
            20,
            "sup",
            '{"filter":{"team":["Blue","Green"]}}',
            "Hello",
            "normal",
            False,
            60,
            2,
        ),
        (story.third, "2026-03-02", 110, "sup", '{"agents":["a1","a3"]}', "Hello", "urgent", False, None, 2),
        (story.fourth, "2026-03-02", 140, "sup", '{"agents":["a1"]}', "Hello", "normal", False, None, 1),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "<script>alert('x')</script>",
        "line\nbreak \t tab",
        "\u202eright\u202c to left",
        "👩🏽‍🚒" * 50,
        '"; DROP TABLE events; --',
    ],
)
def test_a_body_is_kept_as_it_is(log_of, body):
    story = Story()
    story.day(0)
    story.people(ANN)
    story.send(5, [(ANN, OUT, False, False)], body=body)
    assert list(log_of(story).messages()["body"]) == [body]


def test_agents_are_as_of_now_and_versions_say_since_when(log_of):
    story = Story()
    story.day(0)
    story.people(ANN, CY)
    moved = Agent("a1", "Ann", "Green", lists=("Cold", "Warm"))
    story.add(50, AgentChanged, "admin", agent=moved, previous_team="Blue")
    story.night(0)
    story.add(NIGHT + 9, AgentChanged, "admin", agent=Agent("a3", "Cy", "Green", active=False), previous_team="Green")
    log = log_of(story)
    assert [tuple(map(_plain, row)) for row in log.agents().itertuples(index=False)] == [
        ("a1", "Ann", "Green", [], ["Cold", "Warm"], [], True),
        ("a3", "Cy", "Green", [], [], [], False),
    ]
    versions = log.sql("SELECT agent_id, team, active, valid_from, valid_to FROM agent_versions ORDER BY 1, 4")
    assert moments(versions) == [
        ("a1", "Blue", True, 1, 50),
        ("a1", "Green", True, 50, None),
        ("a3", "Green", True, 1, NIGHT + 9),
        ("a3", "Green", False, NIGHT + 9, None),
    ]


def _plain(value):
    return value.tolist() if hasattr(value, "tolist") else value


def test_state_changes_are_ordered_by_time_then_agent(log_of):
    story = Story()
    story.day(0)
    story.people(ANN, BO)
    story.add(3, StateChanged, "a2", agent_id="a2", state=IN)
    story.add(3, StateChanged, "a1", agent_id="a1", state=IN)
    story.add(3, StateChanged, "a1", agent_id="a1", state=BREAK, reason="tea")
    assert moments(log_of(story).state_changes()) == [
        ("a1", 3, "logged_in", None, "a1"),
        ("a1", 3, "break", "tea", "a1"),
        ("a2", 3, "logged_in", None, "a2"),
    ]


def test_audit_says_who_did_what(log_of):
    story = PaperDay()
    story.add(200, Audited, "admin", action="roster_loaded", subject="roster.csv", detail={"changed": 3})
    story.night(0, deliveries=3, lost=2)
    rows = moments(log_of(story).sql("SELECT * FROM audit ORDER BY happened_at, subject"))
    assert [row[:4] for row in rows] == [
        (1, "admin", "agent_changed", "a1"),
        (1, "admin", "agent_changed", "a2"),
        (1, "admin", "agent_changed", "a3"),
        (10, "sup", "sent", str(story.first)),
        (20, "sup", "sent", str(story.second)),
        (90, "admin", "cleared_down", "2026-03-02"),
        (110, "sup", "sent", str(story.third)),
        (140, "sup", "sent", str(story.fourth)),
        (200, "admin", "roster_loaded", "roster.csv"),
        (NIGHT, "floor", "cleared_down", "2026-03-02"),
    ]
    details = [row[4] for row in rows]
    assert details[3] == '{"audience":{"everyone":true},"recipients":3,"priority":"normal"}'
    assert details[5] == '{"by_hand":true,"deliveries":5,"lost":2}'
    assert details[8] == '{"changed":3}'


@pytest.mark.parametrize("table", STABLE)
def test_stable_tables_have_exactly_their_columns(log_of, table):
    log = log_of(PaperDay())
    assert list(log.sql(f"SELECT * FROM {table}").columns) == STABLE[table].split()


def test_run_says_what_wrote_the_file(log_of):
    run = Run(kind="simulated", scenario="weekday", seed=7, time_zone="Europe/London", site="Leeds", detail={"n": 1})
    story = Story()
    log = log_of(story, run)
    (row,) = log.sql("SELECT kind, scenario, seed, time_zone, site, detail FROM run").itertuples(index=False)
    assert tuple(row) == ("simulated", "weekday", 7, "Europe/London", "Leeds", '{"n":1}')
    story.day(0)  # in UTC
    assert list(log_of(story, run).sql("SELECT time_zone FROM run")["time_zone"]) == ["UTC"]


def test_a_writer_knows_the_run_it_continues(tmp_path):
    run = Run(kind="practice", scenario="weekday", seed=7)
    LogWriter.open(tmp_path / "log.duckdb", run).close()
    with LogWriter.open(tmp_path / "log.duckdb", Run(kind="live")) as writer:
        assert writer.run == run


# --- what a floor is rebuilt from ---


def test_a_new_log_restores_nothing(tmp_path):
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        restored = writer.load()
    assert (restored.openings, restored.events) == ([], [])


def test_the_first_day_is_restored_from_its_events_alone(tmp_path):
    story = PaperDay()
    write(tmp_path / "log.duckdb", story)
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        restored = writer.load()
        assert writer.seq == len(story.events)
    assert restored.openings == []
    assert restored.events == story.events


def test_agents_are_restored_as_the_open_day_found_them(tmp_path):
    story = Story()
    story.day(0)
    story.people(ANN, BO, CY, Agent("a4", "Di", "Green"))
    story.add(10, StateChanged, "a1", agent_id="a1", state=IN)
    story.add(20, StateChanged, "a1", agent_id="a1", state=BREAK, reason="tea")
    story.add(30, StateChanged, "a1", agent_id="a1", state=BREAK, reason="lunch")  # same state: since stays 20
    story.add(40, StateChanged, "a2", agent_id="a2", state=OUT, reason="ill")  # never was in: since nothing
    story.add(50, StateChanged, "a3", agent_id="a3", state=IN)
    story.night(0)
    story.add(NIGHT + 1, StateChanged, "a3", agent_id="a3", state=OUT)
    story.night(1)
    began = len(story.events)
    story.add(2 * NIGHT + 5, StateChanged, "a1", agent_id="a1", state=IN)
    write(tmp_path / "log.duckdb", story)
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        restored = writer.load()
    assert restored.openings == [
        Opening(ANN, BREAK, at(20), "lunch"),
        Opening(BO, OUT, None, "ill"),
        Opening(CY, OUT, at(NIGHT + 1), None),
        Opening(Agent("a4", "Di", "Green"), OUT, None, None),
    ]
    assert restored.events == story.events[began - 1 :]


# --- closed days as the API shows them ---


def test_past_messages_count_what_became_of_them(tmp_path):
    story = PaperDay()
    story.night(0)
    write(tmp_path / "log.duckdb", story)
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        messages = writer.past_messages("2026-03-02")
        blue = writer.past_messages("2026-03-02", ["Blue"])
        none = writer.past_messages("2026-03-01")
    assert [one["message_id"] for one in messages] == [story.fourth, story.third, story.second, story.first]
    first, second = messages[3], messages[2]
    assert first["by_milestone"] == {"notified": 3, "read": 1, "acknowledged": 1}
    assert first["by_status"] == {"waiting": 0, "notified": 0, "read": 0, "acknowledged": 1, "lost": 2}
    assert (first["expired"], second["expired"]) == (False, True)
    assert blue[2]["recipients"] == 1
    assert blue[2]["audience"] == {"filter": {"team": ["Blue"]}}
    assert none == []


def test_past_deliveries_are_scoped(tmp_path):
    story = PaperDay()
    story.night(0)
    write(tmp_path / "log.duckdb", story)
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        green = writer.past_deliveries(story.first, ["Green"])
        assert writer.past_deliveries(story.fourth, ["Green"]) == []
        assert writer.past_deliveries(12345) == []
    (cy,) = green
    assert (cy["name"], cy["status"], cy["lost_at"]) == ("Cy", "lost", "2026-03-02T04:30:00.000000Z")


# --- readers ---


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM events",
        "INSERT INTO recoveries VALUES (now()::TIMESTAMP)",
        "CREATE TABLE mine (a INT)",
        "COPY deliveries TO '{other}'",
        "SELECT * FROM read_csv('{other}')",
        "SELECT * FROM '{other}'",
        "SELECT * FROM read_text('{other}')",
        "ATTACH '{other}.duckdb' AS other",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "INSTALL httpfs",
        "SELECT no_such_column FROM deliveries",
    ],
)
def test_a_reader_can_neither_write_nor_reach_other_files(log_of, tmp_path, query):
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    log = log_of(PaperDay())
    with pytest.raises(InvalidInput, match="cannot answer"):
        log.sql(query.format(other=other))
    assert other.read_text() == "a,b\n1,2\n"
    assert len(log.deliveries()) == 8


def test_a_query_takes_parameters(log_of):
    log = log_of(PaperDay())
    assert log.sql("SELECT count(*) AS n FROM deliveries WHERE team = ? AND status = ?", ["Green", "lost"])["n"][0] == 2
    assert log.sql("SELECT count(*) AS n FROM deliveries WHERE team = $team", {"team": "Blue"})["n"][0] == 5


def test_several_readers_may_have_a_log_open(tmp_path):
    write(tmp_path / "log.duckdb", PaperDay())
    with open_log(tmp_path) as one, open_log(tmp_path / "log.duckdb") as other:
        assert len(one.deliveries()) == len(other.deliveries()) == 8


def test_a_writer_keeps_readers_out(tmp_path):
    with LogWriter.open(tmp_path / "log.duckdb"), pytest.raises(LogLocked, match="already open"):
        open_log(tmp_path)
    open_log(tmp_path).close()


def test_a_closed_reader_says_so(log_of):
    log = log_of(PaperDay())
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.deliveries()


def test_open_log_finds_the_log_that_is_meant(tmp_path, monkeypatch):
    write(tmp_path / "log.duckdb", PaperDay())
    for name in ("COACHSIM_URL", "COACHSIM_DATA"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "live").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    with open_log() as log:
        assert Path(log.where).samefile(tmp_path / "log.duckdb")
    monkeypatch.setenv("COACHSIM_DATA", str(tmp_path))
    with open_log() as log:
        assert Path(log.where).samefile(tmp_path / "log.duckdb")
    monkeypatch.setenv("COACHSIM_URL", "http://localhost:9")
    monkeypatch.setenv("COACHSIM_TOKEN", "some")
    with pytest.raises(ServerUnavailable, match="http://localhost:9 cannot be reached"):
        open_log()


def test_open_log_says_where_it_found_nothing(tmp_path):
    with pytest.raises(LogError, match="There is no log at"):
        open_log(tmp_path)
    assert list(tmp_path.iterdir()) == []
