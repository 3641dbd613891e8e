"""Keyed random draws: each number is a hash of what it is for, so that nothing else can change it.

A draw depends on (seed, day, purpose, agent, message, number) and on nothing drawn before it. Adding a message, an
agent or a policy leaves every other draw as it was; variants are compared on the same people on the same day, and any
process can compute any part. The hash is a chain of splitmix64 finalisers (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators"); its top 53 bits make a float strictly between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

NO_MESSAGE = np.uint64(0)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def key(text: str) -> np.uint64:
    """A stable 64-bit key of a name: an agent_id, a message's key, a purpose."""
    return np.uint64(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little"))


def keys(texts: list[str]) -> Keys:
    """The keys of several names."""
    return np.array([key(text) for text in texts], dtype=np.uint64)


def _mixed(value: Any) -> Any:
    with np.errstate(over="ignore"):
        value = value + _GOLDEN
        value = (value ^ (value >> np.uint64(30))) * _MIX_1
        value = (value ^ (value >> np.uint64(27))) * _MIX_2
        return value ^ (value >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class Draws:
    """All draws of one seed on one day (``day``: the proleptic ordinal of its date)."""

    seed: int
    day: int

    def uniform(self, purpose: str, agents: Keys, message: Any = NO_MESSAGE, n: int = 0) -> Floats:
        """One number strictly between 0 and 1 for each agent (or each pair, if ``message`` is an array too)."""
        head = _mixed(_mixed(np.uint64(self.seed & (2**64 - 1))) ^ np.uint64(self.day))
        head = _mixed(_mixed(head ^ key(purpose)) ^ np.uint64(n))
        bits = _mixed(_mixed(agents ^ head) ^ message)
        # Half a step up keeps 0 out; the largest is 1 - 2**-54, which rounds to below 1 as 53 bits are taken.
        numbers: Floats = np.minimum(((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53, 1.0 - 2.0**-53)
        return numbers

    def normal(self, purpose: str, agents: Keys, message: Any = NO_MESSAGE, n: int = 0) -> Floats:
        """Standard normal numbers (Box and Muller 1958)."""
        radius = np.sqrt(-2.0 * np.log(self.uniform(purpose, agents, message, 2 * n)))
        return np.asarray(radius * np.cos(2.0 * np.pi * self.uniform(purpose, agents, message, 2 * n + 1)))

    def lognormal(
        self, purpose: str, agents: Keys, median: float, sigma: float, message: Any = NO_MESSAGE, n: int = 0
    ) -> Floats:
        """Lognormal numbers with this median and this standard deviation of the logarithm."""
        return np.asarray(median * np.exp(sigma * self.normal(purpose, agents, message, n)))

    def exponential(self, purpose: str, agents: Keys, mean: float, message: Any = NO_MESSAGE, n: int = 0) -> Floats:
        """Exponential numbers with this mean."""
        return np.asarray(-mean * np.log(self.uniform(purpose, agents, message, n)))
