"""``fit(log)``: the attention of the people in a log, and what is known of each of its numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import tomli_w

from coachsim.errors import InvalidInput, NotEnoughEvidence
from coachsim.fitting.estimate import Parameter, parameters
from coachsim.fitting.evidence import Evidence
from coachsim.fitting.fields import OF_ACKS, OF_PROMPTS
from coachsim.fitting.likelihood import Values
from coachsim.fitting.observed import Observed, policy_of
from coachsim.log import MessageLog
from coachsim.scenario import Attention, Policy

LEAST_LOOKS, LEAST_AGENTS = 200, 10
"""Fewer looks than these, or by fewer agents, are too few to learn an attention from; of a team likewise."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """An attention learned from a log: ``scenario.model_copy(update={"attention": fitted.attention})`` uses it.

    ``parameters`` says of each number how sure it is and what it stands on, ``table`` the same as a DataFrame. It
    stands on ``deliveries`` to ``agents`` on ``days`` (labels), and on the ``looks`` that read them. ``teams`` has the
    same of each team with enough of them, where ``fit`` was asked for it. Not evidence, and counted here:
    ``unprompted`` looks, which nothing had called for; deliveries to ``in_seats`` that a person held; deliveries
    ``into_dialog`` that was open already.
    """

    attention: Attention
    parameters: tuple[Parameter, ...]
    policy: Policy
    days: tuple[str, ...]
    agents: int
    deliveries: int
    looks: int
    unprompted: int = 0
    in_seats: int = 0
    into_dialog: int = 0
    teams: Mapping[str, Fitted] | None = None

    def __repr__(self) -> str:
        return f"<Fitted: {self.stands_on}>"

    @property
    def stands_on(self) -> str:
        """What it was learned from, in words."""
        days = f"day {self.days[0]}" if len(self.days) == 1 else f"{len(self.days)} days to {self.days[-1]}"
        return f"{self.deliveries:,} deliveries to {self.agents:,} agents, read at {self.looks:,} looks, {days}"

    @property
    def table(self) -> pd.DataFrame:
        """A row for each number: ``parameter``, ``unit``, ``estimate``, its 95 % interval ``low`` to ``high``,
        how many deliveries are ``evidence`` of it, and its ``basis``: the log, or why something else."""
        columns = ("parameter", "unit", "estimate", "low", "high", "evidence", "basis")
        rows = [(one.name, one.unit, one.value, one.low, one.high, one.evidence, one.basis) for one in self.parameters]
        return pd.DataFrame(rows, columns=columns).astype({"low": float, "high": float})

    def to_toml(self) -> str:
        """The section ``[attention]`` of a scenario file, with what it stands on as a comment."""
        return f"# Learned from {self.stands_on}.\n" + tomli_w.dumps({"attention": self.attention.model_dump()})

    def to_json(self) -> str:
        """``{"attention": {…}}``, which ``Scenario.from_dict`` takes as a part of a scenario."""
        return json.dumps({"attention": self.attention.model_dump()})


def fit(
    log: MessageLog,
    *,
    days: Any = None,
    by: Literal["team"] | None = None,
    known: Mapping[str, float] | None = None,
    assumed: Attention | None = None,
    policy: Policy | None = None,
) -> Fitted:
    """Learns from a log how its agents come to read: the numbers of a scenario's ``attention``, with 95 % intervals.

    Of the days that are over, or of those of ``days`` (labels). ``by="team"`` also learns each team's own, where there
    is enough of it. ``known`` are numbers that need not be learned, such as ``{"call_mean_s": 310.0}`` from the
    telephony's own report. Whatever the log cannot tell is left as ``assumed`` has it (by default as a scenario's
    ``attention`` is by default), and ``table`` says so. ``policy`` is how long toasts stayed: without it as in the
    scenario that the log was simulated from, else as by default.

    Raises ``NotEnoughEvidence`` for a log of which no day is over, or in which too little was read; ``InvalidInput``.
    docs/attention-fit.md says how it is done and what it assumes.

    >>> fitted = fit(log)
    >>> scenario = scenario.model_copy(update={"attention": fitted.attention})
    >>> fitted.table.loc[[0, 6], ["parameter", "unit", "basis"]]
           parameter     unit    basis
    0          tau_s  seconds  the log
    6  bell_median_s  seconds  the log
    """
    if by not in (None, "team"):
        raise InvalidInput(f"'by' is 'team' or nothing, not {by!r}.", field="by")
    evidence = Evidence.of(Observed.of(log, days))
    _check(evidence)
    start = (assumed or Attention.model_validate({})).model_dump()
    given = _checked(known or {})
    shown = policy or policy_of(log)
    found = parameters(evidence, shown, start | given, given, left_as="assumed")
    pooled = {one.name: one.value for one in found}
    teams = None
    if by == "team":
        parts = {name: evidence.of_team(number) for number, name in enumerate(evidence.teams)}
        teams = {
            name: _fitted(
                part, parameters(part, shown, pooled, given, left_as="as of all teams", alone=False), shown, None
            )
            for name, part in parts.items()
            if not _lacking(part)
        }
    return _fitted(evidence, found, shown, teams)


def _fitted(
    evidence: Evidence, found: Sequence[Parameter], policy: Policy, teams: Mapping[str, Fitted] | None
) -> Fitted:
    order = list(Attention.model_fields)
    return Fitted(
        attention=Attention.model_validate({one.name: one.value for one in found}),
        parameters=tuple(sorted(found, key=lambda one: order.index(one.name))),
        policy=policy,
        days=evidence.days,
        agents=evidence.lookers,
        deliveries=evidence.deliveries,
        looks=evidence.looks,
        unprompted=evidence.unprompted,
        in_seats=evidence.in_seats,
        into_dialog=evidence.into_dialog,
        teams=teams,
    )


def _checked(known: Mapping[str, float]) -> Values:
    names = [field.name for field in (*OF_PROMPTS, *OF_ACKS)]
    for name in known:
        if name not in names:
            raise InvalidInput(f"An attention has no {name!r}; it has {', '.join(names)}.", field="known")
    try:
        return {name: getattr(Attention.model_validate(dict(known)), name) for name in known}
    except ValueError as error:
        raise InvalidInput(f"'known' has an impossible value: {dict(known)}.", field="known") from error


def _check(evidence: Evidence) -> None:
    if lacking := _lacking(evidence):
        raise NotEnoughEvidence(lacking)


def _lacking(evidence: Evidence) -> str | None:
    """What is too little, as a sentence; None if nothing is."""
    if not evidence.looks:
        return (
            f"Of {evidence.deliveries:,} deliveries on these days none was read after its agent had been told of it,"
            " so the log shows nothing of how they come to read. Ask a log of more days."
        )
    if evidence.looks < LEAST_LOOKS or evidence.lookers < LEAST_AGENTS:
        return (
            f"The log is too thin to learn from: its {evidence.deliveries:,} deliveries were read at"
            f" {evidence.looks:,} looks by {evidence.lookers:,} agents, and {LEAST_LOOKS} looks by {LEAST_AGENTS}"
            " agents are the least. Ask a log of more days."
        )
    return None
