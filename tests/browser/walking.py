"""A floor in a process of its own, on the roster that comes with the project, and people in browsers around it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from coachsim import roster
from coachsim.models import Agent
from tests.browser.conftest import PageLog
from tests.processes import kernels_of
from tests.serving import DEADLINE_S, PASSWORD, Served, add_account, port_to_keep, serve

ROSTER = Path(__file__).parents[2] / "data" / "roster.csv"
#: A server that stops or cannot be reached is all that a browser may complain of, and only where a test stops it.
LINE_DOWN = ("ERR_", "WebSocket", "503 (Service Unavailable)", "Failed to fetch", "Connection lost", "NetworkError")
#: Said by Voila's bundle of a page that comes up all the same: that newer extensions have other versions, and that the
#: browser gave up on the widget, as it may on a busy machine; the page then loads itself once more.
VOILA = ("Unsatisfied version", "No satisfying version", "widget model not found")
#: Said by a page that is going, of a message that comes up after it has ended its kernel.
GOING = ("Cannot send",)


async def until(holds: Callable[[], Any], what: str, seconds: float = DEADLINE_S) -> Any:
    """Waits until what it looks at is true, and returns that."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, f"never happened: {what}"
        await asyncio.sleep(0.05)
    return found


class Walk:
    """The server, and who is signed in. ``sup`` sees all teams, ``red`` Red and Silver; agents by their id."""

    def __init__(self, data: Path, browser: Browser, log: PageLog, csv: Path = ROSTER) -> None:
        self.data = data
        self.csv = csv
        self.browser = browser
        self.log = log
        self.lost: list[str] = []  # the lines between pages and kernels that have ended
        self.people = {agent.agent_id: agent for agent in roster.load(csv) if agent.active}
        self._stack = ExitStack()
        self._contexts: list[BrowserContext] = []
        self._tokens: dict[str, str] = {}
        self._accounts: set[str] = set()

    async def start(self, *, desk: bool = True, port: int | None = None, **options: Any) -> None:
        """Starts the server, and waits until the desk is ready. ``options`` are those of ``serve``."""
        port = port or port_to_keep()  # the server may come back there
        arguments = ("--roster", str(self.csv), "--port", str(port))
        self.served: Served = await asyncio.to_thread(
            self._stack.enter_context, serve(self.data, *arguments, desk=desk, **options)
        )
        self.url = self.served.url
        if not self._accounts:
            self._accounts = {"sup", "red"}
            add_account(self.data, "sup", "supervisor", teams=None)
            add_account(self.data, "red", "supervisor", teams=["Red", "Silver"])
        if desk:
            await asyncio.to_thread(self.served.wait_for, "the desk is ready")

    async def end_server(self, *, hard: bool = False) -> int:
        """Ends it, as systemd would or as a power cut would; returns its port."""
        await asyncio.to_thread(self.served.kill if hard else self.served.stop)
        return int(self.url.rsplit(":", 1)[1])

    async def close(self) -> None:
        """Closes the browsers' windows and ends the server."""
        for context in self._contexts:
            await context.close()
        await asyncio.to_thread(self._stack.close)

    # --- people ---

    async def window(self, name: str, path: str, *, url: str | None = None) -> Page:
        """A window of a browser of one's own, signed in."""
        size = {"width": 1100, "height": 620} if path == "/agent" else {"width": 1440, "height": 900}
        context = await self.browser.new_context(viewport=size, locale="en-GB")  # type: ignore[arg-type]
        context.set_default_timeout(60_000)
        self.log.watch(context)
        self._contexts.append(context)
        page = await context.new_page()
        page.on("websocket", lambda socket: socket.on("close", lambda closed: self.lost.append(closed.url)))
        await sign_in(page, url or self.url, name, path)
        return page

    async def supervisor(self, name: str = "sup", *, url: str | None = None) -> Page:
        """The coaching page, live."""
        page = await self.window(name, "/coaching", url=url)
        await is_live(page)
        return page

    async def agent(self, agent_id: str, *, url: str | None = None) -> Page:
        """The agent's page, logged in to the floor."""
        person = self.people[agent_id]
        if agent_id not in self._accounts:
            self._accounts.add(agent_id)
            add_account(self.data, agent_id, "agent", agent_id=agent_id)
        page = await self.window(agent_id, "/agent", url=url)
        await expect(page.get_by_text(f"{person.name} · {person.team}")).to_be_visible()
        if await page.locator("#state-text").inner_text() == "logged out":
            await log_in(page)
        await expect(page.locator("#state")).to_have_text("logged in")
        return page

    def team(self, name: str) -> list[Agent]:
        """The active agents of a team."""
        return [agent for agent in self.people.values() if agent.team == name]

    # --- what is so, as the server tells a script ---

    def ask(self, path: str, name: str = "sup") -> dict[str, Any]:
        """An answer of the API."""
        if name not in self._tokens:
            self._tokens[name] = self.served.token(name)
        headers = {"Authorization": f"Bearer {self._tokens[name]}"}
        answer = httpx.get(self.url + path, headers=headers, timeout=DEADLINE_S, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def sent(self, body: str) -> list[dict[str, Any]]:
        """The day's messages with this text."""
        return [message for message in self.ask("/api/messages")["messages"] if message["body"] == body]

    def deliveries(self, body: str) -> dict[str, dict[str, Any]]:
        """The deliveries of the one message with this text, by agent."""
        (message,) = self.sent(body)
        rows = self.ask(f"/api/messages/{message['message_id']}/deliveries")["deliveries"]
        return {row["agent_id"]: row for row in rows}

    def kernels(self) -> list[int]:
        """The kernels' processes under the server."""
        return kernels_of(self.served.process.pid)


class Cable:
    """A line between browsers and the server that can be cut.

    Chromium's own 'offline' lets streams that are open go on, which no pulled cable does.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.mend()

    async def __aenter__(self) -> Cable:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        self.mend()
        running = tuple(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def stall(self) -> None:
        """What is on its way stands still, and new connections too."""
        self._up.clear()
        self._down.clear()

    def stall_answers(self) -> None:
        """What the browser says arrives; what the server says does not."""
        self._down.clear()

    def cut(self) -> None:
        """Every connection breaks, and new ones are refused."""
        self._refusing = True
        for task in self._tasks:
            task.cancel()

    def mend(self) -> None:
        """What stood still goes on, and new connections get through."""
        self._refusing = False
        self._up.set()
        self._down.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        ends = [writer]
        try:
            if self._refusing:
                raise ConnectionRefusedError
            await self._up.wait()
            onward, back = await asyncio.open_connection("127.0.0.1", self._port)
            ends.append(back)
            await asyncio.gather(self._carry(reader, back, self._up), self._carry(onward, writer, self._down))
        except (OSError, asyncio.CancelledError):
            pass  # cut, or the server is away, or the test is over
        finally:
            for end in ends:
                end.close()
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, free: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await free.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def walking(
    data: Path, browser: Browser, log: PageLog, *, csv: Path = ROSTER, **options: Any
) -> AsyncIterator[Walk]:
    """A walk whose server runs with the roster ``csv``, and that is cleared away at the end."""
    log.expect(*VOILA, *GOING)
    with (data / "settings.toml").open("a", encoding="utf-8") as settings:
        settings.write("toast_seconds = 120\n")  # none goes by itself before a busy machine has come to look for it
    walk = Walk(data, browser, log, csv)
    try:
        await walk.start(**options)
        yield walk
    finally:
        await walk.close()


# --- the coaching page ---


async def is_live(page: Page) -> None:
    """The page has its data."""
    await expect(page.get_by_role("status", name="Connection")).to_have_text("live", timeout=180_000)
    await expect(page.get_by_text("agents in the list")).to_be_visible()


def button(where: Page | Locator, name: str) -> Locator:
    """A button by its whole name."""
    return where.get_by_role("button", name=name, exact=True)


def row(page: Page, name: str) -> Locator:
    """An agent in the list."""
    return page.get_by_role("grid", name="Agents").get_by_role("row", name=re.compile(re.escape(name)))


def card(page: Page, body: str) -> Locator:
    """A message of the day."""
    return page.get_by_role("article").filter(has_text=body)


async def select(page: Page, agent: Agent) -> None:
    """Finds an agent and clicks."""
    await page.get_by_role("searchbox", name="Search agents").fill(agent.name)
    await row(page, agent.name).click()


async def sign_in(page: Page, url: str, name: str, path: str, password: str = PASSWORD) -> None:
    """By the form."""
    await page.goto(f"{url}/login?next={path}")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def enter_as_supervisor(page: Page) -> None:
    """The first step of a practice floor's start page."""
    first = page.get_by_role("region", name="Your first minute")
    await first.get_by_role("button", name="Enter as supervisor", exact=True).click()


async def picture(page: Page, name: str) -> None:
    """Keeps a picture where somebody asked for them."""
    if folder := os.environ.get("COACHSIM_PICTURES"):
        await page.screenshot(path=f"{folder}/{name}.png")


async def filter_team(page: Page, team: str) -> None:
    """The filter button, a team, done."""
    await page.get_by_role("searchbox", name="Search agents").fill("")
    await button(page, "Filter").click()
    choices = page.get_by_role("group", name="Filter choices")
    await button(choices, "Clear all").click()
    await choices.get_by_role("checkbox", name=team, exact=True).check()
    await button(choices, "Done").click()


async def write(page: Page, body: str) -> None:
    """Types the message."""
    await page.get_by_role("textbox", name="Message", exact=True).fill(body)


async def confirm(page: Page, title: str) -> None:
    """The dialog says this, and gets OK."""
    dialog = page.get_by_role("dialog", name=title)
    await button(dialog, "OK").click()
    try:
        await expect(dialog).to_have_count(0)
    except AssertionError as stays:
        raise AssertionError(f"The dialog stays, and says: {await dialog.inner_text()}") from stays


async def tell(page: Page, agent: Agent, body: str) -> None:
    """Selects one agent and sends."""
    await select(page, agent)
    await write(page, body)
    await button(page, f"Send to {agent.name}").click()
    await confirm(page, f"Send to {agent.name}?")


# --- the agent's page ---


async def choose(page: Page, *items: str) -> None:
    """Opens the status menu and picks an item, and one of the menu that opens in its place."""
    await page.get_by_role("button", name="Status menu").click()
    for item in items:
        await page.get_by_role("menuitem", name=item, exact=True).click()


@contextlib.asynccontextmanager
async def list_fetched(page: Page) -> AsyncIterator[None]:
    """Waits for the list that the agent's page fetches when somebody logs in.

    What is sent before that is in the list, and one toast says how much; what is sent later has a toast of its own.
    """
    async with page.expect_response("**/api/inbox*") as fetched:
        yield
    await (await fetched.value).finished()


async def log_in(page: Page) -> None:
    """Logs in to the floor."""
    async with list_fetched(page):
        await choose(page, "Log in")
    await expect(page.locator("#state")).to_have_text("logged in")


def toast(page: Page, text: str) -> Locator:
    """A toast with this text."""
    return page.locator(".toast").filter(has_text=text)


def inbox(page: Page) -> Locator:
    """The dialog with the day's messages."""
    return page.get_by_role("dialog", name="Coach messages")


async def seconds_of(timer: Locator) -> int:
    """What a call timer shows."""
    minutes, seconds = (await timer.inner_text()).split(":")[-2:]
    return int(minutes) * 60 + int(seconds)
