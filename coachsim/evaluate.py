"""What whole days come to: many days of a scenario at once, each delivery as the engine has it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coachsim.models import Agent
from coachsim.outcome import Outcome
from coachsim.plan import plan
from coachsim.scenario import Scenario
from coachsim.simulation import play
from coachsim.state import FloorState


def evaluate(scenario: Scenario, seeds: Sequence[int], *, agents: Sequence[Agent] | None = None) -> Outcome:
    """The outcome of one day of ``scenario`` for each of ``seeds``; on its own floor unless ``agents`` are given.

    Raises what ``plan`` raises.
    """
    days = []
    for seed in seeds:
        day = plan(scenario, seed, agents=agents)
        *events, _cleared, _next_day = play(day)
        state = FloorState()
        for event in [*events, _cleared]:
            state.apply(event)
        rows = [
            (row.message.request_id, delivery)
            for row in state.messages.values()
            for delivery in row.deliveries.values()
        ]
        active = [agent for agent in day.agents if agent.active]
        names = [send.draft.request_id for send in day.sends]
        days.append(Outcome.of_deliveries(seed, active, names, day.day.ends_at, rows))
    return _joined(days)


def _joined(days: Sequence[Outcome]) -> Outcome:
    places = ["message", "agent", "message_id", "sent_at", "state_at_send"]
    arrays = [*places, "toast_at", "notified_at", "read_at", "acknowledged_at", "lost_at"]
    first = days[0]
    return Outcome(
        seeds=tuple(day.seeds[0] for day in days),
        agents=first.agents,
        messages=first.messages,
        ends_at=first.ends_at,
        rep=np.repeat(np.arange(len(days)), [len(day) for day in days]),
        **{name: np.concatenate([getattr(day, name) for day in days]) for name in arrays},
    )
