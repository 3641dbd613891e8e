"""``coachsim audit``: who came in, what was refused, and who sent or changed what, as one list."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from coachsim.cli import logs
from coachsim.cli.nearest import nearest
from coachsim.days import to_iso
from coachsim.errors import InvalidInput

ACTIONS = (
    *("sent", "scheduled", "withdrawn", "not_released", "not_sent", "cleared_down", "clear_down_released"),
    *("agent_changed", "retention", "pseudonym", "clock_jump", "pace", "seat_taken", "seat_given_back"),
    *("account_added", "account_changed", "password_changed", "token_made"),
    *("template_added", "template_changed", "template_deleted", "template_brought_back"),
    *("signed_in", "signed_out", "sign_in_failed", "sign_in_held"),
    *("refused", "not_recognised", "too_many_requests"),
)
"""What can be on record: in the log, of accounts, of templates, and who came in or was refused."""
_COLUMNS = ("happened_at", "actor", "action", "subject", "address", "times", "last_at", "detail")
# A template's versions are all kept; what each did to it follows from the one before.
_TEMPLATES = """
    SELECT changed_at, changed_by,
           CASE WHEN version = 1 THEN 'template_added'
                WHEN hidden THEN 'template_deleted'
                WHEN lag(hidden) OVER (PARTITION BY template_id ORDER BY version) THEN 'template_brought_back'
                ELSE 'template_changed'
           END,
           template_id, version, title, owner, shared
    FROM template_version
"""
Row = tuple[str, ...]


def add_command(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the command; ``command(group, name, run, about)`` makes one."""
    about = "sign-ins, refusals, sends, changes to roster, accounts and templates: who, when, from where; as CSV"
    parser = command(commands, "audit", _audit, about)
    logs.add_days(parser)
    about = "only what is called so in the column action, such as agent_changed or sign_in_failed"
    parser.add_argument("--action", nargs="+", action="extend", metavar="NAME", help=about)
    about = "only what was done by these accounts, or by roster, floor or command-line"
    parser.add_argument("--actor", nargs="+", action="extend", metavar="NAME", help=about)
    parser.set_defaults(url=None)


def _audit(arguments: argparse.Namespace) -> None:
    rows = [*_of_log(arguments), *_of_accounts(arguments.data)]
    first, last = arguments.from_day or "", arguments.to_day or "9"
    # A row of comings belongs to all days that it reaches into.
    rows = [row for row in rows if row[0][:10] <= last and (row[6] or row[0])[:10] >= first]
    found = _chosen(rows, arguments.action, arguments.actor)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(sorted(found))


def _chosen(rows: list[Row], actions: list[str] | None, actors: list[str] | None) -> list[Row]:
    """The rows of these actions and actors, None meaning all. Raises ``InvalidInput`` for an action there is not.

    Who acts cannot be listed beforehand, so an actor of whom there is nothing gets a hint on standard error.
    """
    there = {row[2] for row in rows}
    if unknown := [name for name in actions or () if name not in ACTIONS and name not in there]:
        listed = f"these days have {', '.join(sorted(there))}" if there else f"there can be {', '.join(ACTIONS)}"
        raise InvalidInput(f"Nothing on record is called {unknown[0]!r}; {listed}.", field="action")
    seen = {row[1].casefold(): row[1] for row in rows}
    if absent := [name for name in actors or () if name.casefold() not in seen]:
        known = sorted(name for name in seen.values() if name)
        others = f" (there {nearest(absent, known)})" if known else ""
        print(f"Nothing on record is by {' or '.join(map(repr, absent))} in these days{others}.", file=sys.stderr)
    by = None if actors is None else {name.casefold() for name in actors}
    return [row for row in rows if (actions is None or row[2] in actions) and (by is None or row[1].casefold() in by)]


def _of_log(arguments: argparse.Namespace) -> Iterator[Row]:
    """Sends, the roster, clear-downs, and what else the floor has on record."""
    from coachsim.log import LOG_FILE, MessageLog, open_log
    from coachsim.log.part import Part

    source = logs.server_of(arguments)
    if source is None:
        if not (arguments.data / LOG_FILE).exists():
            return  # accounts come before the first start
        log = open_log(arguments.data)
    else:
        with source:
            log = MessageLog.of_part(Part(source, source.url, ("run", "all_audit")), source.url)
    with log:
        for one in log.sql("SELECT * FROM audit ORDER BY happened_at").itertuples():
            yield (
                one.happened_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                one.actor,
                one.action,
                one.subject or "",
                "",
                "1",
                "",
                one.detail or "",
            )


def _of_accounts(data_dir: Path) -> Iterator[Row]:
    """Changes to accounts and templates; and sign-ins and refusals, counted by the hour."""
    from coachsim.server.store import ACCOUNTS_FILE, Store

    if not (data_dir / ACCOUNTS_FILE).exists():
        return
    store = Store(data_dir)
    try:
        for moment, actor, action, subject, detail in store.rows("SELECT * FROM change"):
            yield str(to_iso(moment)), actor, action, subject, "", "1", "", "" if json.loads(detail) == {} else detail
        for moment, actor, action, subject, version, title, owner, shared in store.rows(_TEMPLATES):
            about = {"version": version, "title": title, "owner": owner, "shared": bool(shared)}
            yield str(to_iso(moment)), actor, action, str(subject), "", "1", "", json.dumps(about, ensure_ascii=False)
        for row in store.rows("SELECT first_at, account, action, subject, address, times, last_at FROM coming"):
            first_at, *said, times, last_at = row
            yield str(to_iso(first_at)), *said, str(times), str(to_iso(last_at)), ""
    finally:
        store.close()
