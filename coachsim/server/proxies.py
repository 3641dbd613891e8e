"""The proxy in front: from whom it is believed who asks, from which address, and whether over TLS.

Anybody can write ``X-Forwarded-For`` or a sign-on's header into a request. They count only in requests from an address
that was named as a proxy's; where a secret was agreed on, only in those that show it as well, since every program on
the proxy's machine has its address.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from tornado import httputil
from tornado.httpserver import HTTPServer

from coachsim.errors import SettingsError

SECRET_HEADER = "X-Coach-Proxy"
_LEAST_SECRET = 16
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_NO_SIGN_ON = frozenset({"authorization", "cookie", "host", "origin", "x-xsrftoken", "x-forwarded-for"})


@dataclass(frozen=True, slots=True)
class Proxies:
    """Whom to believe. ``sign_on_header`` names whom the proxy has signed in; None = passwords of our own."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    secret: str | None = field(default=None, repr=False)
    sign_on_header: str | None = None

    @classmethod
    def of(cls, addresses: str, secret_file: Path | None = None, sign_on_header: str | None = None) -> Proxies:
        """From ``10.0.0.5,10.1.0.0/16`` and the like; raises ``SettingsError``, also where anybody could sign on."""
        networks = tuple(map(_network, filter(None, map(str.strip, addresses.split(",")))))
        if not networks:
            raise SettingsError("No address of a proxy is given. Write one, or several with commas between them.")
        if sign_on_header is not None:
            if not _NAME.fullmatch(sign_on_header) or sign_on_header.lower() in _NO_SIGN_ON | {"x-coach-ticket"}:
                raise SettingsError(f"{sign_on_header!r} cannot name who is signed on. Use one like X-Remote-User.")
            if secret_file is None and any(each.overlaps(_loopback(each)) for each in networks):
                raise SettingsError(
                    f"Every program on this machine could send {sign_on_header}. Give the proxy a secret to show, in a"
                    f" file: --proxy-secret FILE, sent as the header {SECRET_HEADER}."
                )
        return cls(networks, None if secret_file is None else _secret(secret_file), sign_on_header)

    def believe(self, peer: str, headers: httputil.HTTPHeaders) -> bool:
        """Whether a request from ``peer`` comes through one of the proxies."""
        if not self._is_one(peer):
            return False
        shown = headers.get(SECRET_HEADER, "")
        return self.secret is None or hmac.compare_digest(shown.encode(), self.secret.encode())

    def client(self, peer: str, headers: httputil.HTTPHeaders) -> str:
        """The address that asked: the last in ``X-Forwarded-For`` that is no proxy's; else the peer itself.

        What stands before it came from the client, who may have made it up.
        """
        for given in reversed(headers.get("X-Forwarded-For", "").split(",")):
            address = given.strip()
            if _address(address) is None:
                return peer
            if not self._is_one(address):
                return address
            peer = address
        return peer

    def _is_one(self, given: str) -> bool:
        address = _address(given)
        return address is not None and any(address in network for network in self.networks)


class DoorServer(HTTPServer):
    """tornado's server, which believes ``proxies`` and nobody else what they say of a request."""

    def initialize(self, *args: Any, proxies: Proxies | None = None, **kwargs: Any) -> None:
        """As tornado's, with the proxies."""
        self._proxies = proxies
        super().initialize(*args, **kwargs)

    def start_request(self, server_conn: object, request_conn: httputil.HTTPConnection) -> httputil.HTTPMessageDelegate:
        """Reads what the proxy says before anything else sees the request."""
        delegate = super().start_request(server_conn, request_conn)
        return delegate if self._proxies is None else _Forwarded(delegate, request_conn, self._proxies)


class _Forwarded(httputil.HTTPMessageDelegate):
    def __init__(self, inner: httputil.HTTPMessageDelegate, connection: Any, proxies: Proxies) -> None:
        self._inner = inner
        self._context = connection.context  # of the connection, which serves one request after the other
        self._before = (self._context.remote_ip, self._context.protocol)
        self._proxies = proxies

    def headers_received(
        self, start_line: httputil.RequestStartLine | httputil.ResponseStartLine, headers: httputil.HTTPHeaders
    ) -> Awaitable[None] | None:
        proxies, peer = self._proxies, self._before[0]
        if proxies.believe(peer, headers):
            self._context.remote_ip = proxies.client(peer, headers)
            said = headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip()
            if said in ("http", "https"):
                self._context.protocol = said
        elif proxies.sign_on_header is not None and proxies.sign_on_header in headers:
            del headers[proxies.sign_on_header]
        if SECRET_HEADER in headers:
            del headers[SECRET_HEADER]
        return self._inner.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._inner.data_received(chunk)

    def finish(self) -> None:
        self._inner.finish()
        self._restore()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()
        self._restore()

    def _restore(self) -> None:
        self._context.remote_ip, self._context.protocol = self._before


def _network(given: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(given)
    except ValueError:
        raise SettingsError(f"{given!r} is no address of a proxy. Write one like 10.0.0.5, or 10.1.0.0/16.") from None


def _loopback(like: IPv4Network | IPv6Network) -> Any:
    return ip_network("127.0.0.0/8" if like.version == 4 else "::1/128")


def _address(given: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(given)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _secret(path: Path) -> str:
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The proxy's secret cannot be read from {path}: {error}.") from error
    if len(secret) < _LEAST_SECRET or not secret.isascii() or not secret.isprintable():
        raise SettingsError(f"{path} has to hold {_LEAST_SECRET} or more printable ASCII characters on one line.")
    return secret
