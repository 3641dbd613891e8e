"""When to send: the better moment is where more are there to see it, and what is expected of now is what happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from coachsim import advice, anyway
from coachsim.advice import advise, expected, level, moments
from coachsim.anyway import Waiting
from coachsim.days import HOUR, MINUTE
from coachsim.evaluate import evaluate
from coachsim.outcome import NEVER
from coachsim.people import habits
from coachsim.people.draws import keys
from coachsim.people.habits import Now
from coachsim.people.rota import BREAK, IN, OUT
from coachsim.people.sent import Sent
from coachsim.plan import draw
from coachsim.scenario import Attention, PlannedMessage, Policy, Scenario

DAY = 24 * HOUR
TEAM = [f"a{n}" for n in range(20)]
USUAL = Attention.model_validate({})
SHOWN = Policy.model_validate({})


def team(*, lunch=(9.0, 9.5), end=15.0, days=10, agents=TEAM, eat=20):
    """A team that works from 5 to ``end`` (hours since the day began); the first ``eat`` go to lunch together."""
    rows = []
    for day in range(days):
        for agent in range(len(agents)):
            row = day * len(agents) + agent
            away = [(lunch[0], BREAK, 0), (lunch[1], IN, NEVER)] if agent < eat else []
            steps = [(5.0, IN, NEVER), *away, (end, OUT, NEVER)]
            rows += [(row, round(at * HOUR), state, why) for at, state, why in steps]
    row, at, state, why = np.array(rows, np.int64).reshape(-1, 4).T
    return habits.of_changes(agents, days, DAY, ("lunch",), (row, at, state.astype(np.int8), why))


def now(at, state):
    many = len(TEAM)
    return Now(
        at=round(at * HOUR),
        length=DAY,
        state=np.full(many, state, np.int8),
        reason=("lunch" if state == BREAK else None,) * many,
        since=np.full(many, 9 * HOUR if state == BREAK else 5 * HOUR),
        came=np.full(many, NEVER if state == OUT else 5 * HOUR),
    )


def nothing(many=20):
    none = np.zeros(0, np.int64)
    return Waiting(none, none, none.astype(np.int8), np.zeros(many, np.int64))


def ask(of, at, *, waiting=None, attention=USUAL, policy=SHOWN, **more):
    return advise(of, at, keys(of.agents), waiting or nothing(len(of.agents)), attention, policy, **more)


def test_while_all_are_at_lunch_the_moment_after_it_is_better():
    found = ask(team(), now(9.3, BREAK))
    assert found.now.logged_in == 0
    assert found.better is not None
    assert found.better.at == round(9.5 * HOUR)
    assert found.better.logged_in == len(TEAM)
    assert found.better.median < found.now.median / 2


@pytest.mark.parametrize(("back", "waits"), [(9.25, True), (9.9, False)])
def test_nobody_is_told_to_wait_long_for_little(back, waits):
    # Seven of twenty are at lunch: half have read after six minutes now, after two once they are back.
    state = np.array([BREAK] * 7 + [IN] * 13, np.int8)
    why = ("lunch",) * 7 + (None,) * 13
    part = replace(now(9.05, IN), state=state, reason=why, since=np.where(state == BREAK, 9, 5) * HOUR)
    found = ask(team(lunch=(9.0, back), eat=7), part)
    assert (found.better is not None) is waits


def test_while_all_are_there_no_later_moment_is_better_nor_is_one_ever_for_an_urgent_message():
    assert ask(team(), now(11, IN)).better is None
    assert ask(team(), now(9.3, BREAK), urgent=True).better is None


def test_just_before_the_deadline_nothing_is_put_off_beyond_it():
    found = ask(team(), now(9.3, BREAK), by=round(9.6 * HOUR))
    assert found.by == round(9.6 * HOUR)
    assert found.better is None
    late = ask(team(), now(9.3, BREAK), by=10 * HOUR)
    assert late.better is not None
    assert late.better.at <= late.by - 15 * MINUTE


def test_without_past_days_all_stay_as_they_are_and_nothing_is_said_of_later():
    of = team(days=0)
    found = ask(of, now(11, IN))
    assert (found.better, found.days) == (None, 0)
    assert ask(of, now(11, OUT)).now.read == 0
    assert (found.chances == 1).all()


def test_until_when_it_counts_is_a_quarter_at_which_half_are_still_there():
    assert ask(team(end=15.2), now(11, IN)).by == 15 * HOUR
    # At least an hour from now, where most have gone.
    assert ask(team(end=11.1), now(11, IN)).by == 12 * HOUR


def test_nobody_reads_after_the_deadline_or_after_going_home():
    blind = USUAL.model_copy(update={"tau_s": 1e6, "bell_median_s": 3_600.0, "bell_sigma": 0.0, "bell_never": 0.0})
    of = team(lunch=(6, 6.5))
    assert ask(of, now(11, IN), attention=blind, by=round(11.9 * HOUR)).now.read == 0
    in_time = ask(of, now(11, IN), attention=blind, by=round(12.1 * HOUR)).now
    assert (in_time.read, in_time.low, in_time.high, in_time.median) == (1, 1, 1, HOUR)
    assert ask(of, now(14.5, IN), attention=blind, by=20 * HOUR).now.read == 0


def test_what_is_unread_already_is_looked_at_soon_and_the_new_message_with_it():
    blind = USUAL.model_copy(update={"tau_s": 1e6})
    alone = ask(team(), now(11, IN), attention=blind).now
    by_bell = np.full(20, anyway.BELL, np.int8)
    told_long_ago = Waiting(np.arange(20), np.full(20, 10 * HOUR), by_bell, np.zeros(20, np.int64))
    along = ask(team(), now(11, IN), attention=blind, waiting=told_long_ago).now
    assert along.read > alone.read
    assert along.median < alone.median


def test_a_toast_that_has_just_been_shown_makes_them_look_sooner_than_the_bell():
    just = np.full(20, 11 * HOUR - MINUTE // 6)
    kinds = [np.full(20, kind, np.int8) for kind in (anyway.BELL, anyway.TOAST, anyway.URGENT_TOAST)]
    calm = USUAL.model_copy(update={"tau_s": 30.0})
    medians = [
        ask(
            team(), now(11, IN), attention=calm, waiting=Waiting(np.arange(20), just, kind, np.zeros(20, int))
        ).now.median
        for kind in kinds
    ]
    assert medians == sorted(medians, reverse=True)
    assert len(set(medians)) == 3


def test_what_usually_comes_later_makes_them_look_too_but_not_before_it_comes():
    blind = USUAL.model_copy(update={"tau_s": 1e6, "bell_never": 1.0})
    of = team()
    # Each day at eleven all get something that they look at five minutes after; this one they would not notice.
    at = np.full(10, 11 * HOUR)
    at_eleven = Sent(np.arange(200), np.repeat(np.arange(10), 20), at, np.full(10, DAY), np.full(10, True))
    usual, keen = (
        replace(of, sent=at_eleven),
        Policy.model_validate({"toast_seconds": 1e-9, "urgent_toast_seconds": 1e6}),
    )
    calm = blind.model_copy(update={"tau_s": 1e3, "open_median_s": 300.0, "open_sigma": 0.0, "occupancy": 0.0})
    assert ask(of, now(10, IN), attention=calm, policy=keen).now.read == 0
    along = ask(usual, now(10, IN), attention=calm, policy=keen, by=12 * HOUR)
    assert (along.now.read, along.now.low, along.now.median) == (1, 1, HOUR + 5 * MINUTE)
    assert along.better is not None
    assert along.better.median < 0.25 * HOUR
    assert ask(usual, now(11.2, IN), attention=calm, policy=keen).now.read == 0


def test_an_interval_is_of_whole_recipients_and_holds_what_is_expected():
    said = ask(team(), now(11, IN), by=11 * HOUR + 10 * MINUTE).now
    for end in (said.low, said.high):
        assert end * 20 == pytest.approx(round(end * 20))
    assert said.low < said.read < said.high


def test_tired_agents_notice_less():
    tiring = USUAL.model_copy(update={"fatigue": 0.1})
    tired = replace(nothing(), earlier=np.full(20, 15))
    fresh, weary = (ask(team(), now(11, IN), attention=tiring, waiting=one).now for one in (nothing(), tired))
    assert weary.median > 1.5 * fresh.median


def test_who_will_be_in_before_the_deadline_is_told_apart():
    half = team(agents=["here", "later"])
    mixed = Now(
        7 * HOUR, DAY, np.array([IN, OUT], np.int8), (None, None), np.zeros(2, int), np.array([5 * HOUR, NEVER])
    )
    found = advise(half, mixed, keys(half.agents), nothing(2), USUAL, SHOWN, by=10 * HOUR)
    # On all past days the second was there by now: who is not will not come today.
    assert found.chances.tolist() == [1, 0]
    surely, perhaps, hardly = expected(np.array([1.0, 0.9, 0.5, 0.1, 0.0]))
    assert (surely, perhaps, hardly.tolist()) == (2, 2, [False] * 4 + [True])


@pytest.mark.parametrize(("fatigue", "many"), [(0.0, None), (0.01, 22), (0.05, 4), (0.5, 1), (1.0, 1)])
def test_the_level_is_where_a_toast_is_noticed_a_fifth_less_often(fatigue, many):
    assert level(fatigue) == many
    if many is not None and many > 1:
        assert (1 - fatigue) ** many == pytest.approx(1 - advice.FALLS_BY, abs=0.02)


def test_moments_are_whole_five_minutes_for_an_hour_and_then_quarters():
    found = [at / MINUTE for at in moments(602 * MINUTE, DAY)]
    assert found[:3] == [605, 610, 615]
    assert [one for one in found if one <= 662][-1] == 660
    assert found[12:14] == [675, 690]
    assert found[-1] <= 602 + 4 * 60
    assert moments(602 * MINUTE, 610 * MINUTE) == []


def test_what_is_expected_of_a_message_is_what_becomes_of_it():
    """Over days of a scenario that the past days are from: as many read as was said, and nearly always in the
    interval."""
    weekday = Scenario.load("data/scenarios/weekday.toml").model_copy(update={"messages": ()})
    usual, shown, errors, inside = weekday.attention, weekday.policy, [], 0
    at = 8 * HOUR  # 11:00
    for seed in range(8):
        today = date(2026, 3, 4)
        past = [draw(weekday, [seed], day=today - timedelta(days=n)) for n in (8, 7, 6, 5, 2, 1)]
        agents = [agent.agent_id for agent in past[0].active]
        of = habits.of_rotas(agents, [one.rota for one in past])
        real, many = draw(weekday, [seed], day=today), len(agents)
        state, _ = real.rota.told(np.arange(many), np.full(many, at))
        came = real.rota.came()
        came[came > at] = NEVER
        reasons = tuple("short break" if one == BREAK else None for one in state)
        today_now = Now(at, real.rota.length, state, reasons, np.full(many, at - 4 * MINUTE), came)
        said = advise(of, today_now, real.keys, nothing(many), usual, shown, seed=100).now
        sent = PlannedMessage.model_validate({"key": "m", "body": "Read this", "at": "11:00"})
        outcome = evaluate(weekday.model_copy(update={"date": today, "messages": (sent,)}), [seed])
        by = ask(of, today_now).by + real.day.began_at
        share = float(((outcome.read_at != NEVER) & (outcome.read_at < by)).mean())
        errors.append(share - said.read)
        inside += said.low <= share <= said.high
    assert abs(np.mean(errors)) < 0.01
    assert inside >= 6  # of 8: fewer of intervals that hold 95 times of 100 come once in 17,000
