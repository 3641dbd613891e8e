"""Past days: how the days of a floor's people went, as habits, from its log or drawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coachsim.days import HOUR
from coachsim.evaluate import deliveries
from coachsim.log import LogWriter
from coachsim.outcome import STATES
from coachsim.people import habits
from coachsim.people.habits import Habits
from coachsim.people.sent import Sent
from coachsim.plan import Days, draw, floor_of
from coachsim.scenario import Scenario

PAST_DAYS = 20
"""So many days of the same kind, working days or weekends, are looked back on: four weeks."""


def logged(writer: LogWriter, label: str) -> Habits:
    """Those of a floor that lives, from its log: the last closed days of the same kind as the day ``label``."""
    columns = writer.past_presence(label, PAST_DAYS)
    agents, agent = np.unique(columns["agent_id"].astype(str), return_inverse=True)
    reasons, reason = np.unique(np.ma.filled(columns["reason"], "").astype(str), return_inverse=True)
    day, at = (np.asarray(columns[name], np.int64) for name in ("day", "moment"))
    codes = {state.value: code for code, state in enumerate(STATES)}
    state = np.array([codes[str(name)] for name in columns["state"]], np.int8)
    days = int(day.max()) + 1 if len(day) else 0
    row = day * max(len(agents), 1) + agent
    order = np.lexsort((np.arange(len(row)), at, row))
    changes = (row[order], at[order], state[order], reason[order])
    length = max(int(at.max(initial=0)) + 1, 26 * HOUR)
    sent = _sent(agents, *writer.past_sent(label, PAST_DAYS))
    return habits.of_changes(agents.tolist(), days, length, reasons.tolist(), changes, sent)


def played(scenario: Scenario, seed: int, label: str) -> Habits:
    """What a log would have, had a practice floor run for the days before: its people, on other days of theirs."""
    today = date.fromisoformat(label)
    before = [today - timedelta(days=n) for n in range(1, 7 * PAST_DAYS)]
    alike = [day for day in before if (day.isoweekday() > 5) == (today.isoweekday() > 5)][:PAST_DAYS]
    people = floor_of(scenario)
    return habits_of([draw(scenario, [seed], day=day, agents=people) for day in reversed(alike)])


def habits_of(days: Sequence[Days]) -> Habits:
    """The habits of people whose past days were drawn, one day each: where they were, and what they were sent."""
    ids = [agent.agent_id for agent in days[0].active]
    row, message, at, until, urgent = [], [], [], [], []
    before = 0
    for number, day in enumerate(days):
        agent, slot, _ = deliveries(day)
        row.append(agent + number * len(ids))
        message.append(slot + before)
        at.append(day.sends.at)
        until.append(day.sends.expires_at)
        urgent.append(day.sends.urgent)
        before += len(day.slots)
    joined = np.concatenate
    sent = Sent(joined(row), joined(message), joined(at), joined(until), joined(urgent))
    return habits.of_rotas(ids, [day.rota for day in days], sent)


def _sent(agents: NDArray[Any], messages: dict[str, Any], recipients: dict[str, Any]) -> Sent:
    """What a log says that these ``agents`` (sorted) were sent. Who was never in on those days is left out."""
    if not len(agents):
        return Sent.nothing()
    ids = np.asarray(messages["message_id"], np.int64)
    who = recipients["agent_id"].astype(str)
    place = np.minimum(np.searchsorted(agents, who), len(agents) - 1)
    got = [np.zeros(0, np.int64), *recipients["messages"]]
    agent, message_id = np.repeat(place, [len(one) for one in got[1:]]), np.concatenate(got)
    known = np.repeat(agents[place] == who, [len(one) for one in got[1:]]) & np.isin(message_id, ids)
    message = np.searchsorted(ids, message_id[known])
    row = np.asarray(messages["day"], np.int64)[message] * len(agents) + agent[known]
    order = np.lexsort((message, row))
    at, until = (np.asarray(messages[name], np.int64) for name in ("moment", "until"))
    return Sent(row[order], message[order], at, until, np.asarray(messages["urgent"], np.bool_))
