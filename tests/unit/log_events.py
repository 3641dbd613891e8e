"""Events made by hand for the log's tests: numbered as they come, and a day small enough to work out on paper."""

from __future__ import annotations

from typing import Any

from coachsim.days import HOUR, MINUTE
from coachsim.events import (
    Acknowledged,
    AgentChanged,
    ClearedDown,
    Connected,
    DayBegan,
    Disconnected,
    Event,
    Expired,
    Read,
    Scheduled,
    Sent,
    StateChanged,
    ToastsShown,
)
from coachsim.models import Agent, AgentState, Audience, Draft, Filter, Message, Priority
from coachsim.when import When

IN, BREAK, OUT = AgentState.LOGGED_IN, AgentState.BREAK, AgentState.LOGGED_OUT
# 2026-03-02, 03:00 in UTC: the first day's start. Times in the tests are minutes after it.
START = 1_772_420_400_000_000
NIGHT = 24 * 60
ANN = Agent("a1", "Ann", "Blue", campaigns=("Spring",), lists=("Warm",), queues=("Sales",))
BO = Agent("a2", "Bo", "Blue")
CY = Agent("a3", "Cy", "Green", campaigns=("Spring", "Autumn"))


def at(minutes: float) -> int:
    """The moment so many minutes after the first day began."""
    return START + round(minutes * MINUTE)


class Story:
    """Events in order, numbered as they come; the last argument of each is its kind's own fields."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, minutes: float, kind: type[Event], actor: str = "floor", **values: Any) -> Event:
        event = kind(seq=len(self.events) + 1, happened_at=at(minutes), actor=actor, **values)
        self.events.append(event)
        return event

    def day(self, number: int) -> None:
        """Day ``number`` (from 0) begins."""
        label, begins = f"2026-03-{2 + number:02}", number * NIGHT
        ends_at = at(begins) + 24 * HOUR
        self.add(begins, DayBegan, day=label, began_at=at(begins), ends_at=ends_at, time_zone="UTC", clear_down="03:00")

    def night(self, number: int, deliveries: int = 0, lost: int = 0) -> None:
        """The clear-down that ends day ``number``, and the beginning of the next."""
        day = f"2026-03-{2 + number:02}"
        self.add((number + 1) * NIGHT, ClearedDown, day=day, by_hand=False, deliveries=deliveries, lost=lost)
        self.day(number + 1)

    def schedule(self, minutes: float, release: float, *agents: Agent) -> int:
        """A message to these agents, scheduled for the minute ``release``; gives its schedule_id."""
        audience = Audience(agents=tuple(agent.agent_id for agent in agents))
        draft = Draft(audience=audience, body="Later", request_id=f"s{len(self.events)}")
        return self.add(minutes, Scheduled, "sup", draft=draft, when=When(release_at=at(release))).seq

    def people(self, *agents: Agent, minutes: float = 1) -> None:
        for agent in agents:
            self.add(minutes, AgentChanged, "admin", agent=agent)

    def send(
        self,
        minutes: float,
        recipients: list[tuple[Agent, AgentState, bool, bool]],
        audience: Audience | None = None,
        schedule_id: int | None = None,
        **values: Any,
    ) -> int:
        """A message to (agent, state, notified, toasted)…; the id is the moment of sending."""
        message = Message(
            message_id=at(minutes),
            sent_at=at(minutes),
            sender="sup",
            audience=audience or Audience(agents=tuple(agent.agent_id for agent, *_ in recipients)),
            **{
                "body": "Hello",
                "priority": Priority.NORMAL,
                "ack_required": False,
                "expires_at": None,
                "request_id": f"r{len(self.events)}",
            }
            | values,
        )
        self.add(
            minutes,
            Sent,
            "sup",
            message=message,
            agent_ids=tuple(agent.agent_id for agent, *_ in recipients),
            teams=tuple(agent.team for agent, *_ in recipients),
            states=tuple(state for _, state, *_ in recipients),
            notified=tuple(notified for *_, notified, _ in recipients),
            toasted=tuple(toasted for *_, toasted in recipients),
            schedule_id=schedule_id,
        )
        return message.message_id


class PaperDay(Story):
    """One day whose deliveries are worked out by hand in the tests, and the beginning of the next.

    Ann has a page and is logged in, Bo is simulated and logged in, Cy comes at minute 30 and breaks at 100.
    """

    def __init__(self) -> None:
        super().__init__()
        self.day(0)
        self.people(ANN, BO, CY)
        self.add(5, Connected, "a1", agent_id="a1")
        self.add(5, StateChanged, "a1", agent_id="a1", state=IN)
        self.add(6, Connected, "plan", agent_id="a2", page=False)
        self.add(6, StateChanged, "plan", agent_id="a2", state=IN)
        # first: to all three, everyone, to be acknowledged.
        self.first = self.send(
            10,
            [(ANN, IN, True, False), (BO, IN, True, True), (CY, OUT, False, False)],
            Audience(everyone=True),
            ack_required=True,
        )
        self.add(10.5, ToastsShown, "a1", agent_id="a1", message_ids=(self.first,), notified=(False,))
        self.add(12, Read, "plan", agent_id="a2", message_ids=(self.first,), notified=(False,))
        self.add(13, Acknowledged, "plan", agent_id="a2", message_id=self.first)
        # second: to Bo and Cy, expires at 60. Bo reads it in time; Cy is told at 30 and loses it.
        self.second = self.send(
            20, [(BO, IN, True, True), (CY, OUT, False, False)], Audience(filter=Filter(team=("Blue", "Green"))),
            expires_at=at(60),
        )  # fmt: skip
        self.add(25, Read, "plan", agent_id="a2", message_ids=(self.second,), notified=(False,))
        self.add(29, StateChanged, "a3", agent_id="a3", state=IN)
        self.add(30, Connected, "a3", agent_id="a3", notified=(self.first, self.second))
        self.add(60, Expired, message_id=self.second, lost=("a3",))
        # A clear-down by hand at 90 takes both; Ann had the first unread, Cy too.
        self.add(90, ClearedDown, "admin", day="2026-03-02", by_hand=True, deliveries=5, lost=2)
        # third: after it; Cy, on a break by then, is told of nothing but reads it. Ann never does.
        self.add(100, StateChanged, "a3", agent_id="a3", state=BREAK, reason="lunch")
        self.third = self.send(110, [(ANN, IN, True, False), (CY, BREAK, False, False)], priority=Priority.URGENT)
        self.add(120, Read, "a3", agent_id="a3", message_ids=(self.third,), notified=(True,))
        # fourth: Ann's page is gone; she is told when she comes back from the break.
        self.add(130, Disconnected, "a1", agent_id="a1")
        self.add(131, StateChanged, "a1", agent_id="a1", state=BREAK)
        self.add(132, Connected, "a1", agent_id="a1")
        self.fourth = self.send(140, [(ANN, BREAK, False, False)])
        self.add(150, StateChanged, "a1", agent_id="a1", state=IN, notified=(self.fourth,))

    def rows(self, *, closed: bool) -> list[tuple[Any, ...]]:
        """The deliveries, worked out on paper: message, agent, team, state at send, minutes of toast … cleared, status.

        ``closed``: after the night's clear-down, else before it.
        """
        night = NIGHT if closed else None
        left = "lost" if closed else "notified"
        return [
            (self.first, "a1", "Blue", "logged_in", 10.5, 10, None, None, 90, 90, "lost"),
            (self.first, "a2", "Blue", "logged_in", 10, 10, 12, 13, None, 90, "acknowledged"),
            (self.first, "a3", "Green", "logged_out", None, 30, None, None, 90, 90, "lost"),
            (self.second, "a2", "Blue", "logged_in", 20, 20, 25, None, None, 90, "read"),
            (self.second, "a3", "Green", "logged_out", None, 30, None, None, 60, 90, "lost"),
            (self.third, "a1", "Blue", "logged_in", None, 110, None, None, night, night, left),
            (self.third, "a3", "Green", "break", None, 120, 120, None, None, night, "read"),
            (self.fourth, "a1", "Blue", "break", None, 150, None, None, night, night, left),
        ]
