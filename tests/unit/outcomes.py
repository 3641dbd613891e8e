"""Small outcomes for tests: any deliveries at all, or those of a scenario's days, cut into parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from hypothesis import strategies as st

from coachsim.models import Agent
from coachsim.outcome import NEVER, Outcome

SECOND = 1_000_000
END = 90_000 * SECOND

# One delivery: its numbers, when it was sent, and µs from there until notified, read, acknowledged, lost (or NEVER).
Row = tuple[int, int, int, int, int, int, int, int]


def outcome(days: int, teams: Sequence[str], messages: int, rows: Sequence[Row], first_seed: int = 0) -> Outcome:
    """An outcome of rows (rep, message, agent, sent_at, notified, read, acknowledged, lost), as ``Row`` says."""
    table = np.array(sorted(rows), dtype=np.int64).reshape(-1, 8)
    rep, message, agent, sent_at, *delays = table.T.copy()
    notified, read, acknowledged, lost = (np.where(delay == NEVER, NEVER, sent_at + delay) for delay in delays)
    return Outcome(
        seeds=tuple(range(first_seed, first_seed + days)),
        agents=tuple(Agent(f"a{n:05}", f"Agent {n}", team) for n, team in enumerate(teams)),
        messages=tuple(f"m{n}" for n in range(messages)),
        ends_at=END,
        rep=rep,
        message=message,
        agent=agent,
        message_id=sent_at + message,
        sent_at=sent_at,
        state_at_send=np.zeros(len(table), dtype=np.int8),
        toast_at=np.full(len(table), NEVER),
        notified_at=notified,
        read_at=read,
        acknowledged_at=acknowledged,
        lost_at=lost,
    )


def part(whole: Outcome, start: int, stop: int) -> Outcome:
    """The days from ``start`` to before ``stop``, as if only they had been evaluated."""
    mine = (whole.rep >= start) & (whole.rep < stop)
    changed = {
        one.name: getattr(whole, one.name)[mine]
        for one in fields(whole)
        if isinstance(getattr(whole, one.name), np.ndarray)
    }
    changed["rep"] = changed["rep"] - start
    kept = {one.name: getattr(whole, one.name) for one in fields(whole) if one.name not in changed}
    return Outcome(**{**kept, **changed, "seeds": whole.seeds[start:stop]})


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """Any few days of a few agents and messages. The same few seconds are drawn often, so that times tie."""
    days, people, messages = (draw(st.integers(1, most)) for most in (4, 5, 4))
    teams = draw(st.lists(st.sampled_from(["Blue", "Green", "Red"]), min_size=people, max_size=people))
    tied = st.sampled_from([0, 1, 2, 10, 20, 70, 610]).map(lambda seconds: seconds * SECOND)
    delay = tied | tied | st.integers(0, 80_000 * SECOND)
    rows: list[Row] = []
    for rep in range(days):
        for message in range(messages):
            sent_at = draw(st.integers(0, 10 * SECOND))
            for agent in range(people):
                fate = draw(st.sampled_from(["none", "not in", "unread", "read", "acknowledged"]))
                if fate == "none":
                    continue
                first, second, third = sorted(draw(st.tuples(delay, delay, delay)))
                notified = NEVER if fate == "not in" else first
                read = second if fate in ("read", "acknowledged") else NEVER
                acknowledged = third if fate == "acknowledged" else NEVER
                lost = NEVER if fate in ("read", "acknowledged") else third
                rows.append((rep, message, agent, sent_at, notified, read, acknowledged, lost))
    return outcome(days, teams, messages, rows, first_seed=draw(st.integers(0, 99)))
