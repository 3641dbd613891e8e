"""What-ifs: ``compare`` sets variants of a day side by side, ``sweep`` tries every value, on the same people and days.

``comparing`` asks and answers; ``runs`` says which replications that takes, ``work`` and ``cluster`` who plays them,
and ``vary`` makes the variants of a sweep.
"""

from coachsim.experiment.comparing import compare, run, sweep

__all__ = ["compare", "run", "sweep"]
