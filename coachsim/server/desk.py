"""The desk: Voila as a child process, started again when it dies, gone when the front door is gone."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import coachsim
from coachsim.errors import CoachsimError

_PACKAGE = Path(coachsim.__file__).parent
_TEMPLATES = _PACKAGE / "pages" / "voila_template"
# What a Python process needs to know of its machine. Whatever else was in the environment of the one who started the
# server (tokens, passwords, keys to other systems) is not for the kernels of those who visit.
_PASSED_ON = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|VIRTUAL_ENV|XDG_\w+_(?:DIRS?|HOME)"
    r"|PYTHON(?!STARTUP)\w*|IPYTHONDIR|JUPYTER_(?:PATH|CONFIG_PATH|\w+_DIR|PREFER_ENV_PATH)|SSL_CERT_(?:FILE|DIR)"
    r"|\w+_NUM_THREADS"
)
_START_S = 120.0
_STOP_S = 10.0
_LONGEST_WAIT_S = 30.0
_logger = logging.getLogger(__name__)


class AnyDesk(Protocol):
    """A desk as the front door knows it: of its own (``Desk``), or apart (``desk_apart.py``)."""

    @property
    def pages(self) -> frozenset[str]:
        """The names of the pages there are."""

    @property
    def port(self) -> int | None:
        """Where Voila listens on this machine; None while it does not."""

    @property
    def secret(self) -> str:
        """What Voila has to be shown."""

    def start(self) -> None:
        """Begins to be there."""

    async def stop(self) -> None:
        """Ends being there."""


@dataclass
class Desk:
    """Runs Voila and knows where it listens. ``url`` is the front door's address, for the kernels.

    ``scenarios`` are folders whose scenarios the what-if page offers, besides those that come with coachsim.
    ``on_change`` is called when ``port`` has changed.
    """

    folder: Path
    url: str
    cache: Path
    base_url: str = "/desk/"
    orphan_after: float = 90.0
    scenarios: tuple[Path, ...] = ()
    on_change: Callable[[], None] = lambda: None
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    port: int | None = None
    process: asyncio.subprocess.Process | None = None
    _keeping: asyncio.Task[None] | None = None

    @property
    def pages(self) -> frozenset[str]:
        """The names of the pages there are."""
        return frozenset(path.stem for path in self.folder.glob("*.ipynb"))

    def start(self) -> None:
        """Starts Voila in the background and keeps it running."""
        self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._run()
            except (CoachsimError, OSError, ValueError, TimeoutError) as error:
                _logger.error("the desk did not start: %s", error)
            finally:
                self._listens_at(None)
                await self._end()
            failures = 0 if time.monotonic() - began > 60 else failures + 1
            wait = min(_LONGEST_WAIT_S, 0.5 * 2**failures)
            _logger.warning("the desk has stopped; starting it again in %.0f s", wait)
            await asyncio.sleep(wait)

    async def _run(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "coachsim.server.desk_child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment(),
            start_new_session=True,  # Ctrl-C in the terminal is for the front door, which then ends this
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        told = {
            "secret": self.secret,
            "dashboards": str(self.folder),
            "template": "coachsim" if _TEMPLATES.is_dir() else "lab",
            "base_url": self.base_url,
            "orphan_after": self.orphan_after,
            "cache": str(self.cache / "templates"),
        }
        self.process.stdin.write(json.dumps(told).encode() + b"\n")
        # Not wait_for: in Python 3.11 it forgets that it was cancelled if the line comes at that moment.
        async with asyncio.timeout(_START_S):
            line = await self.process.stdout.readline()
        self._listens_at(int(line))
        _logger.info("the desk is ready")
        while await self.process.stdout.readline():
            pass
        await self.process.wait()

    def _listens_at(self, port: int | None) -> None:
        self.port = port
        self.on_change()

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
        environment["COACHSIM_URL"] = self.url
        environment["COACHSIM_CACHE"] = str(self.cache)
        environment["COACHSIM_SCENARIOS"] = os.pathsep.join(map(str, self.scenarios))
        environment["JUPYTER_PATH"] = _joined(str(_TEMPLATES), environment.get("JUPYTER_PATH"))
        environment["PYTHONPATH"] = _joined(str(_PACKAGE.parent), environment.get("PYTHONPATH"))
        if environment.get("PYTHONDONTWRITEBYTECODE") and not _compiled("voila"):
            # Otherwise every kernel would compile all that it imports: 25 s to a page instead of 6.
            del environment["PYTHONDONTWRITEBYTECODE"]
            environment["PYTHONPYCACHEPREFIX"] = str(self.cache / "bytecode")
        return environment

    async def _end(self) -> None:
        process, self.process = self.process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def stop(self) -> None:
        """Ends Voila and its kernels."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
        self.port = None
        await self._end()


def _compiled(package: str) -> bool:
    """Whether a package was compiled when it was installed."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.cached is not None and Path(spec.cached).exists()


def _joined(first: str, rest: str | None) -> str:
    return os.pathsep.join([first, rest]) if rest else first
