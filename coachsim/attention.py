"""How agents come to read: the one sampler of attention, used by every player of a plan.

A delivery with a toast is noticed with probability (1 − e^(−s/τ))·(1 − φ)^k: *s* seconds of toast, fatigue φ, *k*
earlier deliveries of the day. If noticed, the dialog opens after a lognormal delay, plus what is left of a call for
those on one (an exponential rest: calls without memory). Otherwise the bell is looked at after a longer lognormal
delay, or never. The structure follows the notification literature (seen delay, decision delay, a share never consumed:
Mehrotra et al. 2016; Pielot et al. 2018); the default numbers are assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp

import numpy as np
from numpy.typing import NDArray

from coachsim.draws import Draws, Floats, Keys, Purpose, key, normal
from coachsim.models import Priority
from coachsim.scenario import Scenario

Micros = NDArray[np.int64]
NEVER = -1

# The rows of the table of draws, in the order in which ``prompts`` takes them.
_PURPOSES: tuple[Purpose, ...] = (
    ("toast noticed", 0),
    ("on a call", 0),
    ("rest of call", 0),
    ("toast to open", 0),
    ("toast to open", 1),
    ("bell never", 0),
    ("bell to open", 0),
    ("bell to open", 1),
    ("ack never", 0),
    ("read to ack", 0),
    ("read to ack", 1),
)
_LONGEST = 1e15  # µs, 31 years: longer than any day, and as an integer still far from the end of 64 bits


@dataclass(frozen=True, slots=True)
class Prompts:
    """What a message does to each of some agents: delays in µs of present time, ``NEVER`` where it does not happen.

    ``toast`` counts from the toast and is NEVER where the toast is missed; ``bell`` counts from being notified;
    ``ack`` counts from reading.
    """

    toast: Micros
    bell: Micros
    ack: Micros


def micros(values: Floats) -> Micros:
    """Times or lengths in µs as whole numbers; absurdly long ones are cut, not wrapped around."""
    whole: Micros = np.rint(np.minimum(values, _LONGEST)).astype(np.int64)
    return whole


@dataclass(frozen=True, slots=True)
class Sampler:
    """The attention of a scenario's agents on one day."""

    scenario: Scenario
    draws: Draws
    _heads: Keys = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_heads", self.draws.heads(_PURPOSES))

    def prompts(self, agents: Keys, message_key: str, priority: Priority, earlier: Micros) -> Prompts:
        """The draws of one message for some agents. ``earlier``: how many deliveries each had before it that day."""
        model, policy = self.scenario.attention, self.scenario.policy
        noticed, on_call, call, *openings, no_bell, bell_1, bell_2, no_ack, ack_1, ack_2 = self.draws.table(
            self._heads, agents, key(message_key)
        )
        shown_s = policy.urgent_toast_seconds if priority is Priority.URGENT else policy.toast_seconds
        chance = (1.0 - exp(-shown_s / model.tau_s)) * (1.0 - model.fatigue) ** earlier
        rest_s = np.where(on_call < model.occupancy, -model.call_mean_s * np.log(call), 0.0)
        toast_s = model.open_median_s * np.exp(model.open_sigma * normal(*openings)) + rest_s
        bell_s = model.bell_median_s * np.exp(model.bell_sigma * normal(bell_1, bell_2))
        ack_s = model.ack_median_s * np.exp(model.ack_sigma * normal(ack_1, ack_2))
        return Prompts(
            toast=np.where(noticed < chance, micros(toast_s * 1e6), NEVER),
            bell=np.where(no_bell < model.bell_never, NEVER, micros(bell_s * 1e6)),
            ack=np.where(no_ack < model.ack_never, NEVER, micros(ack_s * 1e6)),
        )
