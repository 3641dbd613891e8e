"""The desk's own process: Voila, for the front door only. Started by ``desk.py`` as ``python -m …desk_child``.

The first line on standard input says what to do (JSON, the secret included: a secret in the environment would reach
every kernel). After that the input only stays open: when it ends, the front door is gone, however that happened, and
this process ends its kernels and itself. The port is printed on standard output.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

import voila.notebook_renderer
from jinja2 import Environment, FileSystemBytecodeCache
from jupyter_core.utils import run_sync
from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.netutil import bind_sockets
from traitlets import Float, Unicode
from traitlets.config import Config
from voila.app import Voila
from voila.exporter import VoilaExporter

from coachsim.server.desk_line import DeskLine

_KERNEL_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LEFT_OUT = ("/voila/tree", "/voila/api/contents", "/voila/files", "/login", "/logout")
_EXTENSIONS = (
    "anywidget",
    "jupyter-vue",
    "jupyter-vuetify",
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
)
_LAST_RESORT_S = 8.0
_SOCKET_PATH = 103  # bytes; of the systems that have such sockets, macOS allows the fewest


class DeskIdentity(IdentityProvider):
    """Knows the front door by its secret, and lets nobody near a kernel that was started for another session."""

    secret = Unicode().tag(config=True)

    def get_user(self, handler: web.RequestHandler) -> User | None:
        """The visitor whom the front door names."""
        headers = handler.request.headers
        if not hmac.compare_digest(headers.get("X-Coach-Secret", "").encode(), self.secret.encode()):
            raise web.HTTPError(403, "Only the front door may ask.")
        owners: dict[str, str] = handler.settings["kernel_manager"].owners
        for kernel_id in _KERNEL_ID.findall(handler.request.path):
            if owners.get(kernel_id) != headers.get("X-Coach-Ticket"):
                raise web.HTTPError(404, "There is no such kernel.")
        handler._token_authenticated = True  # type: ignore[attr-defined]  # XSRF and origin: the front door has checked
        return User(username=headers.get("X-Coach-User", "visitor"))


class DeskKernels(AsyncMappingKernelManager):
    """Remembers for which session each kernel was started, and ends those that no page holds."""

    orphan_after = Float(90.0, help="Seconds without a page after which a kernel is ended.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.owners: dict[str, str] = {}
        self._alone_since: dict[str, float] = {}

    async def start_kernel(self, **kwargs: Any) -> str:  # type: ignore[override]
        """Starts a kernel for the ticket in its environment."""
        kernel_id: str = await super().start_kernel(**kwargs)
        self.owners[kernel_id] = kwargs.get("env", {}).get("HTTP_X_COACH_TICKET", "")
        return kernel_id

    async def end_orphans(self) -> None:
        """Ends kernels that no page has had open for a while.

        Culling by idleness would not do: a page with a live feed never looks idle, and a closed one may say nothing.
        """
        moment = time.monotonic()
        alive = set(self.list_kernel_ids())
        self._alone_since = {
            kernel_id: self._alone_since.get(kernel_id, moment)
            for kernel_id in alive
            if not self._kernel_connections.get(kernel_id)
        }
        self.owners = {kernel_id: owner for kernel_id, owner in self.owners.items() if kernel_id in alive}
        for kernel_id, since in self._alone_since.items():
            if moment - since > self.orphan_after:
                self.log.info("Ending kernel %s: no page has it open.", kernel_id)
                await self.shutdown_kernel(kernel_id, now=True)  # type: ignore[no-untyped-call]


class DeskVoila(Voila):
    """Voila on a port of its own choosing, with nothing but what a page needs."""

    def init_handlers(self) -> list[Any]:
        """Without the tree, the contents, the files and Voila's own sign-in."""
        base = self.server_url.rstrip("/")
        return [
            handler
            for handler in super().init_handlers()
            if not str(handler[0]).removeprefix(base).startswith(_LEFT_OUT) and str(handler[0]) != self.server_url
        ]

    def listen(self) -> None:
        """Listens, says where, and runs until it is told to stop or the front door is gone."""
        sockets = bind_sockets(0, "127.0.0.1")
        HTTPServer(self.app).add_sockets(sockets)
        self.ioloop = IOLoop.current()
        PeriodicCallback(self.kernel_manager.end_orphans, 2_000).start()
        print(sockets[0].getsockname()[1], flush=True)
        try:
            self.ioloop.start()
        finally:
            self.stop()

    def _handle_signal_stop(self, sig: int, frame: FrameType | None) -> None:
        """Voila's own asks its loop to stop, and has none yet where it is told so while it starts."""
        if hasattr(self, "ioloop"):
            super()._handle_signal_stop(sig, frame)
        else:
            shutil.rmtree(self.connection_dir, ignore_errors=True)
            os._exit(0)

    def stop(self) -> None:
        """Ends the kernels at once: their pages have lost them anyway."""
        run_sync(self.kernel_manager.shutdown_all)(now=True)
        shutil.rmtree(self.connection_dir, ignore_errors=True)


def _cache_templates(folder: Path) -> None:
    """Keeps compiled templates: compiling them at each page is most of what blocks Voila's loop.

    Voila makes a new exporter for each page and has no setting for its template environment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cache = FileSystemBytecodeCache(str(folder))

    class DeskExporter(VoilaExporter):
        def _create_environment(self) -> Environment:
            environment: Environment = super()._create_environment()
            environment.bytecode_cache = cache
            return environment

    voila.notebook_renderer.VoilaExporter = DeskExporter


def _end_with_front_door() -> None:
    """Waits for the input to end, then stops; by force if stopping hangs."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LAST_RESORT_S)
    os._exit(1)


def _without_mathjax(page_config: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Formulas would be set by a script from outside; no page has any."""
    disabled = [*page_config.get("disabledExtensions", []), "@jupyterlab/mathjax2-extension:plugin"]
    return page_config | {"disabledExtensions": disabled}


def _config(told: dict[str, Any]) -> Config:
    config = Config()
    config.Voila.update(
        root_dir=told["dashboards"],
        base_url=told["base_url"],
        open_browser=False,
        config_file_paths=[],
        identity_provider_class=DeskIdentity,
        kernel_websocket_connection_class=DeskLine,
        # The front door pings the browsers. Jupyter's own pings, in ms, would end every line after 30 s; with a longer
        # limit they would be a mistake to tornado, which reads the same settings as seconds.
        tornado_settings={"ws_ping_interval": 0},
        log_level="WARN",
    )
    config.VoilaConfiguration.update(
        template=told["template"],
        allow_template_override="NO",
        allow_theme_override="NO",
        file_allowlist=[],
        extension_allowlist=list(_EXTENSIONS),
        page_config_hook=_without_mathjax,
        http_header_envs=["X-Coach-User", "X-Coach-Ticket"],
        multi_kernel_manager_class=DeskKernels,
        preheat_kernel=False,
        show_tracebacks=False,
    )
    # Sockets in Voila's temporary folder, which is the desk's user's alone, in place of ports that all the machine can
    # reach; where their paths would be too long for sockets, ports.
    longest = len(os.fsencode(tempfile.gettempdir())) + len(f"/voila_12345678/kernel-{uuid4()}-ipc-5")
    config.KernelManager.transport = "ipc" if longest <= _SOCKET_PATH else "tcp"
    config.DeskIdentity.secret = told["secret"]
    config.DeskKernels.orphan_after = told["orphan_after"]
    config.MappingKernelManager.buffer_offline_messages = False
    return config


def main() -> None:
    """Runs until the input ends."""
    told = json.loads(sys.stdin.buffer.readline())
    _cache_templates(Path(told["cache"]))
    app = DeskVoila(config=_config(told))
    app.initialize([])
    # Said of every page: trust is about the outputs of notebooks, and the dashboards have none.
    app.log.addFilter(lambda record: "is not trusted" not in record.getMessage())
    threading.Thread(target=_end_with_front_door, daemon=True).start()
    app.start()


if __name__ == "__main__":
    main()
