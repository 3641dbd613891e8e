"""A practice floor: the plan's agents in paced time, people among them, and a restart in the middle."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from datetime import date

import pytest

from coachsim.client import LocalClient
from coachsim.days import HOUR, MINUTE, SECOND, to_iso
from coachsim.engine import PLAN
from coachsim.errors import InvalidInput, SeatTaken, UnknownAgent, WrongFolder
from coachsim.events import DayBegan, Read, Sent
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.models import Agent, AgentState
from coachsim.plan import plan
from coachsim.practice import Practice
from coachsim.scenario import Scenario
from coachsim.settings import Settings
from coachsim.simulation import play
from coachsim.state import FloorState
from tests.unit.test_host import refuse_commits, until

OUT = AgentState.LOGGED_OUT
TODAY = date(2026, 3, 2)
SCENARIO = Scenario.from_dict(
    {
        "name": "A small day",
        "floor": {"agents": 30, "teams": 3},
        "shifts": [{"start": "09:00"}, {"start": "22:00", "length_h": 7}],
        "breaks": [{"reason": "lunch", "after_min": 120, "length_min": 45, "waves": 2, "wave_gap_min": 60}],
        "messages": [
            {"key": "morning", "body": "Good morning", "at": "09:30", "ack_required": True},
            {"key": "series", "body": "Hello", "to": "a team", "every_min": 30, "start": "10:00", "until": "23:30"},
            {"key": "brief", "body": "Quick", "at": "11:00", "expires_after_min": 5},
        ],
    }
)


@pytest.fixture
async def practice(tmp_path):
    practice = await Practice.open(tmp_path, SCENARIO, seed=5, speed=3_600, today=TODAY)
    yield practice
    await practice.close()


def deliveries(floor: FloorState):
    return {mid: row.deliveries for mid, row in floor.messages.items()}


@pytest.mark.parametrize("seed", [-1, 1 << 63, 10**30])
async def test_a_seed_that_there_is_not_is_refused_and_no_log_is_made(tmp_path, seed):
    with pytest.raises(InvalidInput, match="A seed is a whole number") as refused:
        await Practice.open(tmp_path / "floor", SCENARIO, seed=seed, today=TODAY)
    assert refused.value.field == "seed"
    assert not (tmp_path / "floor").exists()


async def test_it_starts_at_practice_from_with_the_plan_before_that_played(tmp_path):
    practice = await Practice.open(tmp_path, SCENARIO, seed=5, speed=0.1, today=TODAY)
    try:
        floor = practice.host.floor
        start = practice.host.floor.day.began_at + 7 * HOUR + 30 * MINUTE
        assert start <= practice.host.now() < start + MINUTE
        assert floor.now <= start
        assert [row.message.request_id for row in floor.messages.values()] == ["morning", "series#0", "series#1"]
        states = {row.state for row in floor.agents.values()}
        assert AgentState.LOGGED_IN in states
    finally:
        await practice.close()


async def test_without_people_it_is_the_simulated_day_event_for_event(tmp_path):
    practice = await Practice.open(tmp_path, SCENARIO, seed=5, speed=0.1, today=TODAY)
    try:
        practice._driving.cancel()
        await practice._play_until(practice.host.floor.day.ends_at - 1)
        simulated = Floor(practice.host.deciding.schedule)
        simulated.restore([], play(plan(SCENARIO, 5, day=TODAY))[:-2])
        assert len(simulated.messages) > 20
        assert deliveries(practice.host.floor) == deliveries(simulated)
    finally:
        await practice.close()


async def test_people_send_and_virtual_agents_read(practice):
    client = LocalClient(practice.host, actor="sup", practice=practice)
    sent = await client.send({"filter": {"state": ["logged_in"]}}, "Hello", request_id="one")
    readers = []
    practice.host.watch(
        lambda event: (
            readers.append(event) if isinstance(event, Read) and sent["message_id"] in event.message_ids else None
        )
    )
    await until(lambda: len(readers) > sent["recipients"] // 2, "half of them read")
    assert {event.actor for event in readers} == {PLAN}


async def test_what_is_scheduled_goes_out_in_paced_time_and_virtual_agents_read_it(practice):
    client = LocalClient(practice.host, actor="sup", practice=practice)
    due = practice.host.now() + HOUR
    readers = []
    practice.host.watch(lambda event: readers.append(event) if isinstance(event, Read) else None)
    planned = await client.schedule({"everyone": True}, "Later", {"at": to_iso(due)}, request_id="later")
    schedule = practice.host.floor.schedules
    await until(lambda: schedule[planned["schedule_id"]].message_id is not None, "the release")
    message_id = schedule[planned["schedule_id"]].message_id
    assert practice.host.floor.messages[message_id].message.sent_at == due
    await until(lambda: any(message_id in event.message_ids for event in readers), "somebody reads it")


async def test_what_is_due_at_the_moment_of_a_pause_happens_after_it(practice):
    client = LocalClient(practice.host, actor="sup", practice=practice)
    await client.practice(paused=True)
    practice.clock.restart_at(int(practice._engine.next_at()))
    practice._wake.set()
    seq = practice.host.seq
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert practice.host.seq == seq
    await client.practice(paused=False)
    await until(lambda: practice.host.seq > seq + 1, "the plan to go on")


async def test_pausing_stops_floor_time_and_speed_is_checked(practice):
    client = LocalClient(practice.host, actor="sup", practice=practice)
    answer = await client.practice(paused=True)
    assert answer["paused"] is True
    seq, now = practice.host.seq, practice.host.now()
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert (practice.host.seq, practice.host.now()) == (seq, now)
    for speed in (0, -1, 5_000):
        with pytest.raises(InvalidInput):
            await client.practice(speed=speed)
    assert (await client.practice(speed=60, paused=False))["speed"] == 60


async def test_a_seat_is_taken_used_and_given_back(practice):
    host = practice.host
    await practice.take_seat("a01", holder="tess")
    with pytest.raises(SeatTaken, match="tess has this seat"):
        await practice.take_seat("a01", holder="tom")
    with pytest.raises(UnknownAgent):
        await practice.take_seat("nobody", holder="tess")
    assert practice.clock.speed == 1.0
    assert not host.floor.agents["a01"].connected
    await host.do(Floor.connect, "a01", actor="tess")
    client = LocalClient(host, actor="sup", practice=practice)
    sent = await client.send({"agents": ["a01"]}, "For you", request_id="one")
    await practice.set_pace(speed=3_600, actor="tess")
    before = host.now()
    await until(lambda: host.now() > before + HOUR, "an hour of floor time")
    assert host.floor.messages[sent["message_id"]].deliveries["a01"].read_at is None, "the virtual agent still acts"
    assert "a01" in practice.seats
    await practice.give_back("a01", holder="tom")
    assert "a01" in practice.seats
    await practice.give_back("a01", holder="tess")
    row = host.floor.agents["a01"]
    assert row.connected and not row.page
    assert (row.state, row.reason) == practice._engine.plan.states_at(host.floor.now).get("a01", (OUT, None))


async def test_the_next_day_comes_with_its_own_plan(tmp_path):
    practice = await Practice.open(tmp_path, SCENARIO, seed=5, speed=3_600, today=TODAY)
    try:
        ends_at = practice.host.floor.day.ends_at
        practice._driving.cancel()
        await practice._play_until(ends_at - 60 * SECOND)
        seen = []
        practice.host.watch(seen.append)
        practice._driving = asyncio.create_task(practice._drive())
        await until(lambda: any(isinstance(event, DayBegan) for event in seen), "the night")
        await until(lambda: practice._engine.plan.day.label == "2026-03-03", "the new plan")
        states = {agent_id: row.state for agent_id, row in practice.host.deciding.agents.items()}
        at = practice.host.deciding.now
        planned = practice._engine.plan
        wanted = planned.states_at(at)
        assert {agent_id: wanted.get(agent_id, (OUT, None))[0] for agent_id in states} == states
        assert not any(isinstance(event, Sent) for event in seen)
    finally:
        await practice.close()


async def test_an_agent_taken_off_the_floor_does_not_stop_the_others(practice):
    gone = practice.host.floor.agents["a01"].agent
    gone = Agent(gone.agent_id, gone.name, gone.team, active=False)
    await practice.host.do(Floor.set_agents, [gone], actor="admin")
    before = practice.host.now()
    await until(lambda: practice.host.now() > before + 6 * HOUR, "six hours of floor time")
    assert not practice.host.faults
    assert practice.host.floor.agents["a01"].state is AgentState.LOGGED_OUT


async def test_a_folder_of_something_else_is_refused(tmp_path, practice):
    await practice.close()
    with pytest.raises(WrongFolder, match="seed 5"):
        await Practice.open(tmp_path, SCENARIO, seed=6)
    with pytest.raises(WrongFolder, match="practice floor"):
        await FloorHost.open(tmp_path, Settings())


async def test_after_a_failed_commit_the_engine_goes_on_from_the_log(practice, monkeypatch):
    monkeypatch.setattr("coachsim.host._RETRY_EVERY", 0.05)
    with monkeypatch.context() as broken:
        refuse_commits(practice.host, broken)
        await until(lambda: practice.host.faults, "the failure")
    await until(lambda: not practice.host.faults, "the recovery")
    seq = practice.host.seq
    await until(lambda: practice.host.seq > seq, "the plan going on")


_RUN = """
import asyncio, datetime, pathlib, sys
from coachsim.practice import Practice
from tests.unit.test_practice import SCENARIO, TODAY

async def main():
    practice = await Practice.open(pathlib.Path(sys.argv[1]), SCENARIO, seed=5, speed=1200, today=TODAY)
    practice.host.watch(lambda event: print(event.seq, event.happened_at, flush=True))
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_killed_in_the_middle_it_restarts_at_the_last_committed_moment(tmp_path):
    command = [sys.executable, "-c", _RUN, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines()
    seq, moment = (int(part) for part in [line for line in lines if line.strip()][-1].split())
    practice = await Practice.open(tmp_path, SCENARIO, seed=5, speed=3_600)
    try:
        host = practice.host
        assert host.recent(0)[seq - 1].seq == seq
        newest = [event for event in host.recent(0) if type(event).__name__ == "Restarted"][-1]
        assert newest.happened_at >= moment
        assert newest.happened_at - moment < HOUR
        assert host.floor.day.day == TODAY.isoformat()
        before = host.seq
        await until(lambda: host.seq > before + 5, "the day going on")
        assert not host.faults
    finally:
        await practice.close()
