"""``fit``: known attentions are found again from the logs they made, and a log that tells nothing is refused."""

from __future__ import annotations

import doctest
import json
import tomllib
from typing import Any

import numpy as np
import pytest
from scipy import stats

import coachsim
from coachsim import CoachsimError, MessageLog, Scenario, fit, open_log, simulate
from coachsim.errors import InvalidInput, NotEnoughEvidence
from coachsim.fitting import Fitted, goodness, replay
from coachsim.scenario import Attention
from tests.unit.analysis_logs import PaperFloor, log_of
from tests.unit.days_of import CERTAIN, scenario

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

# Two floors whose people are unlike the defaults and unlike each other.
QUICK = {
    "tau_s": 6.0,
    "fatigue": 0.03,
    "open_median_s": 10.0,
    "open_sigma": 0.6,
    "occupancy": 0.4,
    "call_mean_s": 180.0,
    "bell_median_s": 1_500.0,
    "bell_sigma": 0.7,
    "bell_never": 0.2,
    "ack_median_s": 20.0,
    "ack_sigma": 0.9,
    "ack_never": 0.12,
}
BUSY = {
    "tau_s": 14.0,
    "fatigue": 0.01,
    "open_median_s": 40.0,
    "open_sigma": 0.5,
    "occupancy": 0.75,
    "call_mean_s": 420.0,
    "bell_median_s": 600.0,
    "bell_sigma": 1.2,
    "bell_never": 0.1,
    "ack_median_s": 5.0,
    "ack_sigma": 0.5,
    "ack_never": 0.05,
}
WEEKS, DAYS = 12, 4


def floor(attention: dict[str, Any], **values: Any) -> Scenario:
    """Forty people, some of them in late, on breaks and out early, and a message every twenty minutes."""
    given = {
        "floor": {"agents": 40, "teams": 4},
        "absence": 0.05,
        "shifts": [{"start": "09:00"}, {"start": "11:00", "length_h": 7.0}],
        "breaks": [{"reason": "lunch", "after_min": 150, "length_min": 40, "waves": 3, "wave_gap_min": 45}],
        "unplanned_breaks": {"per_hour": 0.2},
        "messages": [
            {"key": "tip", "body": "Hello", "start": "08:40", "every_min": 40, "until": "18:00", "ack_required": True},
            {
                "key": "offer",
                "body": "Now",
                "start": "09:10",
                "every_min": 60,
                "until": "18:00",
                "expires_after_min": 50,
            },
            {"key": "down", "body": "Stop", "start": "10:20", "every_min": 180, "until": "18:00", "priority": "urgent"},
        ],
    }
    return scenario(attention=attention, **(given | values))


def weeks(made: Scenario, many: int) -> tuple[MessageLog, list[list[str]]]:
    """So many weeks of the floor in one log, and the labels of each one's days."""
    log = simulate(made, seed=7, days=many * DAYS, player="arrays")
    labels = [day for day in log.days()["day"].tolist() if day][: many * DAYS]
    return log, [labels[start : start + DAYS] for start in range(0, len(labels), DAYS)]


@pytest.fixture(scope="module")
def quick() -> MessageLog:
    return weeks(floor(QUICK), 2)[0]


def standard_score(row: Any, truth: float) -> float:
    """How many standard errors the estimate is from the truth, on the scale of its interval."""
    scale = np.log if row.unit.startswith(("seconds", "of the log")) else lambda share: np.log(share / (1 - share))
    error = (scale(row.high) - scale(row.low)) / (2 * 1.96)
    return float((scale(row.estimate) - scale(truth)) / error)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("attention", [QUICK, BUSY], ids=["quick", "busy"])
def test_known_attentions_are_found_again_within_the_intervals(attention):
    """Of twelve weeks, each number's interval misses the truth 0.6 times on average, and more than five times once in
    100,000. The mean of its twelve standard scores is beyond 1.41 once in a million. The seeds are fixed, so the
    outcome of this test is too."""
    log, blocks = weeks(floor(attention), WEEKS)
    missed = dict.fromkeys(attention, 0)
    scores: dict[str, list[float]] = {name: [] for name in attention}
    for days in blocks:
        fitted = fit(log, days=days)
        assert fitted.days == tuple(days)
        for row in fitted.table.itertuples():
            assert row.basis == "the log", f"{row.parameter}: {row.basis}"
            truth = attention[row.parameter]
            missed[row.parameter] += not row.low <= truth <= row.high
            if row.low > 0:  # a share whose interval reaches down to none has no logarithm
                scores[row.parameter].append(standard_score(row, truth))
    assert max(missed.values()) <= stats.binom.ppf(1 - 1e-5, WEEKS, 0.05), missed
    assert sum(missed.values()) <= stats.binom.ppf(1 - 1e-5, WEEKS * len(attention), 0.05), missed
    for name, found in scores.items():
        assert abs(np.mean(found)) < stats.norm.ppf(1 - 5e-7) / np.sqrt(len(found)), (name, found)


def test_shares_of_nothing_are_found_to_be_nothing_and_what_they_leave_open_is_assumed():
    none = QUICK | {"fatigue": 0.0, "occupancy": 0.0, "bell_never": 0.0}
    log, _ = weeks(floor(none), 1)
    rows = {row.parameter: row for row in fit(log).table.itertuples()}
    for name in ("fatigue", "occupancy", "bell_never"):
        assert rows[name].low == 0 <= rows[name].estimate < 0.05
        assert rows[name].high < 0.1
    # Nobody was on a call: nothing can tell how long calls are.
    assert rows["call_mean_s"].estimate == Attention().call_mean_s
    assert np.isnan(rows["call_mean_s"].low)
    assert rows["call_mean_s"].basis == "assumed: the log cannot tell it from the other numbers"
    assert rows["open_median_s"].low <= 10.0 <= rows["open_median_s"].high


def test_toasts_that_nobody_misses_say_how_fast_they_are_noticed_at_least():
    log, _ = weeks(floor(QUICK | {"tau_s": 0.5}), 1)
    tau = fit(log).table.set_index("parameter").loc["tau_s"]
    assert np.isnan(tau.low)
    assert tau.estimate < tau.high < 2.5


# --- what is said of it ---


@pytest.fixture(scope="module")
def fitted(quick: MessageLog) -> Fitted:
    return fit(quick, by="team")


def test_it_says_what_it_stands_on(quick, fitted):
    (counted,) = quick.sql("SELECT count(*) AS sent, count(DISTINCT agent_id) AS agents FROM deliveries").itertuples()
    read = "SELECT DISTINCT agent_id, read_at FROM deliveries WHERE notified_at < read_at"
    (looks,) = quick.sql(f"SELECT count(*) AS n FROM ({read})")["n"]
    assert (fitted.deliveries, fitted.agents, fitted.looks) == (counted.sent, counted.agents, looks)
    assert len(fitted.days) == 2 * DAYS
    assert f"{counted.sent:,} deliveries to 40 agents, read at {looks:,} looks, 8 days" in repr(fitted)
    toasts = quick.sql("SELECT count(*) AS n FROM deliveries WHERE toast_at < coalesce(read_at, lost_at)")["n"][0]
    table = fitted.table.set_index("parameter")
    assert table.loc["tau_s", "evidence"] == toasts
    asked = "SELECT count(read_at) AS n FROM deliveries JOIN messages USING (message_id) WHERE ack_required"
    assert table.loc["ack_never", "evidence"] == quick.sql(asked)["n"][0]
    assert table.index.tolist() == list(Attention.model_fields)


def test_a_scenario_takes_it(fitted):
    made = floor({})
    variant = made.model_copy(update={"attention": fitted.attention})
    assert Scenario.from_dict(tomllib.loads(variant.to_toml())).attention == fitted.attention
    plain = {key: value for key, value in made.model_dump(mode="json").items() if key != "attention"}
    plain["floor"] = {"agents": 40}
    for part in (tomllib.loads(fitted.to_toml()), json.loads(fitted.to_json())):
        assert Scenario.from_dict(plain | part).attention == fitted.attention
    assert fitted.to_toml().startswith("# Learned from ")


def test_each_team_has_its_own_with_wider_intervals(fitted):
    assert fitted.teams is not None
    assert sorted(fitted.teams) == ["Team 1", "Team 2", "Team 3", "Team 4"]
    assert sum(team.deliveries for team in fitted.teams.values()) == fitted.deliveries
    assert sum(team.agents for team in fitted.teams.values()) == 40
    whole = fitted.table.set_index("parameter").loc["open_median_s"]
    for team in fitted.teams.values():
        own = team.table.set_index("parameter").loc["open_median_s"]
        assert own.high / own.low > whole.high / whole.low
        assert own.low < 10.0 * 1.5 and own.high > 10.0 / 1.5


def test_a_team_of_which_little_is_known_has_none(quick):
    thin = fit(quick, days=quick.days()["day"].tolist()[:1], by="team")
    assert thin.teams is not None
    assert thin.looks > 200
    assert thin.teams == {}


def test_what_is_known_is_not_learned(quick):
    given = fit(quick, known={"call_mean_s": 180.0, "occupancy": 0.4})
    rows = given.table.set_index("parameter")
    assert rows.loc["call_mean_s", ["estimate", "basis"]].tolist() == [180.0, "known"]
    free = fit(quick).table.set_index("parameter").loc["open_median_s"]
    own = rows.loc["open_median_s"]
    assert own.high / own.low < free.high / free.low
    for known in ({"patience": 1.0}, {"occupancy": 1.5}):
        with pytest.raises(InvalidInput):
            fit(quick, known=known)
    with pytest.raises(InvalidInput, match="'by' is 'team' or nothing"):
        fit(quick, by="queue")  # type: ignore[arg-type]


def test_without_toasts_only_bells_are_learned():
    """Everybody comes after the messages: the log says nothing of toasts, and the table says so."""
    late = floor(QUICK, messages=[{"key": f"m{n}", "body": "Hello", "at": f"0{4 + n}:00"} for n in range(4)])
    with simulate(late, seed=3, days=10, player="arrays") as log:
        rows = fit(log, assumed=Attention(tau_s=5.5)).table.set_index("parameter")
    assert rows.loc["tau_s", ["estimate", "basis"]].tolist() == [
        5.5,
        "assumed: 0 deliveries tell of it, 50 are the least",
    ]
    assert set(rows.index[rows.basis == "the log"]) == {"bell_median_s", "bell_sigma", "bell_never"}
    assert rows.loc["bell_median_s", "low"] <= 1_500.0 <= rows.loc["bell_median_s", "high"]


def test_the_examples_give_what_they_say(quick):
    for function in (fit, replay):
        (example,) = doctest.DocTestFinder(recurse=False).find(
            function,
            function.__name__,
            globs={"log": quick, "scenario": floor({}), "fit": fit, "replay": replay, "Attention": Attention},
        )
        assert doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(example).failed == 0
    assert coachsim.fit is fit


# --- what is refused ---


def refusal(log: MessageLog, **more: Any) -> str:
    with pytest.raises(CoachsimError) as caught:
        fit(log, **more)
    assert isinstance(caught.value, NotEnoughEvidence)
    assert caught.value.message.endswith(".") and "nan" not in caught.value.message.lower()
    return caught.value.message


def test_a_day_that_is_not_over_and_a_log_of_nothing_are_refused_in_a_sentence(tmp_path, quick):
    floor_of_paper = PaperFloor()
    with log_of(tmp_path, floor_of_paper.events) as log:
        assert "No day of this log is over yet" in refusal(log)
    assert "None of the days asked for is over yet" in refusal(quick, days=["2031-01-01"])


def test_a_thin_log_is_refused_with_its_counts(tmp_path):
    floor_of_paper = PaperFloor()
    floor_of_paper.night()
    with log_of(tmp_path, floor_of_paper.events) as log:
        assert "too thin to learn from: its 12 deliveries were read at 5 looks by 3 agents" in refusal(log)


def test_a_day_on_which_nothing_was_read_or_sent_is_refused():
    unread = floor(QUICK | {"tau_s": 1e6, "fatigue": 1.0, "bell_never": 1.0})
    with simulate(unread, seed=1, player="arrays") as log:
        assert "none was read after its agent had been told of it" in refusal(log)
    with simulate(floor(QUICK, messages=[]), seed=1, player="arrays") as log:
        assert "Nothing was sent on these days" in refusal(log)


# --- replayed ---


def test_people_without_chance_read_a_replayed_day_when_they_read_the_real_one():
    made = floor(CERTAIN)
    with simulate(made, seed=5, days=3) as log:
        once = log.deliveries()
        anew = replay(log, made.attention, seeds=[1])
    assert len(anew) == len(once)
    both = once.merge(anew, on=["message_id", "agent_id"], suffixes=("", "_anew"))
    assert len(both) == len(once)
    assert both["read_at"].notna().sum() > 1_000
    assert both["read_at"].isna().sum() > 50
    assert both["read_at"].equals(both["read_at_anew"])


def test_the_same_people_lose_as_much_in_replays_as_in_simulated_weeks(quick):
    """Each day's lost rate, of the log's eight days and of forty replayed weeks: equal means, up to five errors."""
    once = quick.deliveries().groupby("day")["read_at"].apply(lambda read: read.isna().mean())
    anew = replay(quick, floor(QUICK).attention, seeds=range(40)).groupby(["seed", "day"])["read_at"]
    rates = anew.apply(lambda read: read.isna().mean()).unstack()
    apart = once - rates.mean()
    assert abs(apart.mean()) < 5 * rates.std().mean() / np.sqrt(len(once))


def test_the_picture_fits_the_fitted_and_not_another(quick, fitted):
    rows = goodness(quick, fitted)
    assert rows["what"].nunique() == 3
    assert (rows["low"] <= rows["expected"] + 1e-12).all() and (rows["expected"] <= rows["high"] + 1e-12).all()
    assert (rows["observed"] - rows["expected"]).abs().max() < 0.06
    wrong = Fitted(
        **{name: getattr(fitted, name) for name in ("parameters", "policy", "days", "agents", "deliveries", "looks")},
        attention=fitted.attention.model_copy(update={"bell_median_s": 300.0}),
    )
    apart = goodness(quick, wrong)
    assert (apart["observed"] - apart["expected"]).abs().max() > 0.15


def test_of_some_days_it_is_the_same_whether_they_were_asked_for_or_fetched(quick):
    """A part of a log, as a server gives it, knows where people were when its first day began."""
    labels = quick.days()["day"].tolist()[2:4]
    with open_log(quick.where, from_day=labels[0], to_day=labels[1]) as part:
        fetched = fit(part, policy=fit(quick, days=labels).policy)
    assert fetched.attention == fit(quick, days=labels).attention
    assert fetched.days == tuple(labels)
