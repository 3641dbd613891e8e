"""Sending: audiences, texts, ids, and requests that come twice."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coachsim import views
from coachsim.audience import recipients_digest
from coachsim.errors import (
    AudienceChanged,
    EmptyAudience,
    InvalidInput,
    RequestReused,
    UnknownAgent,
    UnknownGroup,
    UnknownMessage,
)
from coachsim.events import Sent
from coachsim.models import GROUP_KINDS, MAX_BODY, Agent, Audience, Draft, Filter
from tests.unit.floors import BREAK, HOUR, IN, MINUTE, OUT, TEN, Desk, team

EVERYONE = Audience(everyone=True)


def recipients(desk: Desk, message_id: int) -> list[str]:
    return list(desk.floor.messages[message_id].deliveries)


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (Audience(agents=("a3", "a1", "a3")), ["a1", "a3"]),
        (team("Blue"), ["a1", "a2"]),
        (team("Blue", "Green"), ["a1", "a2", "a3", "a4"]),
        (Audience(filter=Filter(campaign=("Spring",), team=("Green",))), ["a3"]),
        (Audience(filter=Filter(list=("Warm", "Cold"), queue=("Care",))), ["a2", "a3"]),
        (Audience(filter=Filter(state=("logged_in",))), ["a2"]),
        (Audience(filter=Filter(team=("Blue",), state=("logged_out", "break"))), ["a1"]),
        (EVERYONE, ["a1", "a2", "a3", "a4"]),
    ],
)
def test_an_audience_means_these_agents_once_each_and_never_an_inactive_one(audience, expected):
    desk = Desk()
    desk.log_in("a2")
    assert recipients(desk, desk.send(audience=audience)) == expected


def test_a_group_is_called_by_its_name_and_a_state_in_words():
    desk = Desk()
    agent = Agent("a5", "Eve", "__proto__", lists=("cold_leads",))
    desk._do(desk.floor.set_agents, [agent], actor="admin")
    audience = Audience(filter=Filter(team=("__proto__",), list=("cold_leads",), state=("logged_out",)))
    text = views.preview(desk.floor, audience, None)["audience_text"]
    assert text == "List: cold_leads · Team: __proto__ · State: logged out"


def test_recipients_are_frozen_when_sent():
    desk = Desk()
    message_id = desk.send(audience=team("Blue"))
    desk._do(desk.floor.set_agents, [Agent("a4", "Di", "Blue")], actor="admin")
    assert recipients(desk, message_id) == ["a1", "a2"]
    desk._do(desk.floor.set_agents, [Agent("a1", "Ann", "Green")], actor="admin")
    assert desk.delivery(message_id, "a1").team == "Blue"


def test_a_scope_narrows_filters_and_everyone_and_hides_the_rest():
    desk = Desk()
    scope = frozenset({"Blue"})
    assert recipients(desk, desk.send(audience=EVERYONE, scope=scope)) == ["a1", "a2"]
    assert recipients(desk, desk.send(audience=Audience(filter=Filter(campaign=("Spring",))), scope=scope)) == ["a1"]
    with pytest.raises(UnknownAgent):
        desk.send("a3", scope=scope)
    with pytest.raises(UnknownGroup):
        desk.send(audience=team("Green"), scope=scope)


def test_empty_and_unknown_audiences_are_errors_and_send_nothing():
    desk = Desk()
    with pytest.raises(UnknownGroup, match="no team 'Mauve'"):
        desk.send(audience=team("Blue", "Mauve"))
    with pytest.raises(EmptyAudience):
        desk.send(audience=Audience(filter=Filter(team=("Blue",), state=("break",))))
    with pytest.raises(EmptyAudience):
        desk.send(audience=EVERYONE, scope=frozenset())
    assert not desk.floor.messages


@pytest.mark.parametrize(
    "data",
    [
        {},
        None,
        [],
        {"agents": []},
        {"agents": "a1"},
        {"agents": [1]},
        {"everyone": False},
        {"everyone": 1.5},
        {"filter": {}},
        {"filter": {"team": []}},
        {"filter": {"shoe": ["42"]}},
        {"filter": {"state": ["asleep"]}},
        {"agents": ["a1"], "everyone": True},
        {"teams": ["Blue"]},
    ],
)
def test_a_malformed_audience_is_refused(data):
    with pytest.raises(InvalidInput):
        Audience.from_json(data)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
_words = st.text(st.characters(exclude_categories=[]), max_size=4) | st.sampled_from(["Blue", "a1", "break", "asleep"])
_filters = st.dictionaries(st.sampled_from([*GROUP_KINDS, "state", "shoe"]), st.lists(_words, max_size=3) | _json)
_audiences = st.one_of(
    st.dictionaries(st.just("agents"), st.lists(_words, max_size=3) | _json, min_size=1),
    st.dictionaries(st.just("filter"), _filters | _json, min_size=1),
    st.dictionaries(st.sampled_from(["everyone", "unread_of"]), _json | st.integers(-1, 1 << 64), max_size=2),
)


@given(_audiences | _json)
def test_any_json_is_refused_as_an_audience_or_means_the_same_again(data: object):
    try:
        audience = Audience.from_json(data)
    except InvalidInput as error:
        assert error.field == "audience"
        error.message.encode()  # can be printed
    else:
        assert Audience.from_json(audience.to_json()) == audience
        desk = Desk()
        try:
            sent = desk.send(audience=audience)
        except (UnknownAgent, UnknownGroup, UnknownMessage, EmptyAudience) as error:
            assert not desk.floor.messages
            error.message.encode()
        else:
            assert recipients(desk, sent)


UNSEEN = ["\u200b", "\ufeff\u2060 \u200d", "\u202e", "\u3164", "\u00ad\ufe0f", "\u2800\u2800", "\u034f\U000e0041"]


@pytest.mark.parametrize("body", UNSEEN)
def test_a_body_of_which_nothing_can_be_seen_is_empty(body: str):
    desk = Desk()
    with pytest.raises(InvalidInput, match="The message is empty"):
        desk.send("a1", body=body)
    assert not desk.floor.messages
    seen = desk.send("a1", body=f"{body}x{body}")
    assert desk.floor.messages[seen].message.body == f"{body}x{body}".strip()


@pytest.mark.parametrize("body", ["", "   ", "\n\t ", "x" * 1001, "bell\a", "null\0", "\x1b[31mred", "lone \ud800"])
def test_a_body_that_cannot_be_sent(body):
    desk = Desk()
    with pytest.raises(InvalidInput) as refused:
        desk.send("a1", body=body)
    assert refused.value.field == "body"
    assert not desk.floor.messages


def test_a_body_is_trimmed_and_keeps_its_lines_its_marks_and_its_markup():
    desk = Desk()
    body = "<b>one</b>\r\ntwo\t\u202eabc \U0001f600"
    message_id = desk.send("a1", body=f"  {body}\n\n")
    assert desk.floor.messages[message_id].message.body == body.replace("\r\n", "\n")
    assert desk.send("a1", body=" " + "é" * 1000 + " ")


def test_ids_are_the_microsecond_of_sending_bumped_if_taken():
    desk = Desk()
    assert [desk.send("a1"), desk.send("a1"), desk.send("a2")] == [TEN, TEN + 1, TEN + 2]
    desk.wait(1)
    assert desk.send("a1") == TEN + 3


def test_the_same_request_sends_once_also_with_its_digest_gone_stale():
    desk = Desk()
    first = desk.send("a1", request_id="one")
    desk.wait(HOUR)
    assert desk.send("a1", request_id="one", recipients_digest="stale") is None
    assert list(desk.floor.messages) == [first]
    assert desk.floor.sent_for_request("sup", "one").message.message_id == first


def test_the_same_request_with_another_content_is_refused():
    desk = Desk()
    desk.send("a1", request_id="one")
    for change in ({"body": "Other"}, {"ack_required": True}, {"audience": Audience(agents=("a2",))}):
        with pytest.raises(RequestReused):
            desk.send(**({"audience": Audience(agents=("a1",)), "request_id": "one"} | change))
    assert len(desk.floor.messages) == 1


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_is_kept_trimmed_or_refused(text: str):
    try:
        kept = Draft(Audience(everyone=True), text, request_id="one").body
    except InvalidInput as error:
        assert error.field == "body"
        error.message.encode()  # can be printed
    else:
        assert kept == text.replace("\r\n", "\n").replace("\r", "\n").strip()
        assert 0 < len(kept) <= MAX_BODY
        assert all(char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs") for char in kept)


def test_a_request_id_is_the_senders_own():
    desk = Desk()
    desk.send("a1", request_id="one")
    assert desk.floor.sent_for_request("other", "one") is None


def test_a_request_id_lives_for_the_day():
    desk = Desk()
    desk.send("a1", request_id="one")
    desk.until(desk.floor.day.ends_at)
    assert desk.send("a1", request_id="one") is not None


def test_a_digest_that_no_longer_holds_is_refused_and_sends_nothing():
    desk = Desk()
    digest = recipients_digest(["a1", "a2"])
    desk._do(desk.floor.set_agents, [Agent("a4", "Di", "Blue")], actor="admin")
    with pytest.raises(AudienceChanged):
        desk.send(audience=team("Blue"), recipients_digest=digest)
    assert not desk.floor.messages
    assert desk.send(audience=team("Blue"), recipients_digest=recipients_digest(["a1", "a2", "a4"]))


def test_the_expiry_lies_ahead_and_not_after_the_next_clear_down():
    desk = Desk()
    ends = desk.floor.day.ends_at
    for wrong in (desk.now - 1, desk.now, ends + 1):
        with pytest.raises(InvalidInput) as refused:
            desk.send("a1", expires_at=wrong)
        assert refused.value.field == "expires_at"
    assert desk.send("a1", expires_at=desk.now + 1)
    assert desk.send("a1", expires_at=ends)


def test_the_event_has_the_states_and_teams_at_the_send():
    desk = Desk()
    desk.log_in("a1")
    desk.state("a3", IN)
    desk.state("a3", BREAK)
    desk.send(audience=EVERYONE)
    sent = desk.events[-1]
    assert isinstance(sent, Sent)
    assert sent.states == (IN, OUT, BREAK, OUT)
    assert sent.teams == ("Blue", "Blue", "Green", "Green")
    assert sent.notified == (True, False, False, False)


def test_there_is_no_operation_that_changes_or_recalls_a_message():
    words = ("edit", "undo", "recall", "delete", "withdraw", "unsend", "update_message", "remove")
    found = [name for name in dir(Desk().floor) if any(word in name for word in words) and not name.startswith("_")]
    assert found == ["withdraw"], "that one is for what is scheduled and has not been sent"


def test_messages_of_one_minute_keep_their_order():
    desk = Desk()
    ids = [desk.send("a1") for _ in range(3)]
    desk.wait(MINUTE)
    assert list(desk.floor.agents["a1"].inbox) == ids
