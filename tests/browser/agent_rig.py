"""A server with two agents in the test's own process, and a browser in which one of them is signed in."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from coachsim.floor import Floor
from coachsim.models import Agent, AgentState, Audience, Delivery, Draft, Priority
from coachsim.server.accounts import Account, hash_password
from coachsim.server.app import Server
from coachsim.server.site import Options
from coachsim.server.stream import encode
from tests.browser.walking import log_in
from tests.serving import port_to_keep

DANA = "a001"
PASSWORD = "correct horse battery"
_requests = itertools.count()


class Rig:
    """A server with two agents, and a browser in which one of them is signed in."""

    def __init__(self, server: Server, data_dir: Path, context: BrowserContext) -> None:
        self.server = server
        self.data_dir = data_dir
        self.context = context

    @property
    def floor(self) -> Floor:
        return self.server.site.host.floor

    async def open(self, path: str = "/agent") -> Page:
        """The agent's page, signed in."""
        page = await self.context.new_page()
        await page.goto(self.server.url + path)
        if "/login" in page.url:
            await page.get_by_label("Name").fill(DANA)
            await page.get_by_label("Password").fill(PASSWORD)
            await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_text("Dana Reyes · Blue")).to_be_visible()
        await until(lambda: self.floor.agents[DANA].connected)
        return page

    async def send(self, body: str, *, urgent: bool = False, ack: bool = False, expires_in: float | None = None) -> int:
        """Sends to Dana; gives the message_id."""
        host = self.server.site.host
        draft = Draft(
            Audience(agents=(DANA,)),
            body,
            request_id=f"r{next(_requests)}",
            priority=Priority.URGENT if urgent else Priority.NORMAL,
            ack_required=ack,
            expires_at=host.now() + int(expires_in * 1e6) if expires_in else None,
        )
        await host.do(Floor.send, draft, actor="J. Kelly")
        return max(self.floor.messages)

    async def set_state(self, state: AgentState) -> None:
        """As the telephony would."""
        if self.floor.agents[DANA].state is not state:
            await self.server.site.host.do(Floor.set_state, DANA, state, actor="telephony")

    def delivery(self, message_id: int) -> Delivery:
        return self.floor.messages[message_id].deliveries[DANA]

    def reset(self) -> None:
        """Has the pages fetch everything afresh, as those that have missed too much."""
        frame = encode(self.server.site.host.seq, "reset", {})
        for stream in self.server.site.streams._all:
            stream.write(frame)

    def end_session(self) -> None:
        """As when an admin disables the account."""
        self.server.site.sessions.end_all_of([DANA])
        self.server.site.signed_out()

    async def restart(self) -> None:
        """The same floor on the same port, once it has stopped."""
        port = int(self.server.url.rsplit(":", 1)[1])
        self.server = await Server.start(Options(self.data_dir, port=port, desk=False))


async def until(holds: Callable[[], object], seconds: float = 60) -> None:
    """Waits for a condition of the server's."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(loop_scope="session")
async def rig(request, tmp_path, browser, page_log):
    """A parameter is how many seconds a toast stays; without one it stays until the test has seen to it."""
    seconds = getattr(request, "param", 120)
    (tmp_path / "settings.toml").write_text(f"toast_seconds = {seconds}\n", encoding="utf-8")
    server = await Server.start(Options(tmp_path, port=port_to_keep(), desk=False))
    agents = [Agent(DANA, "Dana Reyes", "Blue"), Agent("a002", "Eoin Mensah", "Blue")]
    await server.site.host.do(Floor.set_agents, agents, actor="admin")
    server.site.accounts.add(Account(DANA, frozenset({"agent"}), None, DANA), hash_password(PASSWORD), actor="test")
    context = await browser.new_context(viewport={"width": 1100, "height": 620}, locale="en-GB")
    context.set_default_timeout(60_000)
    page_log.watch(context)
    rig = Rig(server, tmp_path, context)
    yield rig
    await context.close()
    await rig.server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def page(rig) -> Page:
    """Dana's page, logged in to the floor."""
    page = await rig.open()
    await log_in(page)
    return page


def toast(page: Page, text: str):
    return page.get_by_role("status").filter(has_text=text)
