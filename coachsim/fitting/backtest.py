"""A fit put to the test: each day of a log predicted from the days before it, beside simpler guesses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from coachsim.analysis.keys import zone
from coachsim.errors import NotEnoughEvidence
from coachsim.fitting.fitted import fit
from coachsim.fitting.observed import Observed
from coachsim.fitting.replay import replay
from coachsim.log import MessageLog
from coachsim.scenario import Policy

COLUMNS = ("day", "hour", "sent", "days", "actual", "model", "yesterday", "by_state", "chance")
GUESSES = ("model", "yesterday", "by_state")
"""The columns that say beforehand what ``actual`` was found to be."""


def backtest(
    log: MessageLog, *, within_s: float = 3_600.0, replays: int = 20, policy: Policy | None = None
) -> pd.DataFrame:
    """What share of each hour's sends was not read ``within_s`` of its send: as it was, and as one would have said.

    Each closed day on which something was sent is predicted from those before it. ``model`` fits them, and has the
    fitted people read what was sent on the day, being there as people were (``replay``): it is told who was there and
    what was sent, not how it was read. ``yesterday`` is the same hour of the day before (all of that day, where nothing
    was sent in that hour), and ``by_state`` the day before's share for each state at the send, weighed as the day's
    sends were: this guess, too, is told where people were. ``chance`` is how far a day would be from the prediction on
    average if the model were true.

    Gives ``day``, ``hour`` (of sending, on the floor's clocks), ``sent``, ``days`` (how many it was learned from), the
    shares ``actual`` and those three, and ``chance``. A day whose forerunners are too thin to learn from is left out.
    """
    days = Observed.of(log).days
    everything = log.deliveries()
    parts = []
    for number in range(1, len(days)):
        try:
            fitted = fit(log, days=list(days[:number]), policy=policy)
        except NotEnoughEvidence:
            continue
        anew = replay(log, fitted.attention, days=[days[number]], seeds=range(replays), policy=policy)
        parts.append(_day(everything, anew, days[number - 1], zone(log), within_s).assign(days=number))
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
    return found[list(COLUMNS)]


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """How far each guess of a ``backtest`` was off: the mean absolute error in percentage points, by deliveries.

    A row for each of ``GUESSES``, and one for ``chance``, which no prediction can be expected to beat.
    """
    weights = table["sent"].to_numpy(float)

    def mean(off: pd.Series) -> float:
        return float(100 * np.average(off.to_numpy(float), weights=weights)) if weights.sum() else float("nan")

    off = {name: mean((table[name] - table["actual"]).abs()) for name in GUESSES} | {"chance": mean(table["chance"])}
    return pd.DataFrame({"points_off": off})


def _day(everything: pd.DataFrame, anew: pd.DataFrame, before: str, where: str, within_s: float) -> pd.DataFrame:
    """The hours of one day."""
    once = anew[anew["seed"] == anew["seed"].min()][["message_id", "agent_id"]]
    today = _judged(everything.merge(once, on=["message_id", "agent_id"]), where, within_s)
    yesterday = _judged(everything[everything["day"] == before], where, within_s)
    drawn = _judged(anew, where, within_s).groupby(["hour", "seed"])["unread"].mean().unstack()
    states = yesterday.groupby("state_at_send")["unread"].mean()
    table = today.groupby("hour").agg(sent=("unread", "size"), actual=("unread", "mean"))
    whole = yesterday["unread"].mean()
    table["model"] = drawn.mean(axis=1)
    table["chance"] = drawn.sub(table["model"], axis=0).abs().mean(axis=1)
    table["yesterday"] = yesterday.groupby("hour")["unread"].mean().reindex(table.index).fillna(whole)
    guessed = today.assign(guess=today["state_at_send"].map(states).fillna(whole))
    table["by_state"] = guessed.groupby("hour")["guess"].mean()
    return table.reset_index().assign(day=today["day"].iloc[0])


def _judged(deliveries: pd.DataFrame, where: str, within_s: float) -> pd.DataFrame:
    """With the hour of sending, and whether it was unread so long after."""
    late = (deliveries["read_at"] - deliveries["sent_at"]).dt.total_seconds() > within_s
    hour = deliveries["sent_at"].dt.tz_localize("UTC").dt.tz_convert(where).dt.hour
    return deliveries.assign(hour=hour, unread=late | deliveries["read_at"].isna())
