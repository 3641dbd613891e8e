"""Random commands in random order: whatever happens, the invariants of the floor hold.

The machine keeps a model of its own that is told only what was asked and answered, and compares.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coachsim.errors import CoachsimError
from coachsim.events import Sent
from coachsim.floor import Floor
from coachsim.models import Agent, AgentState, Audience, Chase, Draft, Filter, Status
from coachsim.state import FloorState
from coachsim.when import When
from tests.unit.floors import AGENTS, SCHEDULE, TEN

AGENT_IDS = st.sampled_from([agent.agent_id for agent in AGENTS] + ["nobody"])
STATES = st.sampled_from(list(AgentState))
SCOPES = st.sampled_from([None, frozenset({"Blue"}), frozenset({"Green"})])
AUDIENCES = st.one_of(
    st.lists(AGENT_IDS, min_size=1, max_size=3).map(lambda ids: Audience(agents=tuple(ids))),
    st.sampled_from(["Blue", "Green", "Mauve"]).map(lambda name: Audience(filter=Filter(team=(name,)))),
    st.sampled_from(["Spring", "Renewals"]).map(lambda name: Audience(filter=Filter(campaign=(name,)))),
    STATES.map(lambda state: Audience(filter=Filter(state=(state,)))),
    st.just(Audience(everyone=True)),
)
CHASES = st.one_of(st.none(), st.builds(Chase, st.sampled_from([60_000_000, 300_000_000]), st.integers(1, 2)))
# Minutes, hours and single microseconds, so that ties and nights both come up.
STEPS = st.sampled_from([0, 0, 1, 60_000_000, 300_000_000, 3_600_000_000, 9 * 3_600_000_000])
WHENS = st.one_of(
    STEPS.map(lambda step: ("release_at", step)),
    st.just(("back_from_break", True)),
    st.sampled_from([0.3, 0.5, 1.0]).map(lambda share: ("logged_in_share", share)),
)
ORDER = ("sent_at", "notified_at", "read_at", "acknowledged_at", "cleared_at")
TIMES = (*ORDER, "toast_at", "lost_at")


class FloorMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = TEN
        self.floor = Floor(SCHEDULE)
        self.events = [*self.floor.open_day(TEN), *self.floor.set_agents(TEN, AGENTS, actor="admin")]
        self.deliveries = {}
        self.before = {}
        self.audiences = {}
        self.released = set()

    def do(self, command, *args, **kwargs):
        self.take(self.floor.tick(self.now))
        seq = self.floor.seq
        try:
            events = command(self.now, *args, **kwargs)
        except CoachsimError:
            assert self.floor.seq == seq, "a refused command did something"
            return ()
        self.take(events)
        return events

    def take(self, events):
        self.events += events
        for event in events:
            if isinstance(event, Sent):
                row = self.floor.messages.get(event.message.message_id)
                self.audiences[event.message.message_id] = event.agent_ids
                assert event.schedule_id not in self.released, "sent twice"
                self.released |= {event.schedule_id} - {None}
                if row is not None:
                    self.deliveries |= {(d.message_id, d.agent_id): d for d in row.deliveries.values()}

    @rule(step=STEPS)
    def wait(self, step):
        self.now += step
        self.take(self.floor.tick(self.now))

    @rule(agent=AGENT_IDS, state=STATES)
    def state(self, agent, state):
        self.do(self.floor.set_state, agent, state, actor=agent)

    @rule(agent=AGENT_IDS, page=st.booleans())
    def connect(self, agent, page):
        self.do(self.floor.connect, agent, actor=agent, page=page)

    @rule(agent=AGENT_IDS)
    def disconnect(self, agent):
        self.do(self.floor.disconnect, agent, actor=agent)

    @rule(audience=AUDIENCES, scope=SCOPES, request=st.integers(0, 9), ack=st.booleans(), expiry=STEPS, chase=CHASES)
    def send(self, audience, scope, request, ack, expiry, chase):
        events = self.do(
            self.floor.send,
            Draft(
                audience=audience,
                body="Hello",
                request_id=f"r{request}-{len(self.events) % 3}",
                ack_required=ack,
                expires_at=self.now + expiry if expiry else None,
                ack_by=self.now + 1 if ack and expiry else None,
                chase=chase,
            ),
            actor="sup",
            scope=scope,
        )
        for event in events:
            if isinstance(event, Sent):
                expected = set(audience.agents) or self.expected(audience, scope)
                assert set(event.agent_ids) == expected

    @precondition(lambda self: self.audiences)
    @rule(scope=SCOPES, request=st.integers(10, 19), data=st.data())
    def send_again(self, scope, request, data):
        """To those who have not read it, and to nobody else."""
        of = data.draw(st.sampled_from(sorted(self.audiences)))
        draft = Draft(Audience(unread_of=of), "Again", f"r{request}")
        for event in self.do(self.floor.send, draft, actor="sup", scope=scope):
            first = self.floor.messages[event.message.reminds]
            assert first.message.reminds is None
            for agent_id in event.agent_ids:
                assert first.deliveries[agent_id].read_at is None
                assert scope is None or self.floor.agents[agent_id].agent.team in scope

    @rule(audience=AUDIENCES, scope=SCOPES, request=st.integers(0, 9), when=WHENS, expiry=STEPS)
    def schedule(self, audience, scope, request, when, expiry):
        kind, value = when
        draft = Draft(
            audience=audience,
            body="Later",
            request_id=f"s{request}",
            expires_at=self.now + expiry if expiry else None,
        )
        chosen = When(**{kind: self.now + value if kind == "release_at" else value})
        self.do(self.floor.schedule_send, draft, chosen, actor="sup", scope=scope)

    @precondition(lambda self: self.floor.schedules)
    @rule(data=st.data(), scope=SCOPES)
    def withdraw(self, data, scope):
        schedule_id = data.draw(st.sampled_from(sorted(self.floor.schedules)))
        self.do(self.floor.withdraw, schedule_id, actor="sup", scope=scope)

    @invariant()
    def what_waits_is_not_overdue_and_what_it_waits_for_is_not_so(self):
        for row in self.floor.schedules.values():
            if row.status == "scheduled":
                assert row.due > self.floor.now or row.due >= self.now
                assert not row.when.is_event or not self.is_so(row)
                assert row.schedule_id not in self.released
            else:
                assert (row.status == "released") == (row.schedule_id in self.released) == bool(row.message_id)
                assert (row.status == "not_released") == bool(row.because)

    def is_so(self, row):
        """What a scheduled message waits for, told from the agents alone."""
        audience = row.draft.audience
        found = self.expected(audience, row.scope) & set(audience.agents or self.floor.agents)
        states = [self.floor.agents[one].state for one in found]
        logged_in = states.count(AgentState.LOGGED_IN)
        if row.when.back_from_break:
            return logged_in > 0 and AgentState.BREAK not in states
        return logged_in > 0 and logged_in >= row.when.logged_in_share * len(states)

    def expected(self, audience, scope):
        """Nobody outside the audience or the scope, told from the roster alone."""
        found = set()
        for row in self.floor.agents.values():
            person = row.agent
            given = audience.filter.given if audience.filter else {}
            matches = all(
                row.state in values if kind == "state" else bool(set(values) & set(person.groups(kind)))
                for kind, values in given.items()
            )
            if person.active and matches and (scope is None or person.team in scope):
                found.add(person.agent_id)
        return found

    @precondition(lambda self: self.audiences)
    @rule(agent=AGENT_IDS, data=st.data())
    def toasts(self, agent, data):
        ids = data.draw(st.lists(st.sampled_from(sorted(self.audiences)), max_size=3))
        self.do(self.floor.show_toasts, agent, ids, actor=agent)

    @rule(agent=AGENT_IDS, back=st.one_of(st.none(), st.integers(0, 4)))
    def read(self, agent, back):
        through = None if back is None else self.floor.seq - back
        self.do(self.floor.open_inbox, agent, actor=agent, through=through)

    @precondition(lambda self: self.audiences)
    @rule(agent=AGENT_IDS, data=st.data())
    def acknowledge(self, agent, data):
        self.do(self.floor.acknowledge, agent, data.draw(st.sampled_from(sorted(self.audiences))), actor=agent)

    @rule()
    def clear_by_hand(self):
        self.do(self.floor.clear_down, actor="admin")

    @rule(agent=st.sampled_from(AGENTS), team=st.sampled_from(["Blue", "Green"]), active=st.booleans())
    def roster(self, agent, team, active):
        changed = Agent(agent.agent_id, agent.name, team, agent.campaigns, agent.lists, agent.queues, active)
        self.do(self.floor.set_agents, [changed], actor="admin")

    @rule()
    def restart(self):
        self.do(self.floor.restart)

    @invariant()
    def every_delivery_has_one_status_and_times_that_only_come_and_never_go_back(self):
        for key, delivery in self.deliveries.items():
            times = {name: getattr(delivery, name) for name in TIMES}
            for name, before in self.before.get(key, {}).items():
                assert before is None or times[name] == before, (key, name)
            self.before[key] = times
            reached = [times[name] for name in ORDER if times[name] is not None]
            assert reached == sorted(reached)
            assert times["read_at"] is None or times["lost_at"] is None
            assert times["acknowledged_at"] is None or times["read_at"] is not None
            assert times["read_at"] is None or times["notified_at"] is not None
            assert times["toast_at"] is None or delivery.sent_at <= times["notified_at"] <= times["toast_at"]
            assert times["lost_at"] is not None or times["cleared_at"] is None or times["read_at"] is not None
            holds = {
                Status.LOST: times["lost_at"] is not None,
                Status.ACKNOWLEDGED: times["acknowledged_at"] is not None,
                Status.READ: times["read_at"] is not None and times["acknowledged_at"] is None,
                Status.NOTIFIED: times["notified_at"] is not None
                and times["read_at"] is None
                and times["lost_at"] is None,
                Status.WAITING: times["notified_at"] is None and times["lost_at"] is None,
            }
            assert [status for status, held in holds.items() if held] == [delivery.status]

    @invariant()
    def counts_add_up_and_lists_hold_what_they_should(self):
        for message_id, row in self.floor.messages.items():
            assert tuple(row.deliveries) == self.audiences[message_id]
        for agent_id, row in self.floor.agents.items():
            assert set(row.unread) <= set(row.inbox)
            for message_id, delivery in row.inbox.items():
                assert delivery is self.floor.messages[message_id].deliveries[agent_id]
                assert (delivery.read_at is None) == (message_id in row.unread)
                assert delivery.lost_at is None and delivery.cleared_at is None
            assert row.agent.active or not row.present
        for message_id, row in self.floor.messages.items():
            for agent_id, delivery in row.deliveries.items():
                gone = delivery.cleared_at is not None or delivery.lost_at is not None
                assert (message_id in self.floor.agents[agent_id].inbox) != gone

    @invariant()
    def nobody_is_reminded_more_often_than_the_rule_says_and_no_reminder_is_overdue(self):
        for row in self.floor.messages.values():
            by_rule = [self.floor.messages[one].message for one in row.reminders]
            by_rule = [one.message_id for one in by_rule if one.request_id.startswith("reminder ")]
            for agent_id, (times, _) in row.reminded.items():
                got = sum(agent_id in self.audiences[one] for one in by_rule)
                assert got <= min(times, row.message.chase.times)
        assert self.floor.next_chase() is None or self.floor.next_chase()[0] >= self.floor.now - 60_000_000

    @invariant()
    def nobody_logged_in_with_a_page_is_left_untold(self):
        for row in self.floor.agents.values():
            if row.connected and row.state is AgentState.LOGGED_IN:
                assert not row.unnotified

    def teardown(self):
        """The events alone, in their order, make the floor: nothing has left the log, nothing is in it twice."""
        assert [event.seq for event in self.events] == list(range(1, self.floor.seq + 1))
        moments = [event.happened_at for event in self.events]
        assert moments == sorted(moments)
        rebuilt = FloorState()
        rebuilt.restore([], self.events)
        same = ("agents", "groups", "messages", "requests", "schedules", "schedule_requests", "day", "now", "seq")
        for what in (*same, "newest_message_id"):
            assert getattr(rebuilt, what) == getattr(self.floor, what), what
        for what in ("next_expiry", "next_pageless", "next_chase", "next_release"):
            assert getattr(rebuilt, what)() == getattr(self.floor, what)(), what


FloorMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestFloorMachine = FloorMachine.TestCase
