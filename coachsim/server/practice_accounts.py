"""The accounts of a practice floor: one for each kind of work, with passwords that are new and shown at each start."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass

from coachsim.errors import CoachsimError
from coachsim.server.accounts import Account, Accounts, hash_password

ACTOR = "practice"
_WANTED = (
    (Account("supervisor", frozenset({"supervisor"}), None), "sends messages and watches them being read"),
    (Account("trainer", frozenset({"trainer"})), "the same, to show it to others"),
    (Account("analyst", frozenset({"analyst"}), None), "reads the log"),
    (Account("admin", frozenset({"admin"})), "roster and clear-down, through the API and the command line"),
)


@dataclass(frozen=True, slots=True)
class ShownAccount:
    """An account that the terminal and the start page show, with the password of this start."""

    account: Account
    password: str
    says: str


async def set_up(accounts: Accounts) -> list[ShownAccount]:
    """Makes the accounts, or gives them new passwords. API tokens stay valid; sign-ins of the last start end."""
    for account, _ in _WANTED:
        if not accounts.added_by(account.name, ACTOR):
            raise CoachsimError(
                f"There is a real account {account.name!r} in this folder, and a practice floor would change its"
                " password. Choose another folder with --data."
            )
    return [await _shown(accounts, account, says) for account, says in _WANTED]


async def _shown(accounts: Accounts, account: Account, says: str) -> ShownAccount:
    password = secrets.token_urlsafe(9)
    hashed = await asyncio.to_thread(hash_password, password)
    if accounts.get(account.name) is None:
        accounts.add(account, hashed, actor=ACTOR)
    else:
        accounts.change(account.name, actor=ACTOR, roles=account.roles, teams=account.teams, disabled=False)
        accounts.set_password(account.name, hashed, actor=ACTOR)
    return ShownAccount(account, password, says)
