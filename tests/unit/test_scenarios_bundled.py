"""The bundled scenarios: each loads, plays, can be practised on, and is what its name says."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest

from coachsim.days import MINUTE, SECOND
from coachsim.evaluate import evaluate
from coachsim.experiment import compare, sweep
from coachsim.models import AgentState
from coachsim.outcome import NEVER, Outcome
from coachsim.plan import Plan, floor_of, plan, practice_start
from coachsim.practice import Practice
from coachsim.scenario import Scenario

FOLDER = Path(__file__).parents[2] / "data" / "scenarios"
NAMES = sorted(path.stem for path in FOLDER.glob("*.toml"))
SEEDS = range(1, 6)


def load(name: str) -> Scenario:
    return Scenario.load(FOLDER / f"{name}.toml")


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Some days of each."""
    return {name: evaluate(load(name), SEEDS) for name in NAMES}


def of(outcome: Outcome, key: str) -> np.ndarray:
    """Which deliveries are of the message, or of the series, with this key."""
    return np.array([name.split("#")[0] == key for name in outcome.messages])[outcome.message]


def read_within(outcome: Outcome, key: str, minutes: float) -> float:
    """The share of a message's recipients who read it so many minutes after it was sent, or sooner."""
    those = of(outcome, key)
    soon = (outcome.read_at != NEVER) & (outcome.read_at - outcome.sent_at <= minutes * MINUTE)
    return float(soon[those].mean())


def breaks_of(day: Plan) -> list[tuple[int, int]]:
    """When breaks begin (+1) and end (−1), in order."""
    steps, on_break = [], set()
    for change in (*day.opening, *day.changes):
        if change.state is AgentState.BREAK:
            on_break.add(change.agent_id)
            steps.append((change.at, 1))
        elif change.agent_id in on_break:
            on_break.remove(change.agent_id)
            steps.append((change.at, -1))
    return steps


def most_on_break(day: Plan) -> int:
    return max(accumulate(step for _, step in breaks_of(day)))


def time_on_break(day: Plan) -> int:
    """µs, of all agents together; for a day at whose end nobody is on a break."""
    return -sum(at * step for at, step in breaks_of(day))


# --- all of them ---


def test_there_are_five_with_names_and_words_of_their_own():
    assert len(NAMES) >= 5
    scenarios = [load(name) for name in NAMES]
    assert len({scenario.name for scenario in scenarios}) == len({scenario.description for scenario in scenarios})
    assert all(scenario.description for scenario in scenarios)


@pytest.mark.parametrize("name", NAMES)
def test_every_message_goes_to_somebody_and_most_are_read(outcomes, name):
    outcome = outcomes[name]
    for rep in range(len(SEEDS)):
        assert set(outcome.message[outcome.rep == rep]) == set(range(len(outcome.messages)))
    assert 0.75 < float((outcome.read_at != NEVER).mean()) < 0.99


@pytest.mark.parametrize("name", NAMES)
def test_the_data_dictionary_says_what_it_is_for(repository: Path, name: str):
    assert f"| `scenarios/{name}.toml` | " in (repository / "data" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
async def test_a_practice_floor_starts_with_people_in_and_something_sent_and_something_to_come(tmp_path, name: str):
    scenario = load(name)
    practice = await Practice.open(tmp_path, scenario, seed=1, speed=0.1, today=scenario.date)
    try:
        floor = practice.host.floor
        assert practice.host.now() - practice_start(scenario, scenario.date) < MINUTE
        assert sum(row.state is AgentState.LOGGED_IN for row in floor.agents.values()) >= 10
        sends = plan(scenario, 1).sends
        assert 0 < len(floor.messages) < len(sends)
        soon = practice.host.now() + 60 * MINUTE
        assert any(practice.host.now() < send.at < soon for send in sends), "at ×60 something comes within a minute"
    finally:
        await practice.close()


# --- each what it is ---


def test_staggered_breaks_take_as_long_and_leave_the_floor_fuller():
    staggered = load("staggered_breaks")
    together = staggered.model_copy(
        update={"breaks": tuple(one.model_copy(update={"waves": 1}) for one in staggered.breaks)}
    )
    for seed in SEEDS:
        one, other = plan(staggered, seed), plan(together, seed)
        # Not to the second: a break that would run into an unplanned one is pushed back or cut.
        assert time_on_break(one) == pytest.approx(time_on_break(other), rel=0.01)
        assert most_on_break(one) < 0.3 * 250 < 0.7 * 250 < most_on_break(other)
    one, other = evaluate(staggered, SEEDS), evaluate(together, SEEDS)
    assert read_within(one, "card-outage", 15) > read_within(other, "card-outage", 15) + 0.2


def test_the_night_shift_sits_through_the_clear_down_that_takes_its_messages(outcomes):
    scenario, outcome = load("night_shift"), outcomes["night_shift"]
    late = of(outcome, "road-closure")
    missed = np.zeros(len(late), dtype=bool)
    for rep, seed in enumerate(SEEDS):
        day = plan(scenario, seed)
        there = [agent.agent_id in day.states_at(day.day.ends_at - 1) for agent in outcome.agents]
        tomorrow = set(day.states_at(day.day.ends_at))
        still_there = np.array(there) & np.array([agent.agent_id in tomorrow for agent in outcome.agents])
        missed |= (outcome.rep == rep) & still_there[outcome.agent] & (outcome.lost_at == day.day.ends_at)
    assert 0.1 < missed[late].mean() == (outcome.lost_at[late] != NEVER).mean(), "all who lost it were there"
    assert (outcome.lost_at[of(outcome, "fuel-cards")] != NEVER).mean() < 0.05, "an hour earlier was soon enough"
    assert (outcome.lost_at[of(outcome, "ice-warning")] != NEVER).mean() < 0.05, "and half an hour later too"


def test_a_clear_down_between_the_shifts_loses_the_night_shift_nothing(outcomes):
    scenario = load("night_shift")
    outcome = evaluate(scenario.model_copy(update={"clear_down": "06:30"}), SEEDS)
    assert (outcome.lost_at[of(outcome, "road-closure")] != NEVER).mean() < 0.05


def test_the_overload_is_some_sixty_messages_each_and_the_last_are_read_late(outcomes):
    weekday, overload = outcomes["weekday"], outcomes["campaign_overload"]
    each = [len(one) / len(one.agents) / len(SEEDS) for one in (weekday, overload)]
    assert 6 < each[0] < 8
    assert 55 < each[1] < 70
    assert read_within(overload, "evening", 5) < read_within(weekday, "evening", 5) - 0.1
    # Of those who had a toast: the rest hear of it when they come in or back, whatever else there was.
    assert _read_soon_after_toast(overload, "evening") < _read_soon_after_toast(weekday, "evening") - 0.1


def test_the_overload_is_the_weekday_with_more_messages():
    weekday, overload = load("weekday"), load("campaign_overload")
    same = {"name", "description", "messages"}
    assert overload.model_dump(exclude=same) == weekday.model_dump(exclude=same)
    assert overload.messages[: len(weekday.messages)] == weekday.messages


def _read_soon_after_toast(outcome: Outcome, key: str) -> float:
    those = of(outcome, key) & (outcome.toast_at != NEVER)
    return float(((outcome.read_at != NEVER) & (outcome.read_at - outcome.toast_at < 300 * SECOND))[those].mean())


def test_on_the_monday_one_in_six_is_absent_and_loses_what_everybody_had_to_know(outcomes):
    monday, weekday = load("monday_absences"), load("weekday")
    assert (monday.shifts, monday.breaks, monday.date.weekday()) == (weekday.shifts, weekday.breaks, 0)
    assert monday.attention.occupancy > weekday.attention.occupancy
    people = len([agent for agent in floor_of(monday) if agent.active]) * len(SEEDS)
    absent = {
        scenario.name: sum(not one.starts for seed in SEEDS for one in plan(scenario, seed).presence.values()) / people
        for scenario in (monday, weekday)
    }
    assert 0.13 < absent[monday.name] < 0.20
    assert absent[weekday.name] < 0.08
    lost = (outcomes["monday_absences"].lost_at != NEVER)[of(outcomes["monday_absences"], "new-terms")].mean()
    assert absent[monday.name] <= lost < absent[monday.name] + 0.03


# --- what is asked of them: one message among many ---


def test_one_message_alone_can_be_compared_and_swept():
    """Of a series all sends count; everything else is sent all the same, so what it does to this one stays in."""
    weekday, overload = load("weekday"), load("campaign_overload")
    table = compare(weekday, overload, replications=5, message="evening", progress=False)
    found = table.set_index(["variant", "measure"]).value
    outcomes = [evaluate(scenario, range(1, 6)) for scenario in (weekday, overload)]
    for name, outcome in zip((weekday.name, overload.name), outcomes, strict=True):
        assert found[name, "sent"] == of(outcome, "evening").sum() / 5
    assert found[overload.name, "p90_read_s"] > found[weekday.name, "p90_read_s"] > 60
    table = sweep(weekday, {"absence": [0.06, 0.5]}, replications=5, message="team-tip", progress=False)
    found = table.set_index(["absence", "measure"]).value
    assert found[0.06, "sent"] == of(evaluate(weekday, range(1, 6)), "team-tip").sum() / 5
    assert found[0.5, "lost_rate"] > 0.4
