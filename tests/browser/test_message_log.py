"""The message log page in a real browser, through the front door, Voila and a kernel; and in JupyterLab."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from coachsim.floor import Floor
from coachsim.models import AgentState, Audience, Draft
from coachsim.scenario import Scenario
from coachsim.server.accounts import Account, hash_password
from coachsim.server.app import Server
from coachsim.server.site import Options
from coachsim.simulation import simulate
from tests.browser.conftest import PageLog
from tests.browser.jupyterlab import lab, shown_in
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import GOING, VOILA
from tests.serving import PEOPLE
from tests.unit.days_of import LUNCH, message

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]
__all__ = ["lab"]  # the fixture

PASSWORD = "correct horse battery"
MARKUP = "<b>Mention</b> the renewal offer."
DAY = {
    "name": "Small",
    "floor": {"agents": 40, "teams": 4},
    "shifts": [{"start": "09:00"}],
    "absence": 0.2,
    "breaks": [LUNCH],
    "messages": [message("10:00", key="briefing"), message("16:50", key="late", expires_after_min=20)],
}
IN_THE_KERNEL = """
from coachsim import MessageLogPage, open_log

log = open_log("log.duckdb")
MessageLogPage(log)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory):
    """A floor of Blue and Red, four agents: Ann (Blue) has read what all were sent; nobody what Red was sent."""
    folder = tmp_path_factory.mktemp("message-log")
    (folder / "settings.toml").write_text('floor_name = "Leeds floor"\n', encoding="utf-8")
    server = await Server.start(Options(folder, port=0))
    host = server.site.host
    await host.do(Floor.set_agents, PEOPLE, actor="admin")
    for agent_id in ("a1", "a3"):
        await host.do(Floor.connect, agent_id, actor=agent_id)
        await host.do(Floor.set_state, agent_id, AgentState.LOGGED_IN, actor=agent_id)
    await host.do(Floor.send, Draft(Audience(everyone=True), MARKUP, request_id="1"), actor="sup")
    await host.do(Floor.open_inbox, "a1", actor="a1")
    await host.do(Floor.send, Draft(Audience(agents=("a3",)), "For Red alone.", request_id="2"), actor="sup")
    for name, role, teams in (("ana", "analyst", None), ("blue", "supervisor", frozenset({"Blue"}))):
        server.site.accounts.add(Account(name, frozenset({role}), teams, None), hash_password(PASSWORD), actor="test")
    yield server
    await server.stop()


async def opened(server, browser, log: PageLog, name: str, look: str = "light") -> Page:
    """The page in a window of its own, with its figures and its first charts."""
    log.expect(*VOILA, *GOING, "503")
    context = await browser.new_context(viewport={"width": 1240, "height": 900}, locale="en-GB", color_scheme=look)
    context.set_default_timeout(60_000)
    log.watch(context)
    page = await context.new_page()
    await page.goto(f"{server.url}/login?next=/")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Message log").click()
    await expect(page.get_by_role("heading", name="Message log")).to_be_visible(timeout=180_000)
    await done(page)
    await drawn(page, "Unread by team and hour")
    return page


async def done(page: Page) -> None:
    """Waits until what is shown is what was asked for."""
    await expect(page.get_by_role("article", name="Sent")).not_to_contain_text("–", timeout=180_000)
    await expect(page.locator(".desk")).to_have_attribute("aria-busy", "false", timeout=60_000)


async def drawn(page: Page, name: str) -> None:
    """Waits until a chart is there, as wide as its place."""
    plot = page.locator(f'.plot[aria-label^="{name}"]')
    await expect(plot.locator("svg.marks")).to_be_visible(timeout=60_000)
    await page.wait_for_function(
        """(plot) => Math.abs(plot.querySelector('svg.marks').getAttribute('width') - plot.clientWidth) < 2""",
        arg=await plot.element_handle(),
    )


async def figure(page: Page, name: str) -> str:
    return await page.get_by_role("article", name=name, exact=True).inner_text()


async def saved(page: Page, button: str, folder: Path) -> Path:
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name=button).click()
    download = await downloading.value
    await download.save_as(folder / download.suggested_filename)
    return folder / download.suggested_filename


async def test_an_analyst_sees_the_floor_with_counts_and_takes_it_along(server, browser, page_log, tmp_path):
    page = await opened(server, browser, page_log, "ana")
    assert "Leeds floor" in await page.locator("header.top").inner_text()
    assert re.search(
        r"data as of (\w+ \d+ \w+, )?\d\d:\d\d", await page.get_by_role("status", name="Data").inner_text()
    )
    assert "2 messages to 4 agents" in await figure(page, "Sent")
    assert "80 %" in await figure(page, "Unread so far") and "4 of 5 not read" in await figure(page, "Unread so far")
    assert "0 of 5" in await figure(page, "Lost unread so far")
    charts = page.get_by_role("tabpanel")
    await expect(charts.locator("svg.marks").first).to_contain_text("1 of 2")
    await drawn(page, "Unread by state")

    # What was never read stands first, and opens with the keyboard to how far it got.
    rows = page.get_by_role("region", name="Messages").get_by_role("row")
    await expect(rows.nth(1)).to_contain_text("never read")
    await expect(rows.nth(1)).to_contain_text("For Red alone.")
    await rows.nth(2).get_by_role("button").press("Enter")
    one = page.get_by_role("region", name="Message", exact=True)
    await expect(one.locator("blockquote")).to_have_text(MARKUP)
    await drawn(page, "How far the message got")
    await drawn(page, "Read after the send")
    await expect(one).to_contain_text("read: 1")

    for name, chart in (("Time to read", "Time to read"), ("Load and presence", "Messages for an agent")):
        await page.get_by_role("tab", name=name).click()
        await done(page)
        await drawn(page, chart)
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Unread and lost")).to_be_focused()

    file = await saved(page, "Deliveries as CSV", tmp_path)
    rows_saved = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))
    assert [row["agent_id"] for row in rows_saved] == ["a1", "a2", "a3", "a4", "a3"]
    frame = pd.read_parquet(await saved(page, "as Parquet", tmp_path))
    assert list(frame.columns) == list(rows_saved[0]) and len(frame) == 5

    # The page says as of when it is; Refresh brings what has happened since.
    await server.site.host.do(Floor.send, Draft(Audience(agents=("a2",)), "And one more.", request_id="3"), actor="sup")
    await page.get_by_role("button", name="Refresh").click()
    await expect(page.get_by_role("article", name="Sent")).to_contain_text("3 messages")
    await page.get_by_text("All 2 teams").click()
    await page.get_by_role("checkbox", name="Red").check()
    await expect(page.get_by_role("article", name="Sent")).to_contain_text("2 messages to 2 agents")
    await page.context.close()


async def test_a_supervisor_sees_their_teams_in_the_dark_and_in_a_narrow_window(server, browser, page_log):
    page = await opened(server, browser, page_log, "blue", "dark")
    await expect(page.locator(".mlog")).to_have_css("color-scheme", "dark")
    label = page.get_by_role("tabpanel").locator("svg.marks .role-axis-label text").first
    await expect(label).to_have_attribute("fill", "#a9b5c3")
    body = await page.locator(".mlog").inner_text()
    assert "Red" not in body and "Blue" in body
    unnamed = await page.evaluate(
        """() => [...document.querySelectorAll('.mlog input, .mlog select, .mlog button')]
            .filter((one) => !one.getAttribute('aria-label') && !one.labels?.length && !one.textContent.trim())
            .map((one) => one.outerHTML)"""
    )
    assert unnamed == []
    await page.set_viewport_size({"width": 430, "height": 900})
    await expect(page.locator("header.top")).to_have_css("position", "static")
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    await page.context.close()


async def test_a_simulated_day_in_jupyterlab_without_another_host(lab, tmp_path, browser):
    simulate(Scenario.from_dict(DAY), seed=3, out=tmp_path / "log.duckdb").close()
    async with shown_in(lab, tmp_path, browser, IN_THE_KERNEL) as page:
        await expect(page.get_by_role("heading", name="Message log")).to_be_visible(timeout=60_000)
        await done(page)
        await drawn(page, "Unread by team and hour")
        await expect(page.get_by_label("From", exact=True)).to_have_value("2026-03-02")
        assert "2 messages to 40 agents" in await figure(page, "Sent")
        file = await saved(page, "Deliveries as CSV", tmp_path)
        assert file.name == "deliveries-2026-03-02.csv" and file.read_text(encoding="utf-8").count("\n") == 81
