"""The fields of an attention as quantities to be estimated: their units, ranges and scales."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log


@dataclass(frozen=True, slots=True)
class Field:
    """One field of ``Attention``: ``low`` to ``high`` are where it is looked for.

    A time or a spread is estimated on the logarithm's scale, a share as it is. An interval wider than ``most`` (a
    factor, or for shares a difference) tells nothing. One that ``may_vanish`` needs no lower bound: all of it may be
    too little to tell from none.
    """

    name: str
    unit: str
    low: float
    high: float
    most: float
    is_share: bool = False
    may_vanish: bool = False

    @property
    def box(self) -> tuple[float, float]:
        """Its range on the scale of the estimate."""
        return (self.low, self.high) if self.is_share else (log(self.low), log(self.high))

    @property
    def first_step(self) -> float:
        """How far to look at first for the end of an interval, on that scale."""
        return 0.02 if self.is_share else 0.3

    @property
    def resolution(self) -> float:
        """How exactly it is then found."""
        return 1e-4 if self.is_share else 0.01

    @property
    def says_nothing(self) -> float:
        """The standard error, on that scale, with which the interval would be too wide by far."""
        return self.most / 2 if self.is_share else log(self.most) / 2

    def scaled(self, value: float) -> float:
        """A value on that scale."""
        return value if self.is_share else log(max(value, self.low))

    def value(self, scaled: float) -> float:
        """What it stands for."""
        return scaled if self.is_share else exp(scaled)

    def too_wide(self, low: float | None, high: float | None) -> bool:
        """Whether an interval tells nothing; None is no bound at all."""
        if self.is_share:
            return high is None or low is None or high - low > self.most
        if low is None:
            return high is None or not self.may_vanish
        return high is None or (high / low > self.most and not self.may_vanish)


def _share(name: str, most: float, unit: str = "share") -> Field:
    return Field(name, unit, 0.0, 0.995, most, is_share=True)


# In the order in which they are given up where the log cannot tell them apart: what follows from others comes last.
OF_PROMPTS = (
    Field("call_mean_s", "seconds", 5.0, 7_200.0, 8.0),
    _share("occupancy", 0.5),
    _share("fatigue", 0.2, "share each"),
    _share("bell_never", 0.5),
    Field("tau_s", "seconds", 0.2, 2_000.0, 12.0, may_vanish=True),
    Field("open_sigma", "of the logarithm", 0.03, 3.0, 12.0, may_vanish=True),
    Field("open_median_s", "seconds", 0.5, 20_000.0, 12.0),
    Field("bell_sigma", "of the logarithm", 0.03, 3.0, 12.0, may_vanish=True),
    Field("bell_median_s", "seconds", 1.0, 80_000.0, 12.0),
)
OF_ACKS = (
    _share("ack_never", 0.5),
    Field("ack_sigma", "of the logarithm", 0.03, 3.0, 12.0, may_vanish=True),
    Field("ack_median_s", "seconds", 0.2, 20_000.0, 12.0),
)
OF_TOASTS = frozenset({"tau_s", "fatigue", "open_median_s", "open_sigma", "occupancy", "call_mean_s"})
"""The fields that only deliveries with a toast tell of."""
