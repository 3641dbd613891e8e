"""What callers hand to the questions, checked: moments, ids and lists of names, each error a sentence."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from coachsim.errors import InvalidInput, UnknownMessage
from coachsim.log import MessageLog


def moment(value: Any, field: str) -> datetime:
    """A datetime or pandas Timestamp as the log keeps times: UTC, without a zone. One without a zone is UTC already."""
    if not isinstance(value, datetime) or pd.isna(value):
        raise InvalidInput(f"{field!r} is a datetime or a pandas Timestamp, not {value!r}.", field=field)
    given: datetime = value.to_pydatetime(warn=False) if isinstance(value, pd.Timestamp) else value
    return given.astimezone(UTC).replace(tzinfo=None) if given.tzinfo else given


def names(value: Any, field: str) -> list[str] | None:
    """One name or several, as a list; None stays None. A date is its label."""
    if value is None:
        return None
    given = [value] if isinstance(value, str | date) else value
    if not isinstance(given, Iterable):
        raise InvalidInput(f"{field!r} is a name or a list of names, not {value!r}.", field=field)
    return [one.isoformat()[:10] if isinstance(one, date) else str(one) for one in given]


def message_ids(given: Iterable[Any], field: str) -> list[int]:
    """The ids as Python integers, whatever kind of whole number they were."""
    ids = []
    for one in given:
        try:
            ids.append(operator.index(one))
        except TypeError:
            raise InvalidInput(f"A message_id is a whole number, not {one!r}.", field=field) from None
    return ids


def must_be_known(log: MessageLog, ids: list[int], field: str) -> None:
    """Raises ``UnknownMessage`` (a ``NotFound``) for the first id that the log does not have."""
    known = log.sql("SELECT message_id FROM messages WHERE message_id IN (SELECT unnest($ids))", {"ids": ids})
    if unknown := [one for one in ids if one not in {*known["message_id"]}]:
        raise UnknownMessage(
            f"The log has no message {unknown[0]}. The ids are in the column message_id of log.messages().", field=field
        )
