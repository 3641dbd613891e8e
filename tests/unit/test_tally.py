"""Tallies: what is counted, against counting one by one; parts against the whole; times to read against SciPy."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from coachsim.errors import InvalidInput, UnknownMessage
from coachsim.evaluate import evaluate
from coachsim.outcome import NEVER, Outcome
from coachsim.tally import FATES, GRID_S, MEASURES, NOT_REACHED, Tally, tally
from tests.unit.days_of import message, people, scenario
from tests.unit.outcomes import END, SECOND, outcome, outcomes, part

COUNTED = ("sent", "notified", "read", "acknowledged", "lost", "not_logged_in", "notified_unread")


def one_by_one(days: Outcome, **only: int) -> dict[str, int]:
    """The counts of the deliveries that have these numbers, each looked at by itself."""
    counts = dict.fromkeys(COUNTED, 0)
    for row in range(len(days)):
        if any(getattr(days, name)[row] != number for name, number in only.items()):
            continue
        notified, read, acknowledged = (
            getattr(days, name)[row] != NEVER for name in ("notified_at", "read_at", "acknowledged_at")
        )
        counts["sent"] += 1
        counts["notified"] += notified
        counts["read"] += read
        counts["acknowledged"] += acknowledged
        counts["lost"] += days.lost_at[row] != NEVER
        counts["not_logged_in"] += days.lost_at[row] != NEVER and not notified
        counts["notified_unread"] += days.lost_at[row] != NEVER and notified
    return counts


@given(outcomes())
def test_counts_are_those_of_counting_one_by_one(days: Outcome) -> None:
    found = tally(days)
    assert found.seeds == days.seeds
    for rep in range(len(days.seeds)):
        assert {name: getattr(found.totals, name)[rep] for name in COUNTED} == one_by_one(days, rep=rep)
        for number in range(len(days.messages)):
            mine = {name: getattr(found.of_messages, name)[rep, number] for name in COUNTED}
            assert mine == one_by_one(days, rep=rep, message=number)
        for number, team in enumerate(found.team_names):
            expected = [one_by_one(days, rep=rep, agent=n) for n, own in enumerate(found.teams) if own == team]
            for name in COUNTED:
                assert getattr(found.of_teams, name)[rep, number] == sum(counts[name] for counts in expected)
    for number in range(len(days.agents)):
        mine = {name: getattr(found.of_agents, name)[number] for name in COUNTED}
        assert mine == one_by_one(days, agent=number)


@given(outcomes())
def test_the_read_curve_counts_what_was_read_by_then(days: Outcome) -> None:
    found = tally(days)
    delay = days.read_at - days.sent_at
    for point in (0, 1, 7, 60, 300, len(GRID_S) - 1):
        by_then = (days.read_at != NEVER) & (delay <= GRID_S[point] * SECOND)
        for rep in range(len(days.seeds)):
            assert found.curve[rep, point] == (by_then & (days.rep == rep)).sum()
        for number in range(len(days.messages)):
            assert found.curve_by_message[number, point] == (by_then & (days.message == number)).sum()
    assert np.array_equal(found.curve[:, -1], found.totals.read)


def scipy_quantile(seconds: np.ndarray, was_read: np.ndarray, quantile: float) -> int:
    """The first second at which SciPy's estimate of the share still unread is down to 1 − quantile."""
    if not was_read.any():
        return NOT_REACHED
    estimate = stats.ecdf(stats.CensoredData(uncensored=seconds[was_read], right=seconds[~was_read])).sf
    reached = np.flatnonzero(estimate.probabilities <= 1 - quantile + 1e-9)
    return int(estimate.quantiles[reached[0]]) if len(reached) else NOT_REACHED


@given(outcomes())
def test_times_to_read_are_scipys(days: Outcome) -> None:
    found = tally(days)
    was_read = days.read_at != NEVER
    seconds = (np.where(was_read, days.read_at, days.lost_at) - days.sent_at) // SECOND
    for rep in range(len(days.seeds)):
        mine = days.rep == rep
        expected = [scipy_quantile(seconds[mine], was_read[mine], quantile) for quantile in (0.5, 0.9)]
        assert found.quantiles[rep].tolist() == expected


@given(outcomes(), st.data())
def test_parts_join_to_the_whole(days: Outcome, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(days.seeds)), max_size=3)) | {0, len(days.seeds)})
    parts = [tally(part(days, start, stop)) for start, stop in pairwise(cuts)]
    assert Tally.joined(parts).same_as(tally(days))


def test_parts_of_evaluated_days_join_to_the_whole() -> None:
    busy = scenario(
        attention={"tau_s": 8.0, "open_sigma": 0.8, "bell_sigma": 1.0, "bell_never": 0.3},
        messages=[message(f"{hour}:00", ack_required=True) for hour in (10, 11, 12)],
        absence=0.2,
    )
    agents = people(7)
    whole = tally(evaluate(busy, range(5, 17), agents=agents))
    parts = [tally(evaluate(busy, seeds, agents=agents)) for seeds in (range(5, 6), range(6, 13), range(13, 17))]
    assert Tally.joined(parts).same_as(whole)
    assert not Tally.joined(parts[::-1]).same_as(whole)


def test_a_big_floor_does_not_overflow() -> None:
    """30,000 agents, 40 messages, 3 days: the same agent in each day must be the same agent."""
    agents, messages, days = 30_000, 40, 3
    rep, number, agent = (axis.ravel() for axis in np.indices((days, messages, agents)))
    size = len(rep)
    read = agent % 3 == 0
    sent_at = number * 60 * SECOND
    big = replace(
        outcome(days, [f"Team {n % 100:02}" for n in range(agents)], messages, []),
        rep=rep,
        message=number,
        agent=agent,
        message_id=sent_at,
        sent_at=sent_at,
        state_at_send=np.zeros(size, dtype=np.int8),
        toast_at=np.full(size, NEVER),
        notified_at=np.where(read, sent_at, NEVER),
        read_at=np.where(read, sent_at + 86_000 * SECOND, NEVER),
        acknowledged_at=np.full(size, NEVER),
        lost_at=np.where(read, NEVER, END),
    )
    found = tally(big)
    assert found.totals.sent.tolist() == [agents * messages] * days
    assert np.array_equal(found.of_agents.read, np.where(np.arange(agents) % 3 == 0, messages * days, 0))
    assert (found.of_teams.sent == agents // 100 * messages).all()
    assert found.quantiles.tolist() == [[NOT_REACHED, NOT_REACHED]] * days


@given(outcomes(), st.data())
def test_one_message_is_what_would_be_counted_of_it_alone(days: Outcome, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(days.messages) - 1))
    found, whole = tally(days, message=f"m{number}"), tally(days)
    assert found.messages == (f"m{number}",)
    assert np.array_equal(found.totals.fates, whole.by_message[:, number])
    assert np.array_equal(found.curve_by_message, whole.curve_by_message[number : number + 1])
    assert np.array_equal(found.curve.sum(axis=0), found.curve_by_message[0])


def test_a_series_is_counted_by_its_key_or_send_by_send() -> None:
    series = {"key": "tip", "body": "Hello", "every_min": 60.0, "start": "10:00", "until": "13:00"}
    days = evaluate(scenario(messages=[series, message("10:30", key="tips")]), [1, 2], agents=people(3))
    assert tally(days, message="tip").messages == ("tip#0", "tip#1", "tip#2")
    assert tally(days, message="tip").totals.sent.tolist() == [9, 9]
    assert tally(days, message="tip#1").totals.sent.tolist() == [3, 3]
    with pytest.raises(UnknownMessage, match="No message 'tp' was planned"):
        tally(days, message="tp")


def test_measures_of_a_day() -> None:
    """Two agents, two messages: one read after 30 s, one after 90 s and acknowledged, one told, one not in."""
    rows = [
        (0, 0, 0, 0, 0, 30 * SECOND + 999_999, NEVER, NEVER),
        (0, 0, 1, 0, 0, NEVER, NEVER, 100 * SECOND),
        (0, 1, 0, 0, 5, 90 * SECOND, 95 * SECOND, NEVER),
        (0, 1, 1, 0, NEVER, NEVER, NEVER, 100 * SECOND),
    ]
    found = tally(outcome(2, ["Blue", "Blue"], 2, rows))
    first = {name: found.values(name)[0] for name in MEASURES}
    p90 = first.pop("p90_read_s")
    assert math.isnan(p90)
    assert first == {
        "sent": 4,
        "notified": 3,
        "read": 2,
        "acknowledged": 1,
        "lost": 2,
        "notified_rate": 0.75,
        "read_rate": 0.5,
        "lost_rate": 0.5,
        "median_read_s": 90,
        "messages_per_agent": 2,
    }
    empty = {name: found.values(name)[1] for name in MEASURES}
    rates = {name for name, value in empty.items() if math.isnan(value)}
    assert rates == {"notified_rate", "read_rate", "lost_rate", "median_read_s", "p90_read_s"}
    assert found.by_message.shape == (2, 2, len(FATES))


def test_days_without_agents_or_messages_are_counted_as_nothing() -> None:
    for days in (outcome(2, [], 1, []), outcome(2, ["Blue"], 0, [])):
        found = tally(days)
        assert found.totals.sent.tolist() == [0, 0]
        assert Tally.joined([found, found]).totals.sent.tolist() == [0] * 4
    assert np.isnan(tally(outcome(1, [], 1, [])).values("messages_per_agent")).all()


def test_what_does_not_belong_together_is_not_joined() -> None:
    with pytest.raises(ValueError, match="different"):
        Tally.joined([tally(outcome(1, ["Blue"], 1, [])), tally(outcome(1, ["Red"], 1, []))])
    with pytest.raises(ValueError, match="nothing to join"):
        Tally.joined([])


def test_a_misspelt_measure_is_named() -> None:
    with pytest.raises(InvalidInput, match="no measure 'lost_rat'; did you mean 'lost_rate'"):
        tally(outcome(1, [], 1, [])).values("lost_rat")
    with pytest.raises(InvalidInput, match="There are sent, notified"):
        tally(outcome(1, [], 1, [])).values("zzz")
