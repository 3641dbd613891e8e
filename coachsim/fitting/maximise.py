"""The most likely values of some fields, with intervals, and which of them the log says nothing of.

Works on scales on which likelihoods are tame: logarithms of what is positive, shares as they are. Where an estimate
lies well within its range, its interval is the usual one from the curvature and from how much agents differ, whichever
is wider; near an end of the range it is the profile's: all values with which the rest can be made nearly as likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import stdtrit

from coachsim.fitting.fields import Field
from coachsim.fitting.likelihood import Likelihood, Values
from coachsim.outcome import Ints
from coachsim.people.draws import Floats

CONFIDENCE = 0.95
_STEP = 1e-5
_WIDE_STEP = 1e-3
_INSIDE = 2.5  # standard errors from an end of the range
_MOST_ERROR = 0.8  # of a logarithm, for which a curvature can stand
_FLAT = 1e-3
_FEW = 10


@dataclass(frozen=True, slots=True)
class Found:
    """A field's most likely value and its interval; ``low`` or ``high`` None where the log sets no such bound."""

    value: float
    low: float | None
    high: float | None


class Maximum:
    """The most likely values of ``fields``; ``values`` has them, and those of the fields that are held as they were."""

    def __init__(self, likelihood: Likelihood, fields: Sequence[Field], starts: Sequence[Values]) -> None:
        self._likelihood = likelihood
        self.fields = tuple(fields)
        self._held = starts[0]
        self._box = [field.box for field in fields]
        begun = self._point(starts[0])
        if len(starts) > 1:  # which is the highest top shows long before it is reached
            tried = [self._climb(self._point(start), most=_FEW) for start in starts]
            begun = max(tried, key=lambda one: one[1])[0]
        self._at, self._best = self._climb(begun)
        self._found: dict[str, Found] = {}
        self._measure()

    @property
    def values(self) -> Values:
        """All values, the held ones too."""
        return self._values(self._at)

    def found(self, field: Field) -> Found:
        """One field's value and interval."""
        if field.name not in self._found:
            place = self.fields.index(field)
            at, error = float(self._at[place]), float(self._errors[place])
            ends = self._wald(field, at, error) or self._profiled(place)
            low, high = (None if end is None else field.value(end) for end in ends)
            self._found[field.name] = Found(field.value(at), low, high)
        return self._found[field.name]

    def says_nothing(self, field: Field) -> bool:
        """Whether any value of the field is nearly as likely, so that only an assumption can give one."""
        place = self.fields.index(field)
        at, error = float(self._at[place]), float(self._errors[place])
        if not field.may_vanish and not self._at_an_end(field, at) and error > field.says_nothing:
            return True
        found = self.found(field)
        return field.too_wide(found.low, found.high)

    # --- climbing ---

    def _values(self, at: Floats) -> Values:
        return self._held | {field.name: field.value(float(one)) for field, one in zip(self.fields, at, strict=True)}

    def _point(self, values: Values) -> Floats:
        point = [field.scaled(values[field.name]) for field in self.fields]
        return np.clip(point, *np.transpose(self._box)) if self.fields else np.array([])

    def _whole(self, at: Floats) -> float:
        return float(self._likelihood(self._values(at)).sum())

    def _climb(self, start: Floats, *, still: int | None = None, most: int = 200) -> tuple[Floats, float]:
        """The highest point from there, and how likely it is; with the place ``still`` kept as it is."""
        free = [place for place in range(len(start)) if place != still]
        if not free:
            return start, self._whole(start)
        first = self._whole(start)
        unit = max(1.0, abs(first)) * 1e-3

        def down(some: Floats) -> tuple[float, Floats]:
            at = start.copy()
            at[free] = some
            here = self._whole(at)
            slope = np.empty(len(free))
            for number, place in enumerate(free):
                step = _STEP if at[place] + _STEP <= self._box[place][1] else -_STEP
                beside = at.copy()
                beside[place] += step
                slope[number] = (self._whole(beside) - here) / step
            return -here / unit, -slope / unit

        done = minimize(
            down,
            start[free],
            jac=True,
            method="L-BFGS-B",
            bounds=[self._box[place] for place in free],
            options={"maxiter": most, "ftol": 1e-9, "gtol": 1e-4},
        )
        top = start.copy()
        top[free] = done.x
        return top, -float(done.fun) * unit

    # --- how sharp the maximum is ---

    def _measure(self) -> None:
        """The standard errors at the maximum: of the curvature and of the agents' differences, the larger of the two.

        Infinite where there is no maximum but an end or a plain.
        """
        pairs = zip(self.fields, self._at, strict=True)
        inner = np.array([n for n, (field, at) in enumerate(pairs) if not self._at_an_end(field, float(at))], int)
        self._errors = np.full(len(self.fields), np.inf)
        self._spread = 1.0
        scores, curvature = self._scores(inner), self._curvature(inner)
        agents = max(2, self._concerned())
        self._quantile = float(stdtrit(agents - 1, (1 + CONFIDENCE) / 2))
        sharp = np.flatnonzero(np.diag(curvature) > _FLAT)
        if not len(sharp) or np.linalg.eigvalsh(curvature[np.ix_(sharp, sharp)])[0] <= 0:
            return
        inverse = np.linalg.inv(curvature[np.ix_(sharp, sharp)])
        differ = scores[:, sharp].T @ scores[:, sharp] * agents / (agents - 1)
        sandwich = inverse @ differ @ inverse
        self._errors[inner[sharp]] = np.sqrt(np.maximum(np.diag(inverse), np.diag(sandwich)))
        self._spread = max(1.0, float(np.trace(inverse @ differ)) / len(sharp))

    def _concerned(self) -> int:
        """How many agents have any part in it: whose likelihood changes with the fields."""
        middle = np.mean(self._box, axis=1) if self.fields else self._at
        inward = self._at + _WIDE_STEP * np.sign(middle - self._at)
        here, there = (self._likelihood(self._values(at)) for at in (self._at, inward))
        return int((here != there).sum())

    def _beside(self, *steps: tuple[int, int]) -> Floats:
        """The point some steps beside the maximum."""
        at = self._at.copy()
        for place, direction in steps:
            at[place] += direction * _WIDE_STEP
        return at

    def _scores(self, inner: Ints) -> Floats:
        """How much each agent's part rises with each field: agents × fields."""
        parts = [
            [self._likelihood(self._values(self._beside((int(place), way)))) for way in (1, -1)] for place in inner
        ]
        return np.stack([(up - down) / (2 * _WIDE_STEP) for up, down in parts], axis=1) if parts else np.zeros((1, 0))

    def _curvature(self, inner: Ints) -> Floats:
        found = np.empty((len(inner), len(inner)))
        for row, one in enumerate(inner.tolist()):
            for column, other in enumerate(inner.tolist()[: row + 1]):
                corners = [
                    way * that * self._whole(self._beside((one, way), (other, that)))
                    for way in (1, -1)
                    for that in (1, -1)
                ]
                found[row, column] = found[column, row] = -sum(corners) / (2 * _WIDE_STEP) ** 2
        return found

    # --- intervals ---

    def _at_an_end(self, field: Field, at: float) -> bool:
        low, high = field.box
        return min(at - low, high - at) < 2 * _WIDE_STEP

    def _wald(self, field: Field, at: float, error: float) -> tuple[float, float] | None:
        """The usual interval, or None where it is not to be trusted."""
        low, high = field.box
        half = self._quantile * error
        if not np.isfinite(error) or at - _INSIDE * error < low or at + _INSIDE * error > high:
            return None
        if field.is_share:  # on the logit's scale, so that it stays a share
            middle, width = log(at / (1 - at)), half / (at * (1 - at))
            return 1 / (1 + exp(width - middle)), 1 / (1 + exp(-width - middle))
        return (at - half, at + half) if error <= _MOST_ERROR else None

    def _profiled(self, place: int) -> tuple[float | None, float | None]:
        low, high = self.fields[place].box
        return self._crossing(place, low), self._crossing(place, high)

    def _crossing(self, place: int, end: float) -> float | None:
        """Where, from the maximum towards an end, the rest cannot make up for it any more.

        If it always can, the end itself where that is a value like others (a share of 0 or 1), else None.
        """
        field, at = self.fields[place], float(self._at[place])
        enough = self._quantile * sqrt(self._spread)
        point = self._at.copy()

        def over(one: float) -> float:
            """How far beyond enough, in standard errors: nearly a straight line, which is soon followed to its zero."""
            point[place] = one
            point[:], height = self._climb(point, still=place)
            return sqrt(max(0.0, 2 * (self._best - height))) - enough

        step, near = field.first_step, at
        while near != end:
            far = min(near + step, end) if end > at else max(near - step, end)
            if over(far) > 0:
                return float(brentq(over, near, far, xtol=field.resolution, rtol=1e-3))
            near, step = far, step * 2
        return end if field.is_share else None
