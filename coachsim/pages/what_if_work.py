"""The what-if page's work, in a thread of its own: days are played, counted and drawn there; the newest job wins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from coachsim.pages.page import Superseded
from coachsim.pages.what_if_controls import Asked, Json

if TYPE_CHECKING:
    from coachsim.models import Agent
    from coachsim.scenario import Scenario
    from coachsim.tally import Tally

_KEPT = 6
SPANS = {"hour": 60, "4 hours": 240, "day": 1_440}
"""How far the curves are drawn, in minutes since the send."""


@dataclass(frozen=True)
class View:
    """How the results are drawn."""

    span: str = "hour"
    what: str = "curves"
    dark: bool = False


@dataclass
class Job:
    """What was asked for with ``ticket``, on the floor of ``agents``. ``stop`` is set when something newer was."""

    ticket: int
    asked: Asked
    agents: tuple[Agent, ...]
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def names(self) -> Mapping[str, str]:
        """The agents' names by their ids."""
        return {agent.agent_id: agent.name for agent in self.agents}


@dataclass(frozen=True, eq=False)
class Results:
    """The two tallies of a job."""

    job: Job
    a: Tally
    b: Tally


@dataclass(frozen=True, eq=False)
class _Counted:
    scenario: Scenario
    agents: tuple[Agent, ...]
    message: str | None
    replications: int
    seed: int
    tally: Tally


class Bench:
    """Plays days; keeps the last few tallies, since the baseline is the same while a slider moves."""

    def __init__(self) -> None:
        self._kept: list[_Counted] = []

    def play(self, job: Job, tell: Callable[[int, int], None]) -> Results:
        """Both tallies of a job; ``tell`` hears how many days are done, of how many. Call it in a thread.

        Raises ``Superseded`` soon after ``job.stop`` is set, and what ``run`` raises.
        """
        from coachsim.experiment import run  # pandas comes with it: not before the page is drawn

        def progress(done: int, total: int) -> None:
            if job.stop.is_set():
                raise Superseded("Something newer was asked for.")
            tell(done, total)

        asked = job.asked
        wanted = [asked.a] if asked.a == asked.b else [asked.a, asked.b]
        missing = [scenario for scenario in wanted if self._find(scenario, job) is None]
        if missing:
            # In this process only: a page of a server shares the machine with the delivery of messages.
            tallies = run(
                missing,
                replications=asked.replications,
                seed=asked.seed,
                message=asked.message,
                agents=job.agents,
                processes=1,
                progress=progress,
            )
            for scenario, tally in zip(missing, tallies, strict=True):
                self._kept.append(_Counted(scenario, job.agents, asked.message, asked.replications, asked.seed, tally))
        a, b = self._find(asked.a, job), self._find(asked.b, job)
        assert a is not None and b is not None
        # The baseline is looked up most often, so it is kept longest.
        others = [one for one in self._kept if one is not a and one is not b]
        self._kept = [*others[-_KEPT:], b, a]
        return Results(job, a.tally, b.tally)

    def _find(self, scenario: Scenario, job: Job) -> _Counted | None:
        asked = job.asked
        for one in self._kept:
            same = (one.message, one.replications, one.seed) == (asked.message, asked.replications, asked.seed)
            if same and one.scenario == scenario and one.agents == job.agents:
                return one
        return None


def shown(results: Results) -> Json:
    """The results as the page has them, without the charts."""
    from coachsim.pages import what_if_results as says

    a, b, asked = results.a, results.b, results.job.asked
    return {
        "ticket": results.job.ticket,
        "replications": len(b.seeds),
        "seed": asked.seed,
        "changes": asked.changes,
        "assumed": asked.assumed,
        "cards": says.cards(a, b),
        "sentences": says.sentences(a, b),
        "sent": int(b.totals.sent.sum()),
        "read": int(b.totals.read.sum()),
        "teams": says.team_rows(a, b),
        "agents": says.agent_rows(a, b, results.job.names),
    }


CHARTS = ("curves", "missed")
"""The page's charts, in the order in which they are looked at."""


def specification(chart: str, results: Results, view: View) -> Json:
    """One of the ``CHARTS`` of the results, as Vega-Lite has it.

    It is not checked against Vega-Lite's schema, which takes longer than all else here: tests do that.
    """
    from coachsim.charts import what_if as charts
    from coachsim.pages import what_if_results as says

    a, b = results.a, results.b
    minutes = SPANS[view.span]
    if chart == "missed":
        made: Any = charts.missed_by_team(says.team_rows(a, b), dark=view.dark, legend=False)
    elif view.what == "differences":
        made = charts.differences(says.difference_rows(a, b, minutes), dark=view.dark)
    else:
        made = charts.read_curves(says.curve_rows(a, b, minutes), dark=view.dark, legend=False)
    found: Json = made.to_dict(validate=False)
    return found
