"""What of a log tells of attention: prompts with how long they ran, and looks with what might have caused them.

A *prompt* is a delivery from the moment that its agent was told of it; it runs, in time that the agent is there, until
the message is read, for its own sake or along with another, or becomes unreadable, or is no evidence any more. A *look*
is a moment at which an agent read: one of the prompts then running caused it, and which one is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from coachsim.fitting.observed import Bools, Observed
from coachsim.outcome import NEVER, Ints
from coachsim.people.draws import Floats

_SECOND = 1e6


@dataclass(frozen=True, slots=True)
class Prompts:
    """Deliveries that called their agent, in step, by agent; times in seconds of presence until the prompt ended.

    ``since_toast`` counts from the toast (NaN without one), ``since_notice`` from the first sign of it, and ``lag`` is
    how much of that went by before the toast. ``look`` is the look at which it was read, ``NEVER`` if it was not.
    """

    agent: Ints
    team: Ints
    day: Ints
    earlier: Ints
    urgent: Bools
    since_toast: Floats
    lag: Floats
    since_notice: Floats
    look: Ints

    def __len__(self) -> int:
        return len(self.agent)

    @property
    def toasted(self) -> Bools:
        """Which had a toast."""
        return np.isfinite(self.since_toast)


@dataclass(frozen=True, slots=True)
class Acks:
    """Deliveries that were read and asked to be acknowledged: seconds of presence until they were, or the end."""

    agent: Ints
    team: Ints
    since_read: Floats
    acknowledged: Bools

    def __len__(self) -> int:
        return len(self.agent)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it, of so many ``deliveries`` (``by_team``: of each team).

    ``looks`` had a prompt. ``unprompted`` looks had none: the model has no such looks, and they are only counted.
    ``in_seats`` deliveries were left out for a person in the agent's seat, ``into_dialog`` since they came into an
    open dialog.
    """

    agents: tuple[str, ...]
    teams: tuple[str, ...]
    days: tuple[str, ...]
    prompts: Prompts
    acks: Acks
    deliveries: int
    by_team: Ints
    looks: int
    unprompted: int
    in_seats: int
    into_dialog: int

    @classmethod
    def of(cls, seen: Observed) -> Evidence:
        """What ``seen`` tells."""
        valid = (seen.valid_until != NEVER) & ~seen.dialog_open
        end = np.minimum(seen.until, seen.valid_until)
        read = valid & (seen.read != NEVER) & (seen.read <= end)
        end = np.where(read, seen.read, end)
        calls = valid & (seen.notified != NEVER) & (seen.notified < end)
        moments = np.unique(np.stack([seen.agent[read], seen.read[read]]), axis=1).shape[1]
        those = np.flatnonzero(calls)
        look = np.full(len(those), NEVER)
        caused = read[those]
        pairs = np.stack([seen.agent[those][caused], seen.read[those][caused]])
        prompted, look[caused] = np.unique(pairs, axis=1, return_inverse=True)
        there = _Clock(seen, those)
        toasted = seen.toast[those] != NEVER
        toast = np.where(toasted, seen.toast[those], seen.notified[those])
        ended, told, shown = there.at(end[those]), there.at(seen.notified[those]), there.at(toast)
        prompts = Prompts(
            agent=seen.agent[those],
            team=seen.team[those],
            day=seen.day[those],
            earlier=seen.earlier[those],
            urgent=seen.urgent[those],
            since_toast=np.where(toasted & (toast < end[those]), ended - shown, np.nan),
            lag=np.maximum(shown - told, 0.0),
            since_notice=ended - told,
            look=look,
        )
        return cls(
            agents=seen.agents,
            teams=seen.teams,
            days=seen.days,
            prompts=prompts,
            acks=_acks(seen, read),
            deliveries=int(valid.sum()),
            by_team=np.bincount(seen.team[valid], minlength=len(seen.teams)),
            looks=prompted.shape[1],
            unprompted=moments - prompted.shape[1],
            in_seats=int((seen.valid_until == NEVER).sum()),
            into_dialog=int((seen.dialog_open & (seen.valid_until != NEVER)).sum()),
        )

    @property
    def lookers(self) -> int:
        """How many agents looked."""
        return len(np.unique(self.prompts.agent[self.prompts.look != NEVER]))

    def of_team(self, number: int) -> Evidence:
        """What is known of the agents of one team. A look belongs to the team of what was read first."""
        mine, acks = self.prompts.team == number, self.acks.team == number
        prompts = Prompts(**{one.name: getattr(self.prompts, one.name)[mine] for one in fields(Prompts)})
        looks, look = np.unique(prompts.look, return_inverse=True)
        first = int(len(looks) > 0 and looks[0] == NEVER)
        prompts = Prompts(**{one.name: getattr(prompts, one.name) for one in fields(Prompts)} | {"look": look - first})
        return Evidence(
            agents=self.agents,
            teams=self.teams,
            days=self.days,
            prompts=prompts,
            acks=Acks(**{one.name: getattr(self.acks, one.name)[acks] for one in fields(Acks)}),
            deliveries=int(self.by_team[number]),
            by_team=self.by_team,
            looks=len(looks) - first,
            unprompted=0,
            in_seats=0,
            into_dialog=0,
        )


@dataclass(frozen=True, slots=True)
class _Clock:
    """The time that each of some deliveries' agents has been there, in seconds from anywhere."""

    seen: Observed
    those: Ints

    def at(self, moments: Ints) -> Floats:
        gone: Floats = self.seen.rota.gone(self.seen.agent[self.those], moments) / _SECOND
        return gone


def _acks(seen: Observed, read: Bools) -> Acks:
    # What has expired may still be acknowledged, until the night.
    those = np.flatnonzero(read & seen.ack_required)
    there = _Clock(seen, those)
    end = np.minimum(seen.cleared[those], seen.valid_until[those])
    done = (seen.acknowledged[those] != NEVER) & (seen.acknowledged[those] <= end)
    end = np.where(done, seen.acknowledged[those], end)
    return Acks(
        agent=seen.agent[those],
        team=seen.team[those],
        since_read=there.at(end) - there.at(seen.read[those]),
        acknowledged=done,
    )
