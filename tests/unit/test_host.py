"""A floor that lives on a real log file: committed before answered, rebuilt on start, and calm when the disk fails."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import Future

import duckdb
import pytest

from coachsim.client import LocalClient
from coachsim.days import HOUR, MINUTE
from coachsim.errors import EmptyAudience, LogLocked, LogUnavailable
from coachsim.events import ClearedDown, DayBegan, Sent, StateChanged
from coachsim.floor import Floor
from coachsim.host import LOG_FILE, FloorHost
from coachsim.models import Agent, AgentState, Audience, Draft
from coachsim.settings import Settings
from coachsim.when import When
from tests.unit.floors import AGENTS, TEN

SETTINGS = Settings(time_zone="Europe/London")
IN = AgentState.LOGGED_IN


class HandClock:
    """A clock that a test sets; ``boot`` follows unless told otherwise."""

    speed = 1.0
    paused = False

    def __init__(self, wall: int = TEN) -> None:
        self.time = wall
        self.running = 0

    def wall(self) -> int:
        return self.time

    def boot(self) -> int:
        return self.running

    def seconds_until(self, moment: int) -> float:
        return max(0, moment - self.time) / 1_000_000

    def pass_by(self, micros: int) -> None:
        self.time += micros
        self.running += micros


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
async def host(tmp_path, clock):
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    yield host
    await host.close()


def draft(request_id: str = "r1", *agents: str, **values) -> Draft:
    return Draft(audience=Audience(agents=agents or ("a1",)), body="Hello", request_id=request_id, **values)


async def until(condition, what: str) -> None:
    """Waits for something that has to happen; a minute is far more than a busy machine needs."""
    give_up = asyncio.get_running_loop().time() + 60
    while asyncio.get_running_loop().time() < give_up:
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"never happened: {what}")


def refuse_commits(host, monkeypatch, message="No space left on device"):
    """Makes every append fail the way a full disk does, until undone."""

    def failing(events):
        future = Future()
        future.set_exception(LogUnavailable(message))
        return future

    monkeypatch.setattr(host.writer, "append", failing)


async def test_a_command_is_answered_when_it_is_committed_and_shown(host):
    seen = []
    host.watch(lambda event: seen.append((event, host.floor.seq)))
    (sent,) = await host.do(Floor.send, draft(), actor="sup")
    assert seen == [(sent, sent.seq)]
    assert sent.message.message_id in host.floor.messages


async def test_nothing_is_shown_before_its_commit(host, monkeypatch):
    held: list[Future] = []
    monkeypatch.setattr(host.writer, "append", lambda events: held.append(Future()) or held[-1])
    sending = asyncio.create_task(host.do(Floor.send, draft(), actor="sup"))
    again = asyncio.create_task(host.do(Floor.send, draft(), actor="sup"))
    await until(lambda: held, "the append")
    await asyncio.sleep(0)
    assert not host.floor.messages and not sending.done() and not again.done()
    held[0].set_result(None)
    assert len(await sending) == 1
    assert await again == ()
    assert len(host.floor.messages) == 1


async def test_what_one_turn_of_the_loop_decides_goes_to_the_log_as_one_piece(host, monkeypatch):
    pieces = []
    append = host.writer.append
    monkeypatch.setattr(host.writer, "append", lambda events: pieces.append(len(events)) or append(events))
    before = host.seq
    await asyncio.gather(*(host.do(Floor.send, draft(f"r{number}"), actor="sup") for number in range(20)))
    assert pieces == [20]
    assert host.seq == before + 20
    await host.do(Floor.send, draft("alone"), actor="sup")
    assert pieces == [20, 1]


async def test_who_gives_up_waiting_takes_the_answer_from_nobody(host):
    one = asyncio.create_task(host.do(Floor.send, draft("one"), actor="sup"))
    two = asyncio.create_task(host.do(Floor.send, draft("two"), actor="sup"))
    await asyncio.sleep(0)
    one.cancel()
    assert len(await two) == 1
    with pytest.raises(asyncio.CancelledError):
        await one
    assert len(host.floor.messages) == 2


async def test_what_was_decided_in_the_turn_before_the_end_is_in_the_log(tmp_path, clock):
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    host.play(clock.time, Floor.set_state, "a1", IN, actor="plan")
    await host.close()
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    try:
        assert host.floor.agents["a1"].state is IN
    finally:
        await host.close()


async def test_a_refused_command_leaves_both_copies_alone(host):
    seq = host.seq
    with pytest.raises(EmptyAudience):
        await host.do(Floor.send, draft(), actor="sup", scope=frozenset({"Blue"})) and None
        await host.do(
            Floor.send, Draft(audience=Audience(everyone=True), body="x", request_id="r2"), actor="s", scope=frozenset()
        )
    await host.settled()
    assert host.seq == host._ahead.seq == seq + 1


async def test_a_restart_brings_everything_back(tmp_path, clock):
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    await host.do(Floor.set_state, "a1", IN, actor="a1")
    await host.do(Floor.send, draft(), actor="sup")
    before = host.floor
    await host.close()
    clock.pass_by(MINUTE)
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    try:
        assert host.floor.messages == before.messages
        assert host.floor.agents["a1"].state is IN
        assert host.floor.seq == before.seq + 1
        assert await host.do(Floor.send, draft(), actor="sup") == ()
        assert host.recent(before.seq) == [host.recent(0)[-1]]
    finally:
        await host.close()


async def test_who_logged_in_on_an_earlier_day_is_still_in_after_a_restart(tmp_path, clock):
    settings = Settings(time_zone="Europe/London", disconnect_after_s=0)
    host = await FloorHost.open(tmp_path, settings, clock=clock)
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    await host.do(Floor.set_state, "a1", IN, actor="a1")
    clock.pass_by(30 * HOUR)
    await host.do(Floor.send, draft(), actor="sup")
    since = host.floor.agents["a1"].since
    await host.close()
    host = await FloorHost.open(tmp_path, settings, clock=clock)
    try:
        row = host.floor.agents["a1"]
        assert (row.state, row.since) == (IN, since)
        assert host.floor.agents["a9"].agent.active is False
        assert len(host.floor.messages) == 1
    finally:
        await host.close()


async def test_missed_clear_downs_are_caught_up_on_start_before_anything_else(tmp_path, clock):
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    await host.do(Floor.send, draft(), actor="sup")
    first = host.floor.day.ends_at
    await host.close()
    clock.pass_by(49 * HOUR)
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    try:
        assert host.floor.day.day == "2026-03-04"
        assert not host.floor.messages
        days = (
            host.writer.cursor()
            .sql("SELECT day::VARCHAR, epoch_us(cleared_at), deliveries, lost FROM days ORDER BY day")
            .fetchall()
        )
        assert days == [
            ("2026-03-02", first, 1, 1),
            ("2026-03-03", first + 24 * HOUR, 0, 0),
            ("2026-03-04", None, None, None),
        ]
    finally:
        await host.close()


async def test_the_night_comes_by_itself(host, clock):
    events = []
    host.watch(events.append)
    await host.do(Floor.send, draft(), actor="sup")
    clock.pass_by(host.floor.day.ends_at - clock.time)
    await until(lambda: any(isinstance(event, DayBegan) for event in events), "the clear-down")
    assert not host.floor.agents["a1"].inbox


async def test_what_is_scheduled_goes_out_by_itself(host, clock):
    await host.do(Floor.schedule_send, draft(), When(release_at=clock.time + MINUTE), actor="sup")
    clock.pass_by(MINUTE)
    await until(lambda: host.floor.messages, "the release")
    (row,) = host.floor.schedules.values()
    assert list(host.floor.messages) == [row.message_id]


async def test_what_was_due_while_the_server_was_down_goes_out_once_after_the_start(tmp_path, clock):
    """To agents who have no page by then, at the time at which it really goes out, and with the rights of then."""
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    await host.do(Floor.connect, "a1", actor="a1")
    await host.do(Floor.set_state, "a1", IN, actor="a1")
    everyone = Draft(audience=Audience(everyone=True), body="Hello", request_id="one")
    await host.do(Floor.schedule_send, everyone, When(release_at=clock.time + MINUTE), actor="sup")
    await host.do(Floor.schedule_send, draft("two"), When(release_at=clock.time + 30 * HOUR), actor="sup")
    await host.close()
    clock.pass_by(3 * MINUTE)
    for opening in range(2):
        host = await FloorHost.open(tmp_path, SETTINGS, clock=clock, rights=lambda sender: frozenset({"Blue"}))
        try:
            await until(lambda host=host: host.floor.messages, "the release")
            (message,) = host.floor.messages.values()
            assert (message.message.sent_at, opening) in [(clock.time, 0), (clock.time - HOUR, 1)]
            assert list(message.deliveries) == ["a1", "a2"]
            assert message.deliveries["a1"].notified_at is None
            assert [row.status for row in host.floor.schedules.values()] == ["released", "scheduled"]
        finally:
            await host.close()
        clock.pass_by(HOUR)
    clock.pass_by(29 * HOUR)
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    try:
        await until(lambda: host.floor.messages, "the release on the next day")
        (message,) = host.floor.messages.values()
        assert message.message.request_id == "two"
    finally:
        await host.close()


async def test_by_a_clock_in_doubt_nothing_scheduled_goes_out(host, clock):
    await host.do(Floor.schedule_send, draft(), When(release_at=clock.time + HOUR), actor="sup")
    clock.time += 2 * HOUR
    await until(lambda: host.faults, "the alarm")
    await host.do(Floor.set_state, "a2", IN, actor="a2")
    assert not host.floor.messages
    clock.pass_by(11 * MINUTE)
    await until(lambda: host.floor.messages, "the release, once the clocks have agreed")
    (message,) = host.floor.messages.values()
    assert message.message.sent_at >= TEN + 2 * HOUR


async def test_what_went_out_into_a_failing_log_goes_out_again_and_only_that_counts(host, clock, monkeypatch):
    monkeypatch.setattr("coachsim.host._RETRY_EVERY", 0.05)
    await host.do(Floor.schedule_send, draft(), When(release_at=clock.time + MINUTE), actor="sup")
    with monkeypatch.context() as broken:
        refuse_commits(host, broken)
        clock.pass_by(2 * MINUTE)
        await until(lambda: host.faults, "the failing commit")
        assert not host.floor.messages
    await until(lambda: host.floor.messages, "the release after the recovery")
    (message,) = host.floor.messages.values()
    assert message.message.sent_at == clock.time


async def test_a_jump_of_the_clock_holds_the_night_until_someone_clears_by_hand(host, clock):
    told = []
    host.watch(lambda event: None, lambda: told.append(list(host.faults)))
    await host.do(Floor.send, draft(), actor="sup")
    clock.time = host.floor.day.ends_at + HOUR
    await until(lambda: host.faults, "the alarm")
    assert "jumped forward" in told[0][0]
    await host.do(Floor.set_state, "a1", IN, actor="a1")
    assert host.floor.messages, "the clear-down was not held"
    await host.clear_down(actor="admin")
    assert not host.floor.messages and not host.faults
    assert host.floor.day.day == "2026-03-03"


async def test_a_clock_set_back_does_not_take_the_floor_back(host, clock):
    await host.do(Floor.set_state, "a1", IN, actor="a1")
    newest = host.floor.now
    clock.time -= HOUR
    await host.do(Floor.send, draft(), actor="sup")
    assert host.floor.now >= newest


async def test_a_command_right_after_a_jump_does_not_bring_the_night(host, clock):
    await host.do(Floor.send, draft(), actor="sup")
    clock.time = host.floor.day.ends_at + HOUR
    await host.do(Floor.set_state, "a1", IN, actor="a1")  # before the floor's own next look at the clock
    assert host.floor.messages and "jumped forward" in host.faults[0]


async def test_the_night_waits_for_a_clock_that_was_ahead_and_is_right_again(tmp_path, clock):
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    await host.do(Floor.send, draft(), actor="sup")
    ahead = host.floor.day.ends_at + HOUR - clock.time
    clock.time += ahead
    await until(lambda: host.faults, "the alarm")
    await host.do(Floor.set_state, "a1", IN, actor="a1")
    clock.time -= ahead
    await until(lambda: "jumped back" in str(host.faults), "the second alarm")
    await host.clear_down(actor="admin")  # by hand, and not the night's
    assert (host.floor.day.day, host.floor.agents["a1"].inbox) == ("2026-03-02", {})
    await host.close()

    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    try:
        assert host.floor.now > host.floor.day.ends_at
        await host.do(Floor.send, draft("r2"), actor="sup")
        assert (host.floor.day.day, len(host.floor.agents["a1"].inbox)) == ("2026-03-02", 1)
        clock.pass_by(host.floor.day.ends_at - clock.time)
        await until(lambda: host.floor.day.day == "2026-03-03", "the night, when the clock says so")
        assert not host.floor.agents["a1"].inbox
    finally:
        await host.close()


async def test_a_clear_down_by_hand_without_an_alarm_ends_no_day(host):
    await host.do(Floor.send, draft(), actor="sup")
    await host.clear_down(actor="admin")
    assert not host.floor.agents["a1"].inbox
    assert host.floor.day.day == "2026-03-02"
    assert isinstance(host.recent(0)[-1], ClearedDown)


async def test_when_a_commit_fails_it_says_so_stops_and_goes_on_from_the_log(host, monkeypatch):
    monkeypatch.setattr("coachsim.host._RETRY_EVERY", 0.05)
    before = host.seq
    with monkeypatch.context() as broken:
        refuse_commits(host, broken)
        with pytest.raises(LogUnavailable, match="No space left"):
            await host.do(Floor.send, draft(), actor="sup")
        with pytest.raises(LogUnavailable):
            await host.do(Floor.set_state, "a1", IN, actor="a1")
        assert host.faults and host.seq == before and not host.floor.messages
    await until(lambda: not host.faults, "the recovery")
    (sent,) = await host.do(Floor.send, draft(), actor="sup")
    assert isinstance(sent, Sent) and sent.seq == before + 1


async def test_an_error_that_nobody_foresaw_does_not_end_the_recovery(host, monkeypatch):
    monkeypatch.setattr("coachsim.host._RETRY_EVERY", 0.05)
    recover = host.writer.recover
    odd = iter([duckdb.IOException("odd")])

    def oddly() -> None:
        for error in odd:
            raise error
        recover()

    monkeypatch.setattr(host.writer, "recover", oddly)
    with monkeypatch.context() as broken:
        refuse_commits(host, broken)
        with pytest.raises(LogUnavailable):
            await host.do(Floor.send, draft(), actor="sup")
    await until(lambda: not host.faults, "the recovery")
    await host.do(Floor.send, draft(), actor="sup")


async def test_what_is_due_while_the_log_cannot_be_written_is_not_looked_for_without_a_pause(host, clock, monkeypatch):
    with monkeypatch.context() as broken:
        refuse_commits(host, broken)
        with pytest.raises(LogUnavailable):
            await host.do(Floor.send, draft(), actor="sup")
        clock.time = host.floor.day.ends_at + 1  # the night is due, and cannot come
        looks = []
        broken.setattr(host, "_look", lambda: looks.append(clock.time) or clock.time)
        await until(lambda: looks, "a look")
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(looks) < 10


async def test_a_watcher_that_fails_is_reported_and_harms_nobody(host):
    seen = []
    host.watch(lambda event: 1 / 0)
    host.watch(seen.append)
    await host.do(Floor.set_state, "a1", IN, actor="a1")
    assert [type(event) for event in seen] == [StateChanged]
    assert "could not be updated" in host.faults[0]


async def test_recent_gives_todays_events_or_asks_to_start_afresh(host):
    await host.do(Floor.set_state, "a1", IN, actor="a1")
    everything = host.recent(0)
    assert [event.seq for event in everything] == list(range(1, host.seq + 1))
    assert host.recent(host.seq) == []
    assert host.recent(host.seq + 1) is None


async def test_two_processes_cannot_have_one_log(host, tmp_path):
    code = "import sys; from coachsim.log import LogWriter; LogWriter.open(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path / LOG_FILE)]
    result = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert result.returncode != 0
    assert LogLocked.__name__ in result.stderr


async def test_an_agent_joins_while_it_runs(host):
    await host.do(Floor.set_agents, [Agent("b1", "New", "Blue")], actor="admin")
    assert "b1" in host.floor.groups["team", "Blue"]


async def test_a_message_that_the_night_follows_at_once_is_answered_like_any_other(host, clock):
    client = LocalClient(host, actor="sup")
    sending = asyncio.create_task(client.send({"everyone": True}, "Good night", request_id="last"))
    await asyncio.sleep(0)  # it is decided
    clock.pass_by(24 * HOUR)
    night = asyncio.create_task(host.do(Floor.set_state, "a1", IN, actor="a1"))
    await asyncio.sleep(0)
    host._commits.hand_over()
    host.writer.append(()).result(60)  # both are committed before the loop hears of either
    await night
    answer = await sending
    assert not host.floor.messages, "the night came before the answer"
    assert answer["recipients"] == sum(answer["by_state"].values()) == sum(agent.active for agent in AGENTS)


@pytest.mark.parametrize("turns", range(4))
async def test_who_stops_listening_as_something_happens_has_stopped(host, turns):
    heard = []

    async def listen() -> None:
        async for item in LocalClient(host, actor="sup").events(host.seq):
            heard.append(item)

    listening = asyncio.create_task(listen())
    await until(lambda: heard, "the first heartbeat")
    host.report("clock", "The clock jumped.")
    for _ in range(turns):
        await asyncio.sleep(0)
    listening.cancel()
    await asyncio.wait([listening], timeout=30)
    assert listening.cancelled()
