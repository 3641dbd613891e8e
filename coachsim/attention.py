"""How agents come to read: the one sampler of attention, used by every player of a plan.

A delivery with a toast is noticed with probability (1 − e^(−s/τ))·(1 − φ)^k: *s* seconds of toast, fatigue φ, *k*
earlier deliveries of the day. If noticed, the dialog opens after a lognormal delay, plus what is left of a call for
those on one (an exponential rest: calls without memory). Otherwise the bell is looked at after a longer lognormal
delay, or never. The structure follows the notification literature (seen delay, decision delay, a share never consumed:
Mehrotra et al. 2016; Pielot et al. 2018); the default numbers are assumptions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coachsim.draws import Draws, Floats, Keys, key
from coachsim.models import Priority
from coachsim.scenario import Scenario

Micros = NDArray[np.int64]
NEVER = -1


@dataclass(frozen=True, slots=True)
class Prompts:
    """What a message does to each of some agents: delays in µs of present time, ``NEVER`` where it does not happen.

    ``toast`` counts from the toast and is NEVER where the toast is missed; ``bell`` counts from being notified;
    ``ack`` counts from reading.
    """

    toast: Micros
    bell: Micros
    ack: Micros


def _micros(seconds: Floats) -> Micros:
    rounded: Micros = np.rint(seconds * 1e6).astype(np.int64)
    return rounded


@dataclass(frozen=True, slots=True)
class Sampler:
    """The attention of a scenario's agents on one day."""

    scenario: Scenario
    draws: Draws

    def prompts(self, agents: Keys, message_key: str, priority: Priority, earlier: Micros) -> Prompts:
        """The draws of one message for some agents. ``earlier``: how many deliveries each had before it that day."""
        model, policy = self.scenario.attention, self.scenario.policy
        message, draw = key(message_key), self.draws
        seconds = policy.urgent_toast_seconds if priority is Priority.URGENT else policy.toast_seconds
        chance = (1.0 - np.exp(-seconds / model.tau_s)) * (1.0 - model.fatigue) ** earlier
        noticed = draw.uniform("toast noticed", agents, message) < chance
        rest = np.where(
            draw.uniform("on a call", agents, message) < model.occupancy,
            draw.exponential("rest of call", agents, model.call_mean_s, message),
            0.0,
        )
        opening = draw.lognormal("toast to open", agents, model.open_median_s, model.open_sigma, message) + rest
        bell = draw.lognormal("bell to open", agents, model.bell_median_s, model.bell_sigma, message)
        ack = draw.lognormal("read to ack", agents, model.ack_median_s, model.ack_sigma, message)
        return Prompts(
            toast=np.where(noticed, _micros(opening), NEVER),
            bell=np.where(draw.uniform("bell never", agents, message) < model.bell_never, NEVER, _micros(bell)),
            ack=np.where(draw.uniform("ack never", agents, message) < model.ack_never, NEVER, _micros(ack)),
        )
