"""accounts.sqlite: the file, its tables, and noticing at once what another process changed in it.

The server and the ``coachsim user`` commands have it open at the same time. SQLite's ``data_version`` says whether
someone else wrote since we last looked. Asking lets other threads run, for which a busy loop pays dearly: so it is
asked at the first request and then fifty times a second at most.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from coachsim.errors import CoachsimError

ACCOUNTS_FILE = "accounts.sqlite"
_VERSION = 3
_LOOK_S = 0.02

_SCHEMA = """
CREATE TABLE account (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    password_hash TEXT,             -- argon2; NULL = cannot sign in with a password
    roles TEXT NOT NULL,            -- JSON list
    teams TEXT,                     -- JSON list, '"all"', or NULL where no role needs teams
    agent_id TEXT,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE token (
    token_hash TEXT PRIMARY KEY,
    account TEXT NOT NULL COLLATE NOCASE REFERENCES account(name),
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE session (
    session_hash TEXT PRIMARY KEY,
    ticket_hash TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL COLLATE NOCASE REFERENCES account(name),
    began_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_account ON session(account);
CREATE TABLE change (               -- who changed what: the audit of accounts
    happened_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL            -- JSON, never a secret
);
"""
_SINCE_2 = """
CREATE TABLE coming (               -- who came in, and what was refused to whom: a row for what is alike in an hour
    hour INTEGER NOT NULL,
    action TEXT NOT NULL,
    account TEXT NOT NULL,          -- '' where it was nobody's
    address TEXT NOT NULL,
    subject TEXT NOT NULL,          -- the line of the access table that was asked for, or what was shown
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (hour, action, account, address, subject)
) WITHOUT ROWID
"""
_SINCE_3 = """
CREATE TABLE template_version (     -- a template is its newest version; rows are added and never changed
    number INTEGER PRIMARY KEY,
    template_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    owner TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    shared INTEGER NOT NULL,
    hidden INTEGER NOT NULL,        -- deleted
    UNIQUE (template_id, version)
)
"""


class StoreError(CoachsimError):
    """accounts.sqlite cannot be used."""

    code = "accounts"
    http_status = 503


class Store:
    """An open accounts.sqlite. ``version`` changes whenever its content did, whoever wrote."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / ACCOUNTS_FILE
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            if not self.path.exists():
                self.path.touch(mode=0o600)
            self._db = sqlite3.connect(self.path, timeout=5, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self.path} cannot be opened: {error}.") from error
        self._written = 0
        self._others = 0
        self._looked = float("-inf")

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("BEGIN IMMEDIATE")
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        if found == 0:
            for statement in _SCHEMA.split(";\n"):
                self._db.execute(statement)
        for version, statement in ((2, _SINCE_2), (3, _SINCE_3)):
            if found < version:
                self._db.execute(statement)
        if found < _VERSION:
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        self._db.execute("COMMIT")
        if found > _VERSION:
            raise StoreError(f"{self.path} was written by a newer version of coachsim. Use that version.")

    @property
    def version(self) -> tuple[int, int]:
        """A value that is another one after every change; what others change shows within ``_LOOK_S``."""
        if time.monotonic() - self._looked > _LOOK_S:
            self.look()
        return self._others, self._written

    def look(self) -> None:
        """Looks now whether others have changed anything."""
        self._looked = time.monotonic()
        (self._others,) = self._db.execute("PRAGMA data_version").fetchone()

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """What a query finds."""
        return self._db.execute(query, values).fetchall()

    @contextmanager
    def change(self, *, quiet: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is written inside it, or nothing. A ``quiet`` one leaves ``version`` as it is.

        Raises ``StoreError`` where nothing can be written, as on a full disk.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:  # some failures have ended it already
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise StoreError(
                    f"{self.path} cannot be written, so nothing was changed. Check the disk's free space and"
                    f" permissions. ({error})"
                ) from error
            raise
        self._written += not quiet

    def audit(self, db: sqlite3.Connection, actor: str, action: str, subject: str, **detail: Any) -> None:
        """Records a change, in the transaction that makes it."""
        db.execute("INSERT INTO change VALUES (?, ?, ?, ?, ?)", (now(), actor, action, subject, json.dumps(detail)))

    def backup(self, path: Path) -> None:
        """Writes a copy of one moment to ``path``, whoever is writing. Raises ``StoreError`` where that cannot be."""
        try:
            path.touch(mode=0o600, exist_ok=False)
            with closing(sqlite3.connect(path)) as copy:
                self._db.backup(copy)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self.path} cannot be copied to {path}: {error}.") from error

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()


def now() -> int:
    """Wall time in µs."""
    return time.time_ns() // 1_000
