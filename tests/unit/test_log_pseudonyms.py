"""Pseudonyms: nothing in log or archive leads back, and everything that is counted is as it was."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from coachsim import analysis, roster
from coachsim.errors import LogDamaged
from coachsim.events import AgentChanged, Audited, Read
from coachsim.log import LogWriter, open_log, pseudonyms, retention
from coachsim.log.archive import Archive, write_days
from coachsim.log.pseudonyms import JOURNAL, Pseudonym
from coachsim.models import Agent, Audience
from tests.unit.log_events import ANN, CY, IN, NIGHT, PaperDay

NEW = Pseudonym("a1", "former-0", "Former agent 0", ("ann.account",))
SECRETS = ("a1", "Ann", "ann.account")


def story() -> PaperDay:
    """The paper day and another; Ann (a1) is named wherever a log can name an agent, then leaves; an open day."""
    story = PaperDay()
    story.add(200, Audited, "admin", action="password_reset", subject="a1", detail={})
    story.add(201, Audited, "admin", action="seats", subject="all", detail={"taken": ["a1", "a2"], "by": {"a1": "sup"}})
    mentioned = story.send(202, [(CY, IN, True, True)], body="a1")
    story.schedule(203, 5 * NIGHT, ANN, CY)
    story.night(0)
    sent = story.send(NIGHT + 5, [(ANN, IN, True, False), (CY, IN, True, True)], Audience(everyone=True))
    story.add(NIGHT + 6, Read, "ann.account", agent_id="a1", message_ids=(sent,), notified=(False,))
    left = Agent("a1", "Ann", "Blue", campaigns=("Spring",), active=False)
    story.add(NIGHT + 7, AgentChanged, "admin", agent=left, previous_team="Blue")
    story.night(1)
    story.send(2 * NIGHT + 5, [(CY, IN, True, False)])
    story.mentioned = mentioned
    return story


@pytest.fixture
def before_and_after(tmp_path) -> tuple[Path, Path]:
    """A data folder with an archive, and a copy in which Ann has been made a pseudonym."""
    before, after = tmp_path / "before", tmp_path / "after"
    with LogWriter.open(before / "log.duckdb") as writer:
        writer.append(story().events).result(60)
        write_days(writer.cursor(), Archive(before, "main"))
    shutil.copytree(before, after)
    with LogWriter.open(after / "log.duckdb") as writer:
        pseudonyms.rename(writer.cursor(), NEW)
        pseudonyms.rename_in_archive(writer.cursor(), Archive(after, "main"), NEW)
    return before, after


def everything(data: Path) -> dict[str, list[dict]]:
    """All rows of all tables of the log, and of all files of the archive."""
    found = {}
    with duckdb.connect(str(data / "log.duckdb"), read_only=True) as log:
        for (table,) in log.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            found[table] = log.sql(f"FROM {table}").to_arrow_table().to_pylist()
    for path in sorted(data.rglob("*.parquet")):
        found[str(path.relative_to(data))] = pq.read_table(path).to_pylist()
    return found


def named(value: object, secrets: tuple[str, ...]) -> bool:
    """Whether one of these is in it as a word of its own, also inside of JSON."""
    return any(f"'{one}'" in str(value) or f'"{one}"' in str(value) for one in secrets)


def test_nothing_is_left_of_the_old_id_and_name_but_what_people_wrote(before_and_after):
    before, after = (everything(data) for data in before_and_after)
    where = {table for table, rows in before.items() if named(rows, SECRETS)}
    assert where >= {"events", "closed_deliveries", "closed_messages", "closed_state_changes", "closed_agent_changes"}
    assert where >= {"closed_audit", "archive/site=main/day=2026-03-02/audit.parquet"}
    assert before.keys() == after.keys()
    for table, rows in after.items():
        assert len(rows) == len(before[table])
        for row in rows:
            written = {key: value for key, value in row.items() if key != "body"}
            if row.get("kind") == "sent" and "payload" in row:  # the text of the message, in the event that sent it
                written["payload"] = row["payload"].replace('"body":"a1"', "")
            assert not named(written, SECRETS), (table, row)
    with open_log(before_and_after[1]) as log:
        assert log.sql("SELECT body FROM messages WHERE body = 'a1'").shape == (1, 1), "messages stay as written"


def test_what_differs_is_the_id_and_the_name_and_nothing_else(before_and_after):
    before, after = (everything(data) for data in before_and_after)

    def made(value):
        text = str(value).replace("'ann.account'", "'former-0'")
        for quote in "'\"":
            text = text.replace(f"{quote}a1{quote}", f"{quote}former-0{quote}")
            text = text.replace(f"{quote}Ann{quote}", f"{quote}Former agent 0{quote}")
        return text.replace("'body': 'former-0'", "'body': 'a1'").replace('"body":"former-0"', '"body":"a1"')

    for table, rows in before.items():
        assert sorted(map(made, rows)) == sorted(map(str, after[table])), table


def test_every_figure_of_a_group_is_as_it_was(before_and_after):
    with open_log(before_and_after[0]) as before, open_log(before_and_after[1]) as after:
        for ask in (analysis.unread_rates, analysis.lost, analysis.time_to_read, analysis.load, analysis.presence):
            keys = ("team", "campaign", "list", "queue", "hour", "day")
            for by in (None, *keys, ["day", "team"]):
                pd.testing.assert_frame_equal(ask(before, by=by), ask(after, by=by))
        for name in ("messages", "days"):
            left, right = (getattr(log, name)().drop(columns="audience", errors="ignore") for log in (before, after))
            pd.testing.assert_frame_equal(left, right)
        mine, others = (
            log.deliveries().sort_values(["message_id", "sent_at", "team", "status"]) for log in (before, after)
        )
        drop = ["agent_id"]
        assert sorted(map(str, mine.drop(columns=drop).to_dict("records"))) == sorted(
            map(str, others.drop(columns=drop).to_dict("records"))
        )


def test_a_floor_rebuilt_from_the_log_has_the_new_agent_in_the_old_ones_place(before_and_after):
    restored = []
    for data in before_and_after:
        with LogWriter.open(data / "log.duckdb") as writer:
            restored.append(writer.load())
    before, after = restored
    assert after.events == before.events
    old = {one.agent.agent_id: one for one in before.openings}
    new = {one.agent.agent_id: one for one in after.openings}
    assert new.keys() == old.keys() - {"a1"} | {"former-0"}
    assert (new["former-0"].state, new["former-0"].since, new["former-0"].reason) == (
        old["a1"].state, old["a1"].since, old["a1"].reason,
    )  # fmt: skip
    assert new["former-0"].agent.name == "Former agent 0"
    assert all(new[key] == old[key] for key in new if key != "former-0")


def test_doing_it_twice_changes_nothing_more(before_and_after):
    _, after = before_and_after
    once = everything(after)
    with LogWriter.open(after / "log.duckdb") as writer:
        pseudonyms.rename(writer.cursor(), NEW)
        pseudonyms.rename_in_archive(writer.cursor(), Archive(after, "main"), NEW)
    assert everything(after) == once


def test_the_log_is_written_meanwhile(tmp_path):
    told = story()
    with LogWriter.open(tmp_path / "log.duckdb") as writer, ThreadPoolExecutor(1) as pool:
        writer.append(told.events).result(60)
        archive = Archive(tmp_path, "main")

        def work() -> None:
            for number in range(3):
                old, new = ("a1", "a2")[number % 2], f"former-{number}"
                pseudonyms.rename(writer.cursor(), Pseudonym(old, new, "Former agent"))
                write_days(writer.cursor(), archive, again=True)
            retention.remove(writer.cursor(), retention.due(writer.cursor(), 1))

        done, written = pool.submit(work), 0
        while not done.done() or written < 20:
            told.add(2 * NIGHT + 10, Audited, "admin", action="probe", subject="x", detail={})
            writer.append(told.events[-1:]).result(60)
            written += 1
        done.result()
    with LogWriter.open(tmp_path / "log.duckdb") as writer:  # refuses a log with an event missing or there twice
        assert writer.seq == len(told.events)
        count = "SELECT count(*) FROM events WHERE payload LIKE '%probe%'"
        assert writer.cursor().execute(count).fetchone() == (written,)


def test_days_that_only_the_archive_has_are_changed_as_well(before_and_after):
    before, after = before_and_after
    shutil.rmtree(after)
    shutil.copytree(before, after)
    with LogWriter.open(after / "log.duckdb") as writer:
        removal = retention.due(writer.cursor(), 1)
        retention.remove(writer.cursor(), removal)
        pseudonyms.rename(writer.cursor(), NEW)
        pseudonyms.rename_in_archive(writer.cursor(), Archive(after, "main"), NEW)
    for table in Archive(after, "main").folder.glob("day=2026-03-02/*.parquet"):
        rows = pq.read_table(table)
        assert rows.schema.equals(pq.read_schema(str(table).replace("/after/", "/before/"))), table
        assert not named([{**row, "body": ""} for row in rows.to_pylist()], SECRETS), table
    with open_log(before) as whole, open_log(after) as joined:
        by_team = [analysis.unread_rates(log, by=["day", "team"]) for log in (whole, joined)]
        pd.testing.assert_frame_equal(*by_team)


def test_others_who_acted_for_the_agent_keep_their_names(tmp_path):
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        writer.append(story().events).result(60)
        cursor = writer.cursor()
        count = "SELECT actor, count(*) FROM events WHERE actor <> 'former-0' GROUP BY ALL ORDER BY ALL"
        others = [row for row in cursor.execute(count).fetchall() if row[0] not in ("a1", "ann.account")]
        pseudonyms.rename(cursor, NEW)
        assert cursor.execute(count).fetchall() == others


def test_a_drawn_id_is_one_that_a_roster_takes_and_says_nothing_of_the_old(tmp_path):
    drawn = {Pseudonym.draw("a1").new_id for _ in range(50)}
    assert len(drawn) == 50
    for new_id in drawn:
        assert roster.read(f"agent_id,name,team,campaigns,lists,queues,active\n{new_id},X,Y,,,,false\n".encode())


def test_the_journal_is_read_back_and_a_broken_one_is_said(tmp_path):
    assert Pseudonym.noted(tmp_path) is None
    NEW.note(tmp_path)
    assert Pseudonym.noted(tmp_path) == NEW
    (tmp_path / JOURNAL).write_text("{")
    with pytest.raises(LogDamaged, match=JOURNAL):
        Pseudonym.noted(tmp_path)
    Pseudonym.done(tmp_path)
    Pseudonym.done(tmp_path)
    assert not list(tmp_path.iterdir())
