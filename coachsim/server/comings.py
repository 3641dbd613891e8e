"""Who came in, who tried to, and what was refused to whom: counted by the hour, in accounts.sqlite.

An auditor asks who signed in, when and from where; an attacker must not fill the disk by being refused. So what is
alike within an hour is one row with its first and last time and how often it was, and there are so many rows an hour at
most; the rest of that hour is counted together. What a visitor typed as a name is kept only if it is an account's:
people type passwords into the wrong field.
"""

from __future__ import annotations

from dataclasses import dataclass

from coachsim.days import HOUR
from coachsim.server.store import Store, now

MOST_AN_HOUR = 1_000
"""So many rows an hour for what was refused; beyond that it is counted as from ``OTHERS``."""
OTHERS = "others"
SIGNED_IN, SIGNED_OUT = "signed_in", "signed_out"
WRONG_PASSWORD, HELD = "sign_in_failed", "sign_in_held"
REFUSED, NOT_RECOGNISED, TOO_MANY = "refused", "not_recognised", "too_many_requests"
_UPSERT = """
    INSERT INTO coming VALUES (:hour, :action, :account, :address, :subject, :first_at, :last_at, :times)
    ON CONFLICT DO UPDATE SET
        first_at = min(first_at, :first_at), last_at = max(last_at, :last_at), times = times + :times
"""


@dataclass(frozen=True, slots=True)
class _What:
    hour: int
    action: str
    account: str
    address: str
    subject: str


@dataclass(slots=True)
class _Seen:
    first_at: int
    last_at: int
    times: int = 1


class Comings:
    """Counts in memory; ``write`` puts it down, which the server does every second and when it stops."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hour = 0
        self._rows: set[_What] = set()
        self._unwritten: dict[_What, _Seen] = {}

    def count(self, action: str, *, account: str = "", address: str = "", subject: str = "") -> None:
        """One more of these. ``account`` is that of an account or empty; ``subject`` is what was asked for."""
        moment = now()
        hour = moment - moment % HOUR
        if hour != self._hour:
            self._hour, self._rows = hour, set()
        what = _What(hour, action, account, address, subject)
        if what not in self._rows and len(self._rows) >= MOST_AN_HOUR and action not in (SIGNED_IN, SIGNED_OUT):
            what = _What(hour, action, "", OTHERS, "")
        self._rows.add(what)
        seen = self._unwritten.get(what)
        if seen is None:
            self._unwritten[what] = _Seen(moment, moment)
        else:
            seen.last_at, seen.times = moment, seen.times + 1

    def write(self) -> None:
        """Puts down what was counted since the last time."""
        if not self._unwritten:
            return
        rows = [
            {name: getattr(part, name) for part in pair for name in type(part).__slots__}
            for pair in self._unwritten.items()
        ]
        with self._store.change(quiet=True) as db:
            db.executemany(_UPSERT, rows)
        self._unwritten.clear()

    def forget(self, days: int) -> None:
        """Takes away what is older than so many days."""
        with self._store.change(quiet=True) as db:
            db.execute("DELETE FROM coming WHERE last_at < ?", (now() - days * 24 * HOUR,))
