"""What is done for a live floor's log beside the floor: archive and retention after each clear-down, pseudonyms.

All of it runs in threads on cursors of their own, one thing at a time, while commands go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from coachsim.errors import AgentInUse, LogUnavailable, UnknownAgent
from coachsim.events import ClearedDown, Event
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.log import LOG_FILE, LogWriter, pseudonyms, retention
from coachsim.log.archive import Archive, write_days
from coachsim.log.file import explained
from coachsim.log.joined import older_than
from coachsim.log.pseudonyms import Pseudonym
from coachsim.log.retention import Removal
from coachsim.models import FLOOR
from coachsim.settings import Settings

RETRY_S = 600.0
"""Seconds until what could not be done is tried again."""
_COPY = "copy-log"  # a file in the data folder: at the next start the log is copied, which leaves no trace of old ids
_logger = logging.getLogger(__name__)


def prepare(data_dir: Path, settings: Settings) -> None:
    """Before a floor opens its log: ends a pseudonym that a crash cut short, and gives space back if much is free.

    What the disk has no room for waits for the next start. Raises ``LogError`` as opening the log does.
    """
    path = data_dir / LOG_FILE
    if not path.exists():
        return
    try:
        _prepare(path, data_dir, settings)
    except LogUnavailable as error:
        _logger.warning("the log %s was not put in order before the start: %s", path, error)


def _prepare(path: Path, data_dir: Path, settings: Settings) -> None:
    pseudonym = Pseudonym.noted(data_dir)
    if pseudonym is not None:
        with LogWriter.open(path) as writer:
            _rename_if_on_record(writer, Archive(data_dir, settings.site), data_dir, pseudonym)
        Pseudonym.done(data_dir)
    marked = data_dir / _COPY
    if marked.exists() or settings.retention_days is not None:
        sizes = retention.shrink(path, worth_it=0 if marked.exists() else retention.WORTH_IT)
        marked.unlink(missing_ok=True)
        if sizes is not None:
            _logger.info("the log %s was copied: %.1f MB before, %.1f MB now", path, *(size / 1e6 for size in sizes))


class Keeping:
    """Keeps a live floor's log. Begins at once with what was missed; all methods belong to the host's event loop."""

    def __init__(self, host: FloorHost, data_dir: Path) -> None:
        self._host = host
        self._data_dir = data_dir
        self._archive = Archive(data_dir, host.settings.site)
        self._one_at_a_time = asyncio.Lock()
        self._stopping = False
        self._due = asyncio.Event()
        self._due.set()
        self._unwatch = host.watch(self._on_event)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Ends when the day that is being written is. What is left is done after the next start."""
        self._stopping = True
        self._unwatch()
        async with self._one_at_a_time:
            self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    # --- after each clear-down ---

    def _on_event(self, event: Event) -> None:
        if isinstance(event, ClearedDown) and not event.by_hand:
            self._due.set()

    async def _run(self) -> None:
        wait = None
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):  # ``wait_for`` would lose a cancellation that comes with the night
                    await self._due.wait()
            self._due.clear()
            try:
                await self._after_the_night()
            except Exception as error:  # whatever it is, the floor goes on, and it is tried again
                _logger.exception("closed days could not be archived or removed")
                self._host.report("keeping", f"Closed days wait to be archived or removed. {error}")
                wait = RETRY_S
            else:
                self._host.report("keeping", None)
                wait = None

    async def _after_the_night(self) -> None:
        async with self._one_at_a_time:
            pending = Pseudonym.noted(self._data_dir)
            if pending is not None:
                await _complete(self._host, self._data_dir, pending)
            days = self._host.settings.retention_days
            if days is not None:
                await self._remove(days)
            if self._host.settings.archive:
                written = await asyncio.to_thread(self._write, None, None, False)
                if written:
                    _logger.info("archived %s", ", ".join(written))

    async def _remove(self, retention_days: int) -> None:
        """On record first, with its counts: so nothing goes without a word, whatever happens in between."""
        removal, archived = await asyncio.to_thread(self._old, retention_days)
        if removal is None and not archived:
            return
        days = removal.days if removal is not None else ()
        rows = removal.rows if removal is not None else {}
        said = {"days": list(days), "rows": rows, "archived_days": archived}
        await self._host.do(Floor.audit, actor=FLOOR, action="retention", subject="log", detail=said)
        await asyncio.to_thread(self._take_out, removal, archived)
        _logger.info("kept for %d days, so removed: %s", retention_days, said)

    def _old(self, retention_days: int) -> tuple[Removal | None, list[str]]:
        assert self._host.floor.day is not None
        oldest = retention.first_kept(self._host.floor.day.day, retention_days)
        self._archive.tidy()
        with closing(self._host.writer.cursor()) as cursor, explained(self._host.writer.path):
            return retention.due(cursor, retention_days), [day for day in self._archive.days() if day < oldest]

    def _take_out(self, removal: Removal | None, archived: list[str]) -> None:
        if removal is not None:
            with closing(self._host.writer.cursor()) as cursor, explained(self._host.writer.path):
                retention.remove(cursor, removal)
        for day in archived:
            self._archive.remove(day)

    # --- when asked ---

    def older_days(self) -> list[str]:
        """The days, as labels in order, that the archive has from before the log's first. Asks the disk."""
        with closing(self._host.writer.cursor()) as cursor, explained(self._host.writer.path):
            return older_than(cursor, self._archive).days

    async def archive(self, first: str | None = None, last: str | None = None) -> list[str]:
        """Writes the closed days from ``first`` to ``last`` (labels) to the archive, those that it has as well."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._write, first, last, True)

    def _write(self, first: str | None, last: str | None, again: bool) -> list[str]:
        return write_archive(
            self._host.writer, self._archive, first=first, last=last, again=again, stop=lambda: self._stopping
        )

    async def pseudonym(self, agent_id: str, *, accounts: tuple[str, ...] = (), actor: str) -> str:
        """Replaces an inactive agent's id and name in log, archive and floor; returns the made-up id. For good.

        ``accounts`` are the names of the accounts that act as this agent. On record under the made-up id. Raises
        ``UnknownAgent``, or ``AgentInUse`` for one who is active or to whom something happened in the open day.
        """
        async with self._one_at_a_time:
            return await pseudonym(self._host, self._data_dir, agent_id, accounts=accounts, actor=actor)


def write_archive(
    writer: LogWriter,
    archive: Archive,
    *,
    first: str | None = None,
    last: str | None = None,
    again: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> list[str]:
    """``write_days`` from a log that goes on being written; each day is as of one moment."""
    with closing(writer.cursor()) as cursor, explained(writer.path):
        return write_days(cursor, archive, first=first, last=last, again=again, stop=stop)


async def pseudonym(
    host: FloorHost, data_dir: Path, agent_id: str, *, accounts: tuple[str, ...] = (), actor: str
) -> str:
    """As ``Keeping.pseudonym``, on a host of one's own."""
    await host.settled()
    pending = Pseudonym.noted(data_dir)
    if pending is not None:  # it could not be completed when it was asked for
        await _complete(host, data_dir, pending)
        if pending.agent_id == agent_id:
            return pending.new_id
    row = host.floor.agents.get(agent_id)
    if row is None:
        raise UnknownAgent.named(agent_id)
    if row.agent.active:
        raise AgentInUse(f"{agent_id} is active. Make the agent inactive in the roster first.", field="agent_id")
    if await asyncio.to_thread(_is_in_open_day, host.writer, agent_id):
        raise AgentInUse(
            f"Something happened to {agent_id} in the day that is still open. Ask again after the night's clear-down.",
            field="agent_id",
        )
    drawn = Pseudonym.draw(agent_id, accounts)
    drawn.note(data_dir)
    await host.do(Floor.audit, actor=actor, action=pseudonyms.ACTION, subject=drawn.new_id)
    await _complete(host, data_dir, drawn)
    return drawn.new_id


async def _complete(host: FloorHost, data_dir: Path, drawn: Pseudonym) -> None:
    row = host.floor.agents.get(drawn.agent_id)
    before = row.agent if row is not None else None
    archive = Archive(data_dir, host.settings.site)
    done = await asyncio.to_thread(_rename_if_on_record, host.writer, archive, data_dir, drawn)
    row = host.floor.agents.get(drawn.agent_id)
    # One whom a roster has brought back meanwhile is a new agent by that id.
    if done and row is not None and before is not None and row.agent == before:
        host.replace_agent(drawn.agent_id, replace(before, agent_id=drawn.new_id, name=drawn.new_name))
    Pseudonym.done(data_dir)


def _is_in_open_day(writer: LogWriter, agent_id: str) -> bool:
    with closing(writer.cursor()) as cursor, explained(writer.path):
        return pseudonyms.is_in_open_day(cursor, agent_id)


def _rename_if_on_record(writer: LogWriter, archive: Archive, data_dir: Path, drawn: Pseudonym) -> bool:
    """In the log first, then in the archive; nothing, where the record does not have it, so that nobody was told."""
    with closing(writer.cursor()) as cursor, explained(writer.path):
        if not pseudonyms.is_on_record(cursor, drawn):
            return False
        pseudonyms.rename(cursor, drawn)
        pseudonyms.rename_in_archive(cursor, archive, drawn)
    (data_dir / _COPY).touch()
    _logger.info("an agent has become %s", drawn.new_id)
    return True
