"""What is read back from a log: what a floor is rebuilt from, and closed days as the API shows the open one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coachsim.audience import Scope
from coachsim.events import Event, Scheduled
from coachsim.log.file import Run
from coachsim.log.records import SELECT, from_row, scheduled_from
from coachsim.models import Agent, AgentState, Audience, Delivery, Message, Priority
from coachsim.state import AgentRow, FloorState, MessageRow, Opening

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DELIVERY = """
    SELECT message_id, agent_id, team, epoch_us(sent_at), state_at_send, epoch_us(toast_at), epoch_us(notified_at),
           epoch_us(read_at), epoch_us(acknowledged_at), epoch_us(lost_at), epoch_us(cleared_at)
    FROM deliveries
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What ``FloorState.restore`` takes: the agents as of the newest ``DayBegan``, and the events from it on.

    ``pending`` are the messages scheduled on earlier days of which nothing had become by then.
    """

    openings: list[Opening]
    events: list[Event]
    pending: list[Scheduled]


def run(cursor: DuckDBPyConnection) -> Run:
    """The log's ``run`` row, with the time zone it was made with."""
    row = cursor.execute(
        "SELECT kind, scenario, seed, version, time_zone, site, floor_name, detail FROM run_info"
    ).fetchone()
    assert row is not None
    kind, scenario, seed, version, time_zone, site, floor_name, detail = row
    return Run(kind, scenario, seed, version, time_zone, site, floor_name, json.loads(detail))


def load(cursor: DuckDBPyConnection) -> Restored:
    """Agents and states from each agent's last change ever, events of the open day only."""
    row = cursor.execute("SELECT coalesce(max(began_seq), 1) FROM all_days").fetchone()
    assert row is not None
    began = int(row[0])
    return Restored(_openings(cursor, began), _events(cursor, began), _pending(cursor, began))


def _events(cursor: DuckDBPyConnection, began: int) -> list[Event]:
    rows = cursor.execute(f"SELECT {SELECT} FROM events WHERE seq >= {began} ORDER BY seq").fetchall()
    return [from_row(row) for row in rows]


def _pending(cursor: DuckDBPyConnection, began: int) -> list[Scheduled]:
    # Read from what closed days keep of them: the events themselves may have been kept for long enough.
    rows = cursor.execute(
        f"""
        SELECT any_value(seq), epoch_us(any_value(changed_at)), any_value(actor), any_value(payload)
        FROM closed_schedule_changes WHERE seq < {began}
        GROUP BY schedule_id HAVING bool_and(kind = 'scheduled') ORDER BY schedule_id
        """
    ).fetchall()
    return [scheduled_from(*row) for row in rows]


def _openings(cursor: DuckDBPyConnection, began: int) -> list[Opening]:
    """Each agent as of event ``began``. ``since`` is the first change of the last run of changes to the same state."""
    rows = cursor.execute(
        f"""
        WITH changes AS (SELECT * FROM all_state_changes WHERE seq < {began}),
        by_state AS (SELECT agent_id, state, max(seq) AS newest FROM changes GROUP BY ALL),
        now_in AS (
            SELECT agent_id, arg_max(state, newest) AS state, coalesce(max(newest, 2)[2], 0) AS before
            FROM by_state GROUP BY agent_id
        ),
        -- Everyone begins logged out, so a first change to logged_out changes only the reason and dates from nothing.
        latest AS (
            SELECT agent_id, any_value(now_in.state) AS state, arg_max_null(reason, seq) AS reason,
                   CASE WHEN any_value(now_in.state) <> 'logged_out' OR any_value(before) > 0
                   THEN epoch_us(min(changed_at)) END AS since
            FROM changes JOIN now_in USING (agent_id) WHERE seq > before
            GROUP BY agent_id
        ),
        people AS (
            SELECT DISTINCT ON (agent_id) * FROM all_agent_changes WHERE seq < {began} ORDER BY agent_id, seq DESC
        )
        SELECT agent_id, name, team, campaigns, lists, queues, active, state, since, reason
        FROM people LEFT JOIN latest USING (agent_id)
        ORDER BY agent_id
        """
    ).fetchall()
    return [
        Opening(_agent(row[:7]), AgentState(row[7]) if row[7] else AgentState.LOGGED_OUT, row[8], row[9])
        for row in rows
    ]


def _agent(row: tuple[Any, ...]) -> Agent:
    agent_id, name, team, campaigns, lists, queues, active = row
    return Agent(agent_id, name, team, tuple(campaigns), tuple(lists), tuple(queues), active)


# --- a closed day, as the API shows it ---


def messages(cursor: DuckDBPyConnection, day: str, scope: Scope) -> list[dict[str, Any]]:
    """The day's messages as ``views.messages`` gives them, newest first."""
    from coachsim import views

    rows = cursor.execute(
        """
        SELECT message_id, epoch_us(sent_at), sender, audience, body, priority, ack_required, epoch_us(expires_at), seq,
               epoch_us(ack_by)
        FROM all_messages WHERE day = ? ORDER BY message_id
        """,
        [day],
    ).fetchall()
    if not rows:
        return []
    expired = _expired(cursor, day)
    floor = FloorState()
    _people(cursor, floor)
    for row in rows:
        message_id, sent_at, sender, audience, body, priority, ack_required, expires_at, seq, ack_by = row
        message = Message(
            message_id=message_id,
            sent_at=sent_at,
            sender=sender,
            audience=Audience.from_json(json.loads(audience)),
            body=body,
            priority=Priority(priority),
            ack_required=ack_required,
            expires_at=expires_at,
            request_id="",  # of no use once the day is over, like the rule for reminders
            ack_by=ack_by,
        )
        floor.messages[message_id] = MessageRow(message, seq, {}, expired=message_id in expired)
    for one in _deliveries(cursor, f"WHERE message_id BETWEEN {rows[0][0]} AND {rows[-1][0]}"):
        if one.message_id in floor.messages:
            floor.messages[one.message_id].deliveries[one.agent_id] = one
    return views.messages(floor, scope)


def deliveries(cursor: DuckDBPyConnection, message_id: int, scope: Scope) -> list[dict[str, Any]]:
    """Each delivery of the message in scope, as ``views.delivery_view`` gives it, by agent_id."""
    from coachsim import views
    from coachsim.audience import in_scope

    floor = FloorState()
    _people(cursor, floor)
    return [
        views.delivery_view(floor, one)
        for one in _deliveries(cursor, f"WHERE message_id = {int(message_id)}")
        if in_scope(one.team, scope)
    ]


def bodies(cursor: DuckDBPyConnection, sender: str, most: int) -> list[tuple[str, int]]:
    """The last different texts that an account sent and when (µs), newest first, at most so many."""
    return cursor.execute(
        """
        SELECT body, epoch_us(max(sent_at)) FROM all_messages WHERE sender = ?
        GROUP BY body ORDER BY max(message_id) DESC LIMIT ?
        """,
        [sender, most],
    ).fetchall()


def _people(cursor: DuckDBPyConnection, floor: FloorState) -> None:
    for row in cursor.execute("SELECT * FROM agents").fetchall():
        floor.agents[row[0]] = AgentRow(_agent(row))


def _expired(cursor: DuckDBPyConnection, day: str) -> set[int]:
    row = cursor.execute(
        "SELECT min(began_seq), max(coalesce(cleared_seq, 9223372036854775807)) FROM all_days WHERE day = ?", [day]
    ).fetchone()
    assert row is not None
    rows = cursor.execute(
        f"SELECT message_id FROM events WHERE seq BETWEEN {row[0]} AND {row[1]} AND kind = 'expired'"
    ).fetchall()
    return {row[0] for row in rows}


def _deliveries(cursor: DuckDBPyConnection, where: str) -> list[Delivery]:
    rows = cursor.execute(f"{_DELIVERY} {where} ORDER BY message_id, agent_id").fetchall()
    return [
        Delivery(mid, agent_id, team, sent_at, AgentState(state), toasted, notified, read, acked, lost, gone)
        for mid, agent_id, team, sent_at, state, toasted, notified, read, acked, lost, gone in rows
    ]


_ALIKE = """
    last AS (
        SELECT began_at, coalesce(lead(began_at) OVER (ORDER BY began_at), cleared_at) AS ends_at, day
        FROM closed_days
    ),
    alike AS (
        SELECT *, row_number() OVER (ORDER BY began_at) - 1 AS n
        FROM (
            SELECT * FROM last WHERE (isodow(CAST(day AS DATE)) > 5) = (isodow(CAST($label AS DATE)) > 5)
            ORDER BY began_at DESC LIMIT $most
        )
    )
"""
"""The last ``$most`` closed days of the same kind as ``$label``, working days or weekends, counted by ``n``."""


def presence(cursor: DuckDBPyConnection, label: str, most: int) -> dict[str, Any]:
    """Where everybody was on the last ``most`` closed days of the same kind as ``label``, working days or weekends.

    Columns as arrays: ``agent_id``, ``day`` (counted from 0, the oldest first), ``moment`` (µs since that day began),
    ``state`` and ``reason``; by day, agent and time. Who was there as a day began has a row at 0.
    """
    found: dict[str, Any] = cursor.execute(
        f"""
        WITH {_ALIKE},
        known AS (SELECT agent_id, n, began_at FROM (SELECT DISTINCT agent_id FROM closed_state_changes), alike)
        SELECT known.agent_id, n AS day, 0 AS moment, state, reason, 0 AS seq
        FROM known ASOF JOIN closed_state_changes AS before
            ON known.agent_id = before.agent_id AND known.began_at > before.changed_at
        WHERE state <> 'logged_out'
        UNION ALL
        SELECT agent_id, n, epoch_us(changed_at) - epoch_us(began_at), state, reason, seq
        FROM closed_state_changes JOIN alike ON changed_at >= began_at AND changed_at < ends_at
        ORDER BY day, agent_id, moment, seq
        """,
        {"label": label, "most": most},
    ).fetchnumpy()
    return found


def sent(cursor: DuckDBPyConnection, label: str, most: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What everybody was sent on the same days: columns of the messages, and of the agents.

    Of each message ``message_id``, ``day``, the ``moment`` of sending, ``until`` when it could be read (both in µs
    since that day began) and whether it is ``urgent``, in the order of sending; of each agent ``agent_id`` and
    ``messages``, an array of the ids of what they got, in the same order.
    """
    those = {"label": label, "most": most}
    messages: dict[str, Any] = cursor.execute(
        f"""
        WITH {_ALIKE}
        SELECT message_id, n AS day, epoch_us(sent_at) - epoch_us(began_at) AS moment,
               epoch_us(least(coalesce(expires_at, ends_at), ends_at)) - epoch_us(began_at) AS until,
               priority = '{Priority.URGENT}' AS urgent
        FROM closed_messages JOIN alike ON closed_messages.day = alike.day
        ORDER BY message_id
        """,
        those,
    ).fetchnumpy()
    agents: dict[str, Any] = cursor.execute(
        f"""
        WITH {_ALIKE}
        SELECT agent_id, list(message_id ORDER BY message_id) AS messages
        FROM closed_deliveries JOIN alike ON closed_deliveries.day = alike.day
        GROUP BY agent_id ORDER BY agent_id
        """,
        those,
    ).fetchnumpy()
    return messages, agents
