"""The first minute on a practice floor, in one browser: from the start page to a message that was seen being read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from coachsim.models import AgentState
from coachsim.server.app import Server
from coachsim.server.site import Options
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import enter_as_supervisor, picture

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]

WEEKDAY = Path(__file__).parents[2] / "data" / "scenarios" / "weekday.toml"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory):
    # At the usual ×60 whoever is logged in on the start page may be at lunch before a busy machine has their seat open.
    server = await Server.start(Options(tmp_path_factory.mktemp("practice"), port=0, practice=WEEKDAY, speed=10.0))
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def context(server, browser, page_log) -> BrowserContext:
    page_log.expect("Unsatisfied version", "No satisfying version", "503", "mathjax", "404 (Not Found)")
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(60_000)
    page_log.watch(context)
    yield context
    await context.close()


async def until(holds: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


async def opened(context: BrowserContext, page: Page, link: str) -> Page:
    """The tab that a link opens."""
    async with context.expect_page() as tab:
        await page.get_by_role("link", name=link, exact=True).click()
    return await tab.value


async def is_live(page: Page) -> None:
    await expect(page.get_by_role("status", name="Connection")).to_have_text("live", timeout=180_000)


async def test_from_nothing_to_a_message_seen_being_read(server, context) -> None:
    practice = server.site.practice
    start = await context.new_page()
    await start.goto(server.url)
    await picture(start, "start")
    await enter_as_supervisor(start)
    await expect(start.get_by_text("You are in as supervisor.")).to_be_visible()
    name = re.match("Take the seat of (.*)", await start.get_by_role("link", name="Take the seat of").inner_text())[1]
    await picture(start, "start-entered")

    seat = await opened(context, start, f"Take the seat of {name}")
    await expect(seat.get_by_text("logged in", exact=True)).to_be_visible()
    (agent_id,) = practice.seats
    row = practice.host.floor.agents[agent_id]
    assert row.agent.name == name
    assert practice.clock.speed == 1
    await expect(seat.locator("#practice")).to_have_text("PRACTICE ×1")

    coaching = await opened(context, start, f"Send to {name} and watch it turn read")
    await is_live(coaching)
    chosen = coaching.get_by_role("grid", name="Agents").get_by_role("row", selected=True)
    await expect(chosen).to_contain_text(name)
    await expect(chosen).to_be_in_viewport()
    await expect(coaching.get_by_label("Speed")).to_have_value("1")
    await coaching.get_by_role("textbox", name="Message", exact=True).fill("Your first message")
    await coaching.get_by_role("button", name=f"Send to {name}", exact=True).click()
    dialog = coaching.get_by_role("dialog")
    await dialog.get_by_role("button", name="OK", exact=True).click()
    await expect(coaching.get_by_text(f"Sent to {name}")).to_be_visible()
    message = coaching.get_by_role("article").filter(has_text="Your first message")
    await expect(message).to_contain_text("0 of 1 read")

    await seat.bring_to_front()
    await expect(seat.get_by_role("status").filter(has_text="Your first message")).to_be_visible()
    await picture(seat, "seat-toast")
    await seat.get_by_role("button", name=re.compile("Status menu")).click()
    await seat.get_by_role("menuitem", name="View coach messages").click()
    await expect(seat.get_by_role("dialog").get_by_text("Your first message")).to_be_visible()
    await expect(message).to_contain_text("1 of 1 read")
    await coaching.bring_to_front()
    await picture(coaching, "coaching-read")

    await seat.bring_to_front()
    await seat.get_by_role("button", name=re.compile("Status menu")).click()
    await picture(seat, "seat-menu")
    await seat.get_by_role("menuitem", name="Give back the seat").click()
    await until(lambda: not practice.seats)
    await until(
        lambda: practice.host.floor.agents[agent_id].connected and not practice.host.floor.agents[agent_id].page
    )
    await expect(seat.get_by_role("heading", name="Your first minute: send a message and see it read")).to_be_visible()


async def test_the_coaching_page_pauses_resumes_and_changes_the_speed(server, context) -> None:
    clock = server.site.practice.clock
    page = await context.new_page()
    await page.goto(server.url)
    await page.get_by_role("button", name="Enter as trainer").click()
    await is_live(page)
    now = page.get_by_label("Floor time")
    await page.get_by_label("Speed").select_option("300")
    await until(lambda: clock.speed == 300)
    before = await now.inner_text()
    await expect(now).not_to_have_text(before)
    await page.get_by_role("button", name="Pause", exact=True).click()
    await until(lambda: clock.paused)
    await expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible()
    await picture(page, "coaching-paused")
    host = server.site.practice.host
    stopped = datetime.fromtimestamp(host.now() / 1e6, ZoneInfo("Europe/London")).strftime("%a %H:%M")
    await expect(now).to_have_text(stopped)
    await asyncio.sleep(1)  # at ×300 that would be five minutes
    assert await now.inner_text() == stopped
    await page.get_by_role("button", name="Resume", exact=True).click()
    await until(lambda: not clock.paused)
    await expect(now).not_to_have_text(stopped)
    await page.get_by_label("Speed").select_option("60")
    await until(lambda: clock.speed == 60)


async def test_a_seat_is_one_click_from_an_agents_row_and_somebody_elses_is_refused(server, context, page_log) -> None:
    page_log.expect("409 (Conflict)")
    practice = server.site.practice
    page = await context.new_page()
    await page.goto(server.url)
    await (
        page.get_by_role("region", name="Enter as anyone")
        .get_by_role("button", name="Enter as supervisor", exact=True)
        .click()
    )
    await is_live(page)
    free = [row for row in practice.host.floor.agents.values() if row.state is AgentState.LOGGED_IN]
    name, agent_id = free[0].agent.name, free[0].agent.agent_id
    await page.get_by_role("searchbox", name="Search agents").fill(name)
    row = page.get_by_role("grid", name="Agents").get_by_role("row", name=re.compile(name))
    await row.hover()
    await picture(page, "coaching-row")
    seat = await opened(context, page, f"Take seat of {name}")
    await expect(seat.locator("#who")).to_contain_text(name)
    assert practice.seats == {agent_id: "supervisor"}
    await expect(page.get_by_label("Speed")).to_have_value("1")

    other = free[1].agent.agent_id
    await practice.take_seat(other, holder="trainer")
    refused = await context.new_page()
    await refused.goto(f"{server.url}/agent?seat={other}")
    await expect(refused.get_by_role("alert")).to_contain_text("trainer has this seat")
    await practice.give_back(other, holder="trainer")

    # Signing out gives the seat back; its page says so.
    await page.locator("details.menu summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await until(lambda: not practice.seats)
    await seat.bring_to_front()
    await expect(seat.get_by_role("alert").filter(has_text="given back")).to_be_visible()
