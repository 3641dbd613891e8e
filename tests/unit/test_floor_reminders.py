"""Reminders by hand to those who have not read it, or by a message's rule; and times to confirm by."""

from __future__ import annotations

import pytest

from coachsim.audience import recipients_digest
from coachsim.errors import AudienceChanged, EmptyAudience, InvalidInput, UnknownMessage
from coachsim.events import Sent
from coachsim.models import Audience, Chase
from coachsim.state import FloorState
from tests.unit.floors import BREAK, HOUR, MINUTE, OUT, TEN, Desk, team

TWICE = Chase(10 * MINUTE, 2)


def reminders(desk: Desk) -> list[tuple[int, tuple[str, ...]]]:
    """Each reminder by a rule: minutes after ten, and who got it."""
    return [
        ((event.happened_at - TEN) // MINUTE, event.agent_ids)
        for event in desk.events
        if isinstance(event, Sent) and event.actor == "floor"
    ]


def unread_of(message_id: int) -> Audience:
    return Audience(unread_of=message_id)


# --- by hand ---


def test_a_reminder_goes_to_those_who_have_not_read_it_and_is_read_with_it():
    desk = Desk()
    desk.log_in("a1", "a2")
    first = desk.send("a1", "a2", "a3")
    desk.read("a1")
    again = desk.send(audience=unread_of(first))
    assert list(desk.floor.messages[again].deliveries) == ["a2", "a3"]
    assert desk.floor.messages[again].message.reminds == first
    assert desk.floor.messages[first].reminders == [again]
    desk.read("a2")
    assert desk.delivery(first, "a2").read_at == desk.delivery(again, "a2").read_at == desk.now
    desk.log_in("a3")
    desk.read("a3")
    with pytest.raises(EmptyAudience, match="Everybody has read it"):
        desk.send(audience=unread_of(first))


def test_one_who_reads_it_between_the_question_and_the_send_is_not_reminded():
    desk = Desk()
    desk.log_in("a1", "a2")
    first = desk.send("a1", "a2")
    asked = recipients_digest(desk.floor.resolve(unread_of(first)))
    desk.read("a1")
    with pytest.raises(AudienceChanged):
        desk.send(audience=unread_of(first), recipients_digest=asked)


def test_a_reminder_of_a_reminder_reminds_of_the_first_message():
    desk = Desk()
    first = desk.send("a1", "a2")
    second = desk.send(audience=unread_of(first))
    third = desk.send(audience=unread_of(second))
    assert desk.floor.messages[third].message.reminds == first
    assert desk.floor.messages[first].reminders == [second, third]


def test_the_lost_can_be_reminded_the_inactive_and_those_out_of_scope_cannot():
    desk = Desk()
    first = desk.send("a1", "a2", "a3", expires_at=TEN + MINUTE)
    desk.wait(2 * MINUTE)
    assert desk.delivery(first, "a1").lost_at == TEN + MINUTE
    assert desk.floor.resolve(unread_of(first), frozenset({"Blue"})) == ["a1", "a2"]
    with pytest.raises(UnknownMessage):
        desk.floor.resolve(unread_of(first), frozenset({"Mauve"}))
    with pytest.raises(UnknownMessage):
        desk.send(audience=unread_of(12345))


def test_yesterdays_message_cannot_be_reminded_of():
    desk = Desk()
    first = desk.send("a1")
    desk.wait(24 * HOUR)
    with pytest.raises(UnknownMessage):
        desk.send(audience=unread_of(first))


# --- by a rule ---


def test_a_rule_reminds_after_so_long_present_and_unread_at_most_so_often():
    desk = Desk()
    desk.log_in("a1", "a2")
    first = desk.send("a1", "a2", "a3", chase=TWICE, body="Ring them back")
    desk.wait(5 * MINUTE)
    desk.read("a1")
    desk.log_in("a3")  # in after five minutes: their ten minutes begin now
    desk.wait(2 * HOUR)
    assert reminders(desk) == [(10, ("a2",)), (15, ("a3",)), (20, ("a2",)), (25, ("a3",))]
    row = desk.floor.messages[first]
    one = desk.floor.messages[row.reminders[0]].message
    assert (one.sender, one.body, one.reminds, one.chase) == ("sup", "Ring them back", first, None)


def test_time_logged_out_does_not_count_a_break_does():
    desk = Desk()
    desk.log_in("a1")
    desk.send("a1", chase=TWICE)
    desk.wait(4 * MINUTE)
    desk.state("a1", OUT)
    desk.wait(30 * MINUTE)
    desk.log_in("a1")
    desk.wait(MINUTE)
    desk.state("a1", BREAK)
    desk.wait(HOUR)
    assert [minute for minute, _ in reminders(desk)] == [40, 50]


def test_those_who_are_due_within_a_minute_get_one_reminder_together():
    desk = Desk()
    desk.send("a1", "a2", chase=TWICE)
    desk.wait(20_000_000)
    desk.log_in("a1")
    desk.wait(20_000_000)
    desk.log_in("a2")
    desk.wait(11 * MINUTE)
    assert reminders(desk) == [(11, ("a1", "a2"))]


def test_a_reminder_by_hand_counts_and_begins_the_time_anew():
    desk = Desk()
    desk.log_in("a1")
    first = desk.send("a1", chase=TWICE)
    desk.wait(8 * MINUTE)
    desk.send(audience=unread_of(first))
    desk.wait(HOUR)
    assert [minute for minute, _ in reminders(desk)] == [18]


def test_what_is_lost_or_confirmed_for_good_is_not_chased():
    desk = Desk()
    desk.log_in("a1", "a2")
    desk.send("a1", chase=TWICE, expires_at=TEN + 10 * MINUTE)
    desk.wait(HOUR)
    assert reminders(desk) == []
    desk.send("a2", chase=TWICE)
    desk.clear_by_hand()
    desk.wait(HOUR)
    assert reminders(desk) == []
    desk.send("a1", chase=TWICE)
    desk.wait(24 * HOUR)
    desk.wait(24 * HOUR)
    assert len(reminders(desk)) == 2, "the day's two, none of the days after"


def test_a_floor_rebuilt_from_its_events_reminds_at_the_same_moment():
    desk = Desk()
    desk.log_in("a1")
    desk.send("a1", "a2", chase=TWICE)
    desk.wait(3 * MINUTE)
    desk.log_in("a2")
    rebuilt = FloorState()
    rebuilt.restore([], desk.events)
    assert rebuilt.next_chase() == desk.floor.next_chase() != None  # noqa: E711
    assert rebuilt.next_chase()[0] == TEN + 10 * MINUTE


@pytest.mark.parametrize(
    "wrong",
    [
        None, [], {}, {"after_min": 10}, {"after_min": 0, "times": 1}, {"after_min": 1.5, "times": 1},
        {"after_min": True, "times": 1}, {"after_min": 481, "times": 1}, {"after_min": 10, "times": 0},
        {"after_min": 10, "times": 6}, {"after_min": 10, "times": 1, "more": 1},
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidInput) as refused:
        Chase.from_json(wrong)
    assert refused.value.field == "chase"


def test_whole_numbers_may_be_written_as_json_writes_them():
    assert Chase.from_json({"after_min": 10.0, "times": 1.0}) == Chase.from_json({"after_min": 10, "times": 1})
    assert Audience.from_json({"unread_of": 17.0}) == Audience(unread_of=17)
    with pytest.raises(InvalidInput):
        Audience.from_json({"unread_of": 17.5})


def test_a_reminder_has_no_rule_of_its_own():
    desk = Desk()
    first = desk.send("a1")
    with pytest.raises(InvalidInput, match="no reminders of its own"):
        desk.send(audience=unread_of(first), chase=TWICE)


# --- confirmed by when ---


def test_a_time_to_confirm_by_needs_a_message_that_asks_for_it_and_lies_ahead():
    desk = Desk()
    desk.log_in("a1")
    with pytest.raises(InvalidInput, match="needs a message that asks"):
        desk.send("a1", ack_by=TEN + HOUR)
    with pytest.raises(InvalidInput, match="passed already"):
        desk.send("a1", ack_required=True, ack_by=TEN)
    with pytest.raises(InvalidInput, match="clear-down"):
        desk.send("a1", ack_required=True, ack_by=TEN + 18 * HOUR)
    with pytest.raises(InvalidInput, match="expiry"):
        desk.send("a1", ack_required=True, ack_by=TEN + 2 * HOUR, expires_at=TEN + HOUR)
    first = desk.send("a1", ack_required=True, ack_by=TEN + HOUR)
    desk.wait(2 * HOUR)
    desk.read("a1")
    desk.ack("a1", first)  # late is better than never
    assert desk.delivery(first, "a1").acknowledged_at == TEN + 2 * HOUR


def test_a_reminder_by_the_rule_after_the_time_to_confirm_has_none():
    desk = Desk()
    desk.log_in("a1")
    desk.send("a1", ack_required=True, ack_by=TEN + 15 * MINUTE, chase=TWICE)
    desk.wait(HOUR)
    sent = [event.message for event in desk.events if isinstance(event, Sent)]
    assert [one.ack_by for one in sent] == [TEN + 15 * MINUTE, TEN + 15 * MINUTE, None]
    assert all(one.ack_required for one in sent)


def test_scope_narrows_a_reminder():
    desk = Desk()
    first = desk.send(audience=team("Blue", "Green"))
    again = desk.send(audience=unread_of(first), scope=frozenset({"Green"}))
    assert list(desk.floor.messages[again].deliveries) == ["a3", "a4"]
