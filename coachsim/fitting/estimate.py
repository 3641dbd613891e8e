"""Each number of an attention from the evidence: estimated where it can be, else left as it was, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coachsim.fitting.evidence import Evidence
from coachsim.fitting.fields import OF_ACKS, OF_PROMPTS, OF_TOASTS, Field
from coachsim.fitting.likelihood import Likelihood, OfAcks, OfPrompts, Values
from coachsim.fitting.maximise import Maximum
from coachsim.scenario import Policy

FROM_THE_LOG = "the log"
_LEAST = 50  # deliveries that tell of a number at all
# Other places to begin the climb from: quick and rare, slow and common; a likelihood of mixtures has more than one top.
_STARTS: tuple[Values, ...] = (
    {"tau_s": 3.0, "open_median_s": 10.0, "open_sigma": 0.7, "occupancy": 0.3, "call_mean_s": 200.0},
    {"tau_s": 12.0, "open_median_s": 60.0, "open_sigma": 1.2, "occupancy": 0.1, "bell_median_s": 2_700.0},
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of an attention; ``low`` to ``high`` is its 95 % interval, None where there is none or no such end.

    ``evidence`` is how many deliveries can tell of it; ``basis`` is the log, or says why it is not from there.
    """

    name: str
    unit: str
    value: float
    low: float | None
    high: float | None
    evidence: int
    basis: str


def parameters(
    evidence: Evidence, policy: Policy, start: Values, known: Values, *, left_as: str, alone: bool = True
) -> list[Parameter]:
    """All of an attention's numbers; those that the log does not tell are as in ``start``, and said to be ``left_as``.

    Where ``alone`` is false, ``start`` is near what is looked for, and no other place to start from is tried.
    """
    agents, many = len(evidence.agents), _counts(evidence)
    of_prompts = OfPrompts(evidence.prompts, agents, policy)
    of_acks = OfAcks(evidence.acks, agents)
    starts = [start, *({**start, **other, **known} for other in _STARTS if alone)]
    return [
        *_of(OF_PROMPTS, of_prompts, starts, known, many, left_as),
        *_of(OF_ACKS, of_acks, [start], known, many, left_as),
    ]


def _counts(evidence: Evidence) -> dict[str, int]:
    """How many deliveries can tell of each field."""
    prompts, acks = evidence.prompts, evidence.acks
    toasts = int(prompts.toasted.sum())
    counts = {field.name: toasts if field.name in OF_TOASTS else len(prompts) for field in OF_PROMPTS}
    counts["fatigue"] = int((prompts.toasted & (prompts.earlier > 0)).sum())
    return counts | {field.name: len(acks) for field in OF_ACKS}


def _of(
    fields: Sequence[Field],
    likelihood: Likelihood,
    starts: list[Values],
    known: Values,
    many: dict[str, int],
    left_as: str,
) -> list[Parameter]:
    why = {field.name: "known" for field in fields if field.name in known}
    for field in fields:
        if field.name not in known and many[field.name] < _LEAST:
            why[field.name] = f"{left_as}: {many[field.name]:,} deliveries tell of it, {_LEAST} are the least"
    free = [field for field in fields if field.name not in why]
    top = Maximum(likelihood, free, starts)
    while mute := next((field for field in free if top.says_nothing(field)), None):
        why[mute.name] = f"{left_as}: the log cannot tell it from the other numbers"
        free.remove(mute)
        # What is held has to be at its given value, wherever the climb had taken it.
        top = Maximum(likelihood, free, [{**top.values, mute.name: starts[0][mute.name]}])
    values = top.values
    made = []
    for field in fields:
        found = top.found(field) if field in free else None
        bounds = (found.low, found.high) if found else (None, None)
        basis = why.get(field.name, FROM_THE_LOG)
        made.append(Parameter(field.name, field.unit, values[field.name], *bounds, many[field.name], basis))
    return made
