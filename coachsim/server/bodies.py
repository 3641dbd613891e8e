"""Bodies that are too large are refused as soon as the head of the request says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from tornado import httputil, web
from tornado.http1connection import HTTP1Connection

from coachsim.server.base import FrontHandler, Refusal, error_json, explained
from coachsim.server.limits import MOST_READ, most_bytes

Handler = tuple[type[web.RequestHandler], dict[str, Any]]
"""Who answers at an address, and what it is made with."""


class FrontDoor(web.Application):
    """The application. A body that is longer than its address takes, or that does not say how long it is, never
    reaches a handler of an address: ``TooLarge`` answers.

    ``plain`` has those of the handlers' addresses that have no variable part: they are found without trying one pattern
    after the other.
    """

    def __init__(self, handlers: list[Any], plain: Mapping[str, Handler], **settings: Any) -> None:
        super().__init__(handlers, **settings)
        self._plain = plain

    def find_handler(self, request: httputil.HTTPServerRequest, **kwargs: Any) -> Any:
        """Who answers a request of which the head is there."""
        most = most_bytes(request.path)
        length = request.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in request.headers:
            refusal = Refusal(411, "Say how long the body is: send it with Content-Length, not in chunks.")
        elif length.isascii() and length.isdigit() and int(length) > most:
            refusal = Refusal(413, f"The body has {int(length):,} bytes; this address takes {most:,} at most.")
        elif request.path in self._plain:
            return self.get_handler_delegate(request, *self._plain[request.path])
        else:
            return super().find_handler(request, **kwargs)
        return self.get_handler_delegate(request, TooLarge, {"refusal": refusal})


@web.stream_request_body
class TooLarge(web.RequestHandler):
    """Answers with a refusal. What is not absurdly long is read first, and thrown away: a caller who is still writing
    when the line is cut may never see the answer.
    """

    def initialize(self, refusal: Refusal) -> None:
        """``refusal``: what is answered."""
        self._refusal = refusal

    def set_default_headers(self) -> None:
        """The front door's."""
        FrontHandler.set_default_headers(self)  # type: ignore[arg-type]

    def prepare(self) -> None:
        """Takes in what there is, or not even that."""
        length = int(self.request.headers.get("Content-Length", "0"))
        cast(HTTP1Connection, self.request.connection).set_max_body_size(max(length, MOST_READ))
        if length > MOST_READ:
            raise self._refusal

    def data_received(self, chunk: bytes) -> None:
        """Thrown away."""

    def _refuse(self) -> None:
        raise self._refusal

    get = head = post = put = patch = delete = options = _refuse

    def log_exception(self, *exc_info: Any) -> None:
        """Nobody's fault but the caller's."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """As everywhere: a sentence, and for the API its code."""
        code, message = explained(self, status_code, kwargs)
        if self.request.path.startswith("/api/"):
            self.set_header("Content-Type", "application/json; charset=utf-8")
            self.finish(error_json(code, message))
        else:
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(message)
