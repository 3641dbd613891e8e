"""/desk/…: the way through the front door to Voila, for those whose page it is and for what a page needs only."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from jupyter_server_proxy.handlers import NamedLocalProxyHandler
from tornado import httpclient, httputil, web
from tornado.ioloop import IOLoop

from coachsim.server.access import LEAVING, desk_roles
from coachsim.server.base import HEADERS, Refusal, check_cross_site, check_host, check_rate, explained, sign_in_address
from coachsim.server.desk import AnyDesk
from coachsim.server.identity import identify, session_cookie, session_of, shown_by
from coachsim.server.sessions import Caller
from coachsim.server.site import Site

DESK_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob:; worker-src 'self' blob:;"
    " object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_PASSED_ON = ("Accept", "Accept-Language", "Content-Type", "Host", "If-Modified-Since", "If-None-Match", "Range")
_PASSED_ON_WS = ("Sec-Websocket-Protocol", "Sec-Websocket-Version")
_PASSED_BACK = ("Accept-Ranges", "Cache-Control", "Content-Range", "Content-Type", "Etag", "Last-Modified")
_GRACE_S = 5.0


class DeskProxy(NamedLocalProxyHandler):
    """One request, or one websocket, to Voila."""

    name = "desk"
    caller: Caller | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, absolute_url=True, update_last_activity=False, **kwargs)
        self.proxy_base = "desk"
        self._jupyter_current_user: str | None = None  # until prepare has found out who it is
        self.current_user: str | None = None

    @property
    def site(self) -> Site:
        """The server this belongs to."""
        site: Site = self.settings["site"]
        return site

    @property
    def desk(self) -> AnyDesk:
        """The Voila behind it."""
        desk: AnyDesk = self.settings["desk"]
        return desk

    @property
    def port(self) -> int:
        """Where Voila listens now."""
        return self.desk.port or 0

    def set_default_headers(self) -> None:
        """Voila's pages need inline scripts and eval, but nothing from outside."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", DESK_POLICY)

    # --- who comes through ---

    async def prepare(self) -> None:
        """Instead of Jupyter's checks, the front door's own."""
        check_host(self)
        path = unquote(self.path_args[0]) if self.path_args else ""
        websocket = self.request.headers.get("Upgrade", "").lower() == "websocket"
        self.caller = await identify(self)
        check_rate(self, self.caller)
        if self.caller is None or self.caller.via != "session":
            if self.request.method == "GET" and not websocket:
                self.redirect(sign_in_address(self))
                return
            known = shown_by(self) == "cookie" and session_cookie(self) is not None
            if known and LEAVING.matches(self.request.method or "", path):
                # Who signs out leaves the page, and what it says in leaving may come second. Nothing is done: its
                # kernel ends for want of a page. Refused, it would be put down as a stranger's.
                self.set_status(204)
                self.finish()
                return
            raise Refusal(401, "Sign in first.")
        roles = desk_roles(self.request.method or "", path, practice=self.site.practice is not None)
        if roles is None:
            raise Refusal(404, "There is nothing at this address.")
        if not self.caller.account.roles & roles:
            raise Refusal(403, "This page is not for your account. Sign in with another one to use it.")
        self.check_origin_of_changes(websocket)
        self.current_user = self._jupyter_current_user = self.caller.name
        if self.desk.port is None:
            self.say_down()

    def check_origin_of_changes(self, websocket: bool) -> None:
        """XSRF for what changes something; for a websocket, which has no XSRF header, the page's origin."""
        if websocket:
            origin = self.request.headers.get("Origin")
            if origin is not None and origin.partition("://")[2] != self.request.host:
                raise Refusal(403, "This page is not one of this server's.")
        else:
            check_cross_site(self, self.caller)

    def check_xsrf_cookie(self) -> None:
        """The front door's own check; the proxy's would leave it to the one behind it."""
        web.RequestHandler.check_xsrf_cookie(self)

    def proxy_request_headers(self) -> httputil.HTTPHeaders:
        """What Voila is told: never a cookie, always who it is and that it comes from the front door."""
        given = self.request.headers
        headers = httputil.HTTPHeaders({name: given[name] for name in _PASSED_ON if name in given})
        headers.update({name: given[name] for name in _PASSED_ON_WS if name in given})
        assert self.caller is not None
        headers["X-Coach-Secret"] = self.desk.secret
        headers["X-Coach-User"] = self.caller.name
        headers["X-Coach-Ticket"] = self.site.sessions.ticket(session_of(self, self.caller))
        return headers

    # --- pages and files ---

    async def _proxy_buffered(
        self, host: str, port: int, proxied_path: str, body: bytes | None, client: httpclient.AsyncHTTPClient
    ) -> None:
        """Passes everything on as it comes: a page's frame is there seconds before its widgets."""
        lines: list[str] = []

        def pass_on(chunk: bytes) -> None:
            self._take_head(lines)
            self.write(chunk)
            self.flush()

        request = self._build_proxy_request(
            host, port, proxied_path, body, streaming_callback=pass_on, header_callback=lines.append
        )
        try:
            await client.fetch(request, raise_error=False)
        except (OSError, httpclient.HTTPError):
            pass  # seen below: without a head there was no answer
        finally:
            client.close()
        if lines:
            self._take_head(lines)
        elif not self._headers_written:
            self.say_down()

    _proxy_progressive = _proxy_buffered

    def _take_head(self, lines: list[str]) -> None:
        """Takes status and the wanted headers of Voila's answer, once. Its cookies stay behind."""
        if not lines:
            return
        status = httputil.parse_response_start_line(lines[0].strip())
        if status.code in (301, 302, 303) or status.code >= 500:
            self.set_status(502, "Bad Gateway")
        else:
            self.set_status(status.code, status.reason)
        for line in lines[1:]:
            name, _, value = line.strip().partition(":")
            if httputil.HTTPHeaders({name: ""}) and name.title() in _PASSED_BACK:
                self.set_header(name.title(), value.strip())
        lines.clear()

    def say_down(self) -> None:
        """A page that says what is the matter and tries again."""
        self.set_status(503)
        self.set_header("Refresh", "3")
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(_page(self, "desk_down.html", message="It is starting, or starting again."))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error as a page of one sentence."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        _, message = explained(self, status_code, kwargs)
        self.finish(_page(self, "error.html", status=status_code, message=message))

    # --- websockets ---

    async def open(self, path: str) -> None:
        """Connects a page to its kernel; closes at once where Voila has none for it."""
        self.settings["desk_sockets"].add(self)
        try:
            await super().open(path)
        except (OSError, httpclient.HTTPError):
            self.close()

    def on_close(self) -> None:
        """The page is gone."""
        self.settings["desk_sockets"].discard(self)
        super().on_close()


def end_signed_out(site: Site, sockets: set[DeskProxy]) -> None:
    """Closes the pages of sign-ins that have ended, after a moment in which they can say so."""
    for socket in tuple(sockets):
        if socket.caller is not None and not site.still(socket.caller):
            IOLoop.current().call_later(_GRACE_S, socket.close)


def _page(handler: web.RequestHandler, template: str, **names: Any) -> bytes:
    site: Site = handler.settings["site"]
    caller = getattr(handler, "caller", None)
    return handler.render_string(
        template,
        floor_name=site.host.settings.floor_name,
        account=caller.account if caller else None,
        passwords=site.options.passwords,
        **names,
    )
