"""What a log saw: who was there, what they were sent and when they read it, as arrays for counting and for replaying.

Only days that are over. While a person sits in a virtual agent's seat, that agent's days are not the agent's own: from
the moment that a seat is taken until the day in which it is given back is over, nothing of that agent is evidence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from coachsim.analysis.arguments import names
from coachsim.errors import NotEnoughEvidence
from coachsim.log import MessageLog
from coachsim.outcome import NEVER, STATES, Ints
from coachsim.people.rota import Rota
from coachsim.scenario import Policy

Bools = NDArray[np.bool_]
_FAR = 2**62


@dataclass(frozen=True, slots=True)
class Observed:
    """The closed days of a log (or those asked for), all times in µs since ``began_at`` (µs since 1970), or ``NEVER``.

    The rows of ``rota`` are the ``agents``. The other arrays run in step, one entry for each delivery, by agent, then
    message: ``agent``, ``team`` and ``day`` count into the names; ``until`` is when it could no longer be read, if only
    by the night, and ``cleared`` when that took it; ``valid_until`` is until when it is evidence, ``NEVER`` for one
    that is none; ``earlier`` is how many deliveries the agent had before it on that day. ``dialog_open``: it came into
    an open dialog, and so called nobody.
    """

    began_at: int
    days: tuple[str, ...]
    agents: tuple[str, ...]
    teams: tuple[str, ...]
    rota: Rota
    message_id: Ints
    agent: Ints
    team: Ints
    day: Ints
    sent: Ints
    toast: Ints
    notified: Ints
    read: Ints
    acknowledged: Ints
    until: Ints
    cleared: Ints
    valid_until: Ints
    earlier: Ints
    urgent: Bools
    ack_required: Bools
    dialog_open: Bools

    @classmethod
    def of(cls, log: MessageLog, days: Any = None) -> Observed:
        """The closed days of ``log``: all of them, or those of ``days`` (labels) that are.

        Raises ``NotEnoughEvidence`` where no day is over or nothing was sent.
        """
        wanted = names(days, "days")
        closed = log.sql(_CLOSED)
        if wanted is not None:
            closed = closed[closed["day"].isin(wanted)]
        if closed.empty:
            which = "No day of this log" if wanted is None else "None of the days asked for"
            raise NotEnoughEvidence(f"{which} is over yet: what will still be read today is not known. Ask after it.")
        found = log.sql(_DELIVERIES, {"days": closed["day"].tolist()})
        if found.empty:
            raise NotEnoughEvidence("Nothing was sent on these days, so nothing is known of how it would be read.")
        changes = log.sql("SELECT agent_id, state, epoch_us(changed_at) AS at FROM all_state_changes ORDER BY seq")
        ends_at = int(max(found["until"].max(), closed["cleared_at"].max()))
        agents = pd.Index(found["agent_id"].unique())  # sorted, as the deliveries are
        begins_at = int(min(closed["began_at"].min(), found["sent_at"].min()))
        when = {name: _since(found[name], begins_at) for name in _TIMES}
        agent = agents.get_indexer(found["agent_id"])
        team, teams = pd.factorize(found["team"], sort=True)
        day, labels = pd.factorize(found["day"], sort=True)
        unseen = (when["toast_at"] == NEVER) & (found["state_at_send"] == "logged_in").to_numpy(bool)
        read = when["read_at"]
        return cls(
            began_at=begins_at,
            days=tuple(labels.tolist()),
            agents=tuple(agents.tolist()),
            teams=tuple(teams.tolist()),
            rota=_rota(changes, agents, begins_at, ends_at),
            message_id=found["message_id"].to_numpy(np.int64),
            agent=agent.astype(np.int64),
            team=team.astype(np.int64),
            day=day.astype(np.int64),
            sent=when["sent_at"],
            toast=when["toast_at"],
            notified=when["notified_at"],
            read=read,
            acknowledged=when["acknowledged_at"],
            until=when["until"],
            cleared=when["cleared_at"],
            valid_until=_valid_until(log, found, when, begins_at),
            earlier=found["earlier"].to_numpy(np.int64),
            urgent=found["urgent"].to_numpy(bool),
            ack_required=found["ack_required"].to_numpy(bool),
            dialog_open=unseen & (read != NEVER) & (read - when["sent_at"] <= _AT_ONCE),
        )

    def __len__(self) -> int:
        return len(self.agent)


_TIMES = ("sent_at", "toast_at", "notified_at", "read_at", "acknowledged_at", "cleared_at", "until")
_AT_ONCE = 5_000_000
"""µs: what is read so soon, without a toast by one who was logged in, came into an open dialog."""
_CLOSED = """
    SELECT day, epoch_us(began_at) AS began_at, epoch_us(cleared_at) AS cleared_at FROM days
    WHERE cleared_at IS NOT NULL ORDER BY began_at
"""
_DELIVERIES = f"""
    SELECT agent_id, team, deliveries.day, message_id, state_at_send, priority = 'urgent' AS urgent, ack_required,
           {", ".join(f"coalesce(epoch_us(deliveries.{name}), {NEVER}) AS {name}" for name in _TIMES[:-1])},
           epoch_us(least(expires_at, deliveries.cleared_at)) AS until,
           row_number() OVER (PARTITION BY agent_id, deliveries.day ORDER BY message_id) - 1 AS earlier
    FROM deliveries JOIN messages USING (message_id)
    WHERE list_contains($days, deliveries.day) AND deliveries.cleared_at IS NOT NULL
    ORDER BY agent_id, message_id
"""
_SEATS = """
    SELECT epoch_us(happened_at) AS moment, action, subject FROM all_audit
    WHERE action IN ('seat_taken', 'seat_given_back')
    UNION ALL SELECT epoch_us(happened_at), kind, NULL FROM events WHERE kind = 'restarted'
    ORDER BY moment
"""


def policy_of(log: MessageLog) -> Policy:
    """How long toasts stayed: as the scenario that a simulated log was made of has it, or as the floor had it when its
    log was begun; else as by default."""
    (detail,) = log.sql("SELECT detail FROM run")["detail"]
    try:
        known = json.loads(detail)
        return Policy.model_validate(known.get("scenario", known)["policy"])
    except (
        TypeError,
        AttributeError,
        KeyError,
        ValueError,
        ValidationError,
    ):  # what else the creator of a log had to say
        return Policy.model_validate({})


def _since(times: pd.Series, began_at: int) -> Ints:
    given = times.to_numpy(np.int64)
    return np.where(given == NEVER, NEVER, given - began_at)


def _rota(changes: pd.DataFrame, agents: pd.Index, began_at: int, ends_at: int) -> Rota:
    """Who was where when; what was before the beginning counts as of the beginning."""
    codes = pd.Index([state.value for state in STATES])
    row = agents.get_indexer(changes["agent_id"])
    at = changes["at"].to_numpy(np.int64) - began_at
    kept = (row >= 0) & (at < ends_at - began_at)
    order = np.argsort(row[kept], kind="stable")
    row, at = row[kept][order].astype(np.int64), np.maximum(at[kept][order], 0)
    state = codes.get_indexer(changes["state"])[kept][order].astype(np.int8)
    changed = (row, at, state, np.full(len(row), NEVER))
    # One microsecond more than the day has: a look at its very end is still within.
    return Rota.of_changes(len(agents), ends_at - began_at + 1, (), changed, until=ends_at - began_at)


def _valid_until(log: MessageLog, found: pd.DataFrame, when: dict[str, Ints], began_at: int) -> Ints:
    """Until when each delivery is evidence: to its end, or until the agent's seat was taken; ``NEVER`` if none."""
    valid = np.full(len(found), _FAR)
    sent = when["sent_at"]
    for agent_id, taken, over in _seats(log, began_at):
        theirs = (found["agent_id"] == agent_id).to_numpy(bool)
        valid[theirs & (sent >= taken) & (sent < over)] = NEVER
        earlier = theirs & (sent < taken)
        valid[earlier] = np.minimum(valid[earlier], taken)
    return valid


def _seats(log: MessageLog, began_at: int) -> list[tuple[str, int, int]]:
    """Each seat that was taken: the agent, when, and when the day is over in which it was given back."""
    ends = np.sort(log.sql(_CLOSED)["cleared_at"].to_numpy(np.int64))
    held: dict[str, int] = {}
    found: list[tuple[str, int, int]] = []

    def give_back(agent_id: str, at: int) -> None:
        place = int(np.searchsorted(ends, at))
        over = int(ends[place]) - began_at if place < len(ends) else _FAR
        found.append((agent_id, held.pop(agent_id) - began_at, over))

    for at, action, agent_id in log.sql(_SEATS).itertuples(index=False):
        if action == "seat_taken":
            held.setdefault(agent_id, at)
        else:  # a restart ends them all
            for one in [agent_id] if action == "seat_given_back" else list(held):
                if one in held:
                    give_back(one, at)
    return [*found, *((agent_id, taken - began_at, _FAR) for agent_id, taken in held.items())]
