"""The start page, and on a practice floor the way in with one click."""

from __future__ import annotations

from coachsim.models import Agent, AgentState
from coachsim.server.access import AGENT_PAGE, PAGES, SEAT_PAGE, page_roles
from coachsim.server.base import Refusal, is_loopback
from coachsim.server.handlers_site import PageHandler
from coachsim.server.practice_accounts import ShownAccount
from coachsim.server.site import Site


class Start(PageHandler):
    """GET /"""

    async def get(self) -> None:
        """What one can do here, for whoever is signed in."""
        self.xsrf_token  # noqa: B018  the cookie has to be there for a page's first change
        site = self.site
        practice = site.practice is not None
        roles = self.caller.account.roles if self.caller else frozenset()
        may_sit = practice and bool(roles & SEAT_PAGE)
        there = self.settings["pages"]
        self.render(
            "start.html",
            pages=[page for page in PAGES if page in there and roles & (page_roles(page, practice=practice) or set())],
            agent_page=bool(roles & AGENT_PAGE),
            accounts=_offered(site),
            practice=practice,
            may_sit=may_sit,
            seated=may_sit and self._seat() is not None,
            someone=(self._seat() or self._someone()) if may_sit else None,
            needs_setup=site.setup_token is not None and not site.accounts.list(),
        )

    def _seat(self) -> Agent | None:
        """The agent whose seat the caller has taken last."""
        assert self.caller is not None and self.site.practice is not None
        held = [agent_id for agent_id, holder in self.site.practice.seats.items() if holder == self.caller.name]
        return self.site.host.floor.agents[held[-1]].agent if held else None

    def _someone(self) -> Agent | None:
        """An agent in scope whose seat is free and who is logged in; the newest in, who stays longest."""
        assert self.caller is not None and self.site.practice is not None
        scope, taken = self.caller.account.scope, self.site.practice.seats
        free = [
            row
            for row in self.site.host.floor.agents.values()
            if row.state is AgentState.LOGGED_IN and row.agent.active and row.agent.agent_id not in taken
            if scope is None or row.agent.team in scope
        ]
        if not free:
            return None
        return max(free, key=lambda row: (row.since or 0, row.agent.agent_id)).agent


class Enter(PageHandler):
    """POST /enter: one click in, on a practice floor that serves its own machine only."""

    async def post(self) -> None:
        """Signs in as one of the accounts that the start page shows."""
        name = self.get_body_argument("name", "")
        account = next((one.account for one in _offered(self.site) if one.account.name == name), None)
        if account is None:
            raise Refusal(404, "Nobody can be entered as with one click here. Sign in.")
        await self.sign_in(account)
        roles = page_roles("coaching", practice=True) or frozenset()
        coaching = account.roles & roles and "coaching" in self.settings["pages"]
        stay = self.get_body_argument("next", "") == "/"
        self.redirect("/coaching" if coaching and not stay else "/", status=303)


def _offered(site: Site) -> list[ShownAccount]:
    """The accounts that anybody who sees the start page may use: none where others than this machine may see it."""
    options = site.options
    near = is_loopback(options.address) and options.proxies is None
    return site.shown if near and options.passwords else []
