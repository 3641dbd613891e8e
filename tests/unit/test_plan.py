"""Plans: a day drawn up front keeps the floor's rules, joins the days around it, and hangs on names alone."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coachsim.days import HOUR, MINUTE, Schedule, to_datetime
from coachsim.events import Audited, Sent
from coachsim.floor import Floor
from coachsim.models import Agent, AgentState, Filter
from coachsim.plan import SENDER, Plan, plan, practice_start
from coachsim.scenario import Scenario, ScenarioError
from coachsim.simulation import play
from tests.unit.days_of import CERTAIN, EXACT, LUNCH, at, message, people, scenario

# Spring forward, fall back, half an hour's change, no change, far from Greenwich, and a date that was left out.
NIGHTS = [
    ("Europe/London", date(2026, 3, 28)),
    ("Europe/London", date(2026, 3, 29)),
    ("Europe/London", date(2026, 10, 24)),
    ("Europe/London", date(2026, 10, 25)),
    ("Australia/Lord_Howe", date(2026, 10, 3)),
    ("America/New_York", date(2026, 11, 1)),
    ("UTC", date(2026, 6, 1)),
    ("Asia/Kathmandu", date(2027, 12, 31)),
    ("Pacific/Apia", date(2011, 12, 29)),
]
ANY, ORDINARY = st.sampled_from(NIGHTS), st.sampled_from(NIGHTS[:-1])
minutes = st.integers(0, 1_439)
clocks = minutes.map(lambda n: f"{n // 60:02}:{n % 60:02}")


@st.composite
def scenarios(draw: st.DrawFn, nights: st.SearchStrategy, least_spread: float = 0.0) -> Scenario:
    """Any floor's day within what a scenario may say, the odd ones included."""
    zone, day = draw(nights)
    spreads = st.floats(least_spread, 120)
    shift = st.fixed_dictionaries(
        {
            "start": clocks,
            "length_h": st.floats(0.01, 16),
            "start_spread_min": spreads,
            "length_spread_min": spreads,
            "share": st.floats(0.1, 5),
        }
    )
    pause = st.fixed_dictionaries(
        {
            "reason": st.sampled_from(["lunch", "tea"]),
            "after_min": st.floats(0, 900),
            "length_min": st.floats(0, 200),
            "after_spread_min": spreads,
            "length_spread_min": spreads,
            "waves": st.integers(1, 4),
            "wave_gap_min": st.floats(0, 60),
        }
    )
    sent = st.fixed_dictionaries(
        {
            "body": st.just("Hello"),
            "to": st.sampled_from(["everyone", "a team", "an agent", {"filter": {"state": ["break"]}}]),
            "ack_required": st.booleans(),
        },
        optional={"expires_after_min": st.floats(0.1, 1_440)},
    )
    messages = []
    for n, one in enumerate(draw(st.lists(sent, max_size=4))):
        start, length = draw(clocks), draw(st.integers(1, 300))
        series = {"every_min": draw(st.floats(20, 400)), "start": start, "until": _later(start, length)}
        messages.append({"key": f"m{n}", **one, **draw(st.sampled_from([{"at": start}, series]))})
    given = {
        "name": "any",
        "date": day.isoformat(),
        "time_zone": zone,
        "clear_down": draw(st.sampled_from(["03:00", "00:00", "01:30", "02:15", "12:00"])),
        "absence": draw(st.floats(0, 1)),
        "floor": {"agents": draw(st.integers(0, 12)), "teams": draw(st.integers(1, 3))},
        "shifts": draw(st.lists(shift, min_size=1, max_size=3)),
        "breaks": draw(st.lists(pause, max_size=3)),
        "unplanned_breaks": {"per_hour": draw(st.floats(0, 6)), "length_median_min": draw(st.floats(1e-4, 100))},
        "messages": messages,
    }
    try:
        return Scenario.from_dict(given)
    except ScenarioError:  # a series across the clear-down
        return Scenario.from_dict(given | {"messages": []})


def _later(start: str, length: int) -> str:
    minute = (int(start[:2]) * 60 + int(start[3:]) + length) % 1_440
    return f"{minute // 60:02}:{minute % 60:02}"


@given(scenarios(ANY), st.integers(0, 2**63 - 1))
def test_any_plan_is_inside_its_day_in_order_and_allowed_on_a_floor(made, seed):
    day = plan(made, seed)
    schedule = Schedule(made.time_zone, made.clear_down)
    assert (day.day.began_at, day.day.ends_at) == (
        schedule.instant(made.date),
        schedule.instant(made.date + timedelta(days=1)),
    )
    for ordered in (day.changes, day.sends):
        assert all(day.day.began_at <= one.at < day.day.ends_at for one in ordered)
        assert [one.at for one in ordered] == sorted(one.at for one in ordered)
    assert all(change.at > day.day.began_at for change in day.changes)
    for send in day.sends:
        assert send.draft.expires_at is None or send.at < send.draft.expires_at <= day.day.ends_at
    floor = Floor(schedule, disconnect_after=0)
    floor.open_day(day.day.began_at)
    floor.set_agents(day.day.began_at, day.agents, actor="plan")
    present: dict[str, list[tuple[int, int]]] = {agent_id: [] for agent_id in day.keys}
    since: dict[str, int] = {}
    opening = [change for change in day.opening if change.state is AgentState.BREAK]
    first = [dataclasses.replace(change, state=AgentState.LOGGED_IN, reason=None) for change in opening]
    for change in (*first, *day.opening, *day.changes):
        if change.at >= day.day.ends_at:  # a day that has no length, where a date is left out
            continue
        row = floor.agents[change.agent_id]
        was = row.present
        assert floor.set_state(change.at, change.agent_id, change.state, actor="plan", reason=change.reason)
        if row.present and not was:
            since[change.agent_id] = change.at
        elif was and not row.present:
            present[change.agent_id].append((since.pop(change.agent_id), change.at))
    for agent_id, start in since.items():
        present[agent_id].append((start, day.day.ends_at))
    assert present == {
        agent_id: list(zip(mine.starts, mine.ends, strict=True)) for agent_id, mine in day.presence.items()
    }, "present is exactly what delays run in"


@given(scenarios(ORDINARY, least_spread=1.0), st.integers(0, 1_000))
def test_where_a_day_ends_the_next_begins(made, seed):
    """Spreads of a minute and more: a change at the clear-down's very microsecond does not happen by itself."""
    today, tomorrow = (plan(made, seed, day=made.date + timedelta(days=n)) for n in (0, 1))
    assert today.day.ends_at == tomorrow.day.began_at
    assert today.states_at(today.day.ends_at) == tomorrow.states_at(tomorrow.day.began_at)


@settings(max_examples=40)
@given(scenarios(ANY), st.integers(0, 1_000))
def test_any_plan_can_be_played(made, seed):
    events = play(plan(made, seed))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_night_shift_is_in_both_days_alike():
    made = scenario(
        shifts=[{"start": "22:00", "length_h": 9, **EXACT}], breaks=[LUNCH | {"after_min": 290, "length_min": 30}]
    )
    one, two = (plan(made, 1, day=date(2026, 3, day), agents=people(1)) for day in (1, 2))
    assert [(change.at - at(0), str(change.state)) for change in one.changes][-2:] == [
        (-2 * HOUR, "logged_in"),
        (2 * HOUR + 50 * MINUTE, "break"),
    ]
    assert [(change.at, str(change.state), change.reason) for change in two.opening] == [(at(3), "break", "lunch")]
    assert [(change.at, str(change.state)) for change in two.changes] == [
        (at(3, 20), "logged_in"),
        (at(7), "logged_out"),
        (at(22), "logged_in"),
        (at(26, 50), "break"),
    ]


def test_a_shift_before_the_clear_down_of_tomorrows_date_is_in_todays_day():
    day = plan(scenario(shifts=[{"start": "01:00", "length_h": 1, **EXACT}]), 1, agents=people(1))
    assert [change.at for change in day.changes] == [at(25), at(26)]
    day = plan(scenario(shifts=[{"start": "03:00", "length_h": 24 / 2, **EXACT}]), 1, agents=people(1))
    assert [change.at for change in day.opening] == [at(3)]
    assert [change.at for change in day.changes] == [at(15)]


@pytest.mark.parametrize(
    ("day", "noon", "half_past_two", "presence"),
    [
        (date(2026, 3, 28), "03-28 12:00", "03-29 01:30", ("03-28 23:00", "03-29 02:00")),
        (date(2026, 3, 29), "03-29 11:00", "03-30 01:30", ("03-29 22:00", "03-30 02:00")),
        (date(2026, 10, 24), "10-24 11:00", "10-25 02:30", ("10-24 22:00", "10-25 03:00")),
        (date(2026, 10, 25), "10-25 12:00", "10-26 02:30", ("10-25 23:00", "10-26 03:00")),
    ],
)
def test_days_on_which_the_clocks_change(day, noon, half_past_two, presence):
    def utc(moment: int) -> str:
        return to_datetime(moment).strftime("%m-%d %H:%M")

    made = scenario(messages=[message("02:30"), message("12:00")], shifts=[{"start": "23:00", "length_h": 5, **EXACT}])
    drawn = plan(made, 1, day=day, agents=people(1))
    assert [utc(send.at) for send in drawn.sends] == [noon, half_past_two]
    mine = drawn.presence["a01"]
    assert (utc(mine.starts[-1]), utc(mine.ends[-1])) == presence


def test_a_break_has_a_moment_of_being_logged_in_before_it_and_ends_with_the_shift():
    early = LUNCH | {"after_min": 0, "length_min": 600}
    day = plan(scenario(breaks=[early, LUNCH]), 1, agents=people(1))
    assert [(change.at, str(change.state)) for change in day.changes] == [
        (at(9), "logged_in"),
        (at(9) + 1, "break"),
        (at(17), "logged_out"),
    ]


def test_breaks_without_length_are_none():
    day = plan(scenario(breaks=[LUNCH | {"length_min": 0}]), 1, agents=people(3))
    assert {change.state for change in day.changes} == {AgentState.LOGGED_IN, AgentState.LOGGED_OUT}


def test_waves_go_one_after_the_other():
    day = plan(scenario(breaks=[LUNCH | {"waves": 3, "wave_gap_min": 45}]), 1, agents=people(60))
    starts = {change.at for change in day.changes if change.state is AgentState.BREAK}
    assert starts == {at(11), at(11, 45), at(12, 30)}
    again = plan(
        scenario(breaks=[LUNCH | {"waves": 3, "wave_gap_min": 45}]), 1, day=date(2026, 3, 3), agents=people(60)
    )
    first, second = ({c.agent_id: c.at % (24 * HOUR) for c in d.changes if c.reason} for d in (day, again))
    assert first == second, "a wave is an agent's for good"


# --- one more of anything changes nothing else ---


def rich(**values) -> Scenario:
    given = {
        "shifts": [{"start": "08:00"}, {"start": "22:00"}],
        "breaks": [LUNCH | {"after_spread_min": 10.0, "waves": 2, "wave_gap_min": 20}],
        "unplanned_breaks": {"per_hour": 0.5},
        "messages": [message("10:00", to="an agent"), message("11:00", to="a team"), SERIES],
        "absence": 0.1,
    }
    return scenario(**given | values)


SERIES = {"key": "s", "body": "x", "to": "an agent", "every_min": 5, "start": "09:00", "until": "18:00"}
FLOOR = people(20) + [Agent(f"b{n}", f"B {n}", "Green") for n in range(20)]


def shifts_of(day: Plan, agent_ids) -> list:
    return [change for change in (*day.opening, *day.changes) if change.agent_id in agent_ids]


def test_one_message_more_changes_no_other():
    before = plan(rich(), 3, agents=FLOOR)
    given = rich().messages
    more = rich(messages=[message("08:00", to="an agent"), *(one.model_dump(exclude_none=True) for one in given)])
    after = plan(more, 3, agents=FLOOR)
    assert [send for send in after.sends if send.draft.request_id != "m08:00"] == list(before.sends)
    assert after.changes == before.changes


def test_one_agent_more_changes_no_other_and_only_takes_some_picks():
    before, after = plan(rich(), 3, agents=FLOOR), plan(rich(), 3, agents=[Agent("a00", "New", "Red"), *FLOOR])
    everyone = {agent.agent_id for agent in FLOOR}
    assert shifts_of(after, everyone) == shifts_of(before, everyone)
    for one, other in zip(before.sends, after.sends, strict=True):
        picked = other.draft.audience
        assert other == one or picked.agents == ("a00",) or picked.filter == Filter(team=("Red",))
    assert before.sends != after.sends, "the newcomer is picked now and then"


def test_a_made_up_floor_keeps_its_agents_when_it_grows():
    small, large = (rich(floor={"agents": n, "teams": 3}) for n in (99, 101))
    assert plan(large, 1).agents[:2] == plan(small, 1).agents[:2]
    assert {agent.agent_id for agent in plan(small, 1).agents} < {agent.agent_id for agent in plan(large, 1).agents}


def test_one_break_more_moves_no_other():
    def lunches(made: Scenario) -> dict[str, int]:
        return {c.agent_id: c.at for c in plan(made, 3, agents=FLOOR).changes if c.reason == "lunch"}

    lunch = rich().breaks[0].model_dump()
    tea = LUNCH | {"reason": "tea", "after_min": 400, "length_min": 5}
    assert lunches(rich(breaks=[tea, lunch], unplanned_breaks={"per_hour": 0})) == lunches(
        rich(breaks=[lunch], unplanned_breaks={"per_hour": 0})
    )


@pytest.mark.parametrize("values", [{"policy": {"toast_seconds": 30.0}}, {"attention": CERTAIN | {"tau_s": 9.0}}])
def test_a_policy_changes_nothing_that_is_planned(values):
    before, after = plan(rich(), 3, agents=FLOOR), plan(rich(**values), 3, agents=FLOOR)
    assert (before.opening, before.changes, before.sends) == (after.opening, after.changes, after.sends)


def test_the_order_of_agents_and_messages_does_not_matter():
    backwards = rich(messages=[one.model_dump(exclude_none=True) for one in reversed(rich().messages)])
    before, after = plan(rich(), 3, agents=FLOOR), plan(backwards, 3, agents=list(reversed(FLOOR)))
    assert (before.agents, before.changes, before.sends) == (after.agents, after.changes, after.sends)


def test_seeds_and_days_differ():
    days = [plan(rich(), seed, day=date(2026, 3, day), agents=FLOOR) for seed in (1, 2) for day in (2, 3)]
    assert len({tuple(c.at % (24 * HOUR) for c in day.changes) for day in days}) == 4


# --- messages ---


def test_a_series_and_its_names():
    made = scenario(messages=[{"key": "s", "body": "x", "every_min": 30, "start": "23:00", "until": "00:30"}])
    day = plan(made, 1, agents=people(1))
    assert [(send.at, send.draft.request_id) for send in day.sends] == [
        (at(23), "s#0"),
        (at(23, 30), "s#1"),
        (at(24), "s#2"),
    ]
    assert {send.sender for send in day.sends} == {SENDER}


def test_a_series_may_last_until_the_clear_down():
    made = scenario(messages=[{"key": "s", "body": "x", "every_min": 30, "start": "02:00", "until": "03:00"}])
    assert [send.at for send in plan(made, 1, agents=people(1)).sends] == [at(26), at(26, 30)]


def test_an_expiry_is_never_after_the_clear_down():
    made = scenario(messages=[message("02:50", expires_after_min=30), message("02:20", expires_after_min=30)])
    assert [send.draft.expires_at for send in plan(made, 1, agents=people(1)).sends] == [at(26, 50), at(27)]


def test_who_is_not_on_the_floor_is_named_before_the_day_is_played():
    gone = Agent("z9", "Zed", "Blue", active=False)
    made = scenario(
        messages=[
            message("10:00", to={"agents": ["a01", "nobody", "z9"]}),
            message("11:00", to={"filter": {"team": ["Blue", "Bleu"], "state": ["break"]}}),
        ]
    )
    with pytest.raises(ScenarioError) as caught:
        plan(made, 1, agents=[*people(2), gone])
    said = caught.value.message
    assert "messages[0].to: agent 'nobody' is not on the roster" in said
    assert "messages[0].to: agent 'z9' is inactive" in said
    assert "messages[1].to: there is no team 'Bleu'" in said


def test_a_message_that_nobody_can_get_is_not_sent_and_that_is_on_record():
    made = scenario(
        messages=[message("10:00", to={"filter": {"team": ["Old"]}}), message("11:00"), message("08:00", to="a team")]
    )
    agents = [*people(1), Agent("z9", "Zed", "Old", active=False)]
    events = play(plan(made, 1, agents=agents))
    assert [event.message.request_id for event in events if isinstance(event, Sent)] == ["m08:00", "m11:00"]
    (record,) = (event for event in events if isinstance(event, Audited))
    assert (record.action, record.happened_at, record.detail["request_id"]) == ("not_sent", at(10), "m10:00")


@pytest.mark.parametrize("agents", [[], [Agent("z9", "Zed", "Old", active=False)]])
def test_a_floor_without_anybody_is_a_quiet_day(agents):
    events = play(plan(rich(), 1, agents=agents))
    assert not [event for event in events if isinstance(event, Sent)]


def test_when_everybody_is_absent_nobody_reads():
    day = plan(rich(absence=1.0), 1, agents=FLOOR)
    assert day.opening == day.changes == ()
    sent = [event for event in play(day) if isinstance(event, Sent)]
    assert len(sent) == len(day.sends) and not any(any(event.notified) for event in sent)


def test_a_practice_floor_starts_at_its_time_of_day():
    assert practice_start(scenario(practice_from="10:30"), date(2026, 3, 2)) == at(10, 30)
    assert practice_start(scenario(practice_from="01:00"), date(2026, 3, 2)) == at(25)


def test_a_shift_of_named_teams_is_worked_by_them_alone():
    floor = [
        *people(40, team="Blue"),
        *(dataclasses.replace(one, agent_id=f"r{one.agent_id}", team="Red") for one in people(40)),
    ]
    early, late = {"start": "08:00", **EXACT}, {"start": "14:00", **EXACT}
    apart = scenario(shifts=[early | {"teams": ["Blue"]}, late | {"teams": ["Red"], "share": 2.0}])
    came = {change.agent_id: change.at for change in reversed(plan(apart, 1, agents=floor).changes)}
    assert {came[one.agent_id] for one in floor if one.team == "Blue"} == {at(8)}
    assert {came[one.agent_id] for one in floor if one.team == "Red"} == {at(14)}
    # A shift of all is open to each team beside its own; who works what does not hang on the other team.
    mixed = scenario(shifts=[early, late | {"teams": ["Red"]}])
    came = {change.agent_id: change.at for change in reversed(plan(mixed, 1, agents=floor).changes)}
    assert {came[one.agent_id] for one in floor if one.team == "Blue"} == {at(8)}
    red = [one for one in floor if one.team == "Red"]
    assert {came[one.agent_id] for one in red} == {at(8), at(14)}
    alone = {change.agent_id: change.at for change in reversed(plan(mixed, 1, agents=red).changes)}
    assert alone == {one.agent_id: came[one.agent_id] for one in red}
    # Named by all, teams change nothing.
    same = [shift | {"teams": ["Blue", "Red"]} for shift in (early, late)]
    both, plain = (plan(scenario(shifts=shifts), 3, agents=floor).changes for shifts in (same, [early, late]))
    assert both == plain


def test_teams_that_are_not_there_and_teams_without_a_shift_are_named():
    one = {"start": "08:00", "teams": ["Blue", "Grene"]}
    with pytest.raises(ScenarioError, match=r"shifts\[0\]\.teams: there is no team 'Grene'"):
        plan(scenario(shifts=[one]), 1, agents=people(3))
    floor = [*people(3), dataclasses.replace(people(1)[0], agent_id="z", team="Red")]
    with pytest.raises(ScenarioError, match="no shift is for the team 'Red'"):
        plan(scenario(shifts=[one | {"teams": ["Blue"]}]), 1, agents=floor)
    gone = [*people(3), dataclasses.replace(floor[-1], active=False)]
    assert plan(scenario(shifts=[one | {"teams": ["Blue"]}]), 1, agents=gone).changes


def test_breaks_that_come_once_in_more_than_an_age_are_none():
    seldom, never = (
        plan(scenario(unplanned_breaks={"per_hour": rate}), 1, agents=people(20)).changes for rate in (2.4e-299, 0.0)
    )
    assert seldom == never and len(never) == 40
