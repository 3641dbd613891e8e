"""``coachsim user`` and ``coachsim token``: who may sign in, and as what.

Accounts are in a file of their own, which a running server notices at once. Agents and teams are the log's: an account
may be there before the roster that has them, so one that names others is made all the same, and said to.
"""

from __future__ import annotations

import argparse
import csv
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coachsim.cli.nearest import nearest
from coachsim.errors import CoachsimError, InvalidInput
from coachsim.models import COMMAND_LINE

if TYPE_CHECKING:
    from coachsim.models import Agent
    from coachsim.server.accounts import Accounts
    from coachsim.server.sessions import Sessions

_ROLES = ("agent", "supervisor", "analyst", "trainer", "telephony", "admin")


def add_commands(
    commands: Any, group: Callable[[str, str], Any], command: Callable[..., argparse.ArgumentParser]
) -> None:
    """Adds both; ``group(name, about)`` makes a group of commands, ``command(group, name, run, about)`` a command."""
    users = group("user", "accounts: who may sign in, and as what")
    add = command(users, "add", _add, "add an account; without --password-stdin a password is made and shown once")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--role", action="append", required=True, choices=_ROLES, help="can be given several times")
    add.add_argument("--no-password", action="store_true", help="for those whom the site's own sign-on lets in")
    add.set_defaults(wrong_use=add.error)
    _account_options(add)
    command(users, "list", _list, "list the accounts")
    disable = command(users, "disable", _disable, "disable an account; ends its sign-ins and tokens at once")
    disable.add_argument("name", metavar="NAME")
    change = command(users, "change", _change, "change an account's roles, teams, agent or password")
    change.add_argument("name", metavar="NAME")
    change.add_argument("--role", action="append", choices=_ROLES, help="its roles from now on")
    change.add_argument("--enable", action="store_true", help="let a disabled account sign in again")
    _account_options(change)
    token = command(commands, "token", _token, "make an API token for an account and print it, once")
    token.add_argument("name", metavar="NAME")


def _account_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--teams", metavar="A,B", help="a supervisor's or analyst's teams (one with a comma in quotes), or 'all'"
    )
    parser.add_argument("--agent", metavar="ID", help="the agent that an account with the role agent is")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")


def _add(arguments: argparse.Namespace) -> None:
    from coachsim.server.accounts import Account, checked, checked_password, hash_password

    teams = _teams(arguments.teams)
    account = checked(Account(arguments.name, frozenset(arguments.role), teams, arguments.agent))
    if arguments.no_password and arguments.password_stdin:
        arguments.wrong_use("give --no-password or --password-stdin, not both")
    given = _stdin_password() if arguments.password_stdin else None
    password = given if given is not None else secrets.token_urlsafe(9)
    with _accounts(arguments.data) as (accounts, _):
        if accounts.get(account.name) is not None:
            raise InvalidInput(f"There is an account {account.name!r} already. See 'coachsim user change --help'.")
        hashed = None if arguments.no_password else hash_password(checked_password(password))
        accounts.add(account, hashed, actor=COMMAND_LINE)
    print(f"Added {account.name}.")
    if given is None and not arguments.no_password:
        print(f"Password (shown only now): {password}")
    _warn_of_unknown(arguments, "added")


def _list(arguments: argparse.Namespace) -> None:
    from coachsim.server.accounts import in_order

    with _accounts(arguments.data) as (accounts, _):
        listed = accounts.list()
    for account in listed:
        scoped = account.roles & {"supervisor", "analyst"}
        teams = "" if not scoped else "all teams" if account.teams is None else ", ".join(sorted(account.teams))
        about = [", ".join(in_order(account.roles)), teams, account.agent_id and f"agent {account.agent_id}"]
        state = "disabled" if account.disabled else "active"
        print("\t".join([account.name, state, " · ".join(part for part in about if part)]))
    if not listed:
        print("There is no account yet. Add one with 'coachsim user add NAME --role ROLE'.", file=sys.stderr)


def _disable(arguments: argparse.Namespace) -> None:
    with _accounts(arguments.data) as (accounts, _):
        accounts.change(arguments.name, actor=COMMAND_LINE, disabled=True)
    print(f"Disabled {arguments.name}; its sign-ins and tokens have ended.")


def _change(arguments: argparse.Namespace) -> None:
    from coachsim.server.accounts import checked_password, hash_password

    changes: dict[str, object] = {}
    if arguments.role:
        changes["roles"] = frozenset(arguments.role)
    if arguments.teams is not None:
        changes["teams"] = _teams(arguments.teams)
    if arguments.agent is not None:
        changes["agent_id"] = arguments.agent or None
    if arguments.enable:
        changes["disabled"] = False
    if not changes and not arguments.password_stdin:
        raise InvalidInput("Say what to change: --role, --teams, --agent, --enable or --password-stdin.")
    hashed = hash_password(checked_password(_stdin_password())) if arguments.password_stdin else None
    with _accounts(arguments.data) as (accounts, _):
        accounts.known(arguments.name)
        if changes:
            accounts.change(arguments.name, actor=COMMAND_LINE, **changes)
        if hashed is not None:
            accounts.set_password(arguments.name, hashed, actor=COMMAND_LINE)
    print(f"Changed {arguments.name}; its sign-ins have ended.")
    _warn_of_unknown(arguments, "changed")


def _token(arguments: argparse.Namespace) -> None:
    with _accounts(arguments.data) as (accounts, sessions):
        account = accounts.known(arguments.name)
        if account.disabled:
            raise InvalidInput(
                f"{account.name} is disabled. Enable it with 'coachsim user change {account.name} --enable'."
            )
        print(sessions.new_token(account, actor=COMMAND_LINE))


def _warn_of_unknown(arguments: argparse.Namespace, done: str) -> None:
    """Says on standard error which of the teams and the agent that were given the roster does not have."""
    given = {"teams": _teams(arguments.teams) or frozenset(), "agent": {arguments.agent} - {None, ""}}
    if not any(given.values()):
        return
    agents = _roster(arguments.data)
    there = {"teams": {agent.team for agent in agents}, "agent": {agent.agent_id for agent in agents}}
    unknown = {option: sorted(names - there[option]) for option, names in given.items() if names - there[option]}
    if not agents or not unknown:
        return
    clauses = [
        f"{option.removesuffix('s')} {' or '.join(map(repr, names))} (there {nearest(names, there[option])})"
        for option, names in unknown.items()
    ]
    options = " ".join(f"--{option} …" for option in unknown)
    print(
        f"The roster has no {' and no '.join(clauses)}; {arguments.name} was {done} all the same: put it right with"
        f" 'coachsim user change {arguments.name} {options}', or load a roster that has it.",
        file=sys.stderr,
    )


def _roster(data_dir: Path) -> list[Agent]:
    """The agents as the running server or the log has them; none where neither can say."""
    from coachsim import roster
    from coachsim.log import LOG_FILE, MessageLog
    from coachsim.models import Agent
    from coachsim.server.local import RunningServer

    try:
        server = RunningServer.find(data_dir)
        if server is not None:
            return roster.read(server.get("/api/roster"))
        with MessageLog.open(data_dir / LOG_FILE) as log:
            rows = log.sql("SELECT agent_id, name, team FROM agents").itertuples()
            return [Agent(row.agent_id, row.name, row.team) for row in rows]
    except CoachsimError:
        return []  # no log yet, or none that can be read just now: of that tells who needs the log


@contextmanager
def _accounts(data_dir: Path) -> Iterator[tuple[Accounts, Sessions]]:
    from coachsim.server.accounts import Accounts
    from coachsim.server.sessions import Sessions
    from coachsim.server.store import Store

    store = Store(data_dir)
    try:
        accounts = Accounts(store)
        yield accounts, Sessions(store, accounts, b"")
    finally:
        store.close()


def _teams(given: str | None) -> frozenset[str] | None:
    if given is None:
        return frozenset()
    if given == "all":
        return None
    names = next(csv.reader([given], skipinitialspace=True), [])
    return frozenset(name.strip() for name in names if name.strip())


def _stdin_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")
