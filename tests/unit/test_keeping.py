"""A live floor's log, kept: archived and removed after the clear-down, also one that nobody was there for."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from coachsim import keeping
from coachsim.days import HOUR
from coachsim.errors import AgentInUse, LogUnavailable, UnknownAgent
from coachsim.events import Audited
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.keeping import Keeping
from coachsim.log import LOG_FILE, open_log, retention
from coachsim.log.archive import Archive
from coachsim.log.pseudonyms import JOURNAL, Pseudonym
from coachsim.models import Agent
from coachsim.settings import Settings
from tests.unit.floors import AGENTS, IN, OUT
from tests.unit.killing import killed_at_changes
from tests.unit.test_host import HandClock, draft, until

FIRST = "2026-03-02"


@asynccontextmanager
async def floor(folder: Path, clock: HandClock, **settings) -> AsyncIterator[tuple[FloorHost, Keeping]]:
    """A floor that is kept, as a server runs it."""
    set_to = Settings(time_zone="Europe/London", **settings)
    keeping.prepare(folder, set_to)
    host = await FloorHost.open(folder, set_to, clock=clock)
    kept = Keeping(host, folder)
    try:
        yield host, kept
    finally:
        await kept.close()
        await host.close()


async def some_days(host: FloorHost, clock: HandClock, days: int) -> None:
    """So many days, on each of which a1 reads a message and a2 does not."""
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    for number in range(days):
        await host.do(Floor.send, draft(f"r{number}", "a1", "a2", "a3"), actor="sup")
        await host.do(Floor.connect, "a1", actor="a1")
        await host.do(Floor.set_state, "a1", IN, actor="a1")
        await host.do(Floor.open_inbox, "a1", actor="a1")
        await host.do(Floor.set_state, "a1", OUT, actor="a1")
        await night(host, clock)


async def night(host: FloorHost, clock: HandClock) -> None:
    assert host.floor.day is not None
    day = host.floor.day
    clock.pass_by(day.ends_at - clock.time + HOUR)
    await until(lambda: host.floor.day is not day, "the clear-down")


async def test_a_closed_day_is_archived_without_anybody_asking(tmp_path):
    clock = HandClock()
    async with floor(tmp_path, clock, site="leeds") as (host, _):
        archive = Archive(tmp_path, "leeds")
        await some_days(host, clock, 1)
        await until(lambda: archive.days() == [FIRST], "the archive")
        assert host.faults == []


async def test_what_was_missed_is_archived_at_the_start(tmp_path):
    clock = HandClock()
    async with floor(tmp_path, clock, archive=False) as (host, _):
        await some_days(host, clock, 2)
    assert Archive(tmp_path, "main").days() == []
    async with floor(tmp_path, clock):
        await until(lambda: len(Archive(tmp_path, "main").days()) == 2, "the archive")


async def test_a_full_disk_is_said_and_the_floor_goes_on(tmp_path, monkeypatch):
    clock = HandClock()
    (tmp_path / "archive").write_text("in the way")
    monkeypatch.setattr(keeping, "RETRY_S", 0.05)
    async with floor(tmp_path, clock) as (host, _):
        await some_days(host, clock, 1)
        await until(lambda: host.faults, "the fault")
        assert "archive" in host.faults[0]
        assert await host.do(Floor.send, draft("after", "a1"), actor="sup")
        (tmp_path / "archive").unlink()
        await until(lambda: not host.faults, "the end of the fault")
    assert Archive(tmp_path, "main").days() == [FIRST]


@pytest.mark.parametrize("turns", range(4))
async def test_a_stop_as_the_next_night_comes_ends_it_though_the_last_one_failed(tmp_path, turns):
    (tmp_path / "archive").write_text("in the way")
    clock = HandClock()
    async with floor(tmp_path, clock) as (host, kept):
        await some_days(host, clock, 1)
        await until(lambda: host.faults, "the fault")
        (tmp_path / "archive").unlink()
        kept._due.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        closed, _ = await asyncio.wait([asyncio.create_task(kept.close())], timeout=30)
        assert closed


async def test_days_that_were_kept_for_long_enough_go_on_record(tmp_path):
    clock = HandClock()
    async with floor(tmp_path, clock) as (host, _):
        await some_days(host, clock, 3)
        await until(lambda: len(Archive(tmp_path, "main").days()) == 3, "the archive")
        before = host.floor.agents
        states = {key: (row.agent, row.state, row.since, row.reason) for key, row in before.items()}
    audits: list[Audited] = []
    async with floor(tmp_path, clock, retention_days=1) as (host, _):
        host.watch(lambda event: audits.append(event) if isinstance(event, Audited) else None)
        await until(lambda: Archive(tmp_path, "main").days() == ["2026-03-04"], "the removal")
        found = {key: (row.agent, row.state, row.since, row.reason) for key, row in host.floor.agents.items()}
        assert found == states
        assert await host.do(Floor.send, draft("later", "a1"), actor="sup")
    (said,) = audits
    assert (said.action, said.actor) == ("retention", "floor")
    assert said.detail["days"] == said.detail["archived_days"] == [FIRST, "2026-03-03"]
    assert said.detail["rows"]["deliveries"] == 6
    with open_log(tmp_path) as log:
        assert set(log.deliveries()["day"]) == {"2026-03-04", "2026-03-05"}
        assert log.agents().shape[0] == len(AGENTS)
        (row,) = log.sql("SELECT detail FROM audit WHERE action = 'retention'").itertuples()
        assert json.loads(row.detail)["rows"]["events"] > 0


async def test_days_that_only_the_archive_has_go_on_record_too(tmp_path):
    clock = HandClock()
    async with floor(tmp_path, clock) as (host, _):
        await some_days(host, clock, 2)
        await until(lambda: len(Archive(tmp_path, "main").days()) == 2, "the archive")
    (tmp_path / LOG_FILE).unlink()
    clock.pass_by(48 * HOUR)
    async with floor(tmp_path, clock, retention_days=1):
        await until(lambda: Archive(tmp_path, "main").days() == [], "the removal")
    with open_log(tmp_path) as log:
        (row,) = log.sql("SELECT detail FROM audit WHERE action = 'retention'").itertuples()
    assert json.loads(row.detail) == {"days": [], "rows": {}, "archived_days": [FIRST, "2026-03-03"]}


async def test_a_disk_without_room_for_a_copy_does_not_stop_the_start(tmp_path, monkeypatch):
    clock = HandClock()
    async with floor(tmp_path, clock, archive=False) as (host, kept):
        await some_days(host, clock, 1)
        await host.do(Floor.set_agents, [Agent("a1", "Ann", "Blue", active=False)], actor="admin")
        await night(host, clock)
        await kept.pseudonym("a1", actor="dpo")

    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(retention, "_copy", full)
        async with floor(tmp_path, clock, archive=False) as (host, _):
            assert await host.do(Floor.send, draft("later", "a2"), actor="sup")
    asked: list[int] = []
    monkeypatch.setattr(retention, "shrink", lambda path, *, worth_it: asked.append(worth_it))
    async with floor(tmp_path, clock, archive=False):
        assert asked == [0], "the next start tries again"


async def test_a_clear_down_by_hand_closes_no_day(tmp_path):
    clock = HandClock()
    async with floor(tmp_path, clock) as (host, kept):
        await host.do(Floor.set_agents, AGENTS, actor="admin")
        await host.clear_down(actor="admin")
        assert await kept.archive() == []


async def test_days_are_written_again_by_hand(tmp_path):
    clock = HandClock()
    async with floor(tmp_path, clock, archive=False) as (host, kept):
        await some_days(host, clock, 3)
        assert await kept.archive("2026-03-03", "2026-03-03") == ["2026-03-03"]
        assert await kept.archive(None, "2026-03-03") == [FIRST, "2026-03-03"]


# --- pseudonyms ---


async def test_only_a_former_agent_can_be_made_a_pseudonym(tmp_path):
    clock = HandClock()
    async with floor(tmp_path, clock) as (host, kept):
        await host.do(Floor.set_agents, AGENTS, actor="admin")
        with pytest.raises(UnknownAgent):
            await kept.pseudonym("nobody", actor="admin")
        with pytest.raises(AgentInUse, match="inactive in the roster"):
            await kept.pseudonym("a1", actor="admin")
        with pytest.raises(AgentInUse, match="after the night"):
            await kept.pseudonym("a9", actor="admin")
        assert not (tmp_path / JOURNAL).exists()


async def test_a_running_floor_and_the_one_rebuilt_after_it_know_the_pseudonym(tmp_path):
    clock = HandClock()
    async with floor(tmp_path, clock) as (host, kept):
        await some_days(host, clock, 1)
        await host.do(Floor.set_agents, [Agent("a1", "Ann", "Blue", active=False)], actor="admin")
        await night(host, clock)
        new = await kept.pseudonym("a1", actor="dpo")
        assert not (tmp_path / JOURNAL).exists()
        for each in (host.floor, host.deciding):
            assert "a1" not in each.agents
            assert each.agents[new].agent.agent_id == new
            assert not each.agents[new].agent.active
            assert all("a1" not in members for members in each.groups.values())
        live = {key: (row.agent, row.state, row.since, row.reason) for key, row in host.floor.agents.items()}
        await host.do(Floor.send, draft("after", "a2"), actor="sup")
        with pytest.raises(UnknownAgent):
            await kept.pseudonym("a1", actor="dpo")
        # Bringing the old id back makes a new agent of it.
        await host.do(Floor.set_agents, [Agent("a1", "Ann again", "Blue")], actor="admin")
        assert host.floor.agents["a1"].since is None
    async with floor(tmp_path, clock) as (host, _):
        rebuilt = {key: (row.agent, row.state, row.since, row.reason) for key, row in host.floor.agents.items()}
        assert {key: value for key, value in rebuilt.items() if key != "a1"} == live
    with open_log(tmp_path) as log:
        (said,) = log.sql("SELECT actor, subject FROM audit WHERE action = 'pseudonym'").itertuples(index=False)
        assert tuple(said) == ("dpo", new)


async def test_one_cut_short_is_completed_at_the_next_start(tmp_path, monkeypatch):
    clock = HandClock()

    def cut(*arguments):
        raise LogUnavailable("The disk is full.")

    async with floor(tmp_path, clock) as (host, kept):
        await some_days(host, clock, 1)
        await host.do(Floor.set_agents, [Agent("a1", "Ann", "Blue", active=False)], actor="admin")
        await night(host, clock)
        await until(lambda: len(Archive(tmp_path, "main").days()) == 2, "the archive")
        with monkeypatch.context() as patched:
            patched.setattr(keeping.pseudonyms, "rename_in_archive", cut)
            with pytest.raises(LogUnavailable):
                await kept.pseudonym("a1", actor="dpo")
        noted = Pseudonym.noted(tmp_path)
        assert noted is not None and noted.agent_id == "a1"
    async with floor(tmp_path, clock) as (host, _):
        assert "a1" not in host.floor.agents
        assert noted.new_id in host.floor.agents
    assert not (tmp_path / JOURNAL).exists()
    for path in (tmp_path / "archive").rglob("*.parquet"):
        assert "'a1'" not in str(pq.read_table(path).to_pylist()), path


async def half_a_pseudonym(host, kept, clock, monkeypatch) -> None:
    """Ann is gone and was to be made a pseudonym, but the disk was full."""
    await some_days(host, clock, 1)
    await host.do(Floor.set_agents, [Agent("a1", "Ann", "Blue", active=False)], actor="admin")
    await night(host, clock)
    with monkeypatch.context() as patched:
        patched.setattr(keeping.pseudonyms, "rename", lambda *_: (_ for _ in ()).throw(LogUnavailable("full")))
        with pytest.raises(LogUnavailable):
            await kept.pseudonym("a1", actor="dpo")


async def test_asking_again_completes_what_failed(tmp_path, monkeypatch):
    clock = HandClock()
    async with floor(tmp_path, clock, archive=False) as (host, kept):
        await half_a_pseudonym(host, kept, clock, monkeypatch)
        noted = Pseudonym.noted(tmp_path)
        assert noted is not None
        assert "a1" in host.floor.agents
        assert await kept.pseudonym("a1", actor="dpo") == noted.new_id
        assert "a1" not in host.floor.agents
    with open_log(tmp_path) as log:
        assert len(log.sql("SELECT * FROM audit WHERE action = 'pseudonym'")) == 1


async def test_what_failed_is_completed_after_the_next_night_at_the_latest(tmp_path, monkeypatch):
    clock = HandClock()
    async with floor(tmp_path, clock, archive=False) as (host, kept):
        await half_a_pseudonym(host, kept, clock, monkeypatch)
        await night(host, clock)
        await until(lambda: not (tmp_path / JOURNAL).exists(), "the end of it")
        assert "a1" not in host.floor.agents


async def test_one_that_was_noted_and_never_promised_is_forgotten(tmp_path):
    clock = HandClock()
    async with floor(tmp_path, clock) as (host, _):
        await some_days(host, clock, 1)
    Pseudonym.draw("a1").note(tmp_path)
    async with floor(tmp_path, clock) as (host, _):
        assert "a1" in host.floor.agents
    assert not (tmp_path / JOURNAL).exists()


async def test_after_a_pseudonym_the_next_start_copies_the_log(tmp_path, monkeypatch):
    clock = HandClock()
    async with floor(tmp_path, clock, archive=False) as (host, kept):
        await some_days(host, clock, 1)
        await host.do(Floor.set_agents, [Agent("a1", "Ann Unmistakable", "Blue", active=False)], actor="admin")
        await night(host, clock)
        await kept.pseudonym("a1", actor="dpo")
    asked: list[int] = []
    shrink = retention.shrink
    monkeypatch.setattr(
        retention, "shrink", lambda path, *, worth_it: (asked.append(worth_it), shrink(path, worth_it=worth_it))[1]
    )
    for _ in range(2):
        async with floor(tmp_path, clock, archive=False):
            pass
        assert asked == [0], "once"
    assert b"Unmistakable" not in (tmp_path / LOG_FILE).read_bytes()


# A server makes a1 a pseudonym whose record has it; the first change is when the log has it and the archive nothing.
IMPORTS = """
from coachsim import keeping
from coachsim.log.archive import Archive
from coachsim.log.pseudonyms import Pseudonym
"""
RENAMES = "keeping._rename_if_on_record(writer, Archive(folder, 'main'), folder, Pseudonym.noted(folder))"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX systems do")
async def test_a_pseudonym_killed_at_any_moment_is_completed_at_the_next_start(tmp_path):
    clock, first = HandClock(), tmp_path / "first"
    drawn = Pseudonym.draw("a1")
    async with floor(first, clock) as (host, _):
        await some_days(host, clock, 1)
        await host.do(Floor.set_agents, [Agent("a1", "Ann", "Blue", active=False)], actor="admin")
        await night(host, clock)
        await until(lambda: len(Archive(first, "main").days()) == 2, "the archive")
        await host.do(Floor.audit, actor="dpo", action="pseudonym", subject=drawn.new_id)
    drawn.note(first)
    folders = tmp_path / "killed"
    for number in (1, 4, 9, 14, 18, 22, 60, 200):
        shutil.copytree(first, folders / str(number))
    ended = killed_at_changes(folders, IMPORTS, RENAMES)
    assert (ended["1"], ended["200"]) == ("-9", "0")
    for folder in folders.iterdir():
        keeping.prepare(folder, Settings())
        assert not (folder / JOURNAL).exists()
        assert Archive(folder, "main").days() == ["2026-03-02", "2026-03-03"]
        for path in folder.rglob("*.parquet"):
            assert "'a1'" not in str(pq.read_table(path).to_pylist()), path
        with open_log(folder) as log:
            assert set(log.agents()["agent_id"]) == {drawn.new_id, "a2", "a3", "a4", "a9"}
            assert log.deliveries()["agent_id"].value_counts()[drawn.new_id] == 1
