"""Scheduled messages: at a time or at an event, with the audience and the rights of that moment, once at most."""

from __future__ import annotations

import pytest

from coachsim.errors import (
    AudienceChanged,
    ConditionMet,
    EmptyAudience,
    Forbidden,
    InvalidInput,
    RequestReused,
    TooLate,
    UnknownAgent,
    UnknownSchedule,
)
from coachsim.events import ClearedDown, DayBegan, NotReleased, Scheduled, Sent, StateChanged, Withdrawn
from coachsim.floor import Floor
from coachsim.models import Agent, Audience, Filter
from coachsim.scheduling import FARTHEST, MOST_WAITING
from coachsim.state import FloorState, Opening, ScheduleStatus
from coachsim.when import When
from tests.unit.floors import AGENTS, BREAK, HOUR, IN, MINUTE, OUT, SCHEDULE, TEN, Desk, team

EVERYONE = Audience(everyone=True)
BACK = When(back_from_break=True)


def share(of: float, not_after: int | None = None) -> When:
    return When(logged_in_share=of, not_after=not_after)


def sent_of(events) -> list[Sent]:
    return [event for event in events if isinstance(event, Sent)]


def why_not(desk: Desk, schedule_id: int) -> str | None:
    row = desk.floor.schedules[schedule_id]
    assert (row.status is ScheduleStatus.NOT_RELEASED) == (row.because is not None)
    return row.because


# --- at a time ---


def test_at_its_time_it_goes_out_as_an_ordinary_message_of_its_sender():
    desk = Desk()
    desk.log_in("a1")
    scheduled = desk.schedule("a1", "a2", ack_required=True)
    assert desk.floor.next_due() == desk.now + 10 * MINUTE
    assert not sent_of(desk.wait(10 * MINUTE - 1))
    (sent,) = sent_of(desk.wait(1))
    assert (sent.happened_at, sent.actor, sent.schedule_id) == (TEN + 10 * MINUTE, "floor", scheduled)
    assert (sent.message.sender, sent.message.ack_required, sent.agent_ids) == ("sup", True, ("a1", "a2"))
    assert sent.notified == (True, False)
    row = desk.floor.schedules[scheduled]
    assert (row.status, row.message_id, row.closed_at) == ("released", sent.message.message_id, sent.happened_at)
    assert not sent_of(desk.wait(9 * HOUR)), "once is enough"


def test_who_it_is_for_is_found_out_when_it_goes_out():
    desk = Desk()
    desk.schedule(audience=team("Blue"))
    desk.floor.set_agents(desk.now, [Agent("a2", "Bo", "Green"), Agent("a5", "Em", "Blue")], actor="admin")
    (sent,) = sent_of(desk.wait(HOUR))
    assert sent.agent_ids == ("a1", "a5")


def test_of_agents_named_by_hand_those_who_are_still_there_get_it():
    desk = Desk()
    some, none = desk.schedule("a1", "a2", "a3"), desk.schedule("a1", "a3")
    gone = [Agent("a1", "Ann", "Blue", active=False), Agent("a3", "Cy", "Green", active=False)]
    desk.floor.set_agents(desk.now, gone, actor="admin")
    (sent,) = sent_of(desk.wait(HOUR))
    assert (sent.schedule_id, sent.agent_ids) == (some, ("a2",))
    assert why_not(desk, none) == "None of the agents it was for is active and in its sender's teams any more."


def test_where_nobody_matches_any_more_it_does_not_go_out_and_says_so():
    desk = Desk()
    scheduled = desk.schedule(audience=Audience(filter=Filter(state=("logged_out",), team=("Blue",))))
    desk.log_in("a1", "a2")
    events = desk.wait(10 * MINUTE)
    assert [type(event) for event in events if not isinstance(event, StateChanged)] == [NotReleased]
    assert why_not(desk, scheduled) == "Nobody matches whom it was for any more."


def test_the_senders_rights_are_those_of_the_moment_it_goes_out():
    desk = Desk()
    rights: dict[str, frozenset[str] | None] = {"sup": frozenset({"Green"})}

    def ask(sender: str):
        if sender not in rights:
            raise Forbidden("The account is disabled.")
        return rights[sender]

    desk.floor.rights = ask
    narrowed = desk.schedule(audience=EVERYONE)
    lost = desk.schedule(audience=team("Blue"))
    disabled = desk.schedule("a1", actor="gone")
    (sent,) = sent_of(desk.wait(HOUR))
    assert (sent.schedule_id, sent.agent_ids) == (narrowed, ("a3", "a4"))
    assert why_not(desk, lost) == "A group that it was for has nobody any more whom its sender may send to."
    assert why_not(desk, disabled) == "The account is disabled."


def test_a_time_has_to_lie_ahead_and_not_more_than_two_weeks():
    desk = Desk()
    for moment in (desk.now, desk.now - 1, desk.now + FARTHEST + 1):
        with pytest.raises(InvalidInput) as refused:
            desk.schedule("a1", when=When(release_at=moment))
        assert refused.value.field == "when"
    assert desk.schedule("a1", when=When(release_at=desk.now + FARTHEST))


def test_it_is_refused_like_a_send_of_now():
    desk = Desk()
    for values, error in (
        ({"audience": Audience(agents=("nobody",))}, UnknownAgent),
        ({"audience": Audience(agents=("a3",)), "scope": {"Blue"}}, UnknownAgent),
        ({"audience": Audience(filter=Filter(state=("break",)))}, EmptyAudience),
        ({"audience": team("Blue"), "recipients_digest": "old"}, AudienceChanged),
    ):
        with pytest.raises(error):
            desk.schedule(**values)
    assert desk.floor.schedules == {}


def test_an_expiry_is_later_than_the_release_and_not_beyond_the_clear_down_that_follows_it():
    desk = Desk()
    tomorrow = When(release_at=desk.floor.day.ends_at + 6 * HOUR)
    for when, expires_at in (
        (When(release_at=desk.now + HOUR), desk.now + HOUR),
        (When(release_at=desk.now + HOUR), desk.floor.day.ends_at + 1),
        (tomorrow, desk.floor.day.ends_at + 25 * HOUR),
    ):
        with pytest.raises(InvalidInput) as refused:
            desk.schedule("a1", when=when, expires_at=expires_at)
        assert refused.value.field == "expires_at"
    desk.schedule("a1", when=tomorrow, expires_at=tomorrow.release_at + HOUR)
    (sent,) = sent_of(desk.until(tomorrow.release_at))
    assert sent.message.expires_at == tomorrow.release_at + HOUR


def test_at_one_moment_the_clear_down_comes_first_and_log_outs_before_what_is_scheduled():
    desk = Desk()
    desk.log_in("a1")
    desk.disconnect("a1")
    desk.schedule("a1", when=When(release_at=desk.now + 5 * MINUTE))
    *_, logged_out, sent = desk.wait(5 * MINUTE)
    assert (logged_out.state, sent.states) == (OUT, (OUT,))
    desk.schedule("a1", when=When(release_at=desk.floor.day.ends_at))
    cleared, _, sent = desk.until(desk.floor.day.ends_at)
    assert isinstance(cleared, ClearedDown) and isinstance(sent, Sent)
    assert cleared.deliveries == 1 and sent.message.message_id in desk.floor.agents["a1"].inbox


def test_it_lasts_over_clear_downs_and_what_is_done_with_leaves_with_its_day():
    desk = Desk()
    days_ahead = desk.schedule("a1", when=When(release_at=desk.now + 3 * 24 * HOUR))
    today = desk.schedule("a2")
    desk.clear_by_hand()
    desk.wait(10 * MINUTE)
    assert desk.floor.schedules[today].status == "released"
    desk.wait(24 * HOUR)
    assert list(desk.floor.schedules) == [days_ahead]
    assert len(sent_of(desk.wait(2 * 24 * HOUR))) == 1


# --- at an event ---


def test_when_the_team_is_back_from_the_break_it_goes_out_right_after_the_last_return():
    desk = Desk()
    desk.log_in("a1", "a2", "a3")
    for agent_id in ("a1", "a2", "a3"):
        desk.state(agent_id, BREAK)
    scheduled = desk.schedule(audience=team("Blue"), when=BACK)
    assert not sent_of(desk.state("a3", IN))
    assert not sent_of(desk.state("a1", IN))
    changed, sent = desk.state("a2", IN)
    assert isinstance(changed, StateChanged) and sent.schedule_id == scheduled
    assert (sent.happened_at, sent.seq) == (changed.happened_at, changed.seq + 1)
    assert sent.states == (IN, IN) and sent.notified == (True, True)


def test_whoever_logs_out_of_the_break_is_waited_for_no_more_but_somebody_has_to_be_there():
    desk = Desk()
    desk.log_in("a1", "a2")
    desk.state("a1", BREAK)
    desk.state("a2", BREAK)
    desk.schedule(audience=team("Blue"), when=BACK)
    assert not sent_of(desk.state("a1", OUT))
    assert not sent_of(desk.state("a2", OUT)), "nobody is there"
    (_, sent) = desk.state("a1", IN)
    assert isinstance(sent, Sent)


def test_the_one_who_is_logged_out_for_want_of_a_page_may_be_the_last_who_was_waited_for():
    desk = Desk()
    desk.log_in("a1", "a2")
    desk.state("a2", BREAK)
    desk.disconnect("a2")
    desk.schedule(audience=team("Blue"), when=BACK)
    logged_out, sent = desk.wait(5 * MINUTE)
    assert (logged_out.agent_id, sent.states) == ("a2", (IN, OUT))


def test_when_a_share_is_logged_in():
    desk = Desk()
    desk.schedule(audience=EVERYONE, when=share(0.7))  # of four: three
    desk.log_in("a1")
    desk.log_in("a2")
    desk.state("a2", BREAK)
    desk.log_in("a3")
    assert not sent_of(desk.events)
    (_, sent) = desk.state("a2", IN)
    assert len(sent.agent_ids) == 4


def test_a_share_counts_whoever_is_in_the_audience_by_then():
    desk = Desk()
    desk.log_in("a1")
    desk.schedule(audience=EVERYONE, when=share(1))
    desk.log_in("a2")
    out = [Agent(one.agent_id, one.name, one.team, active=False) for one in AGENTS if one.team == "Green"]
    *_, sent = desk._do(desk.floor.set_agents, out, actor="admin")
    assert isinstance(sent, Sent) and sent.agent_ids == ("a1", "a2")


@pytest.mark.parametrize(("of", "agents", "needed"), [(0.29, 100, 29), (0.8, 25, 20), (0.81, 25, 21), (0.001, 3, 1)])
def test_a_share_is_reached_by_whole_agents(of, agents, needed):
    assert share(of).needed(agents) == needed


def test_what_is_so_already_is_not_waited_for():
    desk = Desk()
    desk.log_in("a1", "a2")
    for when, said in ((BACK, "Nobody of them is on a break now."), (share(0.5), "2 of 2 are logged in already.")):
        with pytest.raises(ConditionMet, match=said):
            desk.schedule(audience=team("Blue"), when=when)
    with pytest.raises(ConditionMet, match="on a break now"):
        desk.schedule(audience=team("Green"), when=BACK)  # nobody of Green is there at all
    assert desk.floor.schedules == {}


def test_waiting_for_states_and_choosing_by_state_do_not_go_together():
    desk = Desk()
    with pytest.raises(InvalidInput, match="leave the state out"):
        desk.schedule(audience=Audience(filter=Filter(state=("logged_out",))), when=share(0.5))


def test_a_reminder_can_be_scheduled_for_a_time_but_not_for_an_event():
    desk = Desk()
    desk.log_in("a1", "a2")
    first = desk.send("a1", "a2")
    unread = Audience(unread_of=first)
    with pytest.raises(InvalidInput, match="remind at a time"):
        desk.schedule(audience=unread, when=share(1))
    desk.schedule(audience=unread)
    scheduled = desk.schedule(audience=unread, when=When(release_at=desk.now + HOUR))
    desk.read("a1")
    (sent,) = sent_of(desk.wait(10 * MINUTE))
    assert (sent.agent_ids, sent.message.reminds) == (("a2",), first)
    desk.read("a2")
    desk.wait(HOUR)
    assert why_not(desk, scheduled) == "Nobody matches whom it was for any more."


def test_a_reminder_of_a_message_that_the_night_has_taken_says_so():
    desk = Desk()
    desk.log_in("a1", "a2")
    first = desk.send("a1", "a2")
    after = desk.floor.day.ends_at + 1
    scheduled = desk.schedule(audience=Audience(unread_of=first), when=When(release_at=after))
    desk.wait(after - desk.now)
    assert why_not(desk, scheduled) == "The message that it reminds of is not one of today any more."


def test_a_time_to_confirm_by_lies_after_the_release():
    desk = Desk()
    for ack_by in (desk.now + 10 * MINUTE, desk.floor.day.ends_at + 1):
        with pytest.raises(InvalidInput) as refused:
            desk.schedule("a1", ack_required=True, ack_by=ack_by)
        assert refused.value.field == "ack_by"
    waiting = desk.schedule("a1", ack_required=True, ack_by=desk.now + HOUR, when=share(1))
    desk.wait(HOUR)
    assert why_not(desk, waiting) == "The time to confirm it by passed before it could go out."


def test_waiting_ends_with_the_clear_down_or_at_the_time_given():
    desk = Desk()
    by_default = desk.schedule(audience=EVERYONE, when=share(1))
    until_noon = desk.schedule(audience=EVERYONE, when=share(1, TEN + 2 * HOUR))
    tomorrow = desk.schedule(audience=EVERYONE, when=share(1, desk.floor.day.ends_at + 24 * HOUR))
    for refused in (TEN, desk.floor.day.ends_at + 24 * HOUR + 1):
        with pytest.raises(InvalidInput):
            desk.schedule(audience=EVERYONE, when=share(1, refused))
    assert [event.schedule_id for event in desk.until(TEN + 2 * HOUR)] == [until_noon]
    assert why_not(desk, until_noon) == "What it waited for did not happen in time."
    *_, given_up = desk.until(desk.floor.day.ends_at)
    assert given_up.schedule_id == by_default
    desk.log_in("a1", "a2", "a3", "a4")
    assert desk.floor.schedules[tomorrow].status == "released"


def test_what_expires_while_it_waits_does_not_go_out():
    desk = Desk()
    scheduled = desk.schedule(audience=EVERYONE, when=share(1), expires_at=TEN + HOUR)
    desk.until(TEN + HOUR)
    assert why_not(desk, scheduled) == "It expired before it could go out."


def test_an_expiry_of_tomorrow_gives_way_to_the_clear_down_of_today():
    desk = Desk()
    ends_at = desk.floor.day.ends_at
    desk.schedule("a1", when=share(1, ends_at + 10 * HOUR), expires_at=ends_at + 12 * HOUR)
    desk.log_in("a1")
    (sent,) = sent_of(desk.events)
    assert sent.message.expires_at is None


# --- once at most; withdrawing; restarts ---


def test_a_request_repeated_schedules_once_and_another_content_is_refused():
    desk = Desk()
    when = When(release_at=desk.now + HOUR)
    first = desk.schedule("a1", request_id="one", when=when)
    assert desk.schedule("a1", request_id="one", when=when) is None
    waiting = desk.schedule("a1", request_id="two", when=share(1))
    assert desk.schedule("a1", request_id="two", when=share(1)) is None
    assert desk.floor.schedule_for_request("sup", "two").schedule_id == waiting
    for change in ({"body": "Other"}, {"when": share(1)}, {"when": When(release_at=desk.now + HOUR + 1)}):
        with pytest.raises(RequestReused):
            desk.schedule("a1", **{"request_id": "one", "when": when} | change)
    with pytest.raises(RequestReused):
        desk.send("a1", request_id="one")
    desk.wait(HOUR)
    assert desk.schedule("a1", request_id="one", when=when) is None, "also once it has gone out"
    assert desk.floor.schedules[first].status == "released"
    desk.send("a1", request_id="three")
    with pytest.raises(RequestReused):
        desk.schedule("a1", request_id="three")


def test_it_can_be_withdrawn_until_it_goes_out():
    desk = Desk()
    scheduled = desk.schedule("a1")
    (withdrawn,) = desk.withdraw(scheduled)
    assert isinstance(withdrawn, Withdrawn) and withdrawn.schedule_id == scheduled
    assert desk.withdraw(scheduled) == ()
    assert not sent_of(desk.wait(HOUR))
    late = desk.schedule("a1")
    desk.wait(10 * MINUTE)
    with pytest.raises(TooLate):
        desk.withdraw(late)


def test_only_its_sender_and_who_sees_all_teams_know_of_it():
    desk = Desk()
    scheduled = desk.schedule("a1")
    for schedule_id in (scheduled, 4_711):
        with pytest.raises(UnknownSchedule):
            desk.withdraw(schedule_id, actor="other", scope={"Blue"})
    assert desk.withdraw(scheduled, actor="sup", scope={"Green"})
    assert desk.withdraw(desk.schedule("a1"), actor="other")


def test_nobody_has_more_than_a_hundred_waiting():
    desk = Desk()
    for _ in range(MOST_WAITING):
        last = desk.schedule("a1")
    with pytest.raises(InvalidInput, match="100"):
        desk.schedule("a1")
    assert desk.schedule("a1", actor="other")
    desk.withdraw(last)
    assert desk.schedule("a1")


def rebuilt(desk: Desk) -> Desk:
    """The floor made anew from the open day's events and what was pending when it began, as a log gives them."""
    began = max(place for place, event in enumerate(desk.events) if isinstance(event, DayBegan))
    before = FloorState()
    before.restore([], desk.events[:began])
    openings = [Opening(row.agent, row.state, row.since, row.reason) for row in before.agents.values()]
    scheduled = [event for event in desk.events[:began] if isinstance(event, Scheduled)]
    pending = [event for event in scheduled if before.schedules[event.schedule_id].status == "scheduled"]
    again = Desk(now=desk.now)
    again.floor = Floor(SCHEDULE)
    again.floor.restore(openings, desk.events[began:], pending)
    assert again.floor.schedules == desk.floor.schedules
    assert again.floor.schedule_requests == desk.floor.schedule_requests
    return again


def test_a_rebuilt_floor_goes_on_waiting_and_sends_once():
    desk = Desk()
    desk.schedule("a1", when=When(release_at=desk.now + 26 * HOUR))
    desk.schedule(audience=team("Blue"), when=share(1, desk.now + 30 * HOUR))
    desk.wait(24 * HOUR)
    desk.schedule("a3", when=When(release_at=desk.now + HOUR))
    again = rebuilt(desk)
    again.log_in("a1", "a2")
    again.wait(HOUR)
    assert len(sent_of(again.events)) == 2
    again.wait(HOUR)
    assert len(sent_of(again.events)) == 3
    assert not sent_of(again.wait(30 * HOUR))


def test_what_became_so_in_the_last_event_before_a_crash_goes_out_after_it():
    desk = Desk()
    desk.schedule("a1", when=share(1))
    desk.log_in("a1")
    assert isinstance(desk.events.pop(), Sent)  # the crash kept the log-in and lost the rest
    again = Desk(now=desk.now)
    again.floor = Floor(SCHEDULE)
    again.floor.restore([], desk.events)
    assert again.floor.tick(again.now, releases_from=None) == ()
    (sent,) = again.floor.tick(again.now)
    assert sent.agent_ids == ("a1",)


def test_what_was_due_while_the_floor_did_not_run_goes_out_when_it_does():
    desk = Desk()
    desk.schedule("a1")
    late = desk.now + 20 * MINUTE
    assert desk.floor.tick(late, releases_from=None) == ()
    assert desk.floor.next_due(releases_from=late) == late
    desk.floor.restart(late)
    (sent,) = desk.floor.tick(late, releases_from=late)
    assert (sent.happened_at, sent.message.sent_at) == (late, late)


def test_what_was_due_before_a_night_in_which_the_floor_did_not_run_does_not_go_out():
    desk = Desk()
    yesterday = desk.schedule("a1")
    this_morning = desk.schedule("a1", when=When(release_at=desk.floor.day.ends_at + HOUR))
    late = desk.floor.day.ends_at + 6 * HOUR
    desk.floor.tick(late, releases_from=None)
    events = desk.floor.tick(late, releases_from=late)
    assert [type(event) for event in events] == [NotReleased, Sent]
    assert why_not(desk, yesterday).startswith("The floor was not running at its time")
    assert events[1].schedule_id == this_morning


# --- what is said of a time ---


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"at": "2026-03-02T10:00:00Z", "back_from_break": True},
        {"at": "2026-03-02T10:00:00"},
        {"at": "soon"},
        {"at": 5},
        {"back_from_break": False},
        {"back_from_break": "yes"},
        {"logged_in_share": 0},
        {"logged_in_share": 1.01},
        {"logged_in_share": True},
        {"logged_in_share": float("nan")},
        {"logged_in_share": "0.8"},
        {"not_after": "2026-03-02T10:00:00Z"},
        {"at": "2026-03-02T10:00:00Z", "not_after": "2026-03-02T11:00:00Z"},
        {"when": "now"},
    ],
)
def test_what_is_no_time_is_refused_with_the_field(said):
    with pytest.raises(InvalidInput) as refused:
        When.from_json(said)
    assert refused.value.field == "when"


@pytest.mark.parametrize("when", [When(release_at=TEN + 1), BACK, share(0.8), share(1, TEN)])
def test_a_time_comes_back_from_its_json(when):
    assert When.from_json(when.to_json()) == when
