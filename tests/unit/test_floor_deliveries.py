"""What becomes of a delivery: toast, notice, reading, acknowledgement, expiry and the night."""

from __future__ import annotations

import pytest

from coachsim.errors import AcknowledgementNotAsked, NotPresent, NotReadYet, UnknownMessage
from coachsim.events import ClearedDown, DayBegan
from coachsim.models import Agent, Status
from tests.unit.floors import BREAK, HOUR, IN, MINUTE, OUT, Desk, team


def test_logged_in_and_connected_is_notified_at_the_send_and_toasted_when_the_page_says_so():
    desk = Desk()
    desk.log_in("a1")
    message_id = desk.send("a1")
    delivery = desk.delivery(message_id, "a1")
    assert (delivery.notified_at, delivery.toast_at) == (desk.now, None)
    desk.wait(1)
    desk.toasts("a1", message_id)
    assert (delivery.notified_at, delivery.toast_at) == (desk.now - 1, desk.now)
    assert delivery.status is Status.NOTIFIED


def test_logged_in_without_a_page_is_notified_on_connecting():
    desk = Desk()
    desk.state("a1", IN)
    message_id = desk.send("a1")
    assert desk.delivery(message_id, "a1").status is Status.WAITING
    desk.wait(1)
    desk.connect("a1")
    assert desk.delivery(message_id, "a1").notified_at == desk.now


def test_a_toast_notifies_who_was_not_told_before():
    desk = Desk()
    desk.state("a1", IN)
    message_id = desk.send("a1")
    desk.wait(1)
    desk.toasts("a1", message_id)
    assert desk.delivery(message_id, "a1").notified_at == desk.now


@pytest.mark.parametrize("away", [BREAK, OUT])
def test_away_is_told_on_coming_back_and_not_before(away):
    desk = Desk()
    desk.log_in("a1")
    desk.state("a1", away)
    message_id = desk.send("a1")
    delivery = desk.delivery(message_id, "a1")
    assert desk.toasts("a1", message_id) == ()
    desk.disconnect("a1")
    desk.connect("a1")
    assert (delivery.toast_at, delivery.notified_at, delivery.state_at_send) == (None, None, away)
    desk.wait(1)
    desk.state("a1", IN)
    assert (delivery.toast_at, delivery.notified_at) == (None, desk.now)


def test_a_toast_counts_once_and_not_for_what_is_read_cleared_or_unknown():
    desk = Desk()
    desk.log_in("a1")
    first, second = desk.send("a1"), desk.send("a1")
    desk.toasts("a1", first)
    desk.wait(1)
    assert desk.toasts("a1", first) == ()
    desk.read("a1")
    assert desk.toasts("a1", second, 77) == ()
    assert desk.delivery(first, "a1").toast_at == desk.now - 1


def test_a_simulated_agents_toast_shows_at_once_when_logged_in():
    desk = Desk()
    desk.log_in("a1", "a2", page=False)
    desk.state("a2", BREAK)
    message_id = desk.send("a1", "a2")
    assert desk.delivery(message_id, "a1").toast_at == desk.now
    assert desk.delivery(message_id, "a2").toast_at is None


def test_a_toast_is_not_reading():
    desk = Desk()
    desk.log_in("a1")
    message_id = desk.send("a1")
    desk.toasts("a1", message_id)
    assert message_id in desk.floor.agents["a1"].unread


def test_reading_takes_everything_up_to_what_was_shown():
    desk = Desk()
    desk.log_in("a1")
    first = desk.send("a1")
    shown = desk.floor.seq
    second = desk.send("a1")
    desk.wait(1)
    (event,) = desk.read("a1", through=shown)
    assert event.message_ids == (first,)
    assert desk.delivery(second, "a1").read_at is None
    desk.read("a1")
    assert desk.delivery(second, "a1").read_at == desk.now
    assert desk.read("a1") == ()


def test_reading_during_a_break_works_and_notifies():
    desk = Desk()
    desk.log_in("a1")
    desk.state("a1", BREAK)
    message_id = desk.send("a1")
    desk.wait(1)
    desk.read("a1")
    delivery = desk.delivery(message_id, "a1")
    assert delivery.read_at == delivery.notified_at == desk.now
    desk.wait(1)
    desk.state("a1", IN)
    assert delivery.notified_at == desk.now - 1


def test_logged_out_cannot_read_or_acknowledge():
    desk = Desk()
    desk.connect("a1")
    message_id = desk.send("a1", ack_required=True)
    with pytest.raises(NotPresent, match="logged out"):
        desk.read("a1")
    with pytest.raises(NotPresent):
        desk.ack("a1", message_id)
    assert desk.delivery(message_id, "a1").status is Status.WAITING


def test_acknowledging_comes_after_reading_and_counts_once():
    desk = Desk()
    desk.log_in("a1")
    message_id = desk.send("a1", ack_required=True)
    with pytest.raises(NotReadYet):
        desk.ack("a1", message_id)
    desk.read("a1")
    desk.wait(1)
    desk.ack("a1", message_id)
    desk.wait(1)
    assert desk.ack("a1", message_id) == ()
    delivery = desk.delivery(message_id, "a1")
    assert (delivery.acknowledged_at, delivery.status) == (desk.now - 1, Status.ACKNOWLEDGED)


def test_only_what_asks_for_it_and_is_in_the_list_can_be_acknowledged():
    desk = Desk()
    desk.log_in("a1", "a2")
    plain, others = desk.send("a1"), desk.send("a2", ack_required=True)
    desk.read("a1")
    with pytest.raises(AcknowledgementNotAsked):
        desk.ack("a1", plain)
    with pytest.raises(UnknownMessage):
        desk.ack("a1", others)


def test_at_expiry_the_unread_is_lost_and_gone_and_the_read_stays():
    desk = Desk()
    desk.log_in("a1", "a2")
    message_id = desk.send("a1", "a2", expires_at=desk.now + HOUR, ack_required=True)
    desk.read("a1")
    assert desk.wait(HOUR - 1) == ()
    (event,) = desk.wait(1)
    assert event.lost == ("a2",)
    lost, kept = desk.delivery(message_id, "a2"), desk.delivery(message_id, "a1")
    assert (lost.status, lost.lost_at, lost.cleared_at) == (Status.LOST, desk.now, None)
    assert kept.lost_at is None
    assert message_id not in desk.floor.agents["a2"].inbox
    assert message_id in desk.floor.agents["a1"].inbox
    assert desk.read("a2") == () and desk.toasts("a2", message_id) == ()
    desk.ack("a1", message_id)
    assert kept.status is Status.ACKNOWLEDGED
    desk.until(desk.floor.day.ends_at)
    assert (lost.lost_at < lost.cleared_at, lost.cleared_at) == (True, desk.now)


def test_the_night_empties_every_list_and_loses_what_is_unread():
    desk = Desk()
    desk.log_in("a1", "a2")
    message_id = desk.send("a1", "a2", "a3")
    desk.read("a1")
    rows = dict(desk.floor.messages[message_id].deliveries)
    ends = desk.floor.day.ends_at
    cleared, began = desk.until(ends)
    assert isinstance(cleared, ClearedDown) and isinstance(began, DayBegan)
    assert (cleared.happened_at, cleared.deliveries, cleared.lost, cleared.by_hand) == (ends, 3, 2, False)
    assert (began.day, began.began_at) == ("2026-03-03", ends)
    assert [rows[agent].status for agent in ("a1", "a2", "a3")] == [Status.READ, Status.LOST, Status.LOST]
    assert {row.cleared_at for row in rows.values()} == {ends}
    assert not any(row.inbox or row.unread for row in desk.floor.agents.values())
    assert not desk.floor.messages
    assert desk.floor.agents["a1"].state is IN


def test_missed_clear_downs_are_applied_one_by_one_at_their_times():
    desk = Desk()
    desk.send("a1")
    first = desk.floor.day.ends_at
    events = desk.wait(3 * 24 * HOUR)
    assert [event.happened_at for event in events if isinstance(event, ClearedDown)] == [
        first,
        first + 24 * HOUR,
        first + 48 * HOUR,
    ]
    assert [event.day for event in events if isinstance(event, DayBegan)] == ["2026-03-03", "2026-03-04", "2026-03-05"]


def test_a_clear_down_by_hand_empties_lists_and_ends_no_day():
    desk = Desk()
    desk.log_in("a1")
    first = desk.send("a1", request_id="one")
    desk.wait(1)
    (event,) = desk.clear_by_hand()
    assert (event.by_hand, event.actor, event.deliveries, event.lost) == (True, "admin", 1, 1)
    delivery = desk.delivery(first, "a1")
    assert (delivery.cleared_at, delivery.lost_at) == (desk.now, desk.now)
    assert not desk.floor.agents["a1"].inbox
    assert desk.floor.day.day == "2026-03-02"
    assert desk.send("a1", request_id="one") is None
    second = desk.send("a1")
    later = desk.delivery(second, "a1")
    desk.until(desk.floor.day.ends_at)
    assert delivery.cleared_at < later.cleared_at == desk.now


def test_the_clear_down_comes_before_an_expiry_of_the_same_moment():
    desk = Desk()
    desk.send("a1", expires_at=desk.floor.day.ends_at)
    events = desk.until(desk.floor.day.ends_at)
    assert [type(event) for event in events] == [ClearedDown, DayBegan]
    assert events[0].lost == 1


def test_an_expiry_comes_before_a_log_out_of_the_same_moment():
    desk = Desk()
    desk.state("a1", IN)
    message_id = desk.send("a1", expires_at=desk.now + 5 * MINUTE)
    events = desk.wait(5 * MINUTE)
    assert [event.__class__.__name__ for event in events] == ["Expired", "StateChanged"]
    assert desk.delivery(message_id, "a1").status is Status.LOST


def test_a_held_clear_down_comes_when_released_and_not_in_the_past():
    desk = Desk()
    ends = desk.floor.day.ends_at
    desk.now = ends + HOUR
    assert desk.floor.tick(desk.now, nights_until=0) == ()
    assert desk.floor.next_due(hold_clear_down=True) is None
    desk.floor.set_state(desk.now, "a1", IN, actor="a1")
    cleared, began = desk.floor.tick(desk.now)
    assert (cleared.happened_at, cleared.day) == (desk.now, "2026-03-02")
    assert (began.began_at, began.day) == (ends, "2026-03-03")


def test_next_due_is_the_earliest_of_what_comes_by_itself():
    desk = Desk()
    assert desk.floor.next_due() == desk.floor.day.ends_at
    desk.send(audience=team("Blue"), expires_at=desk.now + HOUR)
    assert desk.floor.next_due() == desk.now + HOUR
    desk.state("a1", IN)
    assert desk.floor.next_due() == desk.now + 5 * MINUTE
    desk.connect("a1")
    assert desk.floor.next_due() == desk.now + HOUR


def test_an_agent_made_inactive_keeps_what_they_had_and_the_night_loses_it():
    desk = Desk()
    message_id = desk.send("a1")
    delivery = desk.delivery(message_id, "a1")
    desk._do(desk.floor.set_agents, [Agent("a1", "Ann", "Blue", active=False)], actor="admin")
    desk.until(desk.floor.day.ends_at)
    assert delivery.status is Status.LOST
