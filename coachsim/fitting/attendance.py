"""Who was at work when, as a log has it: stretches from a log-in to the log-out, with what lay between.

A *stay* is one agent's working time. Someone who logs out and comes back within four hours is on the same stay: the
time between is a pause with the reason ``LOGGED_OUT``. A rest between two working days is longer than that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from coachsim.days import HOUR, MINUTE
from coachsim.log import MessageLog
from coachsim.models import Agent, AgentState

LOGGED_OUT = "logged out"
"""The reason of a pause that nobody called a break."""
UNNAMED = "break"
"""The reason of a break that was given none."""
_SAME_STAY = 4 * HOUR
_LONGEST = 16 * HOUR  # as a scenario has it; whoever was in for longer had forgotten to log out


@dataclass(frozen=True, slots=True)
class Pause:
    """A time away within a stay, in µs since 1970; ``end`` is None while it lasts."""

    begin: int
    end: int | None
    reason: str


@dataclass(slots=True)
class Stay:
    """One agent's working time, in µs since 1970. ``start`` is None where the log begins after it, ``end`` while it
    lasts; ``until`` is as far as it is known."""

    agent_id: str
    start: int | None
    end: int | None
    until: int
    pauses: list[Pause] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Attendance:
    """The stays of a floor's ``agents`` from ``began_at`` to ``newest`` (µs since 1970), by agent, then time.

    ``known_since`` says from when each of them was on the roster.
    """

    zone: ZoneInfo
    began_at: int
    newest: int
    agents: tuple[Agent, ...]
    known_since: dict[str, int]
    stays: tuple[Stay, ...]

    @classmethod
    def of(cls, log: MessageLog, zone: ZoneInfo, began_at: int, until: int) -> Attendance:
        """That of the agents who were active at ``until``."""
        roster = log.sql(_ROSTER, {"until": until})
        agents = tuple(_agent(row) for row in roster[roster["active"]].to_dict("records"))
        changes = log.sql(_CHANGES, {"until": until})
        rows: Iterator[_Row] = zip(*(changes[name].tolist() for name in changes), strict=True)
        active = {agent.agent_id for agent in agents}
        stays = [
            stay
            for agent_id, mine in groupby(rows, key=itemgetter(0))
            if agent_id in active
            for stay in _stays(agent_id, mine, began_at, until)
        ]
        since = dict(zip(roster["agent_id"], roster["since"].tolist(), strict=True))
        return cls(zone, began_at, until, agents, since, tuple(stays))

    def wall_minutes(self, moments: Sequence[int]) -> pd.DataFrame:
        """The date (days since 1970) and the minute of that day that clocks on the floor showed at each moment."""
        local = (
            pd.Series(pd.to_datetime(list(moments), unit="us", utc=True)).dt.tz_convert(self.zone).dt.tz_localize(None)
        )
        micros = local.astype("datetime64[us]").astype("int64")
        return pd.DataFrame({"date": micros // (24 * HOUR), "minute": (micros % (24 * HOUR)) / 60e6})


_ROSTER = """
    SELECT DISTINCT ON (agent_id) agent_id, name, team, campaigns, lists, queues, active,
           min(epoch_us(changed_at)) OVER (PARTITION BY agent_id) AS since
    FROM all_agent_changes WHERE epoch_us(changed_at) <= $until ORDER BY agent_id, seq DESC
"""
_CHANGES = """
    SELECT agent_id, epoch_us(changed_at) AS moment, state, reason FROM all_state_changes
    WHERE epoch_us(changed_at) <= $until ORDER BY agent_id, seq
"""


def _agent(row: dict[str, Any]) -> Agent:
    campaigns, lists, queues = (tuple(map(str, row[kind])) for kind in ("campaigns", "lists", "queues"))
    return Agent(str(row["agent_id"]), str(row["name"]), str(row["team"]), campaigns, lists, queues)


_Row = tuple[str, int, str, Any]
"""Agent, moment, state and reason of a change."""


def _stays(agent_id: str, changes: Iterable[_Row], began_at: int, newest: int) -> Iterator[Stay]:
    """One agent's stays that reach into the log's time, those that are too long to be true left out."""
    for stay in _joined(agent_id, changes, newest):
        if stay.until <= began_at or stay.until - (stay.start or 0) > _LONGEST:
            continue
        # Who is there as a log begins has no log-in in it, or one at that moment, which says no more: a simulated floor
        # is peopled then.
        if stay.start is not None and stay.start < began_at + MINUTE:
            stay.start = None
        yield stay


def _joined(agent_id: str, changes: Iterable[_Row], newest: int) -> Iterator[Stay]:
    stay: Stay | None = None
    away: tuple[int, str] | None = None  # since when, and why
    for _, moment, state, reason in changes:
        if state == AgentState.LOGGED_OUT:
            if stay is not None and stay.end is None:
                stay.end = moment
                if away is not None:
                    stay.pauses.append(Pause(away[0], moment, away[1]))
                away = None
            continue
        if stay is not None and stay.end is not None:
            if moment - stay.end <= _SAME_STAY:
                stay.pauses.append(Pause(stay.end, moment, LOGGED_OUT))
                stay.end = None
            else:
                stay.until = stay.end
                yield stay
                stay = None
        if stay is None:
            stay = Stay(agent_id, moment, None, newest)
        if away is not None and state == AgentState.LOGGED_IN:
            stay.pauses.append(Pause(away[0], moment, away[1]))
            away = None
        elif state == AgentState.BREAK and away is None:
            away = (moment, reason if isinstance(reason, str) and reason else UNNAMED)
    if stay is not None:
        if stay.end is not None:
            stay.until = stay.end
        if away is not None:
            stay.pauses.append(Pause(away[0], None, away[1]))
        yield stay
