"""How likely a log is under an attention: the sum over agents, so that agents can be told apart as they should be.

Prompts compete: the first that comes due opens the dialog and reads everything. So a prompt that ran for x contributes
the chance S(x) that it had not come due by then; and a look, at which one of several prompts came due, contributes the
sum of their rates f/S. docs/attention-fit.md has the formulas and what they assume.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from coachsim.fitting.curves import Places, lognormal, opening
from coachsim.fitting.evidence import Acks, Prompts
from coachsim.outcome import NEVER
from coachsim.people.draws import Floats
from coachsim.scenario import Policy

_LEAST = 1e-300
_MOST_NOTICED = 1 - 1e-12

Values = dict[str, float]
"""Values of an attention's fields by their names."""


class Likelihood(Protocol):
    """The logarithm of a likelihood."""

    def __call__(self, values: Values) -> Floats:
        """Each agent's part of it."""


class OfPrompts:
    """That of the looks and of what was never looked at: of all fields but those of acknowledging."""

    def __init__(self, prompts: Prompts, agents: int, policy: Policy) -> None:
        self._agents = agents
        self._agent = prompts.agent
        toasted = prompts.toasted
        self._toasted = np.flatnonzero(toasted)
        self._earlier = prompts.earlier[toasted].astype(np.float64)
        self._shown = np.where(prompts.urgent[toasted], policy.urgent_toast_seconds, policy.toast_seconds)
        self._since_toast = Places.of(prompts.since_toast[toasted])
        self._lagging = np.flatnonzero(prompts.lag[toasted] > 0)
        self._lag = Places.of(prompts.lag[toasted][self._lagging])
        self._since_notice = Places.of(prompts.since_notice)
        self._looked = np.flatnonzero(prompts.look != NEVER)
        self._look = prompts.look[self._looked]
        self._looks = int(self._look.max()) + 1 if len(self._look) else 0
        self._looker = np.zeros(self._looks, np.int64)
        self._looker[self._look] = prompts.agent[self._looked]

    def __call__(self, values: Values) -> Floats:
        """Each agent's part."""
        bell = lognormal(values["bell_median_s"], values["bell_sigma"], values["bell_never"])
        toast = opening(
            values["open_median_s"], values["open_sigma"], values["occupancy"], max(values["call_mean_s"], 1e-3)
        )
        longer = self._since_notice(bell.longer)
        rate = self._since_notice(bell.density) / self._since_notice.seconds
        noticed = (1 - np.exp(-self._shown / values["tau_s"])) * (1 - values["fatigue"]) ** self._earlier
        noticed = np.minimum(noticed, _MOST_NOTICED)
        missed = 1 - noticed
        # The bell that rang before the toast came may have been answered by then.
        noticed[self._lagging] *= self._lag(bell.longer)
        of_toast = self._since_toast(toast.density) / self._since_toast.seconds
        longer[self._toasted] = noticed * self._since_toast(toast.longer) + missed * longer[self._toasted]
        rate[self._toasted] = noticed * of_toast + missed * rate[self._toasted]
        longer = np.maximum(longer, _LEAST)
        rates = np.bincount(self._look, (rate[self._looked] / longer[self._looked]), minlength=self._looks)
        parts = np.bincount(self._agent, np.log(longer), minlength=self._agents)
        looks = np.log(np.maximum(rates, _LEAST))
        return np.asarray(parts + np.bincount(self._looker, looks, minlength=self._agents))


class OfAcks:
    """That of acknowledging: a lognormal delay from reading, or never."""

    def __init__(self, acks: Acks, agents: int) -> None:
        self._agents = agents
        self._agent = acks.agent
        self._done = acks.acknowledged
        self._since = Places.of(acks.since_read)

    def __call__(self, values: Values) -> Floats:
        """Each agent's part."""
        delay = lognormal(values["ack_median_s"], values["ack_sigma"], values["ack_never"])
        share = np.where(self._done, self._since(delay.density) / self._since.seconds, self._since(delay.longer))
        return np.asarray(
            np.bincount(self._agent, np.log(np.maximum(share, _LEAST)), minlength=self._agents), np.float64
        )
