"""What a log says about a floor, as numbers for a scenario: ``fit`` estimates its attention, ``scenario_of`` all of it.

``fit`` gives a ``Fitted``; ``goodness`` sets it beside the log that it came from, for a chart; ``replay`` has people of
a given attention read what was sent on days of a log; ``backtest`` predicts each day from those before it, and
``scores`` says how well. docs/attention-fit.md says how, and what it assumes. ``scenario_of`` gives a ``Learned``: a
day of a log as a scenario with its agents (docs/scenario-of-a-log.md).
"""

from coachsim.fitting.backtest import backtest, scores
from coachsim.fitting.fitted import Fitted, fit
from coachsim.fitting.goodness import goodness
from coachsim.fitting.learned import Learned, scenario_of
from coachsim.fitting.replay import replay

__all__ = ["Fitted", "Learned", "backtest", "fit", "goodness", "replay", "scenario_of", "scores"]
