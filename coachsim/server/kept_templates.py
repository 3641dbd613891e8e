"""The templates in accounts.sqlite: a row for each version, added and never changed."""

from __future__ import annotations

from coachsim.server.store import Store, now
from coachsim.shelf import Decision, Shelf, Version

_COLUMNS = "template_id, version, changed_at, changed_by, owner, title, body, shared, hidden"


class KeptTemplates:
    """The keeper of a server. Reads only what came since it last looked, whichever process wrote it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelf = Shelf()
        self._seen = 0

    def shelf(self) -> Shelf:
        """The shelf as it is now."""
        rows = self._store.rows(
            f"SELECT number, {_COLUMNS} FROM template_version WHERE number > ? ORDER BY number", self._seen
        )
        for row in rows:
            said = {name: row[name] for name in _COLUMNS.split(", ")}
            self._shelf.take(Version(**said | {name: bool(said[name]) for name in ("shared", "hidden")}))
            self._seen = row["number"]
        return self._shelf

    def keep(self, decide: Decision) -> Version | None:
        """Keeps what is decided, in one transaction with the look at what there is."""
        with self._store.change(quiet=True) as db:
            version = decide(self.shelf(), now())
            if version is not None:
                values = [getattr(version, name) for name in _COLUMNS.split(", ")]
                db.execute(f"INSERT INTO template_version ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        return version
