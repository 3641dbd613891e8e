"""What was sent on days of a log, to people who were there as they were, read by people of a given attention.

Presence, sends and toasts are the log's; only when someone looks is drawn anew, by the sampler and the walk from look
to look that simulated days have. So a difference from the log is a difference in attention, or chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from coachsim.fitting.observed import Observed, policy_of
from coachsim.log import MessageLog
from coachsim.outcome import NEVER
from coachsim.people.attention import Sampler
from coachsim.people.draws import Draws, keys
from coachsim.people.looks import looks
from coachsim.scenario import Attention, Policy


def replay(
    log: MessageLog,
    attention: Attention,
    *,
    days: Any = None,
    seeds: Sequence[int] = range(1, 21),
    policy: Policy | None = None,
) -> pd.DataFrame:
    """The deliveries of the log's closed days (or of ``days``), read anew by people of ``attention``, once a seed.

    Gives ``seed``, ``message_id``, ``agent_id``, ``team``, ``day``, ``sent_at``, ``until`` (when it could no longer be
    read) and ``read_at``, which is missing where it was lost. Not in it is what ``fit`` leaves out: deliveries to seats
    that a person held, and into an open dialog. ``policy`` as for ``fit``. Raises ``NotEnoughEvidence``.

    >>> anew = replay(log, Attention(), seeds=range(3))
    >>> anew.groupby("seed")["read_at"].count() > 0
    seed
    0    True
    1    True
    2    True
    Name: read_at, dtype: bool
    """
    seen = Observed.of(log, days)
    shown = policy or policy_of(log)
    kept = (seen.valid_until != NEVER) & ~seen.dialog_open
    frame = pd.DataFrame(
        {
            "message_id": seen.message_id,
            "agent_id": np.array(seen.agents, object)[seen.agent],
            "team": np.array(seen.teams, object)[seen.team],
            "day": np.array(seen.days, object)[seen.day],
            "sent_at": _times(seen, seen.sent),
            "until": _times(seen, seen.until),
        }
    )
    parts = [
        frame.assign(seed=seed, read_at=_times(seen, replayed(seen, attention, shown, seed).read)) for seed in seeds
    ]
    found = pd.concat([part[kept] for part in parts], ignore_index=True)
    return found[["seed", *frame.columns, "read_at"]]


def replayed(seen: Observed, attention: Attention, policy: Policy, seed: int) -> Observed:
    """The same with reading and acknowledging drawn anew."""
    sampler = Sampler(attention, policy, Draws((seed,), 0))
    # An agent's draws are new each day, and each message's its own.
    pairs, whom = np.unique(np.stack([seen.agent, seen.day]), axis=1, return_inverse=True)
    people = sampler.people(
        np.zeros(pairs.shape[1], np.int64),
        keys([f"{seen.agents[agent]} on {seen.days[day]}" for agent, day in pairs.T.tolist()]),
    )
    ids, place = np.unique(seen.message_id, return_inverse=True)
    messages = keys([str(one) for one in ids.tolist()])[place]
    toasts = sampler.toasts(people, whom, messages, seen.urgent, seen.earlier)
    bells = sampler.bells(people, whom, messages)
    # Of what was read before its agent was told of it, the log cannot say when that would have been: the next log-in.
    _, login = seen.rota.told(seen.agent, seen.sent)
    early = (seen.notified == NEVER) | (seen.notified == seen.read)
    told = np.where(early, np.where(login < seen.until, login, NEVER), seen.notified)
    bell = seen.rota.after(seen.agent, told, np.where(told == NEVER, NEVER, bells))
    toasted = seen.toast != NEVER
    toast = seen.rota.after(seen.agent, seen.toast, np.where(toasted, toasts, NEVER))
    # A toast that comes after the bell rang takes over, unless the bell was answered by then.
    noticed = toasted & (toasts != NEVER) & ~((bell != NEVER) & (bell < seen.toast))
    prompt = np.where(noticed, toast, bell)
    prompt[(prompt >= seen.until) | (seen.valid_until == NEVER) | seen.dialog_open] = NEVER
    look = looks(seen.rota.length, seen.agent, seen.sent, prompt)
    read = np.where(look < seen.until, look, NEVER)
    acks = np.where(seen.ack_required & (read != NEVER), sampler.acks(people, whom, messages), NEVER)
    acknowledged = seen.rota.after(seen.agent, read, acks)
    acknowledged[acknowledged >= seen.cleared] = NEVER
    notified = np.where((told != NEVER) & ((read == NEVER) | (told < read)), told, read)
    return replace(seen, notified=notified, read=read, acknowledged=acknowledged)


def _times(seen: Observed, moments: Any) -> pd.Series:
    whole = pd.Series((moments + seen.began_at).astype("datetime64[us]"))
    return whole.mask(pd.Series(moments == NEVER))
