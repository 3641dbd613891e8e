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
    """One line of the table. ``near`` lets in whoever asks from this machine, signed in or not."""

    method: str
    path: str
    roles: frozenset[str]
    scope: str
    handler: str
    near: bool = False

    def check(self, caller: Caller | None, *, from_here: bool) -> None:
        """Lets the request through, or raises ``NotSignedIn`` or ``Forbidden``."""
        if self.near and from_here:
            return
        if caller is None:
            raise NotSignedIn("Sign in first.")
        roles = caller.account.roles | ({LOCAL} if caller.via == "local" else frozenset())
        if not roles & self.roles:
            needed = " or ".join(in_order(self.roles)) or "the server's own machine"
            raise Forbidden(f"This is not for you: it needs {needed}.")


def _line(method: str, path: str, roles: str, scope: str, handler: str, *, near: bool = False) -> Endpoint:
    given = EVERYONE if roles == "*" else frozenset(roles.split())
    return Endpoint(method, path, given, scope, handler, near)


TABLE = (
    _line("GET", "/api/me", "*", "none", "Me"),
    _line("GET", "/api/floor", "*", "teams", "FloorNow"),
    _line("GET", "/api/agents", "supervisor", "teams", "Agents"),
    _line("POST", "/api/messages/preview", "supervisor", "teams", "Preview"),
    _line("POST", "/api/messages", "supervisor", "teams", "Messages"),
    _line("GET", "/api/messages", "supervisor", "teams", "Messages"),
    _line("GET", "/api/messages/{message_id}/deliveries", "supervisor", "teams", "Deliveries"),
    _line("PUT", "/api/agents/{agent_id}/state", "agent telephony", "own", "AgentStateOf"),
    _line("GET", "/api/inbox", "agent", "own", "Inbox"),
    _line("POST", "/api/inbox/open", "agent", "own", "InboxOpen"),
    _line("POST", "/api/inbox/ack", "agent", "own", "InboxAck"),
    _line("POST", "/api/inbox/toasts", "agent", "own", "InboxToasts"),
    _line("GET", "/api/events", "*", "teams", "Events"),
    _line("GET", "/api/log/{table}.parquet", "supervisor analyst", "teams", "LogTable"),
    _line("POST", "/api/clear-down", "admin", "all", "ClearDown"),
    _line("GET", "/api/roster", "admin", "all", "Roster"),
    _line("POST", "/api/roster", "admin", "all", "Roster"),
    _line("POST", "/api/backup", LOCAL, "all", "Backup"),
    _line("GET", "/healthz", "admin", "none", "Health", near=True),
    _line("GET", "/metrics", "admin", "none", "Metrics", near=True),
)

PAGES: dict[str, frozenset[str]] = {
    "coaching": frozenset({"supervisor"}),
    "message_log": frozenset({"supervisor", "analyst"}),
    "what_if": frozenset({"supervisor", "analyst", "trainer"}),
}
AGENT_PAGE = frozenset({"agent"})
