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
from coachsim.days import to_iso

_COLUMNS = ("happened_at", "actor", "action", "subject", "address", "times", "last_at", "detail")
Row = tuple[str, ...]


def add_command(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the command; ``command(group, name, run, about)`` makes one."""
    about = "sign-ins, refusals, sends, changes to roster and accounts: who, when, from where; as CSV"
    parser = command(commands, "audit", _audit, about)
    logs.add_days(parser)
    parser.set_defaults(url=None)


def _audit(arguments: argparse.Namespace) -> None:
    rows = [*_of_log(arguments), *_of_accounts(arguments.data)]
    first, last = arguments.from_day or "", arguments.to_day or "9"
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    # A row of comings belongs to all days that it reaches into.
    writer.writerows(sorted(row for row in rows if row[0][:10] <= last and (row[6] or row[0])[:10] >= first))


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
    """Changes to accounts; and sign-ins and refusals, counted by the hour."""
    from coachsim.server.store import ACCOUNTS_FILE, Store

    if not (data_dir / ACCOUNTS_FILE).exists():
        return
    store = Store(data_dir)
    try:
        for moment, actor, action, subject, detail in store.rows("SELECT * FROM change"):
            yield str(to_iso(moment)), actor, action, subject, "", "1", "", "" if json.loads(detail) == {} else detail
        for row in store.rows("SELECT first_at, account, action, subject, address, times, last_at FROM coming"):
            first_at, *said, times, last_at = row
            yield str(to_iso(first_at)), *said, str(times), str(to_iso(last_at)), ""
    finally:
        store.close()
