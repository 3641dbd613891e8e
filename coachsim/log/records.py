"""Events as rows of the log's ``events`` table, and back: one codec for every kind of event.

A field that has a column of the same meaning goes there, so that SQL can reach it cheaply; whatever else an event
carries goes into ``payload`` as JSON. A new kind of event, or a new field with a default, needs nothing here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from coachsim.events import EVENT_KINDS, KIND_OF, AgentChanged, Connected, Event, Expired, Scheduled, Sent, StateChanged
from coachsim.models import Agent, AgentState, Audience, Chase, Draft, Message, Priority
from coachsim.when import When

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[Any, ...]

# The columns of ``events`` in their order, and their Arrow types by name. The order is schema.sql's (a test holds it).
COLUMNS: dict[str, str] = {
    "seq": "int64",
    "happened_at": "timestamp",
    "kind": "text",
    "actor": "text",
    "agent_id": "text",
    "message_id": "int64",
    "message_ids": "int64[]",
    "agent_ids": "text[]",
    "teams": "text[]",
    "states": "text[]",
    "notified": "bool[]",
    "toasted": "bool[]",
    "state": "text",
    "reason": "text",
    "payload": "text",
}
_TYPES = list(COLUMNS.values())
_PLACE = {name: place for place, name in enumerate(COLUMNS)}
_BASE = ("seq", "happened_at", "actor")
# Fields that live in a column of another name: message ids and agent ids each have one list column.
_RENAMED: dict[tuple[type[Event], str], str] = {
    (Connected, "notified"): "message_ids",
    (StateChanged, "notified"): "message_ids",
    (Expired, "lost"): "agent_ids",
}
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)

SELECT = ", ".join("epoch_us(happened_at) AS happened_at" if name == "happened_at" else name for name in COLUMNS)
"""What to select from ``events`` to get rows that ``from_row`` reads (times as integers)."""


def to_row(event: Event) -> Row:
    """The event as a row of ``events``; times are integers (µs), empty lists are null."""
    columns = _columns(type(event), [event])
    return tuple([columns[place][0] if place in columns else None for place in range(len(COLUMNS))])


def from_row(row: Sequence[Any]) -> Event:
    """The event that ``to_row`` made this row of. The row's columns are those of ``SELECT``."""
    kind = EVENT_KINDS[row[2]]
    in_columns, in_payload = _PLANS[kind]
    values: dict[str, Any] = {"seq": row[0], "happened_at": row[1], "actor": row[3]}
    for name, place in in_columns:
        value = row[place]
        read = _READ_COLUMN.get((kind, name))
        values[name] = value if read is None else read(value)
    if in_payload:
        stored = json.loads(row[-1]) if row[-1] else {}
        if kind is Sent:
            values["message"] = _read_message(row[_PLACE["message_id"]], stored)
            values["schedule_id"] = stored.get("schedule_id")
        elif kind is Scheduled:
            values |= _read_scheduled(stored)
        else:
            for name, default in in_payload:
                if name in stored:
                    values[name] = _read_agent(stored[name]) if name == "agent" else stored[name]
                elif default is MISSING:
                    values[name] = None
    return kind(**values)


def scheduled_from(seq: int, happened_at: int, actor: str, payload: str) -> Scheduled:
    """The event of a scheduled message from the four values of its row that are not empty."""
    return Scheduled(seq=seq, happened_at=happened_at, actor=actor, **_read_scheduled(json.loads(payload)))


def to_frame(events: Sequence[Event]) -> pa.Table:
    """The events as one columnar frame with the columns of ``events``: the fast way into DuckDB."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types: dict[str, Any] = {
        "int64": pa.int64(),
        "timestamp": pa.timestamp("us"),
        "text": pa.string(),
        "int64[]": pa.list_(pa.int64()),
        "text[]": pa.list_(pa.string()),
        "bool[]": pa.list_(pa.bool_()),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    places: dict[type[Event], list[int]] = {}
    for place, event in enumerate(events):
        places.setdefault(type(event), []).append(place)
    tables = [schema.empty_table()]
    for kind, those in places.items():
        columns = _columns(kind, [events[place] for place in those])
        arrays = [
            pa.array(columns[place], type=field.type) if place in columns else pa.nulls(len(those), field.type)
            for place, field in enumerate(schema)
        ]
        tables.append(pa.table(arrays, schema=schema))
    given = pa.array([place for those in places.values() for place in those], pa.int64())
    return pa.concat_tables(tables).take(pc.sort_indices(given))


def to_json(value: Any) -> str:
    """Compact JSON text, readable in any script; NaN is refused because no other reader would take it."""
    return _ENCODER.encode(value)


# --- the plan for each kind: which of its fields go where ---


def _plan(kind: type[Event]) -> tuple[list[tuple[str, int]], list[tuple[str, Any]]]:
    in_columns: list[tuple[str, int]] = []
    in_payload: list[tuple[str, Any]] = []
    for field in fields(kind):
        if field.name in _BASE:
            continue
        column = _RENAMED.get((kind, field.name), field.name)
        if column in _PLACE:
            in_columns.append((field.name, _PLACE[column]))
        else:
            in_payload.append((field.name, MISSING if field.default_factory is MISSING is field.default else None))
    return in_columns, in_payload


def _tuple(value: Iterable[Any] | None) -> tuple[Any, ...]:
    return tuple(value) if value else ()


def _states(value: Iterable[str] | None) -> tuple[AgentState, ...]:
    return tuple(map(AgentState, value or ()))


def _readers(kind: type[Event]) -> dict[tuple[type[Event], str], Callable[[Any], Any]]:
    readers: dict[tuple[type[Event], str], Callable[[Any], Any]] = {}
    for name, place in _plan(kind)[0]:
        column = list(COLUMNS)[place]
        if column == "states":
            readers[kind, name] = _states
        elif column == "state":
            readers[kind, name] = AgentState
        elif COLUMNS[column].endswith("[]"):
            readers[kind, name] = _tuple
    return readers


_PLANS = {kind: _plan(kind) for kind in EVENT_KINDS.values()}
_AGENT = tuple(field.name for field in fields(Agent))
_READ_COLUMN = {key: read for kind in EVENT_KINDS.values() for key, read in _readers(kind).items()}


# --- the values of an event's fields ---


def _columns(kind: type[Event], events: Sequence[Event]) -> dict[int, list[Any]]:
    """The values of events of one kind by the place of their column; columns that are not there are null."""
    columns: dict[int, list[Any]] = {
        _PLACE["seq"]: [event.seq for event in events],
        _PLACE["happened_at"]: [event.happened_at for event in events],
        _PLACE["kind"]: [KIND_OF[kind]] * len(events),
        _PLACE["actor"]: [event.actor for event in events],
    }
    in_columns, in_payload = _PLANS[kind]
    for name, place in in_columns:
        values = map(attrgetter(name), events)
        is_list = _TYPES[place].endswith("[]")
        columns[place] = [list(value) if value else None for value in values] if is_list else list(values)
    if issubclass(kind, Sent):
        columns[_PLACE["message_id"]] = list(map(attrgetter("message.message_id"), events))
    elif issubclass(kind, AgentChanged):
        columns[_PLACE["agent_id"]] = list(map(attrgetter("agent.agent_id"), events))
    if in_payload:
        columns[_PLACE["payload"]] = [_payload(event, in_payload) for event in events]
    return columns


def _payload(event: Event, names: list[tuple[str, Any]]) -> str | None:
    if isinstance(event, Sent):
        released = {} if event.schedule_id is None else {"schedule_id": event.schedule_id}
        return to_json(
            {"sent_at": event.message.sent_at, "sender": event.message.sender} | _content(event.message) | released
        )
    if isinstance(event, Scheduled):
        return to_json(_content(event.draft) | {"when": event.when.to_json(), "scope": event.scope})
    values = {}
    for name, _ in names:
        value = getattr(event, name)
        if value is not None:
            values[name] = {field: getattr(value, field) for field in _AGENT} if name == "agent" else value
    return to_json(values) if values else None


def _content(message: Message | Draft) -> dict[str, Any]:
    """What a message and the draft of one that is scheduled have both."""
    values: dict[str, Any] = {
        "audience": message.audience.to_json(),
        "body": message.body,
        "priority": message.priority.value,
        "ack_required": message.ack_required,
        "request_id": message.request_id,
    }
    if message.expires_at is not None:
        values["expires_at"] = message.expires_at
    if message.ack_by is not None:
        values["ack_by"] = message.ack_by
    if message.chase is not None:
        values["chase"] = message.chase.to_json()
    return values


def _read_content(stored: dict[str, Any]) -> dict[str, Any]:
    return {
        "audience": Audience.from_json(stored["audience"]),
        "body": stored["body"],
        "priority": Priority(stored["priority"]),
        "ack_required": stored["ack_required"],
        "expires_at": stored.get("expires_at"),
        "request_id": stored["request_id"],
        "ack_by": stored.get("ack_by"),
        "chase": Chase.from_json(stored["chase"]) if "chase" in stored else None,
    }


def _read_message(message_id: int, stored: dict[str, Any]) -> Message:
    head = {"message_id": message_id, "sent_at": stored["sent_at"], "sender": stored["sender"]}
    return Message(**head, **_read_content(stored))


def _read_scheduled(stored: dict[str, Any]) -> dict[str, Any]:
    scope = stored["scope"]
    return {
        "draft": Draft(**_read_content(stored)),
        "when": When.from_json(stored["when"]),
        "scope": None if scope is None else tuple(scope),
    }


def _read_agent(stored: dict[str, Any]) -> Agent:
    for name in ("campaigns", "lists", "queues"):
        stored[name] = tuple(stored[name])
    return Agent(**stored)
