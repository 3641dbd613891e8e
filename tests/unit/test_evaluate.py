"""The array code is another statement of the rules: on any day it has to say of every delivery what the engine says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coachsim.enact import enact
from coachsim.errors import InvalidInput
from coachsim.evaluate import evaluate
from coachsim.events import DayBegan
from coachsim.models import Agent
from coachsim.outcome import NEVER, Outcome
from coachsim.plan import draw, plan, plan_of
from coachsim.scenario import Scenario
from coachsim.simulation import play, simulate
from tests.unit.days_of import CERTAIN, EXACT, LUNCH, MISSED, at, message, people, scenario
from tests.unit.stage import deliveries
from tests.unit.test_plan import NIGHTS, scenarios

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
SCENARIOS = Path(__file__).parents[2] / "data" / "scenarios"


def by_engine(made: Scenario, seed: int, agents: Sequence[Agent] | None = None) -> Outcome:
    """What the engine leaves behind of the same day."""
    day = plan(made, seed, agents=agents)
    rows = [(name, one) for (name, _), one in deliveries(play(day)).items()]
    active = [agent for agent in day.agents if agent.active]
    return Outcome.of_deliveries(seed, active, [send.draft.request_id for send in day.sends], day.day.ends_at, rows)


def check(made: Scenario, seeds: Sequence[int], agents: Sequence[Agent] | None = None) -> None:
    """Each of the days alone is the engine's, and all of them at once are these days one after the other."""
    each = [by_engine(made, seed, agents) for seed in seeds]
    for expected in each:
        assert evaluate(made, expected.seeds, agents=agents).same_as(expected)
    assert evaluate(made, seeds, agents=agents).same_as(Outcome.joined(each))


# Everything on whole minutes, so that shifts, breaks, sends, expiries and looks fall on one another all the time.
whole = st.integers(0, 240).map(float)
clocks = st.integers(0, 1_439).map(lambda n: f"{n // 60:02}:{n % 60:02}")
close = st.integers(8 * 60, 10 * 60).map(lambda n: f"{n // 60:02}:{n % 60:02}")
AUDIENCES: list[Any] = [
    "everyone",
    "a team",
    "an agent",
    {"filter": {"state": ["logged_in"]}},
    {"filter": {"state": ["break", "logged_out"], "team": ["Team 1"]}},
    {"filter": {"campaign": ["Campaign 1"], "queue": ["Queue 1", "Queue 2"]}},
    {"agents": ["a01"]},
]


@st.composite
def tied(draw: st.DrawFn) -> Scenario:
    """A day on which much happens at the same moments, and the odd things that scenarios may say."""
    zone, day = draw(st.sampled_from(NIGHTS))
    shift = st.fixed_dictionaries(
        {
            "start": close,
            "length_h": st.integers(1, 16).map(lambda n: n / 4),
            **{k: st.just(v) for k, v in EXACT.items()},
        }
    )
    pause = st.fixed_dictionaries(
        {
            "reason": st.sampled_from(["lunch", "tea"]),
            "after_min": whole,
            "length_min": st.sampled_from([0.0, 1.0, 5.0, 30.0, 600.0]),
            "after_spread_min": st.just(0.0),
            "length_spread_min": st.just(0.0),
            "waves": st.integers(1, 3),
            "wave_gap_min": st.sampled_from([0.0, 5.0, 30.0]),
        }
    )
    sent = st.fixed_dictionaries(
        {
            "body": st.just("Hello"),
            "to": st.sampled_from(AUDIENCES),
            "ack_required": st.booleans(),
            "priority": st.sampled_from(["normal", "urgent"]),
        },
        optional={"expires_after_min": st.sampled_from([0.1, 1.0, 10.0, 60.0, 1_440.0])},
    )
    moments = st.one_of(close, clocks, st.sampled_from(["03:00", "02:59", "09:00"]))
    one = st.fixed_dictionaries({"at": moments})
    clear_down = draw(st.sampled_from(["03:00", "09:00", "12:00"]))
    ends = {"start": "08:30", "until": draw(st.sampled_from(["08:40", "09:00"]))}
    series = st.fixed_dictionaries({"every_min": st.sampled_from([0.5, 1.0, 7.0])}).map(lambda gap: gap | ends)
    messages = [
        {"key": f"m{n}", **which, **when}
        for n, (which, when) in enumerate(draw(st.lists(st.tuples(sent, st.one_of(one, series)), max_size=5)))
    ]
    attention = draw(
        st.fixed_dictionaries(
            {
                "tau_s": st.sampled_from([1e-6, 4.0, 1e6]),
                "fatigue": st.sampled_from([0.0, 0.2, 1.0]),
                "open_median_s": st.sampled_from([0.000001, 60.0, 300.0]),
                "open_sigma": st.sampled_from([0.0, 1.0]),
                "occupancy": st.sampled_from([0.0, 0.5, 1.0]),
                "call_mean_s": st.just(120.0),
                "bell_median_s": st.sampled_from([0.000001, 60.0, 600.0, 1_800.0]),
                "bell_sigma": st.sampled_from([0.0, 1.0]),
                "bell_never": st.sampled_from([0.0, 0.3, 1.0]),
                "ack_median_s": st.sampled_from([0.000001, 60.0]),
                "ack_sigma": st.sampled_from([0.0, 0.6]),
                "ack_never": st.sampled_from([0.0, 0.3]),
            }
        )
    )
    return Scenario.from_dict(
        {
            "name": "ties",
            "date": day.isoformat(),
            "time_zone": zone,
            "clear_down": clear_down,
            "absence": draw(st.sampled_from([0.0, 0.3, 1.0])),
            "floor": {
                "agents": draw(st.integers(2, 9)),
                "teams": draw(st.integers(1, 3)),
                "campaigns": 2,
                "lists": 0,
                "queues": 2,
            },
            "shifts": draw(st.lists(shift, min_size=1, max_size=3)),
            "breaks": draw(st.lists(pause, max_size=3)),
            "unplanned_breaks": {"per_hour": draw(st.sampled_from([0.0, 2.0]))},
            "messages": messages,
            "attention": attention,
        }
    )


@settings(max_examples=200)
@given(tied(), st.integers(0, 2**63 - 3))
def test_where_everything_happens_at_once_the_rows_are_the_engines(made, seed):
    check(made, [seed, seed + 1])


@settings(max_examples=60)
@given(tied(), st.integers(0, 2**63 - 1))
def test_enacted_on_a_floor_it_is_the_engines_day_event_for_event(made, seed):
    days = draw(made, [seed])
    assert enact(days) == list(play(plan_of(days)))


def test_a_log_of_either_player_has_the_same_rows():
    made = Scenario.load(SCENARIOS / "weekday.toml")
    engine, arrays = (simulate(made, seed=4, player=player) for player in ("engine", "arrays"))
    query = "SELECT * EXCLUDE (created_at) FROM run"
    with engine, arrays:
        for table in ("deliveries", "messages", "state_changes", "agents", "days"):
            pd.testing.assert_frame_equal(getattr(engine, table)(), getattr(arrays, table)())
        pd.testing.assert_frame_equal(engine.sql(query), arrays.sql(query))


def test_days_follow_one_another_alike_for_both_players():
    """People who are there when the night clears the lists are there afterwards, and nobody logs in twice for it."""
    made = Scenario.load(SCENARIOS / "night_shift.toml")
    days = draw(made, [6])
    events = list(play(plan_of(days), 3))
    assert enact(days, 3) == events
    labels = [event.day for event in events if isinstance(event, DayBegan)]
    assert labels == [(made.date + timedelta(days=n)).isoformat() for n in range(4)]
    first = list(play(plan_of(days)))
    assert events[: len(first)] == first and len(events) > 2.5 * len(first)


def test_how_many_days_cannot_be_is_said():
    with pytest.raises(InvalidInput, match="1 to 366 days, not 0"):
        simulate(scenario(), seed=1, days=0)


def test_another_player_is_named():
    with pytest.raises(InvalidInput, match="'engine' or 'arrays', not 'numpy'"):
        simulate(scenario(), seed=1, player="numpy")


@settings(max_examples=100)
@given(scenarios(st.sampled_from(NIGHTS)), st.integers(0, 1_000))
def test_on_any_day_the_rows_are_the_engines(made, seed):
    check(made, [seed, seed + 1])


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.toml")), ids=lambda path: path.stem)
def test_on_every_bundled_day_the_rows_are_the_engines(path):
    check(Scenario.load(path), [1, 2])


@pytest.mark.parametrize("agents", [4_000, 30_000])
def test_on_large_floors_no_key_runs_over(agents):
    """Keys of agent and time packed into one number would be wrong above 2,048 agents, were the time since 1970."""
    made = scenario(
        floor={"agents": agents, "teams": 40},
        breaks=[LUNCH],
        attention={"open_sigma": 0.8, "occupancy": 0.5, "bell_sigma": 1.0, "tau_s": 4.0, "bell_never": 0.1},
        messages=[
            message("10:00", ack_required=True),
            message("11:10", expires_after_min=30.0),
            message("16:59", to="a team"),
        ],
    )
    check(made, [3])


HAND = [
    # attention, break, expiry → what becomes of the message of 10:00 to the one agent, who is in from 09:00 to 17:00
    (CERTAIN, [], None, ("logged_in", at(10), at(10), at(10, 0, 20), at(10, 0, 25), None)),
    (MISSED, [], None, ("logged_in", at(10), at(10), at(10, 10), at(10, 10, 5), None)),
    (MISSED, [], 5.0, ("logged_in", at(10), at(10), None, None, at(10, 5))),
    (MISSED, [], 10.0, ("logged_in", at(10), at(10), None, None, at(10, 10))),
    (CERTAIN, [LUNCH | {"after_min": 60}], None, ("break", None, at(10, 30), at(10, 40), at(10, 40, 5), None)),
    (MISSED | {"bell_never": 1.0}, [], None, ("logged_in", at(10), at(10), None, None, at(27))),
]


@pytest.mark.parametrize(("attention", "breaks", "expires", "expected"), HAND)
def test_the_rows_are_what_can_be_worked_out_by_hand(attention, breaks, expires, expected):
    sent = message(ack_required=True) | ({} if expires is None else {"expires_after_min": expires})
    made = scenario(attention=attention, breaks=breaks, messages=[sent])
    row = evaluate(made, [1], agents=people(1))
    state, *times = expected
    assert ["logged_out", "logged_in", "break"][row.state_at_send[0]] == state
    found = [row.toast_at, row.notified_at, row.read_at, row.acknowledged_at, row.lost_at]
    assert [int(one[0]) for one in found] == [NEVER if moment is None else moment for moment in times]


BACK_AT_10_30 = [LUNCH | {"after_min": 60}]
AT_ONE_MOMENT = [
    # A toast is missed and the bell looked at 10 minutes later, to the microsecond; what is read of two messages, when
    ("10:10", {}, [], [at(10, 10), at(10, 10)]),  # sent at the very moment of the look: there to be read
    ("10:05", {"expires_after_min": 10.0}, [], [None, at(10, 15)]),  # the look that the expired one would have prompted
    ("10:20", {"expires_after_min": 30.0}, BACK_AT_10_30, [None, at(10, 40)]),  # back as it expires: not told of it
]


@pytest.mark.parametrize(("second", "first", "breaks", "read"), AT_ONE_MOMENT)
def test_at_one_moment_the_order_is_the_floors(second, first, breaks, read):
    made = scenario(attention=MISSED, breaks=breaks, messages=[message("10:00") | first, message(second)])
    rows = evaluate(made, [1], agents=people(1))
    assert rows.read_at.tolist() == [NEVER if moment is None else moment for moment in read]
    assert (rows.notified_at == NEVER).tolist() == [read[0] is None and bool(breaks), False]
    check(made, [1], people(1))


@pytest.mark.parametrize("nothing", ["messages", "agents", "presence"])
def test_days_on_which_nothing_happens_come_to_nothing(nothing):
    made = scenario(
        messages=[] if nothing == "messages" else [message()], absence=1.0 if nothing == "presence" else 0.0
    )
    rows = evaluate(made, [1, 2, 3], agents=[] if nothing == "agents" else people(2))
    assert rows.seeds == (1, 2, 3)
    assert len(rows) == (6 if nothing == "presence" else 0)
    assert (rows.read_at == NEVER).all() and (rows.lost_at == at(27)).all()


def test_many_days_are_cut_into_parts_that_change_nothing(monkeypatch):
    made = scenario(messages=[message(), message("11:00", to="an agent")], attention={"open_sigma": 1.0})
    whole = evaluate(made, range(20), agents=people(3))
    monkeypatch.setattr("coachsim.evaluate._CELLS", 25)
    parts = evaluate(made, range(20), agents=people(3))
    assert whole.same_as(parts) and np.unique(whole.rep).tolist() == list(range(20))
