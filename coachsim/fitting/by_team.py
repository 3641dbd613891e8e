"""Whose shifts they are: a floor's patterns told apart by team, where its teams really work different ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2_contingency

from coachsim.models import Agent
from coachsim.scenario import Shift

_BY_CHANCE = 0.001
_STRAY = 0.02  # of a team's shifts; what is rarer was a swap


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of shifts: how many work it on a day (``weight``), and the agent of each shift of it that was seen."""

    weight: float
    shift: Shift
    agents: tuple[str, ...]


def of_teams(patterns: Sequence[Pattern], agents: Sequence[Agent]) -> tuple[Shift, ...]:
    """The shifts with their shares; with their teams too, if these work different ones.

    Each agent counts once, for the pattern that they worked most often. If chance would deal the patterns to the teams
    as unevenly as they are less than once in a thousand times (chi-squared), each team has its own: one line for the
    teams that work nothing else, and one for each other team. A floor on which it *was* chance comes to the same hours.
    """
    teams = sorted({agent.team for agent in agents})
    number_of = {team: number for number, team in enumerate(teams)}
    team_of = {agent.agent_id: number_of[agent.team] for agent in agents}
    if not _differ(patterns, team_of, len(teams)):
        return tuple(_shared(pattern.shift, pattern.weight) for pattern in patterns)
    # Agents of a pattern on a day, by team: a team that was never seen works as all do.
    worked = [[team_of[agent_id] for agent_id in pattern.agents] for pattern in patterns]
    counts = np.array([np.bincount(one, minlength=len(teams)) for one in worked], float).T
    usual = np.array([pattern.weight for pattern in patterns])
    counts *= usual / np.maximum(counts.sum(axis=0), 1)
    counts[counts.sum(axis=1) == 0] = usual
    counts[counts < _STRAY * counts.sum(axis=1, keepdims=True)] = 0
    alone = (counts > 0).sum(axis=1) == 1
    found: list[Shift] = []
    for number, pattern in enumerate(patterns):
        weights = counts[:, number]
        only = tuple(team for team, one, weight in zip(teams, alone, weights, strict=True) if one and weight)
        if only:
            found.append(_shared(pattern.shift, float(weights[alone].sum()), only))
        found += [
            _shared(pattern.shift, float(weight), (team,))
            for team, one, weight in zip(teams, alone, weights, strict=True)
            if weight and not one
        ]
    return tuple(found)


def _differ(patterns: Sequence[Pattern], team_of: Mapping[str, int], teams: int) -> bool:
    """Whether the teams work different patterns, as far as chance does not explain it."""
    often: dict[str, dict[int, int]] = {}
    for number, pattern in enumerate(patterns):
        for agent_id in pattern.agents:
            mine = often.setdefault(agent_id, {})
            mine[number] = mine.get(number, 0) + 1
    table = np.zeros((teams, len(patterns)))
    for agent_id, mine in often.items():
        table[team_of[agent_id], max(mine, key=lambda number: mine[number])] += 1
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    return min(table.shape) > 1 and float(chi2_contingency(table, correction=False).pvalue) < _BY_CHANCE


def _shared(shift: Shift, weight: float, teams: tuple[str, ...] = ()) -> Shift:
    return shift.model_copy(update={"share": max(0.1, round(weight, 1)), "teams": teams})
