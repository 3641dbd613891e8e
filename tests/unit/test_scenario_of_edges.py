"""``scenario_of`` at the edges: one day, a day that is not over, nobody, one agent, nights; and a day's messages."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coachsim import CoachsimError, MessageLog, Scenario, simulate
from coachsim.errors import InvalidInput, NotEnoughEvidence
from coachsim.events import StateChanged
from coachsim.fitting import scenario_of
from coachsim.fitting.clusters import groups
from coachsim.models import Audience, Filter, Priority
from coachsim.plan import draw, plan
from coachsim.roster import load
from coachsim.scenario import Attention
from coachsim.simulation import play, write_log
from tests.unit.analysis_logs import EVERYONE, PaperFloor, log_of
from tests.unit.days_of import EXACT, LUNCH, message, scenario
from tests.unit.floors import AGENTS, BREAK, HOUR, IN, MINUTE, OUT, TEN, Desk, team
from tests.unit.test_plan import ANY, scenarios

pytestmark = pytest.mark.timeout(300)
USUAL = Attention.model_validate({})
NIGHTS = scenario(
    floor={"agents": 60, "teams": 3},
    shifts=[{"start": start, "length_h": 8.25, **EXACT} for start in ("06:00", "14:00", "22:00")],
    breaks=[LUNCH],
)


def patterns(made: Scenario) -> list[tuple[str, float]]:
    return [(shift.start, shift.length_h) for shift in made.shifts]


def until(made: Scenario, tmp_path, days: int, at: int) -> MessageLog:
    """The log of a floor whose clock has come to ``at``, on a day that is not over."""
    day = plan(made, 1)
    path = tmp_path / "log.duckdb"
    write_log(day, [event for event in play(day, days) if event.happened_at <= at], path)
    return MessageLog.open(path)


def paper(tmp_path, desk: Desk, **more):
    with log_of(tmp_path, desk.events) as log:
        return scenario_of(log, attention=USUAL, **more)


# --- days and nights ---


def test_one_day_tells_how_long_the_night_shift_is_by_those_who_leave_in_the_morning():
    """In at 22:00 of one night, out at 06:15 after the one before: no shift is seen from its start to its end."""
    with simulate(NIGHTS, seed=3) as log:
        learned = scenario_of(log)
    assert patterns(learned.scenario) == [("06:00", 8.25), ("14:00", 8.25), ("22:00", 8.25)]
    assert (learned.assumed, learned.fitted) == ((), None)
    assert learned.scenario.attention == USUAL
    assert learned.scenario.description == (
        "60 agents on 2026-03-02; shifts and breaks from 1 day; 0 messages;"
        " attention as by default, since too little was read on days that are over."
    )


def test_nights_across_the_clear_down_are_one_shift_each():
    with simulate(NIGHTS, seed=3, days=4) as log:
        learned = scenario_of(log)
    made = learned.scenario
    assert patterns(made) == patterns(NIGHTS) and made.absence == 0
    assert sum(shift.share for shift in made.shifts) == 60
    assert [(one.reason, one.after_min, one.length_min, one.waves) for one in made.breaks] == [("lunch", 120, 30, 1)]
    assert made.unplanned_breaks.per_hour == 0
    # Played again, somebody is there at any time, the clear-down included.
    there = plan(made, 9, agents=learned.agents).states_at(draw(made, [9], agents=learned.agents).day.began_at)
    assert len(there) > 5


def test_a_clear_down_while_people_come_in_does_not_part_them():
    around = scenario(floor={"agents": 40}, shifts=[{"start": "03:00", "start_spread_min": 20.0}])
    with simulate(around, seed=2, days=5) as log:
        made = scenario_of(log).scenario
    assert len(made.shifts) == 1 and made.absence == 0
    assert made.shifts[0].start in ("02:55", "03:00", "03:05") and 15 < made.shifts[0].start_spread_min < 25


def test_of_a_day_that_is_not_over_what_it_cannot_tell_is_assumed_and_said(tmp_path):
    made = scenario(
        floor={"agents": 40},
        shifts=[{"start": "07:00", "length_h": 4, **EXACT}, {"start": "09:00", "length_h": 8, **EXACT}],
        messages=[message("10:00"), message("15:00")],
    )
    with until(made, tmp_path, 1, TEN + 2 * HOUR) as log:
        learned = scenario_of(log)
    assert patterns(learned.scenario) == [("07:00", 4.0), ("09:00", 8.0)]
    assert learned.assumed == ("absence", "lengths") and learned.scenario.absence == 0.06
    assert [one.at for one in learned.scenario.messages] == ["10:00"]
    said = learned.scenario.description
    assert "on 2026-03-02 as of 11:00; " in said, "the newest event was at 11:00"
    assert said.endswith("the share of absent agents is assumed; how long shifts last that are not over is assumed.")


def test_shifts_that_are_not_over_are_taken_to_be_like_the_longer_ones_that_are(tmp_path):
    made = scenario(floor={"agents": 40}, shifts=[{"start": at, "length_h": 8.5, **EXACT} for at in ("06:00", "09:00")])
    with until(made, tmp_path, 1, TEN + 5 * HOUR) as log:
        learned = scenario_of(log)
    assert patterns(learned.scenario) == [("06:00", 8.5), ("09:00", 8.5)]
    assert "lengths" in learned.assumed


def test_who_is_there_as_a_practice_floor_begins_started_no_shift_then(tmp_path):
    """A server peoples its floor in the first moments of the day, not at its very first."""
    day = plan(NIGHTS, 3)
    path = tmp_path / "log.duckdb"
    opening = {change.agent_id for change in day.opening}
    events = [
        replace(event, happened_at=event.happened_at + len(opening))
        if isinstance(event, StateChanged) and event.happened_at == day.day.began_at
        else event
        for event in play(day)
    ]
    assert opening
    write_log(day, sorted(events, key=lambda event: event.happened_at), path)
    with MessageLog.open(path) as log:
        assert patterns(scenario_of(log).scenario) == patterns(NIGHTS)


def test_of_a_day_that_is_not_over_earlier_days_tell_the_rest(tmp_path):
    made = scenario(
        floor={"agents": 200},
        absence=0.1,
        shifts=[{"start": "09:00", **EXACT}, {"start": "14:00", "length_h": 6, **EXACT}],
    )
    with until(made, tmp_path, 3, TEN + 2 * 24 * HOUR) as log:
        learned = scenario_of(log)
    assert learned.day == "2026-03-04" and len(learned.days) == 3
    assert patterns(learned.scenario) == [("09:00", 8.0), ("14:00", 6.0)] and learned.assumed == ()
    # The late shift of the open day is not absent, it has not begun: 5 standard errors of 400 agent-days.
    assert abs(learned.scenario.absence - 0.1) < 5 * 0.015
    early, late = (shift.share for shift in learned.scenario.shifts)
    assert abs(early - late) < 5 * 200**0.5


def test_a_day_on_which_the_floor_was_closed_is_no_absence(tmp_path):
    desk = PaperFloor()
    desk.night()
    for number in (1, 2, 3):
        desk.until(TEN + number * 24 * HOUR)
        if number != 2:  # on Wednesday nobody comes
            desk.log_in("a1", "a2", "a3", page=False)
            desk.wait(3 * HOUR)
            for agent_id in ("a1", "a2", "a3"):
                desk.state(agent_id, OUT)
    desk.until(TEN + 4 * 24 * HOUR)
    learned = paper(tmp_path, desk)
    # Four active agents, of whom the fourth never comes.
    assert [agent.agent_id for agent in learned.agents] == ["a1", "a2", "a3", "a4"]
    assert learned.scenario.absence == 0.25
    assert learned.day == "2026-03-05", "the newest day on which anything was"


# --- few and nobody ---


def test_the_first_who_logs_in_is_a_floor_at_that_very_moment(tmp_path):
    desk = Desk()
    desk.log_in("a1")
    learned = paper(tmp_path, desk)
    assert desk.events[-1].happened_at == desk.now, "nothing has happened since"
    assert learned.assumed == ("absence", "lengths")
    assert [shift.length_h for shift in learned.scenario.shifts] == [8.0]


def test_nobody_on_the_floor_and_nobody_on_the_roster_are_refused_in_a_sentence(tmp_path):
    with simulate(scenario(floor={"agents": 5}, absence=1.0), seed=1) as log, pytest.raises(NotEnoughEvidence) as said:
        scenario_of(log)
    assert said.value.message.startswith("Nobody logged in on these days")
    with simulate(scenario(floor={"agents": 0}), seed=1) as log, pytest.raises(NotEnoughEvidence) as said:
        scenario_of(log)
    assert said.value.message.startswith("No agent was on the roster on ")
    with log_of(tmp_path, []) as log, pytest.raises(CoachsimError, match="no day yet"):
        scenario_of(log)


def test_a_day_that_is_not_there_and_a_number_that_is_none_are_refused():
    with simulate(scenario(floor={"agents": 2}), seed=1) as log:
        with pytest.raises(InvalidInput, match="no day '2026-03-09'; its last is 2026-03-03"):
            scenario_of(log, day=date(2026, 3, 9))
        with pytest.raises(InvalidInput, match="whole number from 1"):
            scenario_of(log, days=0)


def test_a_floor_of_one_agent():
    one = scenario(floor={"agents": 1, "teams": 1}, breaks=[LUNCH], messages=[message("10:00", to="an agent")])
    with simulate(one, seed=1, days=2) as log:
        learned = scenario_of(log)
    made = learned.scenario
    assert (patterns(made), made.absence, made.shifts[0].share) == ([("09:00", 8.0)], 0, 1.0)
    assert [(b.reason, b.after_min, b.length_min) for b in made.breaks] == [("lunch", 120, 30)]
    with simulate(made, seed=4, agents=learned.agents) as log:
        assert log.deliveries()["agent_id"].tolist() == ["a01"]


# --- people ---


def test_who_comes_back_soon_is_on_the_same_shift_and_who_forgets_to_log_out_is_on_none(tmp_path):
    desk = Desk()
    desk.log_in("a1", "a2", page=False)
    desk.wait(HOUR)
    desk.state("a1", OUT)
    desk.wait(30 * MINUTE)
    desk.state("a1", IN)
    desk.wait(2 * HOUR)
    desk.state("a1", BREAK)
    desk.wait(10 * MINUTE)
    desk.state("a1", OUT)
    desk.wait(20 * HOUR)
    desk.state("a2", OUT)
    learned = paper(tmp_path, desk, day="2026-03-02")
    (shift,) = learned.scenario.shifts
    assert (shift.start, shift.length_h) == ("10:00", 3.67)
    assert {(one.reason, one.after_min, one.length_min) for one in learned.scenario.breaks} == {
        ("logged out", 60, 30),
        ("break", 210, 10),
    }


def test_agents_are_those_of_the_day(tmp_path):
    desk = PaperFloor()
    desk.night()
    desk.until(TEN + 24 * HOUR)
    desk.roster(replace(AGENTS[1], active=False))
    desk.log_in("a1", page=False)
    desk.wait(HOUR)
    assert [agent.agent_id for agent in paper(tmp_path, desk).agents] == ["a1", "a3", "a4"]
    monday = tmp_path / "monday"
    monday.mkdir()
    # Ann had moved to Green by the end of Monday.
    before = paper(monday, desk, day="2026-03-02").agents
    assert [(agent.agent_id, agent.team) for agent in before][:2] == [("a1", "Green"), ("a2", "Blue")]


# --- messages ---


def test_messages_are_those_that_were_sent_with_all_that_was_asked_of_them(tmp_path):
    desk = PaperFloor()
    made = paper(tmp_path, desk).scenario
    first, second, third, fourth = made.messages
    assert (first.at, first.to, first.ack_required, first.expires_after_min) == ("10:00", "everyone", True, None)
    assert (second.at, second.priority, second.expires_after_min) == ("10:10", "urgent", 30)
    # Ann has left Blue since: whom it went to is who gets it.
    assert second.to == {"agents": ["a1", "a2"]}
    assert third.to == {"agents": ["a2", "a3"]} and fourth.to == "everyone"
    assert [one.key for one in made.messages] == ["Hello", "Hello (2)", "Hello (3)", "Hello (4)"]


def test_an_audience_means_the_same_people_on_the_scenarios_floor(tmp_path):
    desk = Desk()
    desk.log_in("a1", "a2", "a3", page=False)
    sup, state = {"scope": {"Blue"}}, ("logged_in",)
    spring = Audience(filter=Filter(campaign=("Spring",)))
    reminded = desk.send(audience=team("Blue"), body="# Prices: a text that goes on for longer than a name may\nbe")
    for audience, more in (
        (EVERYONE, sup),  # of a supervisor who has only Blue
        (spring, sup),
        (spring, {}),
        (Audience(filter=Filter(team=("Blue",), state=state)), {}),
        (Audience(unread_of=reminded), {}),
        (Audience(agents=("a4",)), {"priority": Priority.URGENT}),
    ):
        desk.wait()
        desk.send(audience=audience, **more)
    desk.wait()
    desk._do(lambda at: desk.floor.set_agents(at, [replace(AGENTS[3], active=False)], actor="admin"))
    learned = paper(tmp_path, desk)
    made = learned.scenario
    assert [one.to for one in made.messages] == [
        {"filter": {"team": ["Blue"]}},
        {"filter": {"team": ["Blue"]}},
        {"filter": {"campaign": ["Spring"], "team": ["Blue"]}},
        {"filter": {"campaign": ["Spring"]}},
        {"filter": {"team": ["Blue"], "state": ["logged_in"]}},
        {"agents": ["a1", "a2"]},  # nobody had read it, in either
    ]
    assert learned.left_out == 1, "Di, who has been made inactive since"
    assert made.messages[0].key == "Prices: a text that goes on for longer …"
    draw(made, [1], agents=learned.agents)  # the floor has everyone that is named


# --- files ---


def test_it_is_saved_with_its_roster_beside_it_or_not_at_all(tmp_path):
    made = scenario(floor={"agents": 12, "teams": 2}, messages=[message("10:00", to={"filter": {"team": ["Team 1"]}})])
    with simulate(made, seed=1) as log:
        learned = scenario_of(log)
    path, csv = learned.save(tmp_path / "own" / "today.toml")
    assert csv.name == "today-roster.csv" and str(tmp_path) not in path.read_text(encoding="utf-8")
    assert load(csv) == list(learned.agents)
    again = Scenario.load(path)
    with simulate(again, seed=8) as one, simulate(learned.scenario, seed=8, agents=learned.agents) as other:
        assert one.deliveries().equals(other.deliveries()) and len(one.deliveries()) == 6
    path.unlink()
    with pytest.raises(InvalidInput, match=r"today-roster\.csv exists already"):
        learned.save(path)
    assert not path.exists()
    csv.unlink()
    path.write_text("mine")
    with pytest.raises(InvalidInput, match=r"today\.toml exists already"):
        learned.save(path)
    assert not csv.exists() and path.read_text() == "mine"


# --- groups of times ---


def test_times_fall_apart_at_valleys_that_chance_does_not_make():
    together = [540 + n % 21 - 10 for n in range(200)]
    assert len(groups(_floats(together))) == 1
    parts = groups(_floats([*together, *(minute + 30 for minute in together)]))
    assert [len(part) for part in parts] == [200, 200] and max(parts[0]) < 200
    # Far apart, one of each is enough.
    assert [len(part) for part in groups(_floats([540, 600]))] == [1, 1]
    # Too evenly spread to be one: by the hour.
    assert [len(part) for part in groups(_floats(range(480, 720)))] == [60] * 4
    assert groups(_floats([])) == []


def _floats(minutes: Iterable[float]) -> np.ndarray:
    return np.array(list(minutes), float)


# --- any floor ---


@settings(max_examples=25, deadline=None)
@given(made=scenarios(ANY), days=st.integers(1, 3), seed=st.integers(0, 99))
def test_of_any_floor_a_scenario_is_learned_that_can_be_played_or_it_is_said_why_not(made, days, seed):
    with simulate(made, seed=seed, days=days, player="arrays") as log:
        began_at = log.sql("SELECT min(began_at) AS began FROM days")["began"][0]
        came = log.sql("SELECT count(*) AS n FROM state_changes WHERE changed_at > ?", [began_at])["n"][0]
        try:
            learned = scenario_of(log, attention=USUAL)
        except NotEnoughEvidence as error:
            assert error.message.endswith(".") and (not made.floor.agents or "Nobody logged in" in error.message)
            return
    assert came
    assert Scenario.from_dict(tomllib.loads(learned.scenario.to_toml())) == learned.scenario
    assert plan(learned.scenario, seed, agents=learned.agents).scenario.time_zone == made.time_zone
