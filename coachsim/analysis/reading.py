"""How long until they read it, by Kaplan and Meier: what was never read is censored, not left out.

A delivery that is lost after an hour unread says that reading would have taken longer than an hour, and counts as that:
it is at risk of being read until then, and of unknown outcome after. The share still unread after t seconds is the
product, over the seconds up to t, of (1 − read in that second / at risk in it). All in the database, at a resolution
of one second; a test compares it with ``scipy.stats.ecdf``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from coachsim.analysis.arguments import message_ids, must_be_known
from coachsim.analysis.keys import Question, checked, columns
from coachsim.errors import InvalidInput
from coachsim.log import MessageLog

_FROM = {"sent": "sent_at", "notified": "notified_at"}
_COUNTS = {"sent": "count(*)", "notified": "count(notified_at)", "read": "count(read_at)", "lost": "count(lost_at)"}
_Z = 1.959963984540054  # of a 95 % interval
_EXACT = 1e-9  # a share that only rounding keeps from ½ is ½


def time_to_read(
    log: MessageLog, by: Any = None, since: str = "sent", *, days: Any = None, teams: Any = None
) -> pd.DataFrame:
    """Seconds from the send (or the notice) until a share of the deliveries has been read: quartiles, median, 90 %.

    What was never read is censored (Kaplan-Meier): at its loss, on the open day at the log's newest event. A quantile
    is the least whole second by which at least that share has been read, were nothing ever lost; it is missing
    (NaN) where so many never read that it is not reached. ``median_low_s`` and ``median_high_s`` are a 95 % interval
    of the median, from Greenwood's variance with the log-log transformation; the upper end is missing where the data
    do not bound it.

    ``since`` is ``"sent"``, or ``"notified"``: from ``notified_at``, of the deliveries that have one; how many never
    got one stands beside it as ``not_notified``. ``by``, ``days`` and ``teams`` as for ``unread_rates``.

    Gives the keys, the counts ``sent``, ``notified``, ``read``, ``unread``, ``lost`` and ``not_notified``, then
    ``q25_s``, ``median_s``, ``q75_s``, ``q90_s``, ``median_low_s`` and ``median_high_s``. Raises ``InvalidInput``.

    >>> time_to_read(log, by="team")[["team", "sent", "read", "q25_s", "median_s", "q90_s"]]
        team  sent  read   q25_s  median_s   q90_s
    0   Blue     6     5    30.0     120.0  3720.0
    1  Green     6     2  3640.0       NaN     NaN
    >>> time_to_read(log, since="notified")[["sent", "not_notified", "median_s"]]
       sent  not_notified  median_s
    0    12             3     300.0
    """
    question = Question(log, checked(by), days=days, teams=teams)
    sums = ", ".join(f"CAST(coalesce(sum({name}), 0) AS BIGINT) AS {name}" for name in _COUNTS)
    figures = {
        "q25_s": _first("left_unread", 0.75),
        "median_s": _first("left_unread", 0.5),
        "q75_s": _first("left_unread", 0.25),
        "q90_s": _first("left_unread", 0.1),
        "median_low_s": _first("unread_low", 0.5),
        "median_high_s": _first("unread_high", 0.5),
    }
    totals = f"totals AS (SELECT {columns(question.by, sums)}, {', '.join(f'{v} AS {k}' for k, v in figures.items())}"
    return question.answer(
        f"{_with_steps(question, since)}, {totals} FROM steps {'GROUP BY ALL' if question.keys else ''})"
        f" SELECT {columns(question.by, 'sent, notified, read, sent - read AS unread, lost, sent - notified')}"
        f" AS not_notified, {', '.join(figures)} FROM totals"
    )


def read_curve(
    log: MessageLog,
    message_id: Any = None,
    *,
    messages: Iterable[Any] | None = None,
    by: Any = None,
    since: str = "sent",
    days: Any = None,
    teams: Any = None,
) -> pd.DataFrame:
    """The share read within so many seconds of the send (or the notice), as steps to draw.

    ``read_rate`` estimates the share that would have read within ``seconds`` were nothing ever lost (Kaplan-Meier, as
    in ``time_to_read``); as long as nothing was lost or is still open it is simply the share that has. ``low`` and
    ``high`` are its 95 % band (log-log; at 1, where no variance is known, ``low`` stays at its last value).
    ``at_risk`` deliveries were still unread and readable when that second began; ``read`` had been read when it ended.

    ``message_id`` leaves in one message; ``messages`` several, with a curve of each, its id in the column
    ``message_id``. ``by``, ``days`` and ``teams`` as for ``unread_rates``: a curve for each group.

    Gives the keys, ``seconds``, ``at_risk``, ``read``, ``read_rate``, ``low``, ``high``: a row at 0, at every second
    in which something was read, and at the last second known of. Raises ``InvalidInput``, ``UnknownMessage``.

    >>> read_curve(log, log.messages()["message_id"][0])[["seconds", "at_risk", "read", "read_rate"]]
       seconds  at_risk  read  read_rate
    0        0        4     0       0.00
    1       20        4     1       0.25
    2      300        3     2       0.50
    3     3640        2     3       0.75
    4    61200        1     3       0.75
    """
    keys = checked(by)
    ids = None
    if message_id is not None and messages is not None:
        raise InvalidInput("Give either 'message_id' or 'messages', not both.", field="messages")
    if message_id is not None:
        ids = message_ids([message_id], "message_id")
    elif messages is not None:
        ids = message_ids(messages, "messages")
        keys = ("message_id", *keys)
    question = Question(log, keys, days=days, teams=teams, message_ids=ids)
    # A curve begins at 0, also where nothing was read or lost in the first second; its last second is the one in which
    # all that were at risk went.
    begin = columns(question.by, "0 AS seconds, CAST(sum(sent) AS BIGINT) AS at_risk, 0 AS read, 0.0, 0.0, 0.0")
    chosen = columns(
        question.by,
        "CAST(seconds AS BIGINT) AS seconds, CAST(at_risk AS BIGINT) AS at_risk",
        "CAST(read_so_far AS BIGINT) AS read",
        "1 - left_unread AS read_rate, 1 - unread_high AS low, 1 - unread_low AS high",
    )
    group = f"GROUP BY {question.by}" if question.keys else ""
    sql = (
        f"{_with_steps(question, since, drawn=True)} SELECT {chosen} FROM steps"
        f" WHERE read > 0 OR seconds = 0 OR at_risk = sent"
        f" UNION ALL SELECT {begin} FROM counted {group} HAVING min(seconds) > 0"
    )
    frame = question.answer(sql, "seconds")
    found = set(frame["message_id"]) if messages is not None else set() if frame.empty else set(ids or ())
    if absent := [one for one in ids or () if one not in found]:  # nothing there in it, or no such message
        must_be_known(log, absent, "message_id" if messages is None else "messages")
    return frame


def _first(share: str, at_most: float) -> str:
    """The first second at which the share is not over ``at_most``: a DOUBLE, so that it is NaN if there is none."""
    return f"CAST(min(seconds) FILTER (WHERE {share} <= {at_most + _EXACT}) AS DOUBLE)"


def _with_steps(question: Question, since: str, *, drawn: bool = False) -> str:
    """``WITH … steps``: the counts of each group and second at which something was read or censored, and the estimate.

    ``at_risk`` before it, ``left_unread`` after it (the estimated share) with its band, ``read_so_far``. What has no
    such second, because it was never notified, has a row where ``seconds`` is missing; for what is ``drawn`` it is left
    out, as are the counts that a curve does not show.
    """
    if since not in _FROM:
        raise InvalidInput(f"'since' is 'sent' or 'notified', not {since!r}.", field="since")
    newest = question.log.newest()
    question.parameters["newest"] = newest
    seconds = f"date_sub('second', deliveries.{_FROM[since]}, coalesce(read_at, lost_at, CAST($newest AS TIMESTAMP)))"
    counts = _COUNTS
    if drawn:
        counts = {name: _COUNTS[name] for name in ("sent", "read")}
        question.only(f"deliveries.{_FROM[since]} IS NOT NULL")
    counted = question.counted(counts, {"seconds": seconds})
    some_missing = since == "notified" and not drawn
    group = columns(question.by, "seconds IS NULL" if some_missing else "")
    part = f"PARTITION BY {group}" if group else ""
    rising = f"({part} ORDER BY seconds ROWS UNBOUNDED PRECEDING)"
    falling = f"({part} ORDER BY seconds DESC ROWS UNBOUNDED PRECEDING)"
    return f"""{counted},
        risks AS (SELECT *, CAST(sum(sent) OVER {falling} AS DOUBLE) AS at_risk FROM counted),
        estimates AS (
            SELECT *, sum(read) OVER {rising} AS read_so_far,
                   product((at_risk - read) / at_risk) OVER {rising} AS left_unread,
                   sum(read / (at_risk * nullif(at_risk - read, 0))) OVER {rising} AS greenwood
            FROM risks
        ),
        powers AS (
            SELECT *, CASE WHEN left_unread > 0 AND left_unread < 1
                      THEN exp({_Z} * sqrt(greenwood) / -ln(left_unread)) END AS power
            FROM estimates
        ),
        steps AS (
            SELECT *, coalesce(pow(left_unread, power), left_unread) AS unread_low,
                   coalesce(last_value(pow(left_unread, 1 / power) IGNORE NULLS) OVER {rising}, 1.0) AS unread_high
            FROM powers
        )"""
