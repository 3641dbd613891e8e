"""Outcome: what became of each delivery of a simulated day, or of many days of one scenario, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from coachsim.models import Agent, AgentState, Delivery

NEVER = -1
"""In arrays of times and delays: it does not happen."""
STATES = (AgentState.LOGGED_OUT, AgentState.LOGGED_IN, AgentState.BREAK)
"""What the codes in ``state_at_send`` stand for."""

Ints = NDArray[np.int64]
Codes = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The deliveries of days that differ in nothing but their seed, ordered by day, agent and message.

    ``agents`` are the floor's active agents by agent_id; ``messages`` the stable keys (request_id) of what was planned,
    in the order of sending, also of what found nobody to go to. The array fields run in step, one entry for each
    delivery: ``rep``, ``message`` and ``agent`` count from 0 into seeds, messages and agents; times are µs since the
    Unix epoch, ``NEVER`` where it did not happen. What was not read by the end is lost: at its expiry, or at the
    clear-down ``ends_at``.
    """

    seeds: tuple[int, ...]
    agents: tuple[Agent, ...]
    messages: tuple[str, ...]
    ends_at: int
    rep: Ints
    message: Ints
    agent: Ints
    message_id: Ints
    sent_at: Ints
    state_at_send: Codes
    toast_at: Ints
    notified_at: Ints
    read_at: Ints
    acknowledged_at: Ints
    lost_at: Ints

    def __len__(self) -> int:
        return len(self.rep)

    def same_as(self, other: Outcome) -> bool:
        """Whether the two are equal, entry for entry."""
        return all(
            np.array_equal(mine, theirs) if isinstance(mine, np.ndarray) else mine == theirs
            for one in fields(self)
            for mine, theirs in [(getattr(self, one.name), getattr(other, one.name))]
        )

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """The days of several outcomes of the same floor and messages, one after the other."""
        first = parts[0]
        seeds = np.cumsum([0, *(len(part.seeds) for part in parts)])
        arrays = [one.name for one in fields(cls) if one.name not in ("seeds", "agents", "messages", "ends_at", "rep")]
        return cls(
            seeds=tuple(seed for part in parts for seed in part.seeds),
            agents=first.agents,
            messages=first.messages,
            ends_at=first.ends_at,
            rep=np.concatenate([part.rep + before for part, before in zip(parts, seeds[:-1], strict=True)]),
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays},
        )

    @classmethod
    def of_deliveries(
        cls,
        seed: int,
        agents: Sequence[Agent],
        messages: Sequence[str],
        ends_at: int,
        rows: Iterable[tuple[str, Delivery]],
    ) -> Outcome:
        """One day's outcome from deliveries as a floor keeps them, each with its message's key."""
        place = {agent.agent_id: number for number, agent in enumerate(agents)}
        number_of = {name: number for number, name in enumerate(messages)}

        def entry(name: str, one: Delivery) -> tuple[int, ...]:
            times = (one.toast_at, one.notified_at, one.read_at, one.acknowledged_at, one.lost_at)
            return (
                place[one.agent_id],
                number_of[name],
                one.message_id,
                one.sent_at,
                STATES.index(one.state_at_send),
                *(NEVER if at is None else at for at in times),
            )

        table = np.array(sorted(entry(*row) for row in rows), dtype=np.int64).reshape(-1, 10)
        agent, message, message_id, sent_at, state, toast_at, notified_at, read_at, acknowledged_at, lost_at = (
            table.T.copy()
        )
        return cls(
            seeds=(seed,),
            agents=tuple(agents),
            messages=tuple(messages),
            ends_at=ends_at,
            rep=np.zeros(len(table), dtype=np.int64),
            message=message,
            agent=agent,
            message_id=message_id,
            sent_at=sent_at,
            state_at_send=state.astype(np.int8),
            toast_at=toast_at,
            notified_at=notified_at,
            read_at=read_at,
            acknowledged_at=acknowledged_at,
            lost_at=lost_at,
        )
