"""Keyed random draws: each number is a hash of what it is for, so that nothing else can change it.

A draw depends on (seed, day, purpose, agent, message, number) and on nothing drawn before it. Adding a message, an
agent or a policy leaves every other draw as it was; variants are compared on the same people on the same day, and any
process can compute any part. The hash is a chain of splitmix64 finalisers (Steele, Lea and Flood 2014, "Fast splittable
pseudorandom number generators"); its top 53 bits make a float strictly between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]
Purpose = tuple[str, int]
"""What a number is for, and which of several for the same thing."""

NO_MESSAGE = np.uint64(0)
_ALL_BITS = 2**64 - 1
_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def key(text: str) -> np.uint64:
    """A stable 64-bit key of a name: an agent_id, a message's key, a purpose."""
    return np.uint64(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little"))


def keys(texts: Sequence[str]) -> Keys:
    """The keys of several names."""
    return np.array([key(text) for text in texts], dtype=np.uint64)


def _mix(value: Keys) -> Keys:
    """The finaliser of splitmix64 for each of the array's entries, in place."""
    value += np.uint64(_GOLDEN)
    value ^= value >> np.uint64(30)
    value *= np.uint64(_MIX_1)
    value ^= value >> np.uint64(27)
    value *= np.uint64(_MIX_2)
    value ^= value >> np.uint64(31)
    return value


@dataclass(frozen=True, slots=True)
class Draws:
    """All draws of one seed on one day (``day``: the proleptic ordinal of its date; 0 for what holds on every day).

    ``seed`` may also be a tuple of R seeds; then ``rep`` says of each agent asked about which of them is meant.
    """

    seed: int | tuple[int, ...]
    day: int

    def heads(self, purposes: Sequence[Purpose]) -> Keys:
        """The part of the hash that is the same for all agents, (purposes × seeds): for ``table``, called often."""
        seeds = self.seed if isinstance(self.seed, tuple) else (self.seed,)
        start = _mix(_mix(np.array([seed & _ALL_BITS for seed in seeds], dtype=np.uint64)) ^ np.uint64(self.day))
        names = np.array([[key(name)] for name, _ in purposes], dtype=np.uint64)
        numbers = np.array([[n] for _, n in purposes], dtype=np.uint64)
        return _mix(_mix(start ^ names) ^ numbers)

    def people(self, heads: Keys, agents: Any) -> Keys:
        """The part of the hash that is the same for all messages: a row for each of ``heads``, a column for each agent.

        ``heads`` has one column for all agents, or one for each.
        """
        return _mix(heads ^ np.atleast_1d(np.asarray(agents, np.uint64)))

    def numbers(self, people: Keys, message: Any) -> Floats:
        """Numbers strictly between 0 and 1, shaped like ``people``; ``message`` is one key, or one for each column."""
        bits = _mix(people ^ np.asarray(message, np.uint64))
        # Half a step up keeps 0 out; the uppermost would round to 1, so it is brought back below.
        bits >>= np.uint64(11)
        numbers = bits.view(np.int64).astype(np.float64)  # of signed ones this is three times as fast
        numbers += 0.5
        numbers *= 2.0**-53
        return np.minimum(numbers, 1.0 - 2.0**-53, out=numbers)

    def table(self, heads: Keys, agents: Any, message: Any = NO_MESSAGE) -> Floats:
        """The numbers of agents and a message (or one for each agent): a row for each of ``heads``."""
        return self.numbers(self.people(heads, agents), message)

    def uniform(self, purpose: str, agents: Any, message: Any = NO_MESSAGE, n: int = 0, rep: Any = 0) -> Floats:
        """One number strictly between 0 and 1 for each agent (or each pair, if ``message`` is an array too)."""
        heads = self.heads([(purpose, n)])[:, np.atleast_1d(rep)]
        row: Floats = self.table(heads, agents, message)[0]
        return row

    def normal(self, purpose: str, agents: Any, message: Any = NO_MESSAGE, n: int = 0, rep: Any = 0) -> Floats:
        """Standard normal numbers."""
        heads = self.heads([(purpose, 2 * n), (purpose, 2 * n + 1)])[:, np.atleast_1d(rep)]
        return normal(*self.table(heads, agents, message))

    def lognormal(
        self,
        purpose: str,
        agents: Any,
        median: float,
        sigma: float,
        message: Any = NO_MESSAGE,
        n: int = 0,
        rep: Any = 0,
    ) -> Floats:
        """Lognormal numbers with this median and this standard deviation of the logarithm."""
        return np.asarray(median * np.exp(sigma * self.normal(purpose, agents, message, n, rep)))

    def exponential(
        self, purpose: str, agents: Any, mean: float, message: Any = NO_MESSAGE, n: int = 0, rep: Any = 0
    ) -> Floats:
        """Exponential numbers with this mean."""
        return np.asarray(-mean * np.log(self.uniform(purpose, agents, message, n, rep)))


def normal(first: Floats, second: Floats) -> Floats:
    """Standard normal numbers of two rows of uniform ones (Box and Muller 1958)."""
    return np.asarray(np.sqrt(-2.0 * np.log(first)) * np.cos(2.0 * np.pi * second))
