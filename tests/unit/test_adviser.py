"""Advice on a floor that lives: from its own past days, with the attention that its folder has, for who asks."""

from __future__ import annotations

import cProfile
import threading
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from coachsim import past_days
from coachsim.adviser import Adviser, Unread
from coachsim.anyway import BELL, URGENT_TOAST
from coachsim.client import LocalClient
from coachsim.days import HOUR, MINUTE, to_iso
from coachsim.errors import InvalidInput, UnknownAgent
from coachsim.fitting.observed import policy_of
from coachsim.floor import Floor
from coachsim.host import LOG_FILE, FloorHost
from coachsim.log import LogWriter, open_log
from coachsim.models import AgentState, Priority
from coachsim.outcome import NEVER, STATES
from coachsim.past_days import habits_of, logged
from coachsim.plan import draw
from coachsim.scenario import Scenario
from coachsim.simulation import simulate
from tests.unit.floors import AGENTS, TEN
from tests.unit.test_host import SETTINGS, HandClock, draft, until

IN, BREAK, OUT = AgentState.LOGGED_IN, AgentState.BREAK, AgentState.LOGGED_OUT
EVERYONE = {"everyone": True}


@pytest.fixture
def clock():
    return HandClock(TEN - 2 * HOUR)


@pytest.fixture
async def host(tmp_path, clock):
    """Monday 08:00 in London."""
    host = await FloorHost.open(tmp_path, SETTINGS, clock=clock)
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    yield host
    await host.close()


async def state(host, agent_id, new, reason=None):
    await host.do(Floor.set_state, agent_id, new, actor=agent_id, reason=reason)


async def work(host, clock, days):
    """Days from 08:00: Ann and Bo are in from 09:00 to 17:00, with lunch from 12:00 to 12:30; ends at 08:00."""
    for _ in range(days):
        clock.pass_by(HOUR)
        for agent_id in ("a1", "a2"):
            await host.do(Floor.connect, agent_id, actor=agent_id)
            await state(host, agent_id, IN)
        clock.pass_by(3 * HOUR)
        for agent_id in ("a1", "a2"):
            await state(host, agent_id, BREAK, "lunch")
        clock.pass_by(HOUR // 2)
        for agent_id in ("a1", "a2"):
            await state(host, agent_id, IN)
        clock.pass_by(HOUR * 9 // 2)
        for agent_id in ("a1", "a2"):
            await state(host, agent_id, OUT)
        clock.pass_by(15 * HOUR)


async def test_at_lunch_the_time_after_it_is_advised_from_the_days_before(host, clock):
    await work(host, clock, 3)
    clock.pass_by(4 * HOUR)
    for agent_id in ("a1", "a2"):
        await state(host, agent_id, IN)
        await state(host, agent_id, BREAK, "lunch")
    client = LocalClient(host, actor="sup")
    said = await client.advice({"agents": ["a1", "a2"]})
    assert said["past_days"] == 3
    assert said["now"]["logged_in"] == 0
    assert said["better"]["at"] == to_iso(clock.time + HOUR // 2)
    assert said["better"]["logged_in"] == 2
    assert said["by"] == to_iso(clock.time + 5 * HOUR - 15 * MINUTE)  # the last quarter before both go
    assert said["in_before"] == {"surely": 2, "perhaps": 0, "hardly": []}
    assert said["attention"]["source"] == "default"
    # Those who never come are said to.
    assert [one["name"] for one in (await client.advice(EVERYONE))["in_before"]["hardly"]] == ["Cy", "Di"]


async def test_what_comes_each_day_is_read_with_what_is_sent_before_it(host, clock, tmp_path):
    """Few notice a normal toast here and nobody looks at a bell, but each day something urgent comes at noon, and most
    look at it five minutes after."""
    calm = {"tau_s": 40, "bell_never": 1, "open_median_s": 300, "open_sigma": 0, "occupancy": 0}
    lines = "".join(f"{name} = {value}\n" for name, value in calm.items())
    (tmp_path / "attention.toml").write_text(f"[attention]\n{lines}")
    for day in range(3):
        for agent_id in ("a1", "a2"):
            await host.do(Floor.connect, agent_id, actor=agent_id)
            await state(host, agent_id, IN)
        clock.pass_by(4 * HOUR)
        await host.do(Floor.send, draft(f"noon {day}", "a1", "a2", priority=Priority.URGENT), actor="sup")
        clock.pass_by(5 * MINUTE)
        for agent_id in ("a1", "a2"):
            await host.do(Floor.open_inbox, agent_id, actor=agent_id)
        clock.pass_by(4 * HOUR)
        for agent_id in ("a1", "a2"):
            await state(host, agent_id, OUT)
        clock.pass_by(16 * HOUR - 5 * MINUTE)
    for agent_id in ("a1", "a2"):
        await host.do(Floor.connect, agent_id, actor=agent_id)
        await state(host, agent_id, IN)
    clock.pass_by(3 * HOUR)
    client = LocalClient(host, actor="sup", adviser=Adviser(host, attention_file=tmp_path / "attention.toml"))
    rates = {}
    for minutes in (60, 70):
        said = await client.advice({"agents": ["a2", "a1"]}, by=to_iso(clock.time + minutes * MINUTE))
        rates[minutes] = said["now"]["read_rate"]
    assert rates[60] < 0.4 < 0.6 < rates[70]
    assert said["now"]["median_s"] == 65 * 60


async def test_on_the_first_day_nothing_is_known_of_later(host):
    await state(host, "a1", IN)
    said = await LocalClient(host, actor="sup").advice(EVERYONE)
    assert (said["past_days"], said["better"]) == (0, None)
    assert said["now"]["logged_in"] == 1


async def test_a_day_that_ended_counts_from_then_on_and_days_of_another_kind_do_not(host, clock):
    adviser = Adviser(host)
    client = LocalClient(host, actor="sup", adviser=adviser)
    adviser.keep_ready()
    for day in range(6):
        said = await client.advice(EVERYONE)
        # From Monday to Friday each working day counts; on Saturday none of them does.
        assert said["past_days"] == (day if day < 5 else 0)
        await work(host, clock, 1)
        await host.do(Floor.audit, actor="admin", action="looked", subject="log")  # the night is noticed
    await adviser.close()


async def test_until_when_it_counts_may_be_said_but_not_a_time_that_has_passed(host, clock):
    client = LocalClient(host, actor="sup")
    by = to_iso(clock.time + 2 * HOUR)
    assert (await client.advice(EVERYONE, by=by))["by"] == by
    assert (await client.advice(EVERYONE, by=to_iso(clock.time + 48 * HOUR)))["by"] == to_iso(host.floor.day.ends_at)
    with pytest.raises(InvalidInput, match="passed already"):
        await client.advice(EVERYONE, by=to_iso(clock.time - MINUTE))
    with pytest.raises(InvalidInput, match="time to read by has to be a time"):
        await client.advice(EVERYONE, by="soon")
    with pytest.raises(InvalidInput, match="no priority"):
        await client.advice(EVERYONE, priority="high")
    with pytest.raises(UnknownAgent):
        await LocalClient(host, actor="blue", scope=frozenset({"Blue"})).advice({"agents": ["a3"]})


async def test_what_each_was_sent_today_is_counted_and_who_is_beyond_the_level(host, tmp_path):
    (tmp_path / "attention.toml").write_text("# Learned from 9 deliveries.\n[attention]\nfatigue = 0.2\n")
    client = LocalClient(host, actor="sup", adviser=Adviser(host, attention_file=tmp_path / "attention.toml"))
    assert (await client.advice(EVERYONE))["load"] == {"least": 0, "median": 0, "most": 0, "level": 1, "over": 0}
    await host.do(Floor.send, draft("r1"), actor="sup")
    said = await client.advice(EVERYONE)
    assert said["load"] == {"least": 0, "median": 0, "most": 1, "level": 1, "over": 1}
    assert said["attention"] == {"source": "learned", "stands_on": "learned from 9 deliveries"}


async def test_what_is_unread_is_gone_through_beside_the_servers_loop_however_much_it_is(host, monkeypatch):
    """Taking it makes as many calls for twenty unread messages of each as for one; the rest is another thread's."""
    adviser, ids = Adviser(host), [agent.agent_id for agent in AGENTS if agent.active]
    read_in = []
    waiting = Unread.waiting

    def watched(self, at, began_at):
        read_in.append(threading.current_thread())
        return waiting(self, at, began_at)

    monkeypatch.setattr(Unread, "waiting", watched)
    calls = []
    for many in (1, 20):
        while len(host.floor.agents[ids[0]].unread) < many:
            await host.do(Floor.send, draft(f"{many} {len(host.floor.messages)}", *ids), actor="sup")
        floor = host.floor
        profile = cProfile.Profile()
        taken = profile.runcall(Unread.of, floor, [floor.agents[agent_id] for agent_id in ids])
        assert [len(some) for some in taken.deliveries] == [many] * len(ids)
        calls.append(sum(row.callcount for row in profile.getstats()))
        await adviser.advise(ids, urgent=False, by=None)
    assert calls[0] == calls[1]
    assert len(read_in) == 2 and threading.current_thread() not in read_in


async def test_an_advice_knows_what_was_unread_when_it_was_asked_for_and_nothing_of_after(host, clock):
    await host.do(Floor.send, draft("r1", "a1", "a2"), actor="sup")
    await host.do(Floor.send, draft("r2", "a1", priority=Priority.URGENT), actor="sup")
    rows = [host.floor.agents[agent_id] for agent_id in ("a2", "a1")]
    at, began_at = host.now(), host.floor.day.began_at
    taken = Unread.of(host.floor, rows)
    clock.pass_by(MINUTE)
    await host.do(Floor.connect, "a1", actor="a1")
    await state(host, "a1", IN)  # is told of both now
    clock.pass_by(MINUTE)
    then, now = taken.waiting(at, began_at), Unread.of(host.floor, rows).waiting(host.now(), began_at)
    assert (then.agent.tolist(), then.told.tolist(), then.earlier.tolist()) == ([0, 1, 1], [NEVER] * 3, [1, 2])
    assert now.told.tolist() == [NEVER, *[host.now() - MINUTE - began_at] * 2]
    await host.do(Floor.send, draft("r3", "a1", priority=Priority.URGENT), actor="sup")
    await host.do(Floor.show_toasts, "a1", [host.floor.newest_message_id], actor="a1")
    shown = Unread.of(host.floor, rows).waiting(host.now(), began_at)
    assert shown.prompt.tolist() == [BELL, BELL, BELL, URGENT_TOAST]


@pytest.mark.parametrize("text", ["", "attention = 3", "[attention]\ntau_s = -1", "[attention", "\0"])
async def test_an_attention_that_cannot_be_used_is_said_and_the_usual_numbers_are_used(host, tmp_path, text):
    file = tmp_path / "attention.toml"
    file.write_text(text)
    said = (await LocalClient(host, actor="sup", adviser=Adviser(host, attention_file=file)).advice(EVERYONE))[
        "attention"
    ]
    assert said == {"source": "default", "stands_on": "usual numbers, since attention.toml cannot be used"}


def test_the_log_tells_where_everybody_was_on_its_last_days(tmp_path):
    scenario = Scenario.load("data/scenarios/night_shift.toml")
    path = tmp_path / LOG_FILE
    simulate(scenario, seed=5, days=4, out=path).close()
    with LogWriter.open(path) as writer:
        last = scenario.date + timedelta(days=4)
        kept = [n for n in range(4) if (scenario.date + timedelta(days=n)).weekday() < 5 and last.weekday() < 5][-2:]
        columns = writer.past_presence(last.isoformat(), 2)
    assert {*columns["day"].tolist()} == {*range(len(kept))}
    for number, n in enumerate(kept):
        of = draw(scenario, [5], day=scenario.date + timedelta(days=n))
        ids = [agent.agent_id for agent in of.active]
        reasons = [None if why == NEVER else of.rota.reasons[why] for why in of.rota.reason.tolist()]
        planned = {
            (ids[row], at, STATES[code].value, why)
            for row, at, code, why in zip(
                of.rota.row.tolist(), of.rota.at.tolist(), of.rota.state.tolist(), reasons, strict=True
            )
        }
        those = np.flatnonzero(columns["day"] == number)
        unknown = np.ma.getmaskarray(columns["reason"])
        reason = [None if gone else str(why) for why, gone in zip(columns["reason"], unknown, strict=True)]
        found = {
            (str(columns["agent_id"][one]), int(columns["moment"][one]), str(columns["state"][one]), reason[one])
            for one in those
        }
        assert found >= planned
        # Beyond the plan there is only how somebody got to where a day has them as it begins.
        assert all(at == 0 for _, at, _, _ in found - planned)


def test_the_log_tells_what_everybody_was_sent_as_the_days_themselves_do(tmp_path):
    """A practice floor draws its past days, a live one reads them from the log: the same days give the same habits."""
    scenario = Scenario.load("data/scenarios/night_shift.toml")
    simulate(scenario, seed=5, days=2, out=tmp_path / LOG_FILE).close()
    drawn = habits_of([draw(scenario, [5], day=scenario.date + timedelta(days=n)) for n in range(2)])
    with LogWriter.open(tmp_path / LOG_FILE) as writer:
        found = logged(writer, (scenario.date + timedelta(days=4)).isoformat())
    assert found.agents == drawn.agents
    assert len(found.sent.row) > 100

    def deliveries(sent):
        of_message = (sent.at, sent.until, sent.urgent)
        return list(zip(sent.row.tolist(), *(column[sent.message].tolist() for column in of_message), strict=True))

    assert deliveries(found.sent) == deliveries(drawn.sent)


async def test_a_floors_log_says_how_long_its_toasts_stay(tmp_path, clock):
    settings = replace(SETTINGS, toast_seconds=30)
    host = await FloorHost.open(tmp_path / "slow", settings, clock=clock)
    await host.close()
    with open_log(tmp_path / "slow") as log:
        assert policy_of(log).toast_seconds == 30


async def test_past_days_that_cannot_be_looked_up_for_whatever_reason_are_in_the_log_and_stop_nothing(
    host, monkeypatch, caplog
):
    def broken(*_):
        raise ZeroDivisionError("what nobody expected of the past")

    monkeypatch.setattr(past_days, "logged", broken)
    adviser = Adviser(host)
    adviser.keep_ready()
    await until(lambda: caplog.records, "the log says so")
    assert "ZeroDivisionError: what nobody expected of the past" in caplog.text
    with pytest.raises(ZeroDivisionError):  # whoever asks hears of it too
        await LocalClient(host, actor="sup", adviser=adviser).advice(EVERYONE)
    await adviser.close()
