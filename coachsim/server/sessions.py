"""What a caller shows to be let in: session cookies, the desk's tickets, API tokens. Only their hashes are kept.

A ticket belongs to the sign-in session it was made for and dies with it. A session lasts while it is used: 12 hours
after the last use, and 7 days in all.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from coachsim.days import HOUR
from coachsim.server.accounts import Account, Accounts
from coachsim.server.store import Store, now

IDLE = 12 * HOUR
LONGEST = 7 * 24 * HOUR


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, and by what: ``session``, ``ticket``, ``token`` or ``local`` (this machine's CLI).

    ``key`` is the hash under which the session or token is kept; a stream lives as long as it is there.
    """

    account: Account
    via: str
    key: str

    @property
    def name(self) -> str:
        """The account's name: the actor of what is done."""
        return self.account.name

    @property
    def from_browser(self) -> bool:
        """Whether a browser sends the proof by itself, so that XSRF has to be checked."""
        return self.via == "session"


@dataclass(frozen=True, slots=True)
class _Session:
    key: str
    account: str
    began_at: int
    seen_at: int


class Sessions:
    """Sessions, tickets and tokens in a store. ``secret`` is the server's cookie secret."""

    def __init__(self, store: Store, accounts: Accounts, secret: bytes) -> None:
        self._store = store
        self._accounts = accounts
        self._secret = secret
        self._version: tuple[int, int] | None = None
        self._by_key: dict[str, _Session] = {}
        self._by_ticket: dict[str, _Session] = {}
        self._tokens: dict[str, str] = {}
        self._seen: dict[str, int] = {}
        self._unwritten: set[str] = set()

    def _load(self, *, missing: Callable[[], bool] = lambda: False) -> None:
        """Reads what there is, if it has changed. Where ``missing``, it may have been made this very moment."""
        if self._store.version == self._version and missing():
            self._store.look()
        version = self._store.version
        if version == self._version:
            return
        rows = self._store.rows("SELECT session_hash, ticket_hash, account, began_at, seen_at FROM session")
        self._by_key, self._by_ticket = {}, {}
        for key, ticket, account, began_at, seen_at in rows:
            session = _Session(key, account, began_at, seen_at)
            self._by_key[key] = self._by_ticket[ticket] = session
        self._tokens = dict(self._store.rows("SELECT token_hash, account FROM token"))  # type: ignore[arg-type]
        self._seen = {key: moment for key, moment in self._seen.items() if key in self._by_key}
        self._unwritten &= self._seen.keys()
        self._version = version

    # --- sessions ---

    def begin(self, account: Account) -> str:
        """A new session; returns the secret that goes into the cookie."""
        raw = secrets.token_urlsafe(32)
        moment = now()
        session = _Session(_hash(raw), account.name, moment, moment)
        ticket = _hash(self.ticket(raw))
        self._load()
        # Quiet, as it takes nobody's sign-in away: were all accounts and sessions looked up anew after each, thousands
        # who sign in at 09:00 would hold the loop up for minutes.
        with self._store.change(quiet=True) as db:
            db.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?)", (session.key, ticket, session.account, moment, moment)
            )
        self._by_key[session.key] = self._by_ticket[ticket] = session
        return raw

    def end(self, key: str) -> None:
        """Signs out."""
        with self._store.change() as db:
            db.execute("DELETE FROM session WHERE session_hash = ?", (key,))

    def end_all_of(self, names: list[str]) -> None:
        """Signs these accounts out everywhere."""
        with self._store.change() as db:
            db.executemany("DELETE FROM session WHERE account = ?", [(name,) for name in names])

    def ticket(self, raw: str) -> str:
        """The ticket of a session: what its kernels show. It does not give the session's secret away."""
        return hmac.new(self._secret, b"ticket:" + raw.encode(), hashlib.sha256).hexdigest()

    def by_cookie(self, raw: str) -> Caller | None:
        """Who holds the session, if it is alive."""
        key = _hash(raw)
        self._load(missing=lambda: key not in self._by_key)
        return self._caller(self._by_key.get(key), "session")

    def by_ticket(self, ticket: str) -> Caller | None:
        """Whose kernel shows this ticket, if its session is alive. Using it keeps the session alive."""
        key = _hash(ticket)
        self._load(missing=lambda: key not in self._by_ticket)
        return self._caller(self._by_ticket.get(key), "ticket")

    def _caller(self, session: _Session | None, via: str) -> Caller | None:
        if session is None:
            return None
        moment = now()
        seen_at = max(session.seen_at, self._seen.get(session.key, 0))
        if moment - seen_at > IDLE or moment - session.began_at > LONGEST:
            return None
        account = self._accounts.active(session.account, self._version)
        if account is None:
            return None
        self._seen[session.key] = moment
        self._unwritten.add(session.key)
        return Caller(account, via, session.key)

    def write_seen(self) -> None:
        """Puts down which sessions were used since the last time, and takes away those that have run out. Called once
        a minute, not at every request.
        """
        used = [(self._seen[key], key) for key in self._unwritten]
        moment = now()
        with self._store.change(quiet=True) as db:
            db.executemany("UPDATE session SET seen_at = max(seen_at, ?) WHERE session_hash = ?", used)
            db.execute("DELETE FROM session WHERE seen_at < ? OR began_at < ?", (moment - IDLE, moment - LONGEST))
        self._unwritten.clear()

    # --- API tokens ---

    def new_token(self, account: Account, *, actor: str) -> str:
        """An API token. This is the only time that it can be seen."""
        raw = "coach_" + secrets.token_urlsafe(32)
        with self._store.change() as db:
            db.execute("INSERT INTO token VALUES (?, ?, ?)", (_hash(raw), account.name, now()))
            self._store.audit(db, actor, "token_made", account.name)
        return raw

    def by_token(self, raw: str) -> Caller | None:
        """Whose API token this is."""
        key = _hash(raw)
        self._load(missing=lambda: key not in self._tokens)
        name = self._tokens.get(key)
        account = self._accounts.active(name, self._version) if name is not None else None
        return None if account is None else Caller(account, "token", key)

    # --- for what stays open ---

    def still(self, caller: Caller) -> bool:
        """Whether a caller who was let in still would be, with the same rights. Counts as use."""
        if caller.via == "local":
            return True
        self._load()
        if caller.via == "token":
            name = self._tokens.get(caller.key)
            return name is not None and self._accounts.active(name, self._version) == caller.account
        now_caller = self._caller(self._by_key.get(caller.key), caller.via)
        return now_caller is not None and now_caller.account == caller.account


def _hash(raw: str) -> str:
    return hashlib.sha256(raw.encode()).hexdigest()
