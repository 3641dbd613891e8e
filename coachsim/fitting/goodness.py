"""How well a fitted attention describes its log: what was read how soon, beside the same sends read by the model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from coachsim.fitting.evidence import Evidence
from coachsim.fitting.fitted import Fitted
from coachsim.fitting.observed import Bools, Observed
from coachsim.fitting.replay import replayed
from coachsim.log import MessageLog
from coachsim.outcome import NEVER
from coachsim.people.draws import Floats

TOASTED, TOLD, ACKED = "read, since the toast", "read, since told of it without a toast", "confirmed, since read"
SECONDS = np.geomspace(2.0, 4 * 3_600.0, 80)
"""Seconds of presence at which the curves are compared."""
_FEWEST = 20


def goodness(log: MessageLog, fitted: Fitted, *, replays: int = 20) -> pd.DataFrame:
    """The share read (or acknowledged) within so much presence: in the log, and in ``replays`` of it by the model.

    The log is the one that was fitted; its days, sends, toasts and presence are kept, and only looking is drawn anew
    (``replay``). Three kinds of ``what``: read, since the toast; read, since told of it without a toast; acknowledged,
    since read. Censored as in ``fit``, by Kaplan and Meier, so that what was lost or read along counts for what it is.

    Gives ``what``, ``deliveries`` (of the log), ``seconds``, ``observed``, ``expected`` (the replays' mean), and
    ``low`` to ``high``, between which they all lie: were the model true, a log would be outside at any one place in
    about 2 of ``replays`` + 1 cases.
    """
    seen = Observed.of(log, list(fitted.days))
    observed = _curves(Evidence.of(seen))
    anew = [_curves(Evidence.of(replayed(seen, fitted.attention, fitted.policy, seed))) for seed in range(replays)]
    parts = []
    for what, (count, curve) in observed.items():
        drawn = np.stack([one[what][1] for one in anew if what in one] or [np.full(len(SECONDS), np.nan)])
        parts.append(
            pd.DataFrame(
                {
                    "what": what,
                    "deliveries": count,
                    "seconds": SECONDS,
                    "observed": curve,
                    "expected": drawn.mean(axis=0),
                    "low": drawn.min(axis=0),
                    "high": drawn.max(axis=0),
                }
            )
        )
    columns = ["what", "deliveries", "seconds", "observed", "expected", "low", "high"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _curves(evidence: Evidence) -> dict[str, tuple[int, Floats]]:
    """Of each kind that there is enough of: how many deliveries, and the share done within ``SECONDS``."""
    prompts, acks = evidence.prompts, evidence.acks
    toasted, read = prompts.toasted, prompts.look != NEVER
    kinds = {
        TOASTED: (prompts.since_toast[toasted], read[toasted]),
        TOLD: (prompts.since_notice[~toasted], read[~toasted]),
        ACKED: (acks.since_read, acks.acknowledged),
    }
    return {what: (len(times), _share(times, done)) for what, (times, done) in kinds.items() if len(times) >= _FEWEST}


def _share(times: Floats, done: Bools) -> Floats:
    if not done.any():
        return np.zeros(len(SECONDS))
    data = stats.CensoredData(uncensored=times[done], right=times[~done])
    return np.asarray(stats.ecdf(data).cdf.evaluate(SECONDS))
