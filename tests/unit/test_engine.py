"""The engine against what can be worked out by hand: attention's terms one at a time, then ties and restarts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coachsim.days import HOUR, MINUTE, to_datetime
from coachsim.engine import PLAN
from coachsim.events import Acknowledged, Audited, ClearedDown, DayBegan, Read, Sent, StateChanged
from coachsim.floor import Floor
from coachsim.models import AgentState, Audience, Delivery, Draft, Priority
from coachsim.people.draws import Draws, key, keys
from coachsim.plan import plan
from coachsim.scenario import Scenario
from coachsim.simulation import play
from tests.unit.days_of import EXACT, LUNCH, MISSED, at, message, people, scenario
from tests.unit.stage import Stage, deliveries, whole_day

OVER_NOON = {"clear_down": "12:00"}  # so that one day has two presences: 12:00 to 17:00, and 09:00 to 12:00 tomorrow


def one_agent(**values) -> dict[str, Delivery]:
    """What became of each message to the one agent there is."""
    events = whole_day(plan(scenario(**values), 1, agents=people(1))).events
    return {name: delivery for (name, _), delivery in deliveries(events).items()}


def read(**values) -> int | None:
    """When the one agent read the one message."""
    (delivery,) = one_agent(**{"messages": [message()]} | values).values()
    return delivery.read_at


# --- the terms of attention, one at a time ---


def test_a_toast_that_is_noticed_is_read_after_the_delay():
    (delivery,) = one_agent(messages=[message("10:00")]).values()
    assert delivery.state_at_send is AgentState.LOGGED_IN
    assert (delivery.toast_at, delivery.notified_at, delivery.read_at) == (at(10), at(10), at(10, 0, 20))


def test_a_toast_that_is_missed_leaves_the_bell_counted_from_being_notified():
    assert read(attention=MISSED) == at(10, 10)


@pytest.mark.parametrize(
    ("sent", "state", "notified"),
    [("08:00", AgentState.LOGGED_OUT, at(9)), ("11:10", AgentState.BREAK, at(11, 30))],
)
def test_who_is_away_hears_the_bell_from_coming_back(sent, state, notified):
    (delivery,) = one_agent(messages=[message(sent)], breaks=[LUNCH]).values()
    assert (delivery.state_at_send, delivery.toast_at) == (state, None)
    assert (delivery.notified_at, delivery.read_at) == (notified, notified + 10 * MINUTE)


def test_a_delay_waits_while_the_agent_is_out():
    day = {"messages": [message("16:59")], "attention": {"open_median_s": 90.0}}
    assert read(**day) is None
    assert read(**day, **OVER_NOON) == at(33, 0, 30)


def test_a_delay_that_ends_exactly_on_a_log_out_ends_at_the_next_log_in():
    day = {"attention": {"open_median_s": 60.0}, **OVER_NOON}
    assert read(messages=[message("16:58")], **day) == at(16, 59)
    assert read(messages=[message("16:59")], **day) == at(33)


def test_delays_run_on_in_a_break_which_does_not_shorten_the_toast():
    day = {"messages": [message("10:59")], "attention": {"open_median_s": 300.0, "tau_s": 10.0}}
    day["policy"] = {"toast_seconds": 120.0}
    assert read(**day, breaks=[LUNCH]) == read(**day) == at(11, 4)


def test_a_share_never_looks_and_loses_the_message_in_the_night():
    (delivery,) = one_agent(messages=[message()], attention=MISSED | {"bell_never": 1.0}).values()
    assert (delivery.read_at, delivery.lost_at, delivery.cleared_at) == (None, at(27), at(27))


def test_fatigue_counts_every_earlier_delivery_of_the_day_in_whatever_state():
    some = one_agent(messages=[message("10:00"), message("11:00")], attention={"fatigue": 1.0})
    assert (some["m10:00"].read_at, some["m11:00"].read_at) == (at(10, 0, 20), at(11, 10))
    some = one_agent(messages=[message("08:00"), message("11:00")], attention={"fatigue": 1.0})
    assert (some["m08:00"].read_at, some["m11:00"].read_at) == (at(9, 10), at(11, 10))


@pytest.mark.parametrize("earlier", [0, 1, 5])
def test_the_toast_is_noticed_exactly_where_the_draw_is_below_the_chance(earlier):
    """Over 200 agents, each with so many earlier deliveries; the draws are looked up by name."""
    before = [message(f"09:{n:02}", key=f"before{n}") for n in range(earlier)]
    attention = {"tau_s": 8.0, "fatigue": 0.1}
    agents = people(200)
    made = scenario(messages=[*before, message("12:00")], attention=attention, policy={"toast_seconds": 8.0})
    found = deliveries(play(plan(made, 6, agents=agents)))
    drawn = Draws(6, made.date.toordinal()).uniform("toast noticed", keys([a.agent_id for a in agents]), key("m12:00"))
    for agent, draw in zip(agents, drawn, strict=True):
        noticed = draw < (1 - 2.718281828459045**-1) * 0.9**earlier
        assert found["m12:00", agent.agent_id].read_at == (at(12, 0, 20) if noticed else at(12, 10))


def test_on_a_call_the_rest_of_it_comes_on_top():
    made = scenario(messages=[message()], attention={"occupancy": 1.0, "call_mean_s": 100.0})
    agents = people(20)
    found = deliveries(play(plan(made, 4, agents=agents)))
    calls = Draws(4, made.date.toordinal()).exponential(
        "rest of call", keys([a.agent_id for a in agents]), 100.0, key("m10:00")
    )
    for agent, rest in zip(agents, calls, strict=True):
        assert found["m10:00", agent.agent_id].read_at == at(10) + round((20 + float(rest)) * 1e6)


def test_an_urgent_toast_has_seconds_of_its_own():
    some = one_agent(
        messages=[message("10:00", priority="urgent"), message("12:00")],
        attention={"tau_s": 1.0},
        policy={"toast_seconds": 1e-9, "urgent_toast_seconds": 1e6},
    )
    assert (some["m10:00"].read_at, some["m12:00"].read_at) == (at(10, 0, 20), at(12, 10))


# --- prompts that no longer count ---


@pytest.mark.parametrize("expires_after_min", [5, 10])
def test_an_expired_message_prompts_nobody_and_the_next_prompt_counts(expires_after_min):
    """Its bell would have rung at 10:10: after the expiry, or at the very moment, when the expiry comes first."""
    some = one_agent(
        messages=[message("10:00", expires_after_min=expires_after_min), message("10:02")], attention=MISSED
    )
    assert (some["m10:00"].read_at, some["m10:00"].lost_at) == (None, at(10, expires_after_min))
    assert some["m10:02"].read_at == at(10, 12)


def test_a_microsecond_before_its_expiry_a_message_is_read():
    some = one_agent(
        messages=[message("10:00", expires_after_min=10)], attention=MISSED | {"bell_median_s": 599.999999}
    )
    assert some["m10:00"].read_at == at(10, 10) - 1


def test_opening_reads_everything_unread_what_was_not_notified_included():
    some = one_agent(messages=[message("10:58"), message("11:02")], breaks=[LUNCH], attention={"open_median_s": 360.0})
    assert some["m10:58"].read_at == some["m11:02"].read_at == some["m11:02"].notified_at == at(11, 4)
    assert some["m11:02"].toast_at is None


def test_what_is_read_prompts_nobody_again():
    """Two bells, two minutes apart: the first look reads both, and there is no second."""
    stage = whole_day(
        plan(scenario(messages=[message("10:00"), message("10:02")], attention=MISSED), 1, agents=people(1))
    )
    assert [(event.happened_at, len(event.message_ids)) for event in stage.events if isinstance(event, Read)] == [
        (at(10, 10), 2)
    ]


def test_the_earliest_prompt_counts_also_if_it_comes_of_a_later_message():
    """The first toast is missed (bell at 10:10); the second message is urgent and noticed at once."""
    some = one_agent(
        messages=[message("10:00"), message("10:05", priority="urgent")],
        attention={"tau_s": 1.0},
        policy={"toast_seconds": 1e-9, "urgent_toast_seconds": 1e6},
    )
    assert some["m10:00"].read_at == some["m10:05"].read_at == at(10, 5, 20)


# --- acknowledging ---


def test_an_acknowledgement_comes_after_its_delay_or_never_and_only_where_asked_for():
    asked = message(ack_required=True)
    assert one_agent(messages=[asked])["m10:00"].acknowledged_at == at(10, 0, 25)
    assert one_agent(messages=[asked], attention={"ack_never": 1.0})["m10:00"].acknowledged_at is None
    assert one_agent(messages=[message()])["m10:00"].acknowledged_at is None


def test_the_delay_of_an_acknowledgement_runs_only_while_present():
    asked = {"messages": [message("16:59", ack_required=True)], "attention": {"open_median_s": 58.0}}
    (delivery,) = one_agent(**asked, **OVER_NOON).values()
    assert (delivery.read_at, delivery.acknowledged_at) == (at(16, 59, 58), at(33, 0, 3))


def test_what_expired_after_it_was_read_can_still_be_acknowledged():
    asked = message(ack_required=True, expires_after_min=1)
    (delivery,) = one_agent(messages=[asked], attention={"ack_median_s": 600.0}).values()
    assert (delivery.read_at, delivery.acknowledged_at, delivery.lost_at) == (at(10, 0, 20), at(10, 10, 20), None)


# --- the day ---


def test_the_clear_down_is_the_last_command_and_closes_every_delivery():
    events = play(plan(scenario(messages=[message("10:00"), message("18:00")]), 1, agents=people(2)))
    cleared, began = events[-2:]
    assert isinstance(cleared, ClearedDown) and isinstance(began, DayBegan)
    assert (cleared.happened_at, cleared.deliveries, cleared.lost, cleared.by_hand) == (at(27), 4, 2, False)
    found = deliveries(events).values()
    assert {delivery.cleared_at for delivery in found} == {at(27)}
    assert sorted(str(delivery.status) for delivery in found) == ["lost", "lost", "read", "read"]


def test_who_works_through_the_clear_down_begins_the_day_so():
    made = scenario(shifts=[{"start": "22:00", "length_h": 9, **EXACT}], breaks=[LUNCH | {"after_min": 290}])
    stage = Stage(plan(made, 1, agents=people(1)))
    changes = [event for event in stage.events if isinstance(event, StateChanged)]
    assert [(event.happened_at, str(event.state), event.reason) for event in changes] == [
        (at(3), "logged_in", None),
        (at(3), "break", "lunch"),
    ]


def test_a_floor_goes_from_day_to_day_also_where_a_shift_ends_on_the_clear_down():
    made = scenario(shifts=[{"start": "18:00", "length_h": 9, **EXACT}])
    stage = whole_day(plan(made, 1, agents=people(1)))
    assert stage.floor.agents["a01"].present
    tomorrow = plan(made, 1, day=to_datetime(at(27)).date(), agents=people(1))
    stage.engine = type(stage.engine)(tomorrow, stage.floor, stage.act)
    stage.engine.open_day()
    assert not stage.floor.agents["a01"].present
    stage.plan = tomorrow
    stage.to_the_end()
    assert stage.floor.day is not None and stage.floor.day.day == "2026-03-04"


WEEKDAY = Path(__file__).parents[2] / "data" / "scenarios" / "weekday.toml"


@pytest.fixture(scope="module")
def weekday():
    return plan(Scenario.load(WEEKDAY), 1)


def test_the_same_seed_gives_the_same_events_and_another_one_others(weekday):
    events = play(weekday)
    assert play(plan(Scenario.load(WEEKDAY), 1)) == events
    assert play(plan(Scenario.load(WEEKDAY), 2)) != events


def test_what_happens_at_one_moment_happens_in_the_ruled_order():
    """Every delay and every break a whole minute, so that ties are everywhere."""
    texts = [
        message(f"{hour:02}:{minute:02}", ack_required=True, **({"expires_after_min": 3} if minute % 7 == 0 else {}))
        for hour in (9, 10, 11)
        for minute in range(60)
    ]
    pauses = [LUNCH | {"reason": f"r{n}", "after_min": n, "length_min": 1} for n in range(1, 170, 3)]
    attention = {"open_median_s": 60.0, "bell_median_s": 180.0, "ack_median_s": 120.0, "tau_s": 8.0, "fatigue": 0.005}
    made = scenario(messages=texts, breaks=[p | {"waves": 2, "wave_gap_min": 1} for p in pauses], attention=attention)
    events = [event for event in play(plan(made, 1, agents=people(12))) if event.actor in (PLAN, "planner")]
    order = (StateChanged, Sent, Read, Acknowledged)
    played = [event for event in events if isinstance(event, order)]
    keyed = [
        (
            event.happened_at,
            order.index(type(event)),
            getattr(event, "agent_id", ""),
            getattr(event, "message_id", 0),
        )
        for event in played
    ]
    assert keyed == sorted(keyed)
    moments = {(moment, kind) for moment, kind, *_ in keyed}
    full = {moment for moment, _ in moments if all((moment, kind) in moments for kind in range(4))}
    assert len(full) > 20, "all four kinds at one moment, often"


# --- joining in the middle ---


def resumed(day, moment: int):
    """A day that is played to ``moment``, rebuilt from its events, and played on by a new engine."""
    stage = Stage(day)
    stage.until(moment)
    stage.rebuild(moment)
    stage.to_the_end()
    return stage.events


@pytest.mark.parametrize("hours", [3, 3.75, 9.1, 11, 11.4, 14.27, 17.5, 26.9])
def test_a_day_that_was_interrupted_goes_on_as_if_it_had_not_been(weekday, hours):
    moment = weekday.day.began_at + round((hours - 3) * HOUR)
    assert resumed(weekday, moment) == play(weekday)


BUSY = plan(
    scenario(
        messages=[
            {"key": "s", "body": "x", "every_min": 12, "start": "08:50", "until": "17:10", "ack_required": True},
            {"key": "t", "body": "x", "every_min": 25, "start": "09:00", "until": "17:00", "expires_after_min": 6},
        ],
        breaks=[LUNCH | {"waves": 2, "wave_gap_min": 30}],
        attention={
            "fatigue": 0.05,
            "tau_s": 6.0,
            "bell_sigma": 1.0,
            "open_sigma": 1.0,
            "occupancy": 0.5,
            "ack_sigma": 2.0,
        },
    ),
    8,
    agents=people(4),
)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_it_may_be_interrupted_at_any_event(data):
    whole = play(BUSY)
    moment = data.draw(st.sampled_from(sorted({event.happened_at for event in whole if event.happened_at < at(27)})))
    assert resumed(BUSY, moment) == whole


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_what_a_crash_left_undone_of_one_moment_is_done(data):
    """Only some of a moment's events were kept. All that the plan has for it comes about, none of it twice."""
    whole = play(BUSY)
    first = next(place for place, event in enumerate(whole) if isinstance(event, Sent))
    kept = data.draw(st.integers(first, len(whole) - 3))
    moment = whole[kept - 1].happened_at
    stage = Stage(BUSY)
    stage.events = list(whole[:kept])
    stage.rebuild(moment)
    stage.to_the_end()
    assert deliveries(stage.events) == deliveries(whole)
    assert sum(isinstance(event, Sent) for event in stage.events) == len(BUSY.sends)


def test_the_fatigue_of_a_delivery_is_that_of_its_own_time_also_after_a_restart():
    """One toast is missed for its fatigue; rebuilt after later sends, it stays missed for the same reason."""
    made = scenario(
        messages=[message(f"10:{n:02}", to={"agents": ["a01"]}) for n in range(0, 10, 2)],
        attention={"fatigue": 0.5, "tau_s": 8.0, "bell_median_s": 3_600.0},
    )
    for seed in range(20):
        day = plan(made, seed, agents=people(1))
        assert resumed(day, at(10, 9)) == play(day)


# --- people on the same floor ---


def send(stage: Stage, moment: int, body: str = "Hi", **values) -> int:
    stage.until(moment)
    draft = Draft(audience=Audience(agents=("a01",)), body=body, request_id=body, priority=Priority.NORMAL, **values)
    (sent,) = stage.act(moment, Floor.send, draft, actor="tess")
    assert isinstance(sent, Sent)
    return sent.message.message_id


def test_a_message_of_a_person_is_noticed_by_the_same_rule():
    stage = Stage(plan(scenario(), 1, agents=people(1)))
    send(stage, at(10, 0, 7), ack_required=True)
    stage.to_the_end()
    (delivery,) = deliveries(stage.events).values()
    assert (delivery.read_at, delivery.acknowledged_at) == (at(10, 0, 27), at(10, 0, 32))
    actors = {type(event).__name__: event.actor for event in stage.events}
    assert (actors["Sent"], actors["Read"], actors["Acknowledged"]) == ("tess", "plan", "plan")


def test_a_message_of_a_person_draws_as_a_planned_one_of_its_name_would():
    made = scenario(messages=[message("10:00", key="Hi")], attention={"open_sigma": 1.0})
    planned = deliveries(play(plan(made, 9, agents=people(1))))["Hi", "a01"]
    stage = Stage(plan(scenario(attention={"open_sigma": 1.0}), 9, agents=people(1)))
    send(stage, at(10))
    stage.to_the_end()
    assert deliveries(stage.events)["Hi", "a01"].read_at == planned.read_at


def test_a_clear_down_by_hand_takes_the_prompts_away():
    stage = Stage(plan(scenario(messages=[message("10:00"), message("10:30")]), 1, agents=people(1)))
    stage.until(at(10, 0, 10))
    stage.act(at(10, 0, 10), Floor.clear_down, actor="admin")
    stage.to_the_end()
    found = {name: delivery for (name, _), delivery in deliveries(stage.events).items()}
    assert (found["m10:00"].lost_at, found["m10:00"].read_at) == (at(10, 0, 10), None)
    assert found["m10:30"].read_at == at(10, 30, 20)


def test_a_taken_agent_does_nothing_and_rejoins_with_what_is_unread():
    made = scenario(messages=[message("10:00"), message("11:05", to={"agents": ["a01"]})], breaks=[LUNCH])
    stage = Stage(plan(made, 1, agents=people(2)))
    stage.until(at(10, 0, 10))
    stage.engine.virtual.discard("a01")
    stage.until(at(11, 10))
    row = stage.floor.agents["a01"]
    assert row.state is AgentState.LOGGED_IN and len(row.unread) == 2, "no break, nothing read"
    stage.act(at(11, 10), Floor.audit, actor="tess", action="seat_given_back", subject="a01")
    stage.engine.rejoin("a01")
    assert (row.state, row.reason) == (AgentState.BREAK, "lunch")
    stage.until(at(11, 10))
    assert not row.unread, "the toast of 10:00 was noticed long ago: it is read at once"
    found = deliveries(stage.events)
    assert found["m10:00", "a02"].read_at == at(10, 0, 20) and found["m10:00", "a01"].read_at == at(11, 10)


def test_an_agent_who_is_made_inactive_stops_and_the_others_go_on():
    agents = people(2)
    stage = Stage(plan(scenario(messages=[message("10:00"), message("11:00")], breaks=[LUNCH]), 1, agents=agents))
    stage.until(at(10, 0, 5))
    gone = type(agents[0])(agents[0].agent_id, agents[0].name, agents[0].team, active=False)
    stage.act(at(10, 0, 5), Floor.set_agents, [gone], actor="admin")
    stage.to_the_end()
    found = deliveries(stage.events)
    assert found["m10:00", "a01"].read_at is None and ("m11:00", "a01") not in found
    assert found["m11:00", "a02"].read_at is not None


def test_a_planned_message_to_somebody_who_is_gone_is_put_on_record():
    agents = people(2)
    stage = Stage(plan(scenario(messages=[message(to={"agents": ["a01"]})]), 1, agents=agents))
    stage.until(at(9, 30))
    gone = type(agents[0])(agents[0].agent_id, agents[0].name, agents[0].team, active=False)
    stage.act(at(9, 30), Floor.set_agents, [gone], actor="admin")
    stage.to_the_end()
    assert [(e.action, e.detail["request_id"]) for e in stage.events if isinstance(e, Audited)] == [
        ("not_sent", "m10:00")
    ]


def test_an_agent_whom_the_plan_does_not_know_gets_messages_and_is_left_alone():
    stage = Stage(plan(scenario(messages=[message()]), 1, agents=people(1)))
    stage.until(at(9, 30))
    stage.act(at(9, 30), Floor.set_agents, people(2), actor="admin")
    stage.to_the_end()
    found = deliveries(stage.events)
    assert found["m10:00", "a01"].read_at == at(10, 0, 20) and found["m10:00", "a02"].read_at is None
