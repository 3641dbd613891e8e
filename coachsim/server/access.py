"""Who may do what: the one table of the API's endpoints, with the roles let in and what they see of the floor.

``scope`` says which part: ``teams`` the caller's teams · ``own`` only the caller as an agent · ``all`` everything ·
``none`` nothing of the floor. A test walks this table for every role.
"""

from __future__ import annotations

from dataclasses import dataclass

from coachsim.errors import Forbidden, NotSignedIn
from coachsim.server.accounts import ROLES, in_order
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
            needed = " or ".join(in_order(allowed)) or "the server's own machine"
            raise Forbidden(f"This is not for you: it needs {needed}.")


def _line(
    method: str, path: str, roles: str, scope: str, handler: str, *, near: bool = False, in_practice: str = ""
) -> Endpoint:
    given = EVERYONE if roles == "*" else frozenset(roles.split())
    return Endpoint(method, path, given, scope, handler, near, frozenset(in_practice.split()))


def _desk(method: str, path: str, handler: str) -> Endpoint:
    return _line(method, path, "supervisor", "teams", handler, in_practice="trainer")


def _seat(method: str, path: str, handler: str, *, roles: str = "agent") -> Endpoint:
    return _line(method, path, roles, "own", handler, in_practice="supervisor trainer")


TABLE = (
    _line("GET", "/api/me", "*", "none", "Me"),
    _line("GET", "/api/floor", "*", "teams", "FloorNow"),
    _desk("GET", "/api/agents", "Agents"),
    _desk("POST", "/api/messages/preview", "Preview"),
    _desk("POST", "/api/messages", "Messages"),
    _desk("GET", "/api/messages", "Messages"),
    _desk("GET", "/api/messages/{message_id}/deliveries", "Deliveries"),
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
