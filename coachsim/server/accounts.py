"""Accounts: who may sign in, with which roles, for which teams. Passwords are kept as argon2 hashes only."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from coachsim.errors import InvalidInput, NotFound
from coachsim.models import clean_text
from coachsim.roster import MAX_NAME
from coachsim.server.store import Store, now

ROLES = ("agent", "supervisor", "analyst", "trainer", "telephony", "admin")
SCOPED_ROLES = frozenset({"supervisor", "analyst"})
MIN_PASSWORD = 8
MAX_PASSWORD = 200
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_AGENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TAKEN_NAMES = frozenset({"floor", "plan", "practice", "roster"})
_hasher = PasswordHasher()


@dataclass(frozen=True, slots=True)
class Account:
    """One account. ``teams`` is the scope of a supervisor or analyst: team names, or None for all teams."""

    name: str
    roles: frozenset[str]
    teams: frozenset[str] | None = frozenset()
    agent_id: str | None = None
    disabled: bool = False

    @property
    def scope(self) -> frozenset[str] | None:
        """The teams this account may see; None = all. An agent sees no team, an admin or telephony needs no list."""
        if self.roles & SCOPED_ROLES:
            return self.teams
        return None if self.roles & {"admin", "telephony", "trainer"} else frozenset()


def checked(account: Account) -> Account:
    """The account, if it makes sense; otherwise ``InvalidInput``."""
    if not _NAME.fullmatch(account.name):
        raise InvalidInput(
            f"{account.name!r} is no account name. Use up to 64 letters, digits, '.', '_', '-', '@'.", field="name"
        )
    if account.name.casefold() in _TAKEN_NAMES:
        raise InvalidInput(f"The name {account.name!r} is used by the floor itself. Choose another.", field="name")
    if not account.roles:
        raise InvalidInput("An account needs at least one role.", field="roles")
    if unknown := account.roles - set(ROLES):
        raise InvalidInput(f"There is no role {min(unknown)!r}; the roles are {', '.join(ROLES)}.", field="roles")
    if account.roles & SCOPED_ROLES and account.teams is not None and not account.teams:
        raise InvalidInput(
            "A supervisor or analyst needs teams: --teams with their names, or --teams all.", field="teams"
        )
    for team in sorted(account.teams or ()):
        clean_text(team, what="name of a team", field="teams", limit=MAX_NAME)
    if ("agent" in account.roles) != (account.agent_id is not None):
        raise InvalidInput("The role agent and an agent id belong together: give both or neither.", field="agent_id")
    if account.agent_id is not None and not _AGENT_ID.fullmatch(account.agent_id):
        raise InvalidInput(
            f"{account.agent_id!r} is no agent id. Use up to 64 letters, digits, '_' and '-'.", field="agent_id"
        )
    return account


def checked_password(password: str) -> str:
    """The password, if it can be one."""
    if len(password) < MIN_PASSWORD:
        raise InvalidInput(f"A password needs at least {MIN_PASSWORD} characters.", field="password")
    if len(password) > MAX_PASSWORD:
        raise InvalidInput(f"A password has at most {MAX_PASSWORD} characters.", field="password")
    return password


def hash_password(password: str) -> str:
    """What is kept of a password. Takes some 100 ms on purpose: call it off the event loop."""
    return _hasher.hash(password)


@cache
def _nobodys_hash() -> str:
    """Compared with where a name is unknown, so that the answer takes as long as for a known one."""
    return _hasher.hash(secrets.token_hex())


def verify_password(password_hash: str | None, password: str) -> bool:
    """Whether it is this password; equally slow where there is none to compare with."""
    try:
        return _hasher.verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


class Accounts:
    """The accounts in a store, cached until the file changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[str, Account] = {}
        self._version: tuple[int, int] | None = None

    def _all(self, version: tuple[int, int] | None = None) -> dict[str, Account]:
        version = version or self._store.version
        if version != self._version:
            rows = self._store.rows("SELECT name, roles, teams, agent_id, disabled FROM account ORDER BY name")
            self._cache = {row["name"].casefold(): _account(row) for row in rows}
            self._version = version
        return self._cache

    def list(self) -> list[Account]:
        """All accounts by name, the disabled ones too."""
        return list(self._all().values())

    def get(self, name: str) -> Account | None:
        """The account of this name, in whatever case it was typed; None if there is none."""
        return self._all().get(name.casefold())

    def active(self, name: str, version: tuple[int, int] | None = None) -> Account | None:
        """The account of this name if it may sign in. ``version`` is the store's, where the caller has just asked."""
        account = self._all(version).get(name.casefold())
        return None if account is None or account.disabled else account

    def known(self, name: str) -> Account:
        """The account of this name; ``NotFound`` if there is none."""
        account = self.get(name)
        if account is None:
            raise NotFound(
                f"There is no account {name!r} in {self._store.path.parent}. 'coachsim user list' names a folder's"
                " accounts; '--data DIR' says which folder.",
                field="name",
            )
        return account

    def added_by(self, name: str, actor: str) -> bool:
        """Whether the account of this name, if there is one, was added by this actor."""
        rows = self._store.rows("SELECT actor FROM change WHERE action = 'account_added' AND subject = ?", name)
        return self.get(name) is None or any(row["actor"] == actor for row in rows)

    def password_hash(self, name: str) -> str | None:
        """The hash kept for a name, if it has one and may sign in."""
        rows = self._store.rows("SELECT password_hash FROM account WHERE name = ? AND NOT disabled", name)
        return rows[0]["password_hash"] if rows else None

    def add(self, account: Account, password_hash: str | None, *, actor: str) -> Account:
        """A new account; ``InvalidInput`` where the name is taken or the roles make no sense."""
        checked(account)
        with self._store.change() as db:
            try:
                db.execute(
                    "INSERT INTO account VALUES (?, ?, ?, ?, ?, 0, ?)",
                    (account.name, password_hash, *_columns(account), now()),
                )
            except sqlite3.IntegrityError:
                raise InvalidInput(
                    f"There is an account {account.name!r} already. Change it with 'coachsim user change'.",
                    field="name",
                ) from None
            self._store.audit(db, actor, "account_added", account.name, **_shown(account))
        return account

    def change(self, name: str, *, actor: str, **values: object) -> Account:
        """Changes roles, teams, agent_id or disabled. Ends the account's sessions; disabling ends its tokens too."""
        before = self.known(name)
        after = checked(replace(before, **values))  # type: ignore[arg-type]
        if after == before:
            return before
        with self._store.change() as db:
            db.execute(
                "UPDATE account SET roles = ?, teams = ?, agent_id = ?, disabled = ? WHERE name = ?",
                (*_columns(after), after.disabled, after.name),
            )
            db.execute("DELETE FROM session WHERE account = ?", (after.name,))
            if after.disabled:
                db.execute("DELETE FROM token WHERE account = ?", (after.name,))
            self._store.audit(db, actor, "account_changed", after.name, **_shown(after))
        return after

    def set_password(self, name: str, password_hash: str, *, actor: str) -> None:
        """A new password. Ends every session of the account."""
        account = self.known(name)
        with self._store.change() as db:
            db.execute("UPDATE account SET password_hash = ? WHERE name = ?", (password_hash, account.name))
            db.execute("DELETE FROM session WHERE account = ?", (account.name,))
            self._store.audit(db, actor, "password_changed", account.name)


def _account(row: sqlite3.Row) -> Account:
    teams = json.loads(row["teams"])
    return Account(
        name=row["name"],
        roles=frozenset(json.loads(row["roles"])),
        teams=None if teams == "all" else frozenset(teams),
        agent_id=row["agent_id"],
        disabled=bool(row["disabled"]),
    )


def _columns(account: Account) -> tuple[str, str, str | None]:
    teams: object = "all" if account.teams is None else sorted(account.teams)
    return json.dumps(in_order(account.roles)), json.dumps(teams), account.agent_id


def _shown(account: Account) -> dict[str, object]:
    teams: object = "all" if account.teams is None else sorted(account.teams)
    shown = {"roles": in_order(account.roles), "teams": teams, "agent_id": account.agent_id}
    return shown | {"disabled": account.disabled}


def in_order(roles: Iterable[str]) -> list[str]:
    """Roles as they are always listed."""
    given = set(roles)
    return [role for role in ROLES if role in given]
