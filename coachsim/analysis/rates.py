"""How many have not read it: unread and lost rates, and how far one message reached."""

from __future__ import annotations

from typing import Any

import pandas as pd

from coachsim.analysis.arguments import message_ids, moment, must_be_known
from coachsim.analysis.keys import Question, checked, columns
from coachsim.log import MessageLog

_EVER = {"sent": "count(*)", "notified": "count(notified_at)", "read": "count(read_at)", "lost": "count(lost_at)"}
_COUNTS = "sent, notified, read, sent - read AS unread, lost"
# Only the total can be of nothing: its rates are 0 then, with the counts beside them saying of how many.
_RATES = (
    "coalesce((sent - read) / nullif(sent, 0), 0.0) AS unread_rate, coalesce(lost / nullif(sent, 0), 0.0) AS lost_rate"
)

_REACH = (
    "count(*) AS sent, count(*) FILTER (notified_at IS NULL AND read_at IS NULL) AS not_logged_in,"
    " count(notified_at) FILTER (read_at IS NULL) AS notified_unread,"
    " count(read_at) FILTER (acknowledged_at IS NULL) AS read, count(acknowledged_at) AS acknowledged"
)


def unread_rates(
    log: MessageLog, by: Any = None, at: Any = None, *, days: Any = None, teams: Any = None
) -> pd.DataFrame:
    """The share of deliveries that had been sent but not read by the moment ``at``, and the share lost by then.

    Unread at a moment is what was sent by then and not read by then: also what had expired or been cleared away
    unread, so at the end of a night unread and lost are the same. Without ``at`` each closed day is seen as its
    clear-down left it, and the open day as of the log's newest event.

    ``by`` is None (one row, each delivery counted once) or one or several of ``team campaign list queue hour
    state_at_send priority sender day``. Hours are those of sending, in the time zone that the floor had that day;
    team is the delivery's; campaigns, lists and queues are those that the agent was in at the send. An agent may be in
    several, so these rows overlap and must not be added up, and an agent in none has no row. Only groups with
    something sent have one. ``days`` (labels) and ``teams`` leave only those in.

    Gives the keys, the counts ``sent``, ``notified``, ``read``, ``unread`` and ``lost`` (each ever, or by ``at``:
    sent = read + unread), then ``unread_rate`` and ``lost_rate`` of ``sent``. Raises ``InvalidInput``.

    >>> unread_rates(log, by="campaign")[["campaign", "sent", "read", "unread", "unread_rate"]]
       campaign  sent  read  unread  unread_rate
    0  Renewals     8     5       3        0.375
    1    Spring     5     4       1        0.200
    >>> unread_rates(log, at=datetime(2026, 3, 2, 10, 20))[["sent", "unread", "unread_rate"]]  # in UTC
       sent  unread  unread_rate
    0     6       3          0.5
    """
    question = Question(log, checked(by), days=days, teams=teams)
    if at is None:
        counts = _EVER
    else:
        question.only("deliveries.sent_at <= $at", at=moment(at, "at"))
        counts = {
            "sent": "count(*)",
            "notified": "count(*) FILTER (notified_at <= $at)",
            "read": "count(*) FILTER (read_at <= $at)",
            "lost": "count(*) FILTER (lost_at <= $at)",
        }
    return question.answer(f"{question.counted(counts)} SELECT {columns(question.by, _COUNTS, _RATES)} FROM counted")


def lost(log: MessageLog, by: Any = None, *, days: Any = None, teams: Any = None) -> pd.DataFrame:
    """The share of deliveries that became unreadable before they were read, at their expiry or at a clear-down.

    Of the lost, ``lost_expired`` went at their expiry and the others at a clear-down; ``lost_not_notified`` had not
    even been announced to the agent. On the open day lost is what is lost so far. ``by``, ``days`` and ``teams`` as
    for ``unread_rates``.

    Gives the keys, the counts ``sent``, ``notified``, ``read``, ``unread``, ``lost``, ``lost_expired`` and
    ``lost_not_notified``, then ``unread_rate`` and ``lost_rate`` of ``sent``. Raises ``InvalidInput``.

    >>> lost(log, by="state_at_send")[["state_at_send", "sent", "lost", "lost_expired", "lost_not_notified"]]
      state_at_send  sent  lost  lost_expired  lost_not_notified
    0         break     1     1             1                  1
    1     logged_in     8     2             0                  0
    2    logged_out     3     2             0                  2
    """
    question = Question(log, checked(by), days=days, teams=teams)
    counts = _EVER | {
        "lost_expired": "count(*) FILTER (lost_at < coalesce(cleared_at, TIMESTAMP 'infinity'))",
        "lost_not_notified": "count(lost_at) FILTER (notified_at IS NULL)",
    }
    chosen = columns(question.by, _COUNTS, "lost_expired, lost_not_notified", _RATES)
    return question.answer(f"{question.counted(counts)} SELECT {chosen} FROM counted")


def reach(log: MessageLog, message_id: Any) -> pd.DataFrame:
    """How far one message got: of those it was sent to, how many fall into each of four groups, as one row.

    ``not_logged_in``: were never notified of it, because they have not been logged in, with a page, since it was
    sent; ``notified_unread``: were notified and have not read it (lost or not); ``read``: have read it, and not
    acknowledged; ``acknowledged``. The four exclude each other and add up to ``sent``. Raises ``UnknownMessage`` (a
    ``NotFound``) for an id that the log does not have.

    >>> reach(log, log.messages()["message_id"][0])
       sent  not_logged_in  notified_unread  read  acknowledged
    0     4              1                0     2             1
    """
    ids = message_ids([message_id], "message_id")
    question = Question(log, (), message_ids=ids)
    frame = question.answer(f"SELECT {_REACH} FROM all_deliveries AS deliveries{question.where}")
    if frame["sent"][0] == 0:  # every message has a recipient, so only then need the messages be looked at
        must_be_known(log, ids, "message_id")
    return frame
