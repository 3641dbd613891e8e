"""The coaching desk of a contact centre: messages to agents, and a log of who was told, who read and who was missed.

What a notebook or script needs from here:

==================  =========================================================================================
``open_log``        opens a message log for reading: a file, a data folder or a server's address
``MessageLog``      what ``open_log`` gives: deliveries, messages, state changes and agents as DataFrames
``Scenario``        a floor's day to simulate, with everything that can vary: ``Scenario.load(path)``
``simulate``        plays a day of a scenario and gives its log, like a real day's
``compare``         sets scenarios side by side on the same people and days, with intervals
``sweep``           plays a scenario with every combination of some values
``fit``             learns a scenario's attention from a log: how its agents come to read, with intervals
``scenario_of``     learns a whole scenario from a day of a log: its people, shifts, breaks and messages
``analysis``        questions asked of a log: unread and lost rates, time to read, who was there; as DataFrames
``CoachingPage``    the supervisor's page as a widget, over any client of a floor
``MessageLogPage``  what was read, how fast and what was lost, as a widget, over any log
``WhatIfPage``      the trainer's page as a widget: change a day with sliders, see who reads and who is missed
``CoachsimError``   base of every error raised on purpose; each says what was wrong and what to do
==================  =========================================================================================

Names are loaded when first used: ``import coachsim`` alone brings neither pandas, DuckDB, Tornado nor ipywidgets, so a
page's kernel pays only for what its page needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coachsim import analysis
    from coachsim.errors import CoachsimError
    from coachsim.experiment import compare, sweep
    from coachsim.fitting import fit, scenario_of
    from coachsim.log import MessageLog, open_log
    from coachsim.pages.coaching import CoachingPage
    from coachsim.pages.message_log import MessageLogPage
    from coachsim.pages.what_if import WhatIfPage
    from coachsim.scenario import Scenario
    from coachsim.simulation import simulate

__version__ = "0.1.0"
__all__ = [
    "CoachingPage",
    "CoachsimError",
    "MessageLog",
    "MessageLogPage",
    "Scenario",
    "WhatIfPage",
    "analysis",
    "compare",
    "fit",
    "open_log",
    "scenario_of",
    "simulate",
    "sweep",
]

_HOMES = {
    "CoachingPage": "coachsim.pages.coaching",
    "CoachsimError": "coachsim.errors",
    "MessageLog": "coachsim.log",
    "MessageLogPage": "coachsim.pages.message_log",
    "Scenario": "coachsim.scenario",
    "WhatIfPage": "coachsim.pages.what_if",
    "analysis": "coachsim.analysis",
    "compare": "coachsim.experiment",
    "fit": "coachsim.fitting",
    "open_log": "coachsim.log",
    "scenario_of": "coachsim.fitting",
    "simulate": "coachsim.simulation",
    "sweep": "coachsim.experiment",
}


def __getattr__(name: str) -> Any:
    """Loads a public name from the module it lives in, or as that module, the first time it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'coachsim' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    return home if home.__name__ == f"{__name__}.{name}" else getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
