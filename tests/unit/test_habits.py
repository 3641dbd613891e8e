"""The rest of today: it begins where everybody is, and goes on as past days like it went on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coachsim.days import HOUR, MINUTE
from coachsim.outcome import NEVER
from coachsim.people import habits
from coachsim.people.draws import Draws, keys
from coachsim.people.habits import Now
from coachsim.people.rota import BREAK, IN, OUT
from coachsim.people.sent import Sent
from coachsim.plan import draw
from coachsim.scenario import Scenario

DAY = 24 * HOUR
TODAY = date(2026, 3, 4)


def made(agents, days, changes, reasons=("lunch", "short break")):
    """Habits of (agent, day, hours, state, reason) rows."""
    rows = sorted(
        (day * len(agents) + agents.index(who), round(at * HOUR), state, why) for who, day, at, state, why in changes
    )
    row, at, state, why = (
        (np.array(part, np.int64) for part in zip(*rows, strict=True)) if rows else [np.zeros(0, np.int64)] * 4
    )
    return habits.of_changes(agents, days, DAY, reasons, (row, at, state.astype(np.int8), why))


def shift(who, day, start, end, *breaks):
    """A day's work with breaks (from, to, reason), in hours since the day began."""
    found = [(who, day, start, IN, NEVER), (who, day, end, OUT, NEVER)]
    for begin, finish, why in breaks:
        found += [(who, day, begin, BREAK, why), (who, day, finish, IN, NEVER)]
    return found


def now(at, states, *, came=None, since=None, reason=None):
    many = len(states)
    return Now(
        at=round(at * HOUR),
        length=DAY,
        state=np.array(states, np.int8),
        reason=tuple(reason or [None] * many),
        since=np.array([round(one * HOUR) for one in since or [0] * many], np.int64),
        came=np.array([NEVER if one is None else round(one * HOUR) for one in came or [None] * many], np.int64),
    )


def rest(of, at, reps=40):
    return of.rest_of_day(at, keys(of.agents), Draws(tuple(range(reps)), 0), reps).rota


def state_at(rota, hours, row=None):
    rows = np.arange(rota.rows) if row is None else row
    return rota.told(rows, np.full(len(rows), round(hours * HOUR)))[0]


def test_who_works_today_goes_home_when_they_do_on_days_on_which_they_came_at_that_time():
    early = [one for day in (0, 1) for one in shift("ann", day, 5, 13)]
    late = [one for day in (2, 3) for one in shift("ann", day, 9, 18)]
    of = made(["ann"], 4, early + late)
    came_early = rest(of, now(11, [IN], came=[5.2]))
    assert {*state_at(came_early, 12.9).tolist()} == {IN}
    assert {*state_at(came_early, 13.1).tolist()} == {OUT}
    came_late = rest(of, now(11, [IN], came=[8.9]))
    assert {*state_at(came_late, 17.9).tolist()} == {IN}
    assert {*state_at(came_late, 18.1).tolist()} == {OUT}


def test_who_has_not_come_comes_as_often_as_on_days_on_which_they_had_not_come_by_then():
    worked = [one for day in range(3) for one in shift("ann", day, 10, 18)]
    of = made(["ann"], 4, worked)  # on the fourth day they did not come at all
    found = rest(of, now(9, [OUT]), reps=400)
    assert 0.65 < (state_at(found, 12) == IN).mean() < 0.85
    too_late = rest(of, now(11, [OUT]))  # only the day off is like this
    assert {*state_at(too_late, 15).tolist()} == {OUT}


def test_who_has_gone_home_stays_there_and_who_is_off_sick_does_too():
    of = made(["ann", "bo"], 3, [one for day in range(3) for who in ("ann", "bo") for one in shift(who, day, 5, 17)])
    found = rest(of, now(11, [OUT, OUT], came=[5, None]))
    assert not (found.state != OUT).any()


@pytest.mark.parametrize(("so_far", "back"), [(0.1, {0.5, 0.75}), (0.6, {0.75})])
def test_a_break_lasts_as_long_as_breaks_for_its_reason_that_were_as_long(so_far, back):
    lunches = shift("ann", 0, 5, 15, (9, 9.5, 0), (12, 12.1, 1)) + shift("ann", 1, 5, 15, (9, 9.75, 0), (12, 12.1, 1))
    of = made(["ann"], 2, lunches)
    found = rest(of, now(8 + so_far, [BREAK], came=[5], since=[8], reason=["lunch"]))
    returns = {round(at / HOUR - 8, 2) for at in found.at[(found.state == IN)].tolist() if at < 9 * HOUR}
    assert returns == back
    # Lunch is over then: only the short break is still to come.
    assert {*state_at(found, 9.2).tolist()} == {IN}
    assert {*state_at(found, 12.05).tolist()} == {BREAK}


def test_a_break_longer_than_any_before_it_is_over_in_a_minute():
    of = made(["ann"], 1, shift("ann", 0, 5, 15, (9, 9.5, 0)))
    found = rest(of, now(10, [BREAK], came=[5], since=[9.2], reason=["lunch"]))
    assert {*state_at(found, 10 + 1.1 / 60).tolist()} == {IN}


def test_whose_day_ends_during_the_break_does_not_come_back():
    of = made(["ann"], 1, shift("ann", 0, 5, 10) + shift("ann", 0, 12, 13, (12.1, 12.9, 0)))
    found = rest(of, now(9.9, [BREAK], came=[5], since=[9.8], reason=["lunch"]))
    assert {*state_at(found, 10.5).tolist()} == {OUT}


def test_a_newcomer_goes_on_as_colleagues_do_and_without_any_days_all_stay_as_they_are():
    of = made(["ann"], 2, [one for day in (0, 1) for one in shift("ann", day, 5, 13)]).only(["ann", "new"])
    found = rest(of, now(11, [IN, IN], came=[5, 10]))
    assert {*state_at(found, 13.1).tolist()} == {OUT}
    nothing = rest(made(["ann", "bo", "cy"], 0, []), now(11, [IN, BREAK, OUT], came=[5, 5, None], since=[0, 10.9, 0]))
    assert state_at(nothing, 20).reshape(-1, 3)[0].tolist() == [IN, IN, OUT]


def test_some_of_the_agents_have_the_days_they_had_among_all():
    of = made(
        ["ann", "bo", "cy"], 2, shift("ann", 0, 5, 13) + shift("bo", 1, 6, 14) + shift("cy", 0, 7, 15, (9, 10, 0))
    )
    some = of.only(["cy", "ann"])
    assert some.past.rows == 4
    assert state_at(some.past, 9.5).tolist() == [BREAK, IN, OUT, OUT]
    assert some.lengths["lunch"].tolist() == [HOUR]
    assert of.only(["bo"]).lengths["lunch"].tolist() == [HOUR]


def test_who_is_a_little_late_is_not_taken_as_absent_but_who_should_long_be_there_is():
    of = made(["ann"], 1, shift("ann", 0, 9, 17, (12, 12.5, 0)))
    late = rest(of, now(9.1, [OUT]))
    assert {*state_at(late, 9.15).tolist()} == {OUT}
    assert {*state_at(late, 9.25).tolist()} == {IN}
    assert {*state_at(late, 12.1).tolist()} == {BREAK}
    assert {*state_at(late, 17.1).tolist()} == {OUT}
    assert {*state_at(rest(of, now(9.4, [OUT])), 12).tolist()} == {OUT}


def test_who_goes_on_as_on_a_day_is_sent_what_came_later_on_it():
    day = [one for who in ("ann", "bo") for n in (0, 1) for one in shift(who, n, 5, 13)]
    at = np.rint(np.array([6, 9, 10, 9.5]) * HOUR).astype(np.int64)
    # Ann gets the first three on the first day, and Bo the last on the second.
    sent = Sent(np.array([0, 0, 0, 3]), np.arange(4), at, at + HOUR, np.array([False, True, False, False]))
    of = replace(made(["ann", "bo"], 2, day), sent=sent)
    found = of.rest_of_day(now(9, [IN, IN], came=[5, 5]), keys(of.agents), Draws(tuple(range(40)), 0), 40)
    first = found.day.reshape(40, 2)[:, 0] == 0
    assert 0 < first.sum() < 40
    # What was sent at this very moment is unread today already.
    assert found.later.row.tolist() == [2 * rep + (0 if one else 1) for rep, one in enumerate(first)]
    assert (found.later.at[found.later.message] / HOUR).tolist() == [10 if one else 9.5 for one in first]
    # All of a repetition go on as on the same day, if they can; and what some of them were sent stays theirs.
    assert (found.day.reshape(40, 2)[:, 1] == found.day.reshape(40, 2)[:, 0]).all()
    assert (of.only(["bo"]).sent.row.tolist(), of.only(["bo"]).sent.message.tolist()) == ([1], [3])
    assert of.only(["bo", "ann"]).sent.row.tolist() == [1, 1, 1, 2]
    assert of.only(["bo", "ann"]).sent.message.tolist() == [0, 1, 2, 3]


WEEKDAY = Scenario.load("data/scenarios/weekday.toml")
PAST = [draw(WEEKDAY, [7], day=TODAY - timedelta(days=n)) for n in (9, 8, 7, 6, 5, 2, 1)]
USUAL = habits.of_rotas([agent.agent_id for agent in PAST[0].active], [one.rota for one in PAST])
REAL = draw(WEEKDAY, [7], day=TODAY).rota


@settings(max_examples=25, deadline=None)
@given(at=st.integers(0, 24 * 60 - 1).map(lambda minutes: minutes * MINUTE), seed=st.integers(0, 9))
def test_any_moment_of_a_day_goes_on_from_where_everybody_is(at, seed):
    many = len(USUAL.agents)
    states, _ = REAL.told(np.arange(many), np.full(many, at))
    came = REAL.came()
    came[came > at] = NEVER
    since = np.full(many, max(0, at - 5 * MINUTE))
    today = Now(at, REAL.length, states, tuple("lunch" if one == BREAK else None for one in states), since, came)
    reps = 3
    found = USUAL.rest_of_day(today, keys(USUAL.agents), Draws((seed, seed + 1, seed + 2), 0), reps).rota
    rows = np.arange(reps * many)
    assert (found.told(rows, np.full(len(rows), at))[0] == np.tile(states, reps)).all()
    assert ((found.at >= at) & (found.at < found.length)).all()
    order = np.lexsort((found.at, found.row))
    assert (order == np.arange(len(order))).all()
    assert (found.span_start < found.span_end).all()
    # Present by the spans is present by the changes.
    for moment in (at, at + HOUR, at + 4 * HOUR):
        if moment < found.length:
            there = np.zeros(reps * many, bool)
            there[found.span_row[(found.span_start <= moment) & (moment < found.span_end)]] = True
            assert (there == (found.told(rows, np.full(len(rows), moment))[0] != OUT)).all()
