"""``coachsim log archive | pseudonym``: by the server that has the log open, or here where none has."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from coachsim.cli import logs
from coachsim.errors import WrongFolder
from coachsim.models import COMMAND_LINE


def add_commands(group: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    """Adds the commands to the group ``coachsim log``; ``command(group, name, run, about)`` makes one."""
    about = "write closed days to the archive (Parquet), those that are there as well"
    archive = command(group, "archive", _archive, about)
    logs.add_days(archive)
    about = "replace a former agent's id and name by made-up ones in log and archive; cannot be undone"
    command(group, "pseudonym", _pseudonym, about).add_argument("agent_id", metavar="AGENT_ID")


def _archive(arguments: argparse.Namespace) -> None:
    from coachsim.keeping import write_archive
    from coachsim.log import LogWriter
    from coachsim.log.archive import Archive
    from coachsim.server.local import RunningServer
    from coachsim.settings import Settings

    first, last = arguments.from_day, arguments.to_day
    server = RunningServer.find(arguments.data)
    if server is not None:
        asked = {name: day for name, day in (("from", first), ("to", last)) if day is not None}
        days = server.post("/api/archive", params=asked)["days"]
    else:
        log = logs.log_of(arguments.data)
        archive = Archive(arguments.data, Settings.load(arguments.data).site)
        with LogWriter.open(log) as writer:
            if writer.run.kind != "live":
                raise WrongFolder(f"{arguments.data} holds no live floor's log, and only those have an archive.")
            days = write_archive(writer, archive, first=first, last=last, again=True)
    if days:
        print(f"{len(days):,} {'day' if len(days) == 1 else 'days'} written to {arguments.data / 'archive'}.")
    else:
        print("Nothing was written: none of the days asked for is over. 'coachsim log summary' lists the days.")


def _pseudonym(arguments: argparse.Namespace) -> None:
    from coachsim.server.local import RunningServer

    agent_id = arguments.agent_id
    server = RunningServer.find(arguments.data)
    if server is not None:
        new_id = server.post(f"/api/agents/{quote(agent_id, safe='')}/pseudonym")["agent_id"]
    else:
        logs.log_of(arguments.data)
        new_id = asyncio.run(_pseudonym_here(arguments.data, agent_id))
    print(
        f"{agent_id} is {new_id} from now on, in the log and the archive. The name is left in backups and exports made"
        " earlier, in the texts of messages and templates, in the account and its sign-ins, and until the server's next"
        " start in free blocks of the log's file."
    )


async def _pseudonym_here(data_dir: Path, agent_id: str) -> str:
    from coachsim import keeping
    from coachsim.host import FloorHost
    from coachsim.server.accounts import Accounts
    from coachsim.server.store import Store
    from coachsim.settings import Settings

    settings = Settings.load(data_dir)
    store = Store(data_dir)
    try:
        accounts = tuple(account.name for account in Accounts(store).list() if account.agent_id == agent_id)
    finally:
        store.close()
    keeping.prepare(data_dir, settings)
    host = await FloorHost.open(data_dir, settings)
    try:
        new_id = await keeping.pseudonym(host, data_dir, agent_id, accounts=accounts, actor=COMMAND_LINE)
    finally:
        await host.close()
    keeping.prepare(data_dir, settings)  # copies the log, so that no trace is left in it
    return new_id
