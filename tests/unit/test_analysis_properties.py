"""Figures that should add up do; and every figure is the one that counting row by row, or SciPy, gives."""

from __future__ import annotations

import math
import random
import tempfile
import warnings
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from coachsim import analysis, simulate
from coachsim.log import MessageLog
from coachsim.models import Agent
from tests.unit.analysis_logs import SECOND, log_of
from tests.unit.days_of import message, scenario
from tests.unit.floors import Desk, team
from tests.unit.test_log_matches_floor import RandomFloor

COUNTS = ["sent", "notified", "read", "unread", "lost"]
DISJOINT = ["team", "hour", "state_at_send", "priority", "sender", "day"]
QUANTILES = {"q25_s": 0.25, "median_s": 0.5, "q75_s": 0.75, "q90_s": 0.9}
_FEW = settings(max_examples=6)


@contextmanager
def random_days(seed: int):
    """A log of a few days of random people on a floor, the last of them open."""
    run = RandomFloor(seed)
    for _ in range(200):
        run.step()
    with tempfile.TemporaryDirectory() as folder, log_of(Path(folder), run.events) as log:
        yield log


def simulated(seed: int) -> MessageLog:
    """A small simulated day with urgent, expiring and ordinary messages, breaks and agents who look away."""
    pick = random.Random(seed)
    return simulate(
        scenario(
            floor={"agents": pick.randint(1, 25), "teams": pick.randint(1, 4)},
            absence=pick.choice([0.0, 0.3]),
            shifts=[{"start": "09:00"}, {"start": "12:30"}],
            breaks=[{"reason": "lunch", "after_min": 120, "length_min": 30}],
            attention={"tau_s": 5.0, "bell_never": pick.choice([0.0, 0.5]), "occupancy": 0.6, "open_sigma": 1.0},
            messages=[
                message("08:00", ack_required=True),
                message("11:10", to="a team", priority="urgent"),
                message("14:00", expires_after_min=45.0),
                message("16:50", to="an agent"),
            ],
        ),
        seed=seed,
    )


# --- sums ---


@pytest.mark.slow
@_FEW
@given(seed=st.integers(0, 10_000))
def test_groups_that_exclude_each_other_add_up_to_the_total(seed):
    with simulated(seed) as log:
        total = analysis.unread_rates(log)[COUNTS].iloc[0]
        assert total["sent"] == total["read"] + total["unread"] == len(log.deliveries())
        for by in [*DISJOINT, ["team", "hour"], ["priority", "state_at_send"]]:
            assert analysis.unread_rates(log, by)[COUNTS].sum().equals(total), by
            assert analysis.time_to_read(log, by)[COUNTS].sum().equals(total), by
            assert analysis.load(log, by)["sent"].sum() == total["sent"], by
        lost = analysis.lost(log, "team")
        assert (lost["lost_expired"] <= lost["lost"]).all() and (lost["lost_not_notified"] <= lost["lost"]).all()
        assert (lost["unread"] == lost["lost"]).all(), "at the night's end unread and lost are the same"
        assert (lost["unread_rate"] == lost["lost_rate"]).all()
        for message_id in log.messages()["message_id"]:
            sent, *groups = analysis.reach(log, message_id).iloc[0]
            assert sum(groups) == sent
        hours = analysis.presence(log, by=["team", "hour"]).filter(regex="_h$").sum()
        whole = analysis.presence(log, by=None).iloc[0]
        assert hours.tolist() == pytest.approx(whole[hours.index].tolist())
        agents = log.agents()["active"].sum()
        assert hours.sum() == pytest.approx(24 * agents)
        assert whole["log_ins"] == counted_log_ins(log)


def counted_log_ins(log: MessageLog) -> int:
    changes = log.sql("SELECT agent_id, state FROM all_state_changes ORDER BY seq")
    state: dict[str, str] = defaultdict(lambda: "logged_out")
    count = 0
    for agent_id, new in changes.itertuples(index=False):
        count += state[agent_id] == "logged_out" != new
        state[agent_id] = new
    return count


@pytest.mark.slow
@_FEW
@given(seed=st.integers(0, 10_000))
def test_unread_falls_and_lost_rises_only_as_time_goes_on(seed):
    with simulated(seed) as log:
        last = log.messages()["sent_at"].max()
        moments = pd.date_range(last, last + pd.Timedelta(hours=10), 6)
        frames = pd.concat([analysis.unread_rates(log, at=moment) for moment in moments])
        assert frames["unread"].is_monotonic_decreasing and frames["lost"].is_monotonic_increasing
        assert frames["unread"].iloc[-1] == analysis.unread_rates(log)["unread"][0]


# --- against counting row by row, on days with clear-downs by hand, expiries and people who move ---


@pytest.mark.slow
@_FEW
@given(seed=st.integers(0, 10_000), part=st.floats(0, 1))
def test_counts_are_those_of_counting_row_by_row(seed, part):
    with random_days(seed) as log:
        rows = log.deliveries().merge(log.messages()[["message_id", "priority", "sender"]], on="message_id")
        rows["hour"] = rows["sent_at"].dt.tz_localize("UTC").dt.tz_convert("Europe/London").dt.hour
        rows["campaign"] = campaigns(log, rows)
        span = rows["sent_at"].max() - rows["sent_at"].min()
        moment = (rows["sent_at"].min() + part * span).floor("us")
        for at, limit in ((None, pd.Timestamp.max), (moment, moment)):
            sent = rows[rows["sent_at"] <= limit]
            for by in (["team"], ["hour", "priority"], ["campaign"], ["day", "campaign"], ["state_at_send"]):
                expected = defaultdict(lambda: np.zeros(5, int))
                for row in (sent.explode("campaign") if "campaign" in by else sent).to_dict("records"):
                    if "campaign" in by and not isinstance(row["campaign"], str):
                        continue
                    done = [row[name] <= limit for name in ("notified_at", "read_at", "lost_at")]
                    expected[tuple(row[key] for key in by)] += [1, done[0], done[1], not done[1], done[2]]
                frame = analysis.unread_rates(log, by, at=at)
                found = {tuple(row[: len(by)]): list(row[len(by) :]) for row in frame[by + COUNTS].values.tolist()}
                assert found == {key: counts.tolist() for key, counts in expected.items()}, (by, at)
                assert list(found) == sorted(found)


def campaigns(log: MessageLog, rows: pd.DataFrame) -> list[list[str]]:
    """The campaigns of each delivery's agent when it was sent."""
    versions = log.sql("SELECT * FROM agent_versions ORDER BY valid_from").to_dict("records")
    held = []
    for agent_id, sent_at in rows[["agent_id", "sent_at"]].itertuples(index=False):
        valid = [one for one in versions if one["agent_id"] == agent_id and one["valid_from"] <= sent_at]
        held.append(list(valid[-1]["campaigns"]))
    return held


# --- against SciPy ---


def observed(log: MessageLog, since: str) -> tuple[list[int], list[int]]:
    """Whole seconds until the reads, and until what was never read was no longer known."""
    newest = pd.Timestamp(log.newest())
    read, censored = [], []
    for row in log.deliveries().to_dict("records"):
        start = row[f"{since}_at"]
        if pd.isna(start):
            continue
        ends = [row[name] for name in ("read_at", "lost_at") if not pd.isna(row[name])]
        seconds = ((ends[0] if ends else newest) - start) // pd.Timedelta(seconds=1)
        (censored if pd.isna(row["read_at"]) else read).append(int(seconds))
    return read, censored


@pytest.mark.slow
@_FEW
@given(seed=st.integers(0, 10_000), real=st.booleans(), since=st.sampled_from(["sent", "notified"]))
def test_times_to_read_and_curves_are_scipys(seed, real, since):
    with random_days(seed) if real else simulated(seed) as log:
        read, censored = observed(log, since)
        times = analysis.time_to_read(log, since=since).iloc[0]
        assert times["not_notified"] == times["sent"] - times["notified"]
        if not read:
            assert times[list(QUANTILES)].isna().all()
            return
        survival = stats.ecdf(stats.CensoredData(uncensored=read, right=censored)).sf
        for name, share in QUANTILES.items():
            assert_same(times[name], first(survival.quantiles, survival.probabilities, 1 - share))
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # it has no band at 0 and 1
            band = survival.confidence_interval(0.95, method="log-log")
        low = np.where(survival.probabilities <= 1e-12, 0, np.nan_to_num(band.low.probabilities, nan=1))
        high = np.nan_to_num(band.high.probabilities, nan=1)
        assert_same(times["median_low_s"], first(survival.quantiles, low, 0.5))
        assert_same(times["median_high_s"], first(survival.quantiles, high, 0.5))

        curve = analysis.read_curve(log, since=since)
        assert curve["seconds"].is_monotonic_increasing and curve["seconds"].is_unique
        assert curve["seconds"].iloc[0] == 0 and curve["seconds"].iloc[-1] == max(read + censored)
        assert curve["read"].iloc[-1] == len(read)
        assert curve["at_risk"].iloc[0] == len(read) + len(censored)
        assert 1 - curve["read_rate"].to_numpy() == pytest.approx(survival.evaluate(curve["seconds"]))
        inside = (curve["read_rate"] > 0) & (curve["read_rate"] < 1 - 1e-12)
        at = np.searchsorted(survival.quantiles, curve["seconds"][inside])
        assert (curve["high"][inside]).tolist() == pytest.approx((1 - band.low.probabilities[at]).tolist())
        assert (curve["low"][inside]).tolist() == pytest.approx((1 - band.high.probabilities[at]).tolist())
        assert curve[["read_rate", "low", "high"]].stack().between(0, 1).all()


def first(seconds: np.ndarray, shares: np.ndarray, at_most: float) -> float:
    reached = seconds[shares <= at_most + 1e-9]
    return float(reached[0]) if len(reached) else math.nan


def assert_same(ours: float, theirs: float) -> None:
    assert ours == theirs or (math.isnan(ours) and math.isnan(theirs))


@pytest.mark.parametrize("count", [24, 38, 44, 54])
def test_a_share_that_is_a_half_but_for_rounding_is_a_half(tmp_path, count):
    # One is read each second: left are 23/24 · 22/23 · … · 12/13, which is a half only on paper.
    left = math.prod((at_risk - 1) / at_risk for at_risk in range(count, count // 2, -1))
    assert left > 0.5, "the example no longer shows anything"
    people = [Agent(f"b{number:02}", "B", "Many") for number in range(count)]
    desk = Desk()
    desk.events += desk.floor.set_agents(desk.now, people, actor="admin")
    desk.log_in(*(one.agent_id for one in people))
    desk.send(audience=team("Many"))
    for one in people:
        desk.wait(SECOND)
        desk.read(one.agent_id)
    with log_of(tmp_path, desk.events) as log:
        assert analysis.time_to_read(log)["median_s"][0] == count // 2
