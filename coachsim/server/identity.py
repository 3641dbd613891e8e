"""Identity: who makes a request. A ``jupyter_server`` IdentityProvider, so that a site can plug in its own.

A provider only says *who* it is (a ``User`` with a username). What they may do is always the account of that name in
accounts.sqlite; a person without an account there may do nothing.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

from jupyter_server.auth.identity import IdentityProvider, User
from jupyter_server.utils import ensure_async
from tornado import web
from traitlets import Unicode

from coachsim.errors import SettingsError
from coachsim.server.sessions import Caller

if TYPE_CHECKING:
    from coachsim.server.site import Options, Site

SESSION_COOKIE = "coachsim_session"
_COOKIE_DAYS = 7
_BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)


class AccountsIdentityProvider(IdentityProvider):
    """The default: accounts with passwords, remembered by a signed session cookie."""

    def get_user(self, handler: web.RequestHandler) -> User | None:
        """The holder of the session cookie."""
        site: Site = handler.settings["site"]
        raw = session_cookie(handler)
        caller = site.sessions.by_cookie(raw) if raw is not None else None
        return None if caller is None else User(username=caller.name)


class HeaderIdentityProvider(IdentityProvider):
    """Whoever the proxy in front has signed in. The header is there only if that proxy wrote it (``proxies.py``)."""

    header = Unicode()

    def get_user(self, handler: web.RequestHandler) -> User | None:
        """The person whom the header names."""
        name = handler.request.headers.get(self.header, "").strip()
        return User(username=name) if name else None


def provider_of(options: Options) -> IdentityProvider:
    """Says who people are: the proxy's header, the provider ``module:Class``, or else the accounts with passwords.

    Raises ``SettingsError`` where there is no such class.
    """
    if options.proxies is not None and options.proxies.sign_on_header is not None:
        return HeaderIdentityProvider(token="", header=options.proxies.sign_on_header)
    name = options.identity_provider
    if name is None:
        return AccountsIdentityProvider(token="")
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise SettingsError(f"The identity provider {name!r} cannot be loaded: {error}. Write module:Class.") from error
    if not (isinstance(found, type) and issubclass(found, IdentityProvider)):
        raise SettingsError(f"{name!r} is not a jupyter_server IdentityProvider.")
    return found(token="")


async def identify(handler: web.RequestHandler) -> Caller | None:
    """Who makes this request: by ticket, by API token, or by what the provider says; None = not signed in.

    A request that brings a ticket or a token is judged by that alone. An agent made inactive is nobody.
    """
    site: Site = handler.settings["site"]
    caller = await _shown(handler, site)
    if caller is None or not site.may_sign_in(caller.account):
        return None
    if site.practice is not None:
        site.practice.begin()
    return caller


async def _shown(handler: web.RequestHandler, site: Site) -> Caller | None:
    headers = handler.request.headers
    if "X-Coach-Ticket" in headers:
        return site.sessions.by_ticket(headers["X-Coach-Ticket"])
    if "Authorization" in headers:
        bearer = _BEARER.fullmatch(headers["Authorization"].strip())
        if bearer is None:
            return None
        return site.local_caller(bearer[1]) or site.sessions.by_token(bearer[1])
    if site.options.passwords:
        raw = session_cookie(handler)
        return site.sessions.by_cookie(raw) if raw is not None else None
    name = await signed_on_as(handler)
    account = site.accounts.active(name) if name is not None else None
    return None if account is None else site.sessions.by_cookie(site.outside_session(account))


async def signed_on_as(handler: web.RequestHandler) -> str | None:
    """The name that the provider gives whoever asks, whether there is such an account or not; None = nobody's."""
    site: Site = handler.settings["site"]
    user = await ensure_async(site.provider.get_user(handler))
    return None if user is None else user.username


def session_of(handler: web.RequestHandler, caller: Caller) -> str:
    """The secret of the session that a browser's request belongs to."""
    site: Site = handler.settings["site"]
    if site.options.passwords:
        raw = session_cookie(handler)
        assert raw is not None and caller.via == "session"
        return raw
    return site.outside_session(caller.account)  # whatever cookie is still there from the time of passwords


def shown_by(handler: web.RequestHandler) -> str | None:
    """What a request brings to be let in by, whether it is worth anything or not; None = nothing."""
    if "X-Coach-Ticket" in handler.request.headers:
        return "ticket"
    if "Authorization" in handler.request.headers:
        return "token"
    return "cookie" if handler.get_cookie(SESSION_COOKIE) is not None else None


def session_cookie(handler: web.RequestHandler) -> str | None:
    """The secret in the session cookie, if the server signed it."""
    value = handler.get_signed_cookie(SESSION_COOKIE, max_age_days=_COOKIE_DAYS)
    return None if value is None else value.decode()


def set_session_cookie(handler: web.RequestHandler, raw: str) -> None:
    """Gives the browser its session."""
    handler.set_signed_cookie(SESSION_COOKIE, raw, expires_days=_COOKIE_DAYS, httponly=True, samesite="Lax")


def clear_session_cookie(handler: web.RequestHandler) -> None:
    """Takes the session from the browser."""
    handler.clear_cookie(SESSION_COOKIE, path="/")
