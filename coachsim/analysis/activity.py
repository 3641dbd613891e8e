"""How much reaches each agent, and when agents are there to be reached: message load, log-ins and breaks."""

from __future__ import annotations

from typing import Any

import pandas as pd

from coachsim.analysis.arguments import names
from coachsim.analysis.keys import KEYS, OVERLAPPING, Question, checked, columns, memberships, typed, zone
from coachsim.log import MessageLog

_AGENTS = ("team", "campaign", "list", "queue", "hour", "day", "agent_id")
_HOUR = 3_600_000_000  # in microseconds
_QUARTER = 900_000_000  # time zones' offsets are whole quarters of an hour, so each lies in one local hour
_MINUTE = 60_000_000


def load(log: MessageLog, by: Any = "day", *, days: Any = None, teams: Any = None) -> pd.DataFrame:
    """How many messages an agent gets on a day on which they get any: on average, and the most of any agent and day.

    ``by`` names any of what ``unread_rates`` knows, and ``agent_id``: by ``["agent_id", "day"]`` it gives the messages
    of each agent on each day. By hour, an agent's messages of that hour of the day are counted. ``days`` and ``teams``
    leave only those in.

    Gives the keys, then the counts ``sent`` (deliveries), ``agents`` (who got any) and ``agent_days`` (on how many
    days, added up over the agents), then ``per_agent_day`` (sent / agent_days) and ``most`` (by one agent on one day).
    Raises ``InvalidInput``.

    >>> load(log, by="team")
        team  sent  agents  agent_days  per_agent_day  most
    0   Blue     6       2           2            3.0     4
    1  Green     6       3           3            2.0     3
    """
    question = Question(log, checked(by, (*KEYS, "agent_id")), days=days, teams=teams)
    counted = question.counted(
        {"messages": "count(*)"}, {"one_agent": "deliveries.agent_id", "one_day": "deliveries.day"}
    )
    chosen = columns(
        question.by,
        "CAST(coalesce(sum(messages), 0) AS BIGINT) AS sent",
        "count(DISTINCT one_agent) AS agents, count(*) AS agent_days",
        "coalesce(avg(messages), 0.0) AS per_agent_day, coalesce(max(messages), 0) AS most",
    )
    return question.answer(f"{counted} SELECT {chosen} FROM counted {'GROUP BY ALL' if question.keys else ''}")


def presence(log: MessageLog, by: Any = "hour", *, days: Any = None, teams: Any = None) -> pd.DataFrame:
    """The share of the agents' time that they were logged in, on a break and logged out; by the hour of the day.

    An agent's time counts while the roster has them as active, from the beginning of the log's first day to its newest
    event. ``by`` is None or one or several of ``team campaign list queue hour day agent_id``; hours are those on the
    floor's clocks, and team, campaigns, lists and queues those of the agent at the time (the last three overlap). Only
    groups in which time passed have a row. ``days`` and ``teams`` leave only those in.

    Gives the keys, the agents' hours ``logged_in_h``, ``break_h`` and ``logged_out_h``, how often in them a ``log_ins``
    or one of the ``breaks`` began, then ``logged_in_rate``, ``break_rate`` and ``logged_out_rate``, which add up to 1
    (0 each for a log in which no time passed). Raises ``InvalidInput``.

    >>> presence(log, by="hour").query("hour == 11")[["hour", "logged_in_h", "logged_out_h", "logged_in_rate"]]
       hour  logged_in_h  logged_out_h  logged_in_rate
    4    11          3.0           1.0            0.75
    """
    keys = checked(by, _AGENTS)
    sets = [key for key in keys if key in OVERLAPPING]
    of_agent = columns(*(key for key in keys if key in ("team", "agent_id")), "set_id" if sets else "")
    line = columns(of_agent, "state")  # agents who are counted together, in one state
    parameters: dict[str, Any] = {"newest": log.newest(), "unit": _unit(log)}
    if "hour" in keys:
        parameters["zone"] = zone(log)
    only_days = only_teams = ""
    if (given := names(days, "days")) is not None:
        only_days, parameters["days"] = " WHERE list_contains($days, day)", given
    if (given := names(teams, "teams")) is not None:
        only_teams, parameters["teams"] = " AND list_contains($teams, team)", given
    query = ", ".join(
        [
            *_versions(sets),
            _pieces(only_teams),
            _cells("hour" in keys),
            _times(line),
        ]
    )
    hours = {state: f"coalesce(sum(time) FILTER (state = '{state}'), 0) / {_HOUR}.0" for state in _STATES}
    group = columns(*keys)
    totals = columns(
        group,
        *(f"{sql} AS {state}_h" for state, sql in hours.items()),
        "CAST(coalesce(sum(log_ins), 0) AS BIGINT) AS log_ins, CAST(coalesce(sum(breaks), 0) AS BIGINT) AS breaks",
    )
    whole = " + ".join(f"{state}_h" for state in _STATES)
    rates = ", ".join(f"coalesce({state}_h / nullif({whole}, 0), 0.0) AS {state}_rate" for state in _STATES)
    expanded = "times JOIN sets USING (set_id)" if sets else "times"
    frame = log.sql(
        f"WITH {query}, totals AS (SELECT {totals} FROM {expanded}{only_days} {'GROUP BY ALL' if keys else ''})"
        f" SELECT *, {rates} FROM totals {f'WHERE {whole} > 0 ORDER BY {group}' if keys else ''}",
        parameters,
    )
    return typed(frame, keys)


_STATES = ("logged_in", "break", "logged_out")


def _versions(sets: list[str]) -> list[str]:
    if sets:
        return memberships(sets)
    return [
        "versions AS (SELECT agent_id, team, active, valid_from, coalesce(valid_to, TIMESTAMP 'infinity') AS valid_to"
        " FROM agent_versions)"
    ]


def _pieces(only_teams: str) -> str:
    """``pieces``: from when to when an agent of the roster was in which state, with the same team and groups."""
    return f"""
        changes AS (
            SELECT agent_id, state, changed_at, seq FROM all_state_changes
            UNION ALL SELECT DISTINCT agent_id, 'logged_out', TIMESTAMP '-infinity', 0 FROM versions
        ),
        segments AS (
            SELECT agent_id, state, changed_at AS since, lag(state) OVER in_order AS previous,
                   lead(changed_at, 1, TIMESTAMP 'infinity') OVER in_order AS until
            FROM changes WINDOW in_order AS (PARTITION BY agent_id ORDER BY seq)
        ),
        span AS (SELECT min(began_at) AS first, CAST($newest AS TIMESTAMP) AS newest FROM days),
        pieces AS (
            SELECT versions.*, state,
                   greatest(since, valid_from, first) AS since, least(until, valid_to, newest) AS until,
                   CAST(since >= greatest(valid_from, first)
                        AND previous = 'logged_out' AND state <> previous AS INTEGER) AS log_in,
                   CAST(since >= greatest(valid_from, first)
                        AND state = 'break' AND state <> previous AS INTEGER) AS pause
            FROM segments
            JOIN versions ON versions.agent_id = segments.agent_id AND since < valid_to AND until >= valid_from
            CROSS JOIN span
            WHERE active{only_teams} AND least(until, valid_to) >= first
        )"""


def _unit(log: MessageLog) -> int:
    """Microseconds of which each beginning of a day or an hour is a multiple: a quarter of an hour, or a minute."""
    begun = log.sql(
        "SELECT count(*) AS between FROM days WHERE epoch_us(began_at) % $quarter > 0", {"quarter": _QUARTER}
    )
    return _MINUTE if begun["between"][0] else _QUARTER


def _cells(hourly: bool) -> str:
    """``cells``: the stretches told apart, a day or a local hour of it; ``places``: the cell of each ``$unit``."""
    local = "date_trunc('hour', timezone($zone, timezone('UTC', starts)))"
    return f"""
        units AS (
            SELECT unnest(range(epoch_us(first) // $unit, epoch_us(newest) // $unit + 1)) AS unit,
                   make_timestamp(unit * $unit) AS starts
            FROM span
        ),
        places AS MATERIALIZED (
            SELECT unit, day, {local if hourly else "TIMESTAMP 'epoch'"} AS local,
                   dense_rank() OVER (ORDER BY began_at, local) AS cell
            FROM units ASOF JOIN days ON starts >= began_at
        ),
        cells AS MATERIALIZED (
            SELECT cell, day, hour(local) AS hour, min(unit) * $unit AS starts,
                   least((max(unit) + 1) * $unit, epoch_us(any_value(newest))) AS ends
            FROM places CROSS JOIN span GROUP BY ALL
        )"""


def _times(line: str) -> str:
    """``times``: microseconds that the agents of each ``line`` spent in each cell, without a row per agent and cell.

    Whoever enters a state within a cell adds what is left of that cell, and all of every later cell; whoever leaves
    takes the same away again.
    """
    return f"""
        marks AS (
            SELECT {line}, epoch_us(since) AS moment, 1 AS entered, log_in, pause FROM pieces
            UNION ALL SELECT {line}, epoch_us(until), -1, 0, 0 FROM pieces
        ),
        by_unit AS (
            SELECT {line}, moment // $unit AS unit, sum(entered) AS entered, sum(entered * moment) AS moments,
                   sum(log_in) AS log_ins, sum(pause) AS breaks
            FROM marks GROUP BY ALL
        ),
        effects AS (
            SELECT {line}, cells.cell, sum(entered) AS entered, sum(entered * ends - moments) AS part,
                   sum(log_ins) AS log_ins, sum(breaks) AS breaks
            FROM by_unit JOIN places USING (unit) JOIN cells ON cells.cell = places.cell
            GROUP BY ALL
        ),
        times AS (
            SELECT {line}, day, hour, log_ins, breaks,
                   coalesce(part, 0) + (ends - starts) * coalesce(sum(entered) OVER (
                       PARTITION BY {line} ORDER BY cell ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS time
            FROM (SELECT DISTINCT {line} FROM effects) CROSS JOIN cells LEFT JOIN effects USING ({line}, cell)
        )"""
