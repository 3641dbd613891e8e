"""Addresses of servers, as people write them."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from coachsim.errors import InvalidInput


def server_address(url: str, *, field: str | None = None) -> SplitResult:
    """The parts of an address like ``http://127.0.0.1:8800``; ``InvalidInput`` naming ``field`` for what is none.

    The sentence does not repeat the address: one with a password in it must not land in a log.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that are not closed, or a port that is no number or too high
        usable = False
    if not usable or parts.query or parts.fragment:
        raise InvalidInput("That is no server address. Write it as http://127.0.0.1:8800.", field=field)
    return parts
