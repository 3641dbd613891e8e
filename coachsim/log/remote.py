"""Snapshots of a log from a running server, fetched as whoever the token (or a page's ticket) belongs to.

Neither is ever part of an address, shown or kept: it is read where it is needed and sent as a header.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from coachsim.addresses import server_address
from coachsim.errors import CoachsimError, InvalidInput, LogError, NotFound, NotSignedIn, ServerUnavailable, kind_named

_CONNECT_S = 5.0
_ANSWER_S = 300.0  # a year of a big floor takes a while to be written
_HOW = "Put an API token (made with 'coachsim token NAME') into the environment variable COACHSIM_TOKEN."


class ServerSource:
    """Tables of the log of the server at ``url`` for the days from ``from_day`` to ``to_day`` (labels; None = all).

    ``token`` None means the ticket of a page's kernel, else the token in ``COACHSIM_TOKEN``, else one that is asked for
    where somebody can answer. To be closed after use (``with``). Raises ``InvalidInput`` for what is no address,
    ``NotSignedIn`` without a token.
    """

    def __init__(self, url: str, from_day: str | None, to_day: str | None, token: str | None = None) -> None:
        parts = server_address(url, field="where")
        if parts.username or parts.password:
            raise InvalidInput("A server's address has no name or password in it. " + _HOW, field="where")
        self.url = url.rstrip("/")
        self.older_days: tuple[str, str] | None = None
        """The first and the last day that the server's archive has and its log does not; known once days were asked."""
        self._days = {name: day for name, day in (("from", from_day), ("to", to_day)) if day is not None}
        self._client = httpx.Client(
            headers=_headers(self.url, token),
            timeout=httpx.Timeout(_ANSWER_S, connect=_CONNECT_S),
            trust_env=parts.hostname not in ("127.0.0.1", "localhost", "::1"),  # a site's proxy is not for this machine
        )

    def __enter__(self) -> ServerSource:
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()

    def fetch(self, table: str, file: Path, as_of: int | None) -> None:
        """Writes a table to ``file`` as Parquet, as of an event if one is given.

        Raises ``NotSignedIn``, ``Forbidden``, ``InvalidInput``, ``ServerUnavailable`` or ``LogError``.
        """
        params = self._days | ({} if as_of is None else {"as_of": str(as_of)})
        try:
            address = f"{self.url}/api/log/{table}.parquet"
            with self._client.stream("GET", address, params=params) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    raise self._error(answer)
                first, given, last = answer.headers.get("X-Coach-Older-Days", "").partition("/")
                if given:
                    self.older_days = (first, last)
                with file.open("wb") as written:
                    for chunk in answer.iter_bytes():
                        written.write(chunk)
        except httpx.TimeoutException as error:
            raise ServerUnavailable(f"The server at {self.url} did not answer in time. Try again.") from error
        except (httpx.ReadError, httpx.RemoteProtocolError) as error:
            raise ServerUnavailable(f"The connection to the server at {self.url} broke off. Try again.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerUnavailable(
                f"The server at {self.url} cannot be reached. Check the address, and that it is running."
            ) from error
        except OSError as error:
            raise LogError(f"What {self.url} gives cannot be kept in {file.parent}: {error.strerror}.") from error

    def _error(self, answer: httpx.Response) -> CoachsimError:
        """What the server meant, said for someone at a notebook."""
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return NotSignedIn(f"The server at {self.url} does not know this token, or no longer. " + _HOW)
        try:
            told = answer.json()["error"]
            kind, message, field = kind_named(str(told["code"])), str(told["message"]), told.get("field")
        except (ValueError, KeyError, TypeError, AttributeError):
            return ServerUnavailable(
                f"{self.url} does not answer like a coachsim server (status {answer.status_code}). Check the address."
            )
        if issubclass(kind, NotFound):
            return LogError(f"The server at {self.url} is of another version of coachsim: update it. ({message})")
        return kind(message, field=field)


def _headers(url: str, token: str | None) -> Mapping[str, str]:
    ticket = os.environ.get("HTTP_X_COACH_TICKET")
    if token is None and ticket and url == os.environ.get("COACHSIM_URL", "").rstrip("/"):
        return {"X-Coach-Ticket": ticket}  # a page's kernel: the server that made it, and no other, knows its ticket
    token = (token or os.environ.get("COACHSIM_TOKEN") or _asked(url)).strip()
    if not (token.isascii() and token.isprintable() and token):
        raise NotSignedIn("That is no API token. " + _HOW)
    return {"Authorization": f"Bearer {token}"}


def _asked(url: str) -> str:
    if not _somebody_is_there():
        raise NotSignedIn(f"The server at {url} gives its log to supervisors and analysts. " + _HOW)
    return getpass.getpass(f"API token for {url}: ")


def _somebody_is_there() -> bool:
    """Whether a question would be answered: at a terminal, or in a notebook whose kernel may ask its reader."""
    kernel = getattr(getpass.getpass, "__self__", None)  # a kernel puts its own in getpass's place
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", False))
    return sys.stdin is not None and sys.stdin.isatty()
