"""A desk apart: Voila in a process of its own, under another user, and the file by which the front door finds it.

``coachsim desk`` writes the file when Voila is ready: its port, and the secret of this start. It holds a lock on the
file for as long as Voila runs, so a file that a crash has left behind counts for nothing. Either side can be started
again without the other. Who may read the file may talk to Voila: its folder belongs to the desk's user, and to the
group that the front door's user is in.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path

from coachsim import bundled
from coachsim.addresses import server_address
from coachsim.errors import CoachsimError
from coachsim.server.desk import Desk

_LOOK_S = 0.5
_logger = logging.getLogger(__name__)


class DeskFile:
    """The file as the desk writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: int | None = None

    def write(self, port: int, secret: str) -> None:
        """Says where Voila listens. Raises ``CoachsimError`` where the file cannot be written."""
        self.remove()
        unfinished = self._path.with_name(f".{self._path.name}.part")
        try:
            unfinished.unlink(missing_ok=True)
            descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o640)
            self._held = descriptor
            os.fchmod(descriptor, 0o640)
            os.write(descriptor, json.dumps({"port": port, "secret": secret}).encode())
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            unfinished.replace(self._path)
        except OSError as error:
            self.remove()
            raise CoachsimError(f"{self._path} cannot be written: {error.strerror}.") from error

    def remove(self) -> None:
        """Voila does not listen any more."""
        if self._held is not None:
            with suppress(OSError):  # whoever made the folder may have removed it
                self._path.unlink(missing_ok=True)
            os.close(self._held)
            self._held = None


def read(path: Path) -> tuple[int, str] | None:
    """Port and secret of the desk that holds the file; None where none does. Raises ``OSError`` or ``ValueError``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            said = json.load(file)
            return int(said["port"]), str(said["secret"])
        return None


class DeskApart:
    """The front door's side: knows where the desk listens now, as its file says. In place of ``Desk``."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._looking: asyncio.Task[None] | None = None
        self._trouble: str | None = None
        self.port: int | None = None
        self.secret = ""

    @property
    def pages(self) -> frozenset[str]:
        """The names of the pages there are."""
        return frozenset(path.stem for path in self._folder.glob("*.ipynb"))

    def start(self) -> None:
        """Looks at the file from now on."""
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            before = self.port
            try:
                found, trouble = read(self._path), None
            except (OSError, ValueError, KeyError, TypeError) as error:
                found, trouble = None, f"{self._path} cannot be read: {getattr(error, 'strerror', None) or error}"
            if trouble is not None and trouble != self._trouble:
                _logger.error("the desk cannot be found: %s", trouble)
            self._trouble = trouble
            self.port, self.secret = found or (None, "")
            if self.port != before:
                _logger.info("the desk is ready" if self.port else "the desk has stopped; waiting for it")
            await asyncio.sleep(_LOOK_S)

    async def stop(self) -> None:
        """Looks no more; the desk goes on."""
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        self.port = None


async def run(path: Path, front: str, data_dir: Path) -> None:
    """Runs the desk until SIGTERM or SIGINT. ``front`` is the address at which kernels ask the front door.

    ``data_dir`` is the desk's own folder: its cache, and ``scenarios`` that the what-if page offers.
    """
    server_address(front, field="front")
    folder = bundled.folder("dashboards")
    path.parent.mkdir(parents=True, exist_ok=True)
    data_dir.mkdir(parents=True, exist_ok=True)
    _check_free(path)
    data = data_dir.absolute()
    file = DeskFile(path)
    stopping = asyncio.Event()

    def tell() -> None:
        if desk.port is None:
            file.remove()
        else:
            file.write(desk.port, desk.secret)

    desk = Desk(folder, front, data / "cache", scenarios=(data / "scenarios",), on_change=tell)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    desk.start()
    try:
        await stopping.wait()
    finally:
        file.remove()
        await desk.stop()


def _check_free(path: Path) -> None:
    """A start that could only fail later, and over and over, fails now."""
    if not os.access(path.parent, os.W_OK):
        raise CoachsimError(f"The folder {path.parent} cannot be written to. It has to belong to the desk's user.")
    with suppress(ValueError, KeyError, TypeError):
        if read(path) is not None:
            raise CoachsimError(f"Another desk is running with {path}. Stop that one, or name another file.")
