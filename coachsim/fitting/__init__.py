"""What a log says about attention, as numbers for a scenario: ``fit`` estimates them.

``fit`` gives a ``Fitted``; ``goodness`` sets it beside the log that it came from, for a chart; ``replay`` has people of
a given attention read what was sent on days of a log; ``backtest`` predicts each day from those before it, and
``scores`` says how well. docs/attention-fit.md says how, and what it assumes.
"""

from coachsim.fitting.backtest import backtest, scores
from coachsim.fitting.fitted import Fitted, fit
from coachsim.fitting.goodness import goodness
from coachsim.fitting.replay import replay

__all__ = ["Fitted", "backtest", "fit", "goodness", "replay", "scores"]
