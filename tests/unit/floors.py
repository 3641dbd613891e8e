"""A small floor for tests: two teams, known times, and helpers that read like the rules."""

from __future__ import annotations

from coachsim.days import HOUR, MINUTE, Schedule, to_micros
from coachsim.floor import Floor
from coachsim.models import Agent, AgentState, Audience, Delivery, Draft, Filter, Priority
from coachsim.when import When

IN, BREAK, OUT = AgentState.LOGGED_IN, AgentState.BREAK, AgentState.LOGGED_OUT
SCHEDULE = Schedule("Europe/London", "03:00")
# Monday 2026-03-02, 10:00 in London (winter time, so UTC).
TEN = 1_772_445_600_000_000

AGENTS = (
    Agent("a1", "Ann", "Blue", campaigns=("Spring",), lists=("Warm",), queues=("Sales",)),
    Agent("a2", "Bo", "Blue", campaigns=("Renewals",), lists=("Cold",), queues=("Sales", "Care")),
    Agent("a3", "Cy", "Green", campaigns=("Spring", "Renewals"), lists=("Warm",), queues=("Care",)),
    Agent("a4", "Di", "Green"),
    Agent("a9", "Zed", "Green", active=False),
)


class Desk:
    """A floor with a hand on its clock. ``now`` moves only by ``wait``."""

    def __init__(self, *, disconnect_after: int = 5 * MINUTE, schedule: Schedule = SCHEDULE, now: int = TEN) -> None:
        self.now = now
        self.floor = Floor(schedule, disconnect_after=disconnect_after)
        self.events = [*self.floor.open_day(now), *self.floor.set_agents(now, AGENTS, actor="admin")]
        self._requests = 0

    def _do(self, command, *args, **kwargs):
        events = (*self.floor.tick(self.now), *command(self.now, *args, **kwargs))
        self.events += events
        return events

    def wait(self, micros: int = MINUTE):
        self.now += micros
        events = self.floor.tick(self.now)
        self.events += events
        return events

    def until(self, micros: int):
        return self.wait(micros - self.now)

    def log_in(self, *agent_ids: str, page: bool = True) -> None:
        for agent_id in agent_ids:
            self._do(self.floor.connect, agent_id, actor=agent_id, page=page)
            self.state(agent_id, IN)

    def state(self, agent_id: str, state: AgentState, reason: str | None = None):
        return self._do(self.floor.set_state, agent_id, state, actor=agent_id, reason=reason)

    def connect(self, agent_id: str):
        return self._do(self.floor.connect, agent_id, actor=agent_id)

    def disconnect(self, agent_id: str):
        return self._do(self.floor.disconnect, agent_id, actor=agent_id)

    def send(self, *agent_ids: str, scope=None, **values):
        self._requests += 1
        audience = values.pop("audience", None) or Audience(agents=agent_ids)
        values = {"body": "Hello", "request_id": f"r{self._requests}", "priority": Priority.NORMAL} | values
        events = self._do(self.floor.send, Draft(audience=audience, **values), actor="sup", scope=scope)
        return events[-1].message.message_id if events else None

    def schedule(self, *agent_ids: str, actor: str = "sup", scope=None, when: When | None = None, **values):
        """Schedules a message, for in ten minutes if nothing else is said; gives its schedule_id."""
        self._requests += 1
        audience = values.pop("audience", None) or Audience(agents=agent_ids)
        values = {"body": "Later", "request_id": f"r{self._requests}"} | values
        when = when or When(release_at=self.now + 10 * MINUTE)
        draft = Draft(audience=audience, **values)
        events = self._do(self.floor.schedule_send, draft, when, actor=actor, scope=scope)
        return events[-1].schedule_id if events else None

    def withdraw(self, schedule_id: int, *, actor: str = "sup", scope=None):
        return self._do(self.floor.withdraw, schedule_id, actor=actor, scope=scope)

    def toasts(self, agent_id: str, *message_ids: int):
        return self._do(self.floor.show_toasts, agent_id, message_ids, actor=agent_id)

    def read(self, agent_id: str, through: int | None = None):
        return self._do(self.floor.open_inbox, agent_id, actor=agent_id, through=through)

    def ack(self, agent_id: str, message_id: int):
        return self._do(self.floor.acknowledge, agent_id, message_id, actor=agent_id)

    def clear_by_hand(self):
        return self._do(self.floor.clear_down, actor="admin")

    def delivery(self, message_id: int, agent_id: str) -> Delivery:
        return self.floor.messages[message_id].deliveries[agent_id]


def team(*names: str) -> Audience:
    return Audience(filter=Filter(team=names))


def at_utc(moment) -> int:
    return to_micros(moment)


__all__ = ["AGENTS", "BREAK", "HOUR", "IN", "MINUTE", "OUT", "SCHEDULE", "TEN", "Desk", "at_utc", "team"]
