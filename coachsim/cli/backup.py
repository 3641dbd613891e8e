"""``coachsim backup``: all that a floor cannot do without, in one folder, also while its server runs.

A backup counts by being there: it is filled under another name, read once, and renamed. What it holds lies in it as
it lies in a data folder, so restoring is copying.
"""

from __future__ import annotations

import argparse
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from coachsim.cli.logs import copy_log

_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``backup``."""
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="the backup becomes a folder in it, named by the time"
    )
    parser.add_argument("--keep", type=_number, metavar="N", help="then remove all but the newest N backups there")


def _number(value: str) -> int:
    if not value.isdigit() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"{value!r} is no number of backups; use 1 or more")
    return int(value)


def backup(arguments: argparse.Namespace) -> None:
    """Copies the log, the accounts, the secret that signs cookies, and what the site has put into the folder.

    The archive is not among them.
    """
    from coachsim.log.file import open_for_reading, sync_folder
    from coachsim.server.site import SECRET_FILE
    from coachsim.server.store import ACCOUNTS_FILE, Store
    from coachsim.settings import ATTENTION_FILE, FILE_NAME

    data, folder = arguments.data, arguments.folder.absolute()
    made = folder / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    unfinished = folder / f".{made.name}.part"
    folder.mkdir(parents=True, exist_ok=True)
    unfinished.mkdir(mode=0o700)
    try:
        log = unfinished / "log.duckdb"
        copy_log(data, log)
        with open_for_reading(log) as opened:
            events = opened.execute("SELECT count(*) FROM events").fetchone()
        if (data / ACCOUNTS_FILE).exists():
            store = Store(data)
            try:
                store.backup(unfinished / ACCOUNTS_FILE)
            finally:
                store.close()
        for name in (FILE_NAME, SECRET_FILE, ATTENTION_FILE):
            if (data / name).exists():
                shutil.copy2(data / name, unfinished / name)
        if (data / "scenarios").is_dir():
            shutil.copytree(data / "scenarios", unfinished / "scenarios")
        sync_folder(unfinished)
        unfinished.rename(made)
        sync_folder(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    print(f"Backed up to {made}: {events[0] if events else 0:,} events, read back.")
    if arguments.keep is not None:
        for old in sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))[: -arguments.keep]:
            shutil.rmtree(old)
            print(f"Removed {old}.")
