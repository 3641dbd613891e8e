"""``compare`` and ``sweep``: scenarios played on the same people and days, with a row per measure and variant.

Every variant is played with the same seeds, and every draw hangs on what it is for (``coachsim.people.draws``): so a
difference between two variants is that of the same people on the same day, and its interval is narrow.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from coachsim.errors import CoachsimWarning, InvalidInput
from coachsim.experiment.cluster import versions
from coachsim.experiment.runs import Progress, Runs, Wanted, replicate, wanted_of, whole
from coachsim.experiment.vary import combinations
from coachsim.intervals import Estimate, mean_interval, paired_interval
from coachsim.models import Agent
from coachsim.scenario import Scenario
from coachsim.tally import MEASURES, Tally

if TYPE_CHECKING:
    import pandas as pd


def compare(
    *scenarios: Any,
    replications: int | None = None,
    half_width: float | None = None,
    measure: str = "lost_rate",
    seed: int = 1,
    message: str | None = None,
    agents: Sequence[Agent] | None = None,
    cluster: Any = None,
    processes: int | None = None,
    progress: Progress = True,
) -> pd.DataFrame:
    """Compares scenarios, each played ``replications`` times (100) with the seeds ``seed``, ``seed`` + 1 …

    The scenarios are arguments, one list, or a dict of names to scenarios; the first is the baseline. There is a row
    per variant and measure (``coachsim.tally.MEASURES``):

    - ``value``, ``low``, ``high``: the mean of the days with its 95 % interval (Student's t);
    - ``difference``, ``difference_low``, ``difference_high``: the mean of this variant's day minus the baseline's day
      of the same seed, with its 95 % interval; 0 for the baseline itself;
    - ``replications``, ``seed``: how many days there are, and the first one's seed;
    - ``left_out``: days without a value, such as a median that the day does not reach; they are in no mean.

    What does not exist is NaN. With ``half_width`` instead, there are as many replications as it takes until half the
    length of every difference's interval (of the value's, for a single scenario) is no more than that, for ``measure``:
    20 at least, 10,000 at most, with a ``CoachsimWarning`` if that was not enough.

    ``message`` counts only one planned message, of a series all of its sends; the others are sent all the same.
    ``agents`` are the floor of all scenarios, in place of their own.

    More than about two seconds of work go to ``processes`` (as many as there are cores) or to ``cluster``, a
    ``distributed.Client`` or a scheduler's address; the numbers are the same. Ctrl-C keeps what all variants have, if
    that is two days at least. ``attrs`` has the seeds, whether it was ``interrupted``, and the versions.

    >>> usual = Scenario.load("weekday")
    >>> longer = usual.model_copy(update={"policy": usual.policy.model_copy(update={"toast_seconds": 20.0})})
    >>> table = compare({"8 s": usual, "20 s": longer}, replications=20, progress=False)
    >>> lost = table[table.measure == "lost_rate"].set_index("variant")
    >>> lost[["value", "difference", "difference_low", "difference_high"]].round(3)
             value  difference  difference_low  difference_high
    variant
    8 s      0.088       0.000           0.000            0.000
    20 s     0.083      -0.004          -0.005           -0.004
    """
    wanted = wanted_of(replications, half_width, measure, seed)
    named = _named(scenarios)
    runs = replicate(
        list(named.values()), wanted, message=message, agents=agents, **_where(cluster, processes), progress=progress
    )
    rows = [
        {"variant": name, **row}
        for name, tally in zip(named, runs.tallies, strict=True)
        for row in _rows(tally, runs.tallies[0], wanted.seed)
    ]
    return _table(rows, runs, wanted)


def sweep(
    scenario: Scenario,
    vary: Mapping[str, Sequence[Any]],
    *,
    replications: int | None = None,
    half_width: float | None = None,
    measure: str = "lost_rate",
    seed: int = 1,
    message: str | None = None,
    agents: Sequence[Agent] | None = None,
    cluster: Any = None,
    processes: int | None = None,
    progress: Progress = True,
) -> pd.DataFrame:
    """Plays a scenario with every combination of some values, like ``compare``; the first one is the baseline.

    ``vary`` has a list of values for each path into the scenario: ``policy.toast_seconds``, ``absence``,
    ``breaks.0.waves`` (counted from 0), ``messages.KEY.at``. The columns are those of ``compare``, with one for each
    path in place of ``variant``. Raises ``ScenarioError`` for a path or a value that cannot be, before anything is
    played.

    >>> usual = Scenario.load("weekday")
    >>> table = sweep(usual, {"policy.toast_seconds": [4, 8, 15]}, replications=20, progress=False)
    >>> read = table[table.measure == "read_rate"].set_index("policy.toast_seconds")
    >>> read[["value", "difference"]].round(3)
                          value  difference
    policy.toast_seconds
    4                     0.906       0.000
    8                     0.912       0.006
    15                    0.916       0.010
    """
    wanted = wanted_of(replications, half_width, measure, seed)
    if not isinstance(scenario, Scenario):
        raise InvalidInput(f"sweep takes a Scenario and what to vary, not {scenario!r}.", field="scenario")
    chosen = combinations(scenario, vary)
    made = [one for _, one in chosen]
    runs = replicate(made, wanted, message=message, agents=agents, **_where(cluster, processes), progress=progress)
    rows = [
        {**values, **row}
        for (values, _), tally in zip(chosen, runs.tallies, strict=True)
        for row in _rows(tally, runs.tallies[0], wanted.seed)
    ]
    return _table(rows, runs, wanted)


def run(
    scenarios: Sequence[Scenario],
    *,
    replications: int | None = None,
    half_width: float | None = None,
    measure: str = "lost_rate",
    seed: int = 1,
    message: str | None = None,
    agents: Sequence[Agent] | None = None,
    cluster: Any = None,
    processes: int | None = None,
    progress: Progress = True,
) -> list[Tally]:
    """The tallies that ``compare`` makes its table of: one for each scenario, on the same seeds.

    ``message`` counts only one planned message; ``agents`` are the floor of all scenarios, in place of their own. Fewer
    seeds than wanted mean that it was interrupted.
    """
    wanted = wanted_of(replications, half_width, measure, seed)
    named = _named((list(scenarios),))
    runs = replicate(
        list(named.values()), wanted, message=message, agents=agents, **_where(cluster, processes), progress=progress
    )
    return list(runs.tallies)


def _where(cluster: Any, processes: int | None) -> dict[str, Any]:
    if cluster is not None and processes is not None:
        raise InvalidInput("Give either cluster or processes, not both.", field="processes")
    return {"cluster": cluster, "processes": None if processes is None else whole(processes, "processes", 1, 1_000)}


def _named(given: Sequence[Any]) -> dict[str, Scenario]:
    """The scenarios by name; one that has another's name gets a number: 'Weekday', 'Weekday (2)'."""
    if len(given) == 1 and isinstance(given[0], Mapping):
        pairs = [(str(name), scenario) for name, scenario in given[0].items()]
    else:
        several = given[0] if len(given) == 1 and isinstance(given[0], list | tuple) else given
        pairs = [(getattr(scenario, "name", ""), scenario) for scenario in several]
    if not pairs:
        raise InvalidInput("There is nothing to compare: give one scenario at least.", field="scenarios")
    taken = {name for name, _ in pairs}
    named: dict[str, Scenario] = {}
    for name, scenario in pairs:
        if not isinstance(scenario, Scenario):
            raise InvalidInput(
                f"compare takes scenarios, not {scenario!r}; Scenario.load(path) reads one from a file.",
                field="scenarios",
            )
        number = 1
        free = name
        while free in named or (number > 1 and free in taken):
            number += 1
            free = f"{name} ({number})"
        named[free] = scenario
    return named


def _rows(tally: Tally, baseline: Tally, seed: int) -> Iterator[dict[str, Any]]:
    for measure in MEASURES:
        values = tally.values(measure)
        value, difference = mean_interval(values), paired_interval(values, baseline.values(measure))
        yield {
            "measure": measure,
            **_columns(value, "value", "low", "high"),
            **_columns(difference, "difference", "difference_low", "difference_high"),
            "replications": len(tally.seeds),
            "seed": seed,
            "left_out": value.left_out,
        }


def _columns(estimate: Estimate, *names: str) -> dict[str, float]:
    numbers = (estimate.value, estimate.low, estimate.high)
    return {name: float("nan") if number is None else number for name, number in zip(names, numbers, strict=True)}


def _table(rows: list[dict[str, Any]], runs: Runs, wanted: Wanted) -> pd.DataFrame:
    import pandas as pd  # ``run`` does without

    table = pd.DataFrame(rows)
    table.attrs = {
        "seeds": list(runs.tallies[0].seeds),
        "interrupted": runs.interrupted,
        "half_width": wanted.half_width,
        "half_width_reached": runs.reached,
        "half_width_of": None if wanted.half_width is None else wanted.measure,
        "versions": versions(),
    }
    if runs.reached is False and not runs.interrupted:
        warnings.warn(
            f"The half-width {wanted.half_width:g} of {wanted.measure} was not reached in"
            f" {len(runs.tallies[0].seeds):,} replications: the intervals say what was. Ask for a wider one.",
            CoachsimWarning,
            stacklevel=3,
        )
    return table
