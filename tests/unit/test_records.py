"""Every event comes back from its row as it was, through Python and through the file."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coachsim.events import EVENT_KINDS, Event, StateChanged
from coachsim.log import LogWriter
from coachsim.log.records import COLUMNS, SELECT, from_row, to_frame, to_row
from coachsim.models import GROUP_KINDS, Agent, AgentState, Audience, Draft, Filter, Message, Priority
from coachsim.when import When

text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
name = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8)
names = st.lists(name, max_size=3, unique=True).map(tuple)
moment = st.integers(0, 4_000_000_000_000_000)
message_id = st.integers(1, 2**62)
message_ids = st.lists(message_id, max_size=3, unique=True).map(tuple)
shown = st.lists(st.tuples(message_id, st.booleans()), max_size=3, unique_by=lambda pair: pair[0]).flatmap(
    lambda pairs: st.fixed_dictionaries(
        {
            "agent_id": name,
            "message_ids": st.just(tuple(mid for mid, _ in pairs)),
            "notified": st.just(tuple(told for _, told in pairs)),
        }
    )
)
states = st.sampled_from(AgentState)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(text, inner, max_size=2),
    max_leaves=5,
)
agent = st.builds(Agent, name, name, name, names, names, names, st.booleans())
group_filter = (
    st.fixed_dictionaries({}, optional={kind: names.filter(bool) for kind in GROUP_KINDS})
    .filter(bool)
    .map(lambda given: Filter(**given))
)
audience = (
    st.builds(Audience, agents=names.filter(bool))
    | st.builds(Audience, filter=group_filter)
    | st.just(Audience(everyone=True))
)
message = st.builds(
    Message,
    message_id,
    moment,
    name,
    audience,
    name,
    st.sampled_from(Priority),
    st.booleans(),
    st.none() | moment,
    name,
)
plain = st.from_regex(r"[a-z\u00e9\u05d0]{1,8}", fullmatch=True)
draft = st.builds(Draft, audience, plain, plain, st.sampled_from(Priority), st.booleans(), st.none() | moment)
shares = st.floats(0, 1, exclude_min=True)
when = (
    st.builds(When, release_at=moment)
    | st.builds(When, back_from_break=st.just(True), not_after=st.none() | moment)
    | st.builds(When, logged_in_share=shares, not_after=st.none() | moment)
)


@st.composite
def recipients(draw: Any) -> dict[str, Any]:
    ids = draw(st.lists(name, min_size=1, max_size=4, unique=True))

    def each(values: Any) -> tuple[Any, ...]:
        return tuple(draw(st.lists(values, min_size=len(ids), max_size=len(ids))))

    return {
        "agent_ids": tuple(ids),
        "teams": each(name),
        "states": each(states),
        "notified": each(st.booleans()),
        "toasted": each(st.booleans()),
    }


OWN: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "day_began": st.fixed_dictionaries(
        {"day": name, "began_at": moment, "ends_at": moment, "time_zone": name, "clear_down": name}
    ),
    "restarted": st.just({}),
    "agent_changed": st.fixed_dictionaries({"agent": agent, "previous_team": st.none() | name}),
    "connected": st.fixed_dictionaries({"agent_id": name, "page": st.booleans(), "notified": message_ids}),
    "disconnected": st.fixed_dictionaries({"agent_id": name}),
    "state_changed": st.fixed_dictionaries(
        {"agent_id": name, "state": states, "reason": st.none() | text, "notified": message_ids}
    ),
    "sent": st.builds(
        lambda sent, lists, schedule: {"message": sent, "schedule_id": schedule, **lists},
        message,
        recipients(),
        st.none() | message_id,
    ),
    "scheduled": st.fixed_dictionaries({"draft": draft, "when": when, "scope": st.none() | names}),
    "withdrawn": st.fixed_dictionaries({"schedule_id": message_id}),
    "not_released": st.fixed_dictionaries({"schedule_id": message_id, "because": name}),
    "toasts_shown": shown,
    "read": shown,
    "acknowledged": st.fixed_dictionaries({"agent_id": name, "message_id": message_id}),
    "expired": st.fixed_dictionaries({"message_id": message_id, "lost": names}),
    "cleared_down": st.fixed_dictionaries(
        {"day": name, "by_hand": st.booleans(), "deliveries": st.integers(0, 10**9), "lost": st.integers(0, 10**9)}
    ),
    "audited": st.fixed_dictionaries(
        {"action": name, "subject": text, "detail": st.dictionaries(text, json_value, max_size=3)}
    ),
}


def events(kind: str, seq: st.SearchStrategy[int] = message_id) -> st.SearchStrategy[Event]:
    """Events of one kind with anything in them that the models allow."""
    base = st.fixed_dictionaries({"seq": seq, "happened_at": moment, "actor": name})
    return st.builds(lambda base, own: EVENT_KINDS[kind](**base, **own), base, OWN[kind])


any_event = st.sampled_from(sorted(EVENT_KINDS)).flatmap(events)


def test_this_file_makes_every_kind_of_event():
    assert set(OWN) == set(EVENT_KINDS)


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_an_event_comes_back_from_its_row(kind):
    @settings(max_examples=60)
    @given(events(kind))
    def round_trip(event):
        again = from_row(to_row(event))
        assert again == event
        assert type(again) is type(event)

    round_trip()


@pytest.fixture(scope="module")
def table():
    with duckdb.connect() as connection:
        types = {"int64": "BIGINT", "timestamp": "TIMESTAMP", "text": "VARCHAR", "bool": "BOOLEAN"}
        columns = [
            f"{column} {types[kind.removesuffix('[]')]}{kind[len(kind.removesuffix('[]')) :]}"
            for column, kind in COLUMNS.items()
        ]
        connection.execute(f"CREATE TABLE events ({', '.join(columns)})")
        yield connection


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(any_event, min_size=1, max_size=6))
def test_events_come_back_through_a_frame_and_a_table(table, made):
    frame = to_frame(made)
    assert frame.column_names == list(COLUMNS)
    table.execute("DELETE FROM events")
    table.execute("INSERT INTO events SELECT * FROM frame")
    rows = table.execute(f"SELECT {SELECT} FROM events").fetchall()
    assert [from_row(row) for row in rows] == made


def test_the_columns_are_those_of_the_schema(tmp_path):
    with LogWriter.open(tmp_path / "log.duckdb") as writer:
        cursor = writer.cursor()
        described = cursor.execute("SELECT column_name FROM (DESCRIBE events)").fetchall()
    assert [row[0] for row in described] == list(COLUMNS)


def test_states_and_priorities_come_back_as_members_not_as_texts():
    event = StateChanged(seq=1, happened_at=1, actor="a1", agent_id="a1", state=AgentState.BREAK)
    again = from_row(to_row(event))
    assert isinstance(again, StateChanged)
    assert again.state is AgentState.BREAK
