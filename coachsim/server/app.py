"""The front door put together: every address with its handler, and the server's life from start to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado import web
from tornado.netutil import bind_sockets

from coachsim import bundled, keeping, roster
from coachsim.errors import CoachsimError
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.scheduling import Rights
from coachsim.server import (
    handlers_admin,
    handlers_agent,
    handlers_events,
    handlers_floor,
    handlers_keeping,
    handlers_log,
    handlers_practice,
    handlers_schedules,
    handlers_site,
    handlers_start,
    handlers_templates,
    limits,
    practice_accounts,
)
from coachsim.server.access import TABLE, Endpoint, senders_rights
from coachsim.server.access_log import log_request
from coachsim.server.accounts import Accounts
from coachsim.server.base import NoSuchApi, is_loopback
from coachsim.server.bodies import FrontDoor, Handler
from coachsim.server.desk import AnyDesk, Desk
from coachsim.server.desk_proxy import DeskProxy, end_signed_out
from coachsim.server.identity import provider_of
from coachsim.server.local import ServerFile
from coachsim.server.proxies import DoorServer
from coachsim.server.site import Options, Site, cookie_secret
from coachsim.server.store import Store
from coachsim.settings import Settings

if TYPE_CHECKING:
    from coachsim.practice import Practice

_MODULES = (
    handlers_floor,
    handlers_templates,
    handlers_agent,
    handlers_events,
    handlers_practice,
    handlers_schedules,
    handlers_log,
    handlers_keeping,
    handlers_admin,
)
_logger = logging.getLogger(__name__)


def make_app(site: Site, desk: AnyDesk | None) -> web.Application:
    """All addresses of the front door. What is in no table is not there."""
    sockets: set[DeskProxy] = set()
    site.on_sign_out(lambda: end_signed_out(site, sockets))
    if desk is not None:
        site.metrics.desk = lambda: (desk.port is not None, len(sockets))
    files = {"path": str(handlers_site.WEB)}
    api = _api_handlers()
    handlers: list[Any] = [
        *((_pattern(path), *handler) for path, handler in api.items()),
        (r"/api/.*", NoSuchApi),
        (r"/", handlers_start.Start),
        (r"/login", handlers_site.SignIn),
        (r"/logout", handlers_site.SignOut),
        (r"/password", handlers_site.Password),
        (r"/setup", handlers_site.Setup),
        (r"/agent", handlers_site.AgentPage),
        (r"/(coaching|message_log|what_if)", handlers_site.PageLink),
        (r"/static/agent/(.*)", handlers_site.OwnFiles, files),
        (r"/static/front/(.*)", handlers_site.OwnFiles, {"path": str(Path(__file__).parent / "static")}),
        (r"/(favicon\.ico)", web.RedirectHandler, {"url": "/static/agent/icon.svg"}),
    ]
    if site.practice is not None:
        handlers.append((r"/enter", handlers_start.Enter))
    if desk is not None:
        handlers += [(r"/desk/?", web.RedirectHandler, {"url": "/"}), (r"/desk/(.+)", DeskProxy)]
    return FrontDoor(
        handlers,
        {path: handler for path, handler in api.items() if "{" not in path},
        default_handler_class=handlers_site.NotHere,
        site=site,
        desk=desk,
        desk_sockets=sockets,
        pages=desk.pages if desk is not None else frozenset(),
        identity_provider=site.provider,
        base_url="/",
        login_url="/login",
        cookie_secret=site.cookie_secret,
        xsrf_cookies=False,  # checked in prepare, once it is known who asks; the cookie is the same
        xsrf_cookie_kwargs={"samesite": "Lax"},
        template_path=str(Path(__file__).parent / "templates"),
        websocket_ping_interval=30,
        log_function=log_request,
    )


def _api_handlers() -> dict[str, Handler]:
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in TABLE:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return {
        path: (_handler(next(iter(endpoints.values())).handler), {"endpoints": endpoints})
        for path, endpoints in by_path.items()
    }


def _pattern(path: str) -> str:
    return re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))


def _handler(name: str) -> type[web.RequestHandler]:
    for module in _MODULES:
        if hasattr(module, name):
            found: type[web.RequestHandler] = getattr(module, name)
            return found
    raise LookupError(name)


class Server:
    """A running front door. ``async with await Server.start(options)`` or ``start`` and ``stop``."""

    def __init__(self, site: Site, desk: AnyDesk | None, http: DoorServer, url: str, file: ServerFile) -> None:
        self.site = site
        self.desk = desk
        self.url = url
        self._http = http
        self._file = file

    @classmethod
    async def start(cls, options: Options) -> Server:
        """Opens everything and listens; raises ``CoachsimError`` with nothing left open."""
        if options.practice is not None and options.roster is not None:
            raise CoachsimError("A practice floor has the agents of its scenario. Leave --roster out.")
        settings = Settings.load(options.data_dir)
        provider = provider_of(options)
        undo: list[Callable[[], Any]] = []
        try:
            store = Store(options.data_dir)
            undo.append(store.close)
            _check_address(options, store)
            sockets = _listen(options)
            undo.append(lambda: _close(sockets))
            host, practice = await _open_floor(
                options, settings, senders_rights(Accounts(store), options.practice is not None)
            )
            undo.append((practice or host).close)
            if options.roster is not None:
                agents = await asyncio.to_thread(roster.load, options.roster)
                await host.do(Floor.set_agents, agents, actor="roster")
            site = Site(options, host, store, provider, cookie_secret(options.data_dir), practice)
            undo[:] = [store.close, site.close, lambda: _close(sockets)]
            if practice is not None:
                site.shown = await practice_accounts.set_up(site.accounts)
                site.setup_token = None
        except BaseException:
            for undone in reversed(undo):
                result = undone()
                if asyncio.iscoroutine(result):
                    await result
            raise
        url = _url(options, sockets)
        desk = _desk(options, url)
        http = DoorServer(
            make_app(site, desk),
            proxies=options.proxies,
            max_body_size=limits.MOST_ROSTER,
        )
        http.add_sockets(sockets)
        file = ServerFile(options.data_dir)
        file.write(url, site.local_token)
        if desk is not None:
            desk.start()
        return cls(site, desk, http, url, file)

    async def stop(self) -> None:
        """Takes no more requests, ends the streams and the desk, commits and puts everything away."""
        self._file.remove()
        self._http.stop()
        if self.desk is not None:
            await self.desk.stop()
        await self.site.close()
        await self._http.close_all_connections()
        # Last: as long as somebody may still ask, it is looked up who, and said that the floor has been closed.
        self.site.store.close()

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT, then stops."""
        stopping = asyncio.Event()
        limits.allow_open_files(len(self.site.host.floor.agents))
        # What is there now stays: left to be looked through at every full collection, a floor of 5,000 agents holds
        # the loop up for a fifth of a second.
        gc.collect()
        gc.freeze()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        try:
            await stopping.wait()
        finally:
            gc.unfreeze()  # or extension modules take what is left at the exit for leaks, and say so
            await self.stop()


async def _open_floor(options: Options, settings: Settings, rights: Rights) -> tuple[FloorHost, Practice | None]:
    if options.practice is not None:
        # Imported here, because a live floor has no use for the engine.
        from coachsim.practice import Practice
        from coachsim.scenario import Scenario

        scenario = await asyncio.to_thread(Scenario.load, options.practice)
        practice = await Practice.open(
            options.data_dir, scenario, seed=options.seed, speed=options.speed, rights=rights, waits=True
        )
        return practice.host, practice
    await asyncio.to_thread(keeping.prepare, options.data_dir, settings)
    return await FloorHost.open(options.data_dir, settings, rights=rights), None


def _check_address(options: Options, store: Store) -> None:
    if is_loopback(options.address) or options.practice is not None:
        return  # a practice floor makes its own accounts
    if not store.rows("SELECT 1 FROM account LIMIT 1"):
        raise CoachsimError(
            f"There is no account yet, so {options.address} is refused: anybody there could make the first one. Add an"
            " admin with 'coachsim user add', or start without --host first."
        )


def _listen(options: Options) -> list[socket.socket]:
    try:
        return bind_sockets(options.port, options.address, reuse_port=False)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CoachsimError(
            f"Port {options.port} of {options.address} cannot be used: {reason}. Choose another with --port."
        ) from error


def _close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()


def _url(options: Options, sockets: list[socket.socket]) -> str:
    address = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(options.address, options.address)
    if ":" in address and not address.startswith("["):
        address = f"[{address}]"
    return f"http://{address}:{sockets[0].getsockname()[1]}"


def _desk(options: Options, url: str) -> AnyDesk | None:
    if not options.desk:
        return None
    folder = bundled.folder("dashboards")
    if options.desk_file is not None:
        # Imported here, because the locks that it needs are POSIX's.
        from coachsim.server.desk_apart import DeskApart

        return DeskApart(options.desk_file, folder)
    data = options.data_dir.absolute()
    played = [bundled.scenario(options.practice).absolute().parent] if options.practice else []
    scenarios = (data / "scenarios", *played)
    return Desk(folder, url, data / "cache", orphan_after=options.orphan_after, scenarios=scenarios)
