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

from coachsim.models import Priority
from coachsim.outcome import NEVER
from coachsim.people.draws import Draws, Floats, Keys, Purpose, key, normal
from coachsim.scenario import Attention, Policy

Micros = NDArray[np.int64]
Bools = NDArray[np.bool_]

# The rows of the table of draws: those of toasts, then of bells, then of acknowledgements.
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
_TOASTS, _BELLS = 5, 8
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
    """The attention of a scenario's agents on one day, with toasts as its policy has them."""

    attention: Attention
    policy: Policy
    draws: Draws
    _heads: Keys = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_heads", self.draws.heads(_PURPOSES))

    def prompts(self, agents: Keys, message_key: str, priority: Priority, earlier: Micros) -> Prompts:
        """The draws of one message for some agents. ``earlier``: how many deliveries each had before it that day."""
        rows = self.draws.table(self._heads[:, :1], agents, key(message_key))
        return Prompts(
            toast=self._toast(rows[:_TOASTS], self._chance(priority) * self.fresh(earlier)),
            bell=self._bell(rows[_TOASTS:_BELLS]),
            ack=self._ack(rows[_BELLS:]),
        )

    # The same for pairs of people and messages. ``whom`` says which of the columns of ``people`` is each pair's.

    def people(self, rep: Micros, agents: Keys) -> Keys:
        """What is the same for all messages: a column for each agent on the day of their replication."""
        return self.draws.people(self._heads[:, rep], agents)

    def toasts(self, people: Keys, whom: Micros, messages: Keys, urgent: Bools, earlier: Micros) -> Micros:
        """From a toast to opening; NEVER where it is missed."""
        numbers = self.draws.numbers(people[:_TOASTS].take(whom, axis=1), messages)
        return self._toast(numbers, self.noticed(urgent, earlier))

    def openings(self, people: Keys, whom: Micros, messages: Keys) -> Micros:
        """From a toast that is noticed to opening."""
        numbers = self.draws.numbers(people[:_TOASTS].take(whom, axis=1), messages)
        return self._toast(numbers, np.ones(len(whom)))

    def bells(self, people: Keys, whom: Micros, messages: Keys) -> Micros:
        """From being notified to looking at the bell, or NEVER."""
        return self._bell(self.draws.numbers(people[_TOASTS:_BELLS].take(whom, axis=1), messages))

    def acks(self, people: Keys, whom: Micros, messages: Keys) -> Micros:
        """From reading to acknowledging, or NEVER."""
        return self._ack(self.draws.numbers(people[_BELLS:].take(whom, axis=1), messages))

    def noticed(self, urgent: Bools, earlier: Micros) -> Floats:
        """The chance that a toast is noticed by whom so many messages were sent before it that day."""
        chance = np.where(urgent, self._chance(Priority.URGENT), self._chance(Priority.NORMAL))
        return np.asarray(chance * self.fresh(earlier))

    def fresh(self, earlier: Micros) -> Floats:
        """The share of toasts that is still noticed after so many messages."""
        return np.asarray((1.0 - self.attention.fatigue) ** earlier)

    def _chance(self, priority: Priority) -> float:
        """That the day's first toast of this priority is noticed while it is on the screen."""
        shown_s = self.policy.urgent_toast_seconds if priority is Priority.URGENT else self.policy.toast_seconds
        return 1.0 - exp(-shown_s / self.attention.tau_s)

    def _toast(self, rows: Floats, chance: Floats) -> Micros:
        model = self.attention
        noticed, on_call, call, *openings = rows
        rest_s = np.where(on_call < model.occupancy, -model.call_mean_s * np.log(call), 0.0)
        delay_s = model.open_median_s * np.exp(model.open_sigma * normal(*openings)) + rest_s
        return np.where(noticed < chance, micros(delay_s * 1e6), NEVER)

    def _bell(self, rows: Floats) -> Micros:
        model = self.attention
        never, *bells = rows
        delay_s = model.bell_median_s * np.exp(model.bell_sigma * normal(*bells))
        return np.where(never < model.bell_never, NEVER, micros(delay_s * 1e6))

    def _ack(self, rows: Floats) -> Micros:
        model = self.attention
        never, *acks = rows
        delay_s = model.ack_median_s * np.exp(model.ack_sigma * normal(*acks))
        return np.where(never < model.ack_never, NEVER, micros(delay_s * 1e6))
