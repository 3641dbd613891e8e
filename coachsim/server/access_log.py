"""What is put down of each request: a line in the log, and what was refused in the count of comings."""

from __future__ import annotations

import logging

from tornado import web

from coachsim.server.access import line_of
from coachsim.server.comings import NOT_RECOGNISED, REFUSED, TOO_MANY
from coachsim.server.identity import shown_by
from coachsim.server.sessions import Caller
from coachsim.server.site import Site

_logger = logging.getLogger("coachsim.access")


def log_request(handler: web.RequestHandler) -> None:
    """One line for each request: no query, no header, no body, so no secret."""
    request = handler.request
    site: Site = handler.settings["site"]
    status = handler.get_status()
    site.metrics.requests.labels(request.method, status).inc()
    site.metrics.seconds.observe(request.request_time())
    caller = getattr(handler, "caller", None)
    _put_down(handler, caller, status)
    # Not now (503) is no fault of this request: what is down has a line of its own.
    level = logging.INFO if status < 500 else logging.WARNING if status == 503 else logging.ERROR
    milliseconds = 1_000 * request.request_time()
    who = caller.name if caller else "-"
    _logger.log(level, "%d %s %s %s %.1f ms", status, request.method, request.path, who, milliseconds)


def _put_down(handler: web.RequestHandler, caller: Caller | None, status: int) -> None:
    """Counts what was refused; nobody who shows nothing is counted, and sign-ins count what they refuse themselves."""
    request = handler.request
    if status not in (401, 403, 429) or request.path in ("/login", "/password"):
        return
    action = {401: NOT_RECOGNISED, 403: REFUSED, 429: TOO_MANY}[status]
    line = line_of(request.method or "", request.path)
    if status == 401:
        shown = shown_by(handler)
        if shown is None:
            return
        line = f"{shown} at {line}"
    site: Site = handler.settings["site"]
    name = caller.name if caller is not None else ""
    site.comings.count(action, account=name, address=request.remote_ip or "", subject=line)
