"""What every request to the front door goes through: headers, host, identity, XSRF, errors as one sentence."""

from __future__ import annotations

import ipaddress
import json
import logging
from functools import lru_cache
from http.client import responses
from typing import Any
from urllib.parse import urlencode, urlsplit

from tornado import web

from coachsim.errors import CoachsimError, Forbidden, NotFound, NotSignedIn, TooManyRequests
from coachsim.server.access import Endpoint
from coachsim.server.identity import identify
from coachsim.server.sessions import Caller
from coachsim.server.site import Site

PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SAFE = ("GET", "HEAD", "OPTIONS")
_CODES = {
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    411: "length_required",
    413: "too_large",
    429: TooManyRequests.code,
}
_logger = logging.getLogger(__name__)


class MethodNotAllowed(CoachsimError):
    """The address exists, but not for this method."""

    code = "method_not_allowed"
    http_status = 405


class Refusal(web.HTTPError):
    """An error of HTTP with a sentence of ours, fit to be shown. Tornado's own have words for programmers."""

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(status)
        self.sentence = sentence
        self.retry_after = retry_after


class FrontHandler(web.RequestHandler):
    """Base of all handlers of the front door."""

    caller: Caller | None = None

    @property
    def site(self) -> Site:
        """The server this belongs to."""
        site: Site = self.settings["site"]
        return site

    def set_default_headers(self) -> None:
        """Security headers, and nothing about what runs here."""
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", PAGE_POLICY)
        self.set_header("Cache-Control", "no-store")

    def set_cookie(self, name: str, value: str | bytes, *args: Any, **kwargs: Any) -> None:
        """Every cookie, the XSRF one too, goes over TLS only where there is TLS."""
        kwargs["secure"] = self.request.protocol == "https"
        super().set_cookie(name, value, *args, **kwargs)

    @property
    def methods(self) -> list[str]:
        """The methods that this address knows."""
        return [name for name in self.SUPPORTED_METHODS if name.lower() in vars(type(self))]

    def set_status(self, status_code: int, reason: str | None = None) -> None:
        """A method that is refused is told which ones there are."""
        super().set_status(status_code, reason)
        if status_code == 405:
            self.set_header("Allow", ", ".join(sorted(self.methods)))

    async def prepare(self) -> None:
        """Checks the host, finds out who asks, and checks that it was not another site that made them ask."""
        check_host(self)
        self.caller = await identify(self)
        check_rate(self, self.caller)
        check_cross_site(self, self.caller)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """An error of coachsim's that no handler expected has its own status."""
        raised = kwargs.get("exc_info", (None, None, None))[1]
        super().send_error(raised.http_status if isinstance(raised, CoachsimError) else status_code, **kwargs)

    def log_exception(self, *exc_info: Any) -> None:
        """What is nobody's fault but ours; without the query, which may hold a secret."""
        if isinstance(exc_info[1], CoachsimError):
            _logger.error("%s %s failed: %s", self.request.method, self.request.path, exc_info[1])
        elif not isinstance(exc_info[1], web.HTTPError):
            _logger.error("%s %s failed", self.request.method, self.request.path, exc_info=exc_info)

    @property
    def from_here(self) -> bool:
        """Whether the request comes from this machine, not through a proxy."""
        if any(name in self.request.headers for name in ("X-Forwarded-For", "X-Real-Ip", "Forwarded")):
            return False
        try:
            return ipaddress.ip_address(self.request.remote_ip or "").is_loopback
        except ValueError:
            return False


def check_host(handler: web.RequestHandler) -> None:
    """A server on loopback answers to loopback names only, so that no other site's name can be pointed at it."""
    options = handler.settings["site"].options
    if options.proxies is not None or not is_loopback(options.address):
        return
    try:
        name = urlsplit(f"//{handler.request.host}").hostname
    except ValueError:  # brackets that are not closed
        name = None
    if not is_loopback(name or ""):
        raise Refusal(
            403, "This server answers to its own machine only. For others, an admin puts a proxy in front of it."
        )


def check_rate(handler: web.RequestHandler, caller: Caller | None) -> None:
    """No account, and no address that is not signed in, asks more often than the settings let it."""
    site: Site = handler.settings["site"]
    try:
        site.rates.count(f"account {caller.name}" if caller else f"address {handler.request.remote_ip}")
    except TooManyRequests as error:
        raise Refusal(error.http_status, error.message, error.retry_after) from None


def say_when(handler: web.RequestHandler, error: Exception | None) -> None:
    """Says in a header when to ask again, where the error knows."""
    if (seconds := getattr(error, "retry_after", None)) is not None:
        handler.set_header("Retry-After", str(seconds))


def check_cross_site(handler: web.RequestHandler, caller: Caller | None) -> None:
    """XSRF: a browser sends its session by itself, so it has to show that the page asking is ours."""
    if handler.request.method in _SAFE or (caller is not None and not caller.from_browser):
        return
    try:
        handler.check_xsrf_cookie()
    except web.HTTPError:
        sentence = "The request does not show that it comes from this server's page: reload it. (X-XSRFToken)"
        raise Refusal(403, sentence) from None


@lru_cache(maxsize=256)
def is_loopback(name: str) -> bool:
    """Whether a host name or address means this machine only."""
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def error_json(code: str, message: str, **more: Any) -> dict[str, Any]:
    """An error as every answer of the API has it."""
    return {"error": {"code": code, "message": message} | {key: value for key, value in more.items() if value}}


class ApiHandler(FrontHandler):
    """Base of the API: looks up the access table, then ``on_get``, ``on_post`` … gives the answer.

    An answer is a dict (200), a (status, dict) pair, or None (204, or already answered).
    """

    def initialize(self, endpoints: dict[str, Endpoint] | None = None) -> None:
        """``endpoints``: this path's lines of the access table, by method."""
        self.endpoints = endpoints or {}

    @property
    def methods(self) -> list[str]:
        """The methods that the access table has for this path."""
        return list(self.endpoints)

    async def prepare(self) -> None:
        """Lets in whom the access table lets in."""
        try:
            await super().prepare()
            endpoint = self.endpoints.get(self.request.method or "")
            if endpoint is None:
                raise MethodNotAllowed(f"There is no {self.request.method} here; use {' or '.join(self.endpoints)}.")
            endpoint.check(
                self.caller, from_here=endpoint.near and self.from_here, practice=self.site.practice is not None
            )
        except CoachsimError as error:
            self.fail(error)

    async def get(self, **path: str) -> None:
        """Answers a GET."""
        await self._answer("on_get", path)

    async def post(self, **path: str) -> None:
        """Answers a POST."""
        await self._answer("on_post", path)

    async def put(self, **path: str) -> None:
        """Answers a PUT."""
        await self._answer("on_put", path)

    async def delete(self, **path: str) -> None:
        """Answers a DELETE."""
        await self._answer("on_delete", path)

    async def _answer(self, name: str, path: dict[str, str]) -> None:
        try:
            answer = await getattr(self, name)(**path)
        except CoachsimError as error:
            self.fail(error)
            return
        if self._finished:
            return
        if answer is None:
            self.set_status(204)
            self.clear_header("Content-Type")
            self.finish()
            return
        status, data = answer if isinstance(answer, tuple) else (200, answer)
        self.set_status(status)
        self.send(data)

    @property
    def who(self) -> Caller:
        """The caller, where the access table has let nobody else in."""
        assert self.caller is not None
        return self.caller

    @property
    def seat(self) -> str | None:
        """The seat from which this is asked, if any (practice)."""
        return self.get_query_argument("seat", None)

    @property
    def agent_id(self) -> str:
        """Who the caller is as an agent: by the seat that ``?seat=`` names, or by the account."""
        seat = self.seat
        if seat is not None:
            return self.site.seats.sit(seat, self.who)
        agent_id = self.who.account.agent_id
        if agent_id is None:
            raise Forbidden("This account is no agent's. Sign in as an agent, or take a seat on a practice floor.")
        return agent_id

    def send(self, data: dict[str, Any]) -> None:
        """Answers with JSON."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(data, separators=(",", ":"), allow_nan=False))

    def fail(self, error: CoachsimError) -> None:
        """Answers with an error."""
        self.set_status(error.http_status)
        say_when(self, error)
        if isinstance(error, NotSignedIn):
            self.set_header("WWW-Authenticate", "Bearer")
        self.send(error_json(error.code, error.message, field=error.field, faults=getattr(error, "faults", None)))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Whatever else went wrong, in the same shape."""
        reason, message = explained(self, status_code, kwargs)
        self.send(error_json(reason, message))


class NoSuchApi(ApiHandler):
    """Any other path under /api/."""

    async def prepare(self) -> None:
        """404 for everyone: it has no line in the access table."""
        self.fail(NotFound("There is no such address in the API. Those that there are stand in api.yaml."))


def explained(handler: web.RequestHandler, status: int, kwargs: dict[str, Any]) -> tuple[str, str]:
    """A code and a sentence for an error that tornado raises; nothing of an exception's inside gets out."""
    raised = kwargs.get("exc_info", (None, None, None))[1]
    say_when(handler, raised)
    if isinstance(raised, CoachsimError):
        return raised.code, raised.message
    code = _CODES.get(status, "bad_request")
    if status >= 500:
        return "server_error", "Something went wrong in the server; its log says what."
    if isinstance(raised, Refusal):
        return code, raised.sentence
    return code, f"The server cannot take this request: {responses.get(status, 'error').lower()}."


def sign_in_address(handler: web.RequestHandler) -> str:
    """Where to sign in, and to come back from."""
    return "/login?" + urlencode({"next": handler.request.uri or "/"})
