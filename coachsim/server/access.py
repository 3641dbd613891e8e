"""Who may do what: the one table of all addresses, with the roles let in and what they see of the floor.

``scope`` says which part: ``teams`` the caller's teams · ``own`` only the caller as an agent · ``all`` everything ·
``none`` nothing of the floor. Tests walk this table for every role, and ``python -m coachsim.server.access_table``
prints it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from coachsim.audience import Scope
from coachsim.errors import Forbidden, NotSignedIn
from coachsim.scheduling import Rights
from coachsim.server.accounts import ROLES, Accounts, in_order
from coachsim.server.sessions import Caller

EVERYONE = frozenset(ROLES)
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the table. ``near`` lets in whoever asks from this machine, signed in or not; ``in_practice`` are
    roles that are let in as well on a practice floor."""

    method: str
    path: str
    roles: frozenset[str]
    scope: str
    handler: str
    near: bool = False
    in_practice: frozenset[str] = frozenset()

    def check(self, caller: Caller | None, *, from_here: bool, practice: bool = False) -> None:
        """Lets the request through, or raises ``NotSignedIn`` or ``Forbidden``."""
        if self.near and from_here:
            return
        if caller is None:
            raise NotSignedIn("Sign in first.")
        roles = caller.account.roles | ({LOCAL} if caller.via == "local" else frozenset())
        allowed = self.roles | (self.in_practice if practice else frozenset())
        if not roles & allowed:
            if not allowed - {LOCAL}:
                raise Forbidden("Only the command line on the server's own machine may ask this.")
            needed = " or ".join(in_order(allowed))
            raise Forbidden(f"Your account may not do this: it takes the role {needed}. Ask an admin.")


def _line(
    method: str, path: str, roles: str, scope: str, handler: str, *, near: bool = False, in_practice: str = ""
) -> Endpoint:
    given = EVERYONE if roles == "*" else frozenset(roles.split())
    return Endpoint(method, path, given, scope, handler, near, frozenset(in_practice.split()))


def _desk(method: str, path: str, handler: str, *, scope: str = "teams") -> Endpoint:
    return _line(method, path, "supervisor", scope, handler, in_practice="trainer")


def _texts(method: str, path: str, handler: str) -> Endpoint:
    return _desk(method, path, handler, scope="none")


def _seat(method: str, path: str, handler: str, *, roles: str = "agent") -> Endpoint:
    return _line(method, path, roles, "own", handler, in_practice="supervisor trainer")


TABLE = (
    _line("GET", "/api/me", "*", "none", "Me"),
    _line("GET", "/api/floor", "*", "teams", "FloorNow"),
    _desk("GET", "/api/agents", "Agents"),
    _desk("POST", "/api/messages/preview", "Preview"),
    _desk("POST", "/api/messages/advice", "AdviceOn"),
    _desk("POST", "/api/messages", "Messages"),
    _desk("GET", "/api/messages", "Messages"),
    _desk("GET", "/api/messages/{message_id}/deliveries", "Deliveries"),
    _desk("POST", "/api/schedules", "Schedules"),
    _desk("GET", "/api/schedules", "Schedules"),
    _desk("DELETE", "/api/schedules/{schedule_id}", "ScheduleOf"),
    _texts("GET", "/api/messages/recent", "Recent"),
    _texts("GET", "/api/templates", "Templates"),
    _texts("POST", "/api/templates", "Templates"),
    _texts("GET", "/api/templates/{template_id}", "Template"),
    _texts("PUT", "/api/templates/{template_id}", "Template"),
    _texts("DELETE", "/api/templates/{template_id}", "Template"),
    _seat("PUT", "/api/agents/{agent_id}/state", "AgentStateOf", roles="agent telephony"),
    _seat("GET", "/api/inbox", "Inbox"),
    _seat("POST", "/api/inbox/open", "InboxOpen"),
    _seat("POST", "/api/inbox/ack", "InboxAck"),
    _seat("POST", "/api/inbox/toasts", "InboxToasts"),
    _line("GET", "/api/events", "*", "teams", "Events"),
    _line("GET", "/api/log/{table}.parquet", f"supervisor analyst {LOCAL}", "teams", "LogTable"),
    _line("PUT", "/api/practice", "supervisor trainer", "all", "Pace"),
    _line("POST", "/api/seats/{agent_id}", "supervisor trainer", "teams", "Seat"),
    _line("DELETE", "/api/seats/{agent_id}", "supervisor trainer", "teams", "Seat"),
    _line("POST", "/api/clear-down", "admin", "all", "ClearDown"),
    _line("GET", "/api/roster", "admin", "all", "Roster"),
    _line("POST", "/api/roster", "admin", "all", "Roster"),
    _line("POST", "/api/archive", "admin", "all", "Archiving"),
    _line("POST", "/api/agents/{agent_id}/pseudonym", "admin", "all", "PseudonymOf"),
    _line("POST", "/api/backup", LOCAL, "all", "Backup"),
    _line("GET", "/healthz", "admin", "none", "Health", near=True),
    _line("GET", "/metrics", "admin", "none", "Metrics", near=True),
)

PAGES: dict[str, frozenset[str]] = {
    "coaching": frozenset({"supervisor"}),
    "message_log": frozenset({"supervisor", "analyst"}),
    "what_if": frozenset({"supervisor", "analyst", "trainer"}),
}
_PAGES_IN_PRACTICE = {"coaching": frozenset({"trainer"})}
AGENT_PAGE = frozenset({"agent"})
SEAT_PAGE = frozenset({"supervisor", "trainer"})
WATCHERS = {False: frozenset({"supervisor"}), True: frozenset({"supervisor", "trainer"})}  # by whether it is practice


def page_roles(page: str, *, practice: bool) -> frozenset[str] | None:
    """Who may open a page of the desk; None where there is no such page."""
    roles = PAGES.get(page)
    if roles is None or not practice:
        return roles
    return roles | _PAGES_IN_PRACTICE.get(page, frozenset())


@dataclass(frozen=True, slots=True)
class OwnPage:
    """An address of the front door that is no API. ``roles`` None lets in anybody, within what ``only`` says."""

    methods: str
    path: str
    roles: frozenset[str] | None = None
    only: str = ""
    in_practice: frozenset[str] = frozenset()


OWN_PAGES = (
    OwnPage("GET", "/", only="shows what the caller's roles have"),
    OwnPage("GET POST", "/login"),
    OwnPage("GET POST", "/logout", only="ends the caller's own session"),
    OwnPage("GET POST", "/password", EVERYONE, "the caller's own, by giving the old one"),
    OwnPage("GET POST", "/setup", only="with the link printed at the start, while there is no account"),
    OwnPage("GET", "/agent", AGENT_PAGE, in_practice=SEAT_PAGE),
    OwnPage("GET", "/(coaching|message_log|what_if)", only="leads on to the desk"),
    OwnPage("GET HEAD", "/static/agent/(.*)"),
    OwnPage("GET HEAD", "/static/front/(.*)"),
    OwnPage("GET", "/(favicon\\.ico)"),
    OwnPage("GET", "/desk/?", only="leads to the start page"),
    OwnPage("POST", "/enter", only="on a practice floor that serves its own machine alone"),
)


@dataclass(frozen=True, slots=True)
class DeskAddress:
    """What the desk lets through to Voila. ``page`` has roles of its own; the rest is for whoever may open any page, a
    ``{kernel}`` only for the sign-in session that it was started for."""

    methods: str
    path: str
    page: str | None = None

    def matches(self, method: str, path: str) -> bool:
        """Whether it is this address that a request is for."""
        pattern = re.escape(self.path)
        for name, means in _PARTS.items():
            pattern = pattern.replace(re.escape(name), means)
        return method in self.methods.split() and re.fullmatch(pattern, path) is not None

    def roles(self, *, practice: bool) -> frozenset[str]:
        """Who may ask for it."""
        if self.page is not None:
            return page_roles(self.page, practice=practice) or frozenset()
        return frozenset().union(*(page_roles(page, practice=practice) or () for page in PAGES))


_PARTS = {"{kernel}": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "{template}": r"[a-z]+", "{file}": r".+"}
#: Where a page that is left says so: its kernel is no longer needed.
LEAVING = DeskAddress("POST", "voila/api/shutdown/{kernel}")
DESK = (
    *(DeskAddress("GET HEAD", f"voila/render/{page}.ipynb", page) for page in PAGES),
    DeskAddress("GET HEAD", "voila/static/{file}"),
    DeskAddress("GET HEAD", "voila/templates/{template}/static/{file}"),
    DeskAddress("GET HEAD", "voila/labextensions/{file}"),
    DeskAddress("GET HEAD", "voila/api/themes/{file}"),
    DeskAddress("GET DELETE", "api/kernels/{kernel}"),
    DeskAddress("GET", "api/kernels/{kernel}/channels"),
    LEAVING,
)


def desk_roles(method: str, path: str, *, practice: bool) -> frozenset[str] | None:
    """Who may ask Voila for this; None where nobody may."""
    if ".." in path.split("/") or not path.isprintable():
        return None
    found = next((address for address in DESK if address.matches(method, path)), None)
    return None if found is None else found.roles(practice=practice)


def line_of(method: str, path: str) -> str:
    """The line of the table that a request is for, as it is printed; ``other`` for all that is in none."""
    for endpoint in TABLE:
        if method == endpoint.method and re.fullmatch(_any(endpoint.path), path):
            return f"{method} {endpoint.path}"
    for page in OWN_PAGES:
        if method in page.methods.split() and re.fullmatch(page.path, path):
            return f"{method} {page.path}"
    found = next((line for line in DESK if line.matches(method, path.removeprefix("/desk/"))), None)
    return f"{method} /desk/{found.path}" if found is not None and path.startswith("/desk/") else "other"


def _any(path: str) -> str:
    return re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))


def senders_rights(accounts: Accounts, practice: bool) -> Rights:
    """What the senders of scheduled messages may do when these go out: what their accounts say by then."""

    def rights(sender: str) -> Scope:
        account = accounts.active(sender)
        if account is None or not account.roles & WATCHERS[practice]:
            raise Forbidden(f"The account {sender} may not send any more.")
        return account.scope

    return rights
