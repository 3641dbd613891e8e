"""The front door's own pages: sign in and out, password, the first admin, the ways to the agent's page and the desk."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

from tornado import web

from coachsim.errors import CoachsimError, InvalidInput
from coachsim.server.access import AGENT_PAGE, SEAT_PAGE
from coachsim.server.accounts import MIN_PASSWORD, Account, checked, checked_password
from coachsim.server.base import FrontHandler, Refusal, explained, say_when, sign_in_address
from coachsim.server.comings import HELD, SIGNED_IN, SIGNED_OUT, WRONG_PASSWORD
from coachsim.server.identity import clear_session_cookie, session_cookie, set_session_cookie, signed_on_as
from coachsim.server.throttle import TooManyAttempts

_NO_ACCOUNT = "You are signed on as {}, and no account of that name is in use here. Ask an admin of coachsim to add it."
_NOBODY = "Your organisation's sign-on has not said who you are. Sign on there, then load this page again."
_NO_PASSWORDS = "This server has no passwords of its own: your organisation's sign-on lets you in."
WEB = Path(__file__).parent.parent / "web"


class PageHandler(FrontHandler):
    """Base of the pages: HTML, with errors as a page too."""

    def get_template_namespace(self) -> dict[str, Any]:
        """What every template may use."""
        names = super().get_template_namespace()
        settings = self.site.host.settings
        account = self.caller.account if self.caller else None
        return names | {
            "floor_name": settings.floor_name,
            "account": account,
            "min_password": MIN_PASSWORD,
            "passwords": self.site.options.passwords,
        }

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error as a page of one sentence."""
        _, message = explained(self, status_code, kwargs)
        self.render("error.html", status=status_code, message=message)

    def refuse(self, template: str, error: CoachsimError, **names: Any) -> None:
        """Shows a form again, with what was wrong."""
        self.set_status(error.http_status)
        say_when(self, error)
        if isinstance(error, TooManyAttempts):
            self.site.metrics.sign_ins.labels("held").inc()
        self.render(template, fault=error.message, **names)

    def require(self, roles: frozenset[str]) -> bool:
        """Whether the caller has one of these roles; otherwise the way to sign in, or a page that says no."""
        if self.caller is None:
            self.redirect(sign_in_address(self))
            return False
        if not self.caller.account.roles & roles:
            raise Refusal(403, "This page is not for your account. Sign in with another one to use it.")
        return True

    async def sign_in(self, account: Account) -> None:
        """Begins a session and gives the browser its cookie; a session it had ends."""
        if self.caller is not None and self.caller.via == "session":
            self.site.sessions.end(self.caller.key)
            self.site.signed_out()
        set_session_cookie(self, self.site.sessions.begin(account))
        self.put_down(SIGNED_IN, account)

    def put_down(self, action: str, account: Account | None) -> None:
        """Puts on record that somebody came, went, or tried to come in."""
        name = account.name if account is not None else ""
        self.site.comings.count(action, account=name, address=self.request.remote_ip or "")

    async def check_password(self, name: str, password: str) -> Account:
        """The account, if this is its password; slow and limited."""
        site = self.site
        address = self.request.remote_ip or ""
        try:
            site.throttle.check(name, address)
            good = await site.hashing.verify(
                site.accounts.password_hash(name), password, still=lambda: site.throttle.check(name, address)
            )
        except TooManyAttempts:
            self.put_down(HELD, site.accounts.get(name))
            raise
        account = site.accounts.active(name)
        if not good or account is None or not site.may_sign_in(account):
            site.throttle.failed(name, address)
            site.metrics.sign_ins.labels("wrong").inc()
            self.put_down(WRONG_PASSWORD, site.accounts.get(name))
            wrong = InvalidInput("The name or the password is not right.")
            wrong.http_status = 401
            raise wrong
        site.throttle.succeeded(name, address)
        site.metrics.sign_ins.labels("right").inc()
        return account


class SignIn(PageHandler):
    """/login"""

    async def get(self) -> None:
        """The form; or, where others sign people in, the way on."""
        following = _local(self.get_query_argument("next", "/"))
        if self.site.options.passwords:
            self.render("login.html", fault=None, username="", next=following)
        elif self.caller is not None:
            self.redirect(following)
        else:
            name = await signed_on_as(self)
            raise Refusal(403, _NOBODY if name is None else _NO_ACCOUNT.format(name[:100]))

    async def post(self) -> None:
        """Checks name and password."""
        if not self.site.options.passwords:
            raise Refusal(404, _NO_PASSWORDS)
        name = self.get_body_argument("username", "", strip=True)[:100]
        password = self.get_body_argument("password", "", strip=False)[:1_000]
        following = _local(self.get_body_argument("next", "/"))
        try:
            account = await self.check_password(name, password)
            await self.sign_in(account)
        except CoachsimError as error:
            self.refuse("login.html", error, username=name, next=following)
            return
        self.redirect(following, status=303)


class SignOut(PageHandler):
    """/logout"""

    async def get(self) -> None:
        """Signing out changes something, so it is a POST: here is the button."""
        self.redirect("/")

    async def post(self) -> None:
        """Ends the session, its tickets and its streams."""
        if self.caller is not None and self.caller.via == "session":
            self.site.sessions.end(self.caller.key)
            self.site.signed_out()
            self.put_down(SIGNED_OUT, self.caller.account)
        clear_session_cookie(self)
        self.redirect(self.site.options.sign_out_path or "/login", status=303)


class Password(PageHandler):
    """/password"""

    async def prepare(self) -> None:
        """Only where there are passwords."""
        await super().prepare()
        if not self.site.options.passwords:
            raise Refusal(404, _NO_PASSWORDS)

    async def get(self) -> None:
        """The form."""
        if self.caller is None:
            self.redirect(sign_in_address(self))
            return
        self.render("password.html", fault=None)

    async def post(self) -> None:
        """Sets a new password: every other session of the account ends."""
        if self.caller is None or session_cookie(self) is None:
            self.redirect(sign_in_address(self))
            return
        name = self.caller.name
        try:
            new = checked_password(self.get_body_argument("new_password", "", strip=False))
            if new != self.get_body_argument("repeat", "", strip=False):
                raise InvalidInput("The two new passwords differ. Type the same one twice.")
            account = await self.check_password(name, self.get_body_argument("password", "", strip=False)[:1_000])
        except CoachsimError as error:
            self.refuse("password.html", error)
            return
        hashed = await self.site.hashing.hash(new)
        self.site.accounts.set_password(name, hashed, actor=name)
        await self.sign_in(account)
        self.site.signed_out()
        self.redirect("/", status=303)


class Setup(PageHandler):
    """/setup: the first admin account, from the link that the first start prints."""

    def _allowed(self) -> bool:
        given, wanted = self.get_argument("token", ""), self.site.setup_token
        if wanted is None or self.site.accounts.list():
            raise Refusal(
                404,
                "This server has accounts already. Sign in. If none is an admin's, whoever runs the server makes one:"
                " coachsim user add NAME --role admin",
            )
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise Refusal(403, "This link is not the one that the server printed at its start. Copy the whole of that.")
        return True

    async def get(self) -> None:
        """The form."""
        if self._allowed():
            self.render("setup.html", fault=None, username="admin", token=self.site.setup_token)

    async def post(self) -> None:
        """Makes the account and signs it in."""
        if not self._allowed():
            return
        name = self.get_body_argument("username", "")
        try:
            account = checked(Account(name, frozenset({"admin"})))
            password = checked_password(self.get_body_argument("password", "", strip=False))
            hashed = await self.site.hashing.hash(password)
            self._allowed()
            self.site.accounts.add(account, hashed, actor="setup")
        except CoachsimError as error:
            self.refuse("setup.html", error, username=name, token=self.site.setup_token)
            return
        self.site.setup_token = None
        await self.sign_in(account)
        self.redirect("/", status=303)


class AgentPage(PageHandler):
    """/agent"""

    async def get(self) -> None:
        """The agent's page, for agents; in practice, as a seat, for those who may take one. The page takes it."""
        as_seat = self.site.practice is not None and self.get_query_argument("seat", None) is not None
        if self.require(SEAT_PAGE if as_seat else AGENT_PAGE):
            self.xsrf_token  # noqa: B018  sets the cookie that the page's changes have to show
            self.set_header("Content-Type", "text/html; charset=utf-8")
            self.finish((WEB / "agent.html").read_bytes())


class PageLink(PageHandler):
    """/coaching, /message_log, /what_if: short names of the desk's pages."""

    async def get(self, page: str) -> None:
        """Leads on to the desk."""
        if page not in self.settings["pages"]:
            raise Refusal(404, "This server has no such page.")
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"/desk/voila/render/{page}.ipynb{query}")


class NotHere(PageHandler):
    """Any other address."""

    async def prepare(self) -> None:
        """404 for everyone."""
        await super().prepare()
        raise Refusal(404, "There is nothing at this address.")


class OwnFiles(web.StaticFileHandler):
    """The files of coachsim/web, for anybody: sign-in pages need them too."""

    def set_default_headers(self) -> None:
        """Looked after at each use, so that a new version shows at once."""
        FrontHandler.set_default_headers(self)  # type: ignore[arg-type]
        self.set_header("Cache-Control", "no-cache")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """One line."""
        self.set_header("Content-Type", "text/plain")
        self.finish(explained(self, status_code, kwargs)[1])


def _local(address: str) -> str:
    """An address on this server, whatever a link asked for."""
    if address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable():
        return address
    return "/"
