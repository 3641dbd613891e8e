"""Today's floor on the what-if page, in a real browser: learned from the server's log, changed, and saved."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from coachsim.floor import Floor
from coachsim.models import AgentState, Audience, Draft
from coachsim.scenario import Scenario
from coachsim.server.accounts import Account, hash_password
from coachsim.server.app import Server
from coachsim.server.handlers_log import LogTable
from coachsim.server.site import Options
from tests.browser.marks import IN_A_BROWSER
from tests.browser.test_what_if import PASSWORD, done, drawn, figure
from tests.browser.walking import GOING, VOILA
from tests.server.past import live_past

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory):
    """A floor with four days behind it; today eight of Team 1 are in, and were told something."""
    folder = tmp_path_factory.mktemp("today")
    live_past(folder)
    server = await Server.start(Options(folder, port=0))
    host = server.site.host
    ones = [one for one, row in host.floor.agents.items() if row.agent.team == "Team 1"]
    for agent_id in ones[:8]:
        await host.do(Floor.connect, agent_id, actor=agent_id)
        await host.do(Floor.set_state, agent_id, AgentState.LOGGED_IN, actor=agent_id)
    await host.do(Floor.send, Draft(Audience(everyone=True), "Told today.", request_id="1"), actor="test")
    for name, role, teams in (("sue", "supervisor", frozenset({"Team 1"})), ("tara", "trainer", None)):
        server.site.accounts.add(Account(name, frozenset({role}), teams, None), hash_password(PASSWORD), actor="test")
    yield server
    await server.stop()


async def opened(server, browser, page_log, name: str) -> Page:
    """The page in a window of its own, with what it shows first."""
    page_log.expect(*VOILA, *GOING, "503")
    context = await browser.new_context(viewport={"width": 1240, "height": 900}, locale="en-GB", color_scheme="light")
    context.set_default_timeout(60_000)
    page_log.watch(context)
    page = await context.new_page()
    await page.goto(f"{server.url}/login?next=/what_if")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Scenario")).to_be_visible(timeout=180_000)
    await done(page)
    await drawn(page)
    return page


@pytest.fixture
def log_may_go(monkeypatch):
    """The server gives nobody its log before this is set."""
    may_go = asyncio.Event()
    give = LogTable.on_get

    async def wait_and_give(handler: LogTable, table: str) -> None:
        await may_go.wait()
        await give(handler, table)

    monkeypatch.setattr(LogTable, "on_get", wait_and_give)
    yield may_go
    may_go.set()


async def test_a_supervisor_starts_from_the_floor_as_it_is_today(server, log_may_go, browser, page_log, tmp_path: Path):
    page = await opened(server, browser, page_log, "sue")
    await expect(page.get_by_label("Scenario").locator("option").last).to_have_text("Today's floor")
    await page.get_by_label("Scenario").select_option("Today's floor")
    await expect(page.get_by_role("status").filter(has_text="Learning from the log of this floor")).to_be_visible()
    await expect(page.get_by_role("button", name="Save scenario")).to_be_disabled()
    await expect(page.locator("svg.marks").first).to_be_hidden()  # the curves are those of another floor
    log_may_go.set()
    await expect(
        page.get_by_text(re.compile(r"^Only your team Team 1: 12 agents on .* as of \d\d:\d\d; "))
    ).to_be_visible(timeout=180_000)
    await expect(page.get_by_text(re.compile("attention learned from [0-9,]+ deliveries to 12 agents"))).to_be_visible()
    await expect(page.get_by_label("Message", exact=True)).to_have_value("Told today.")
    await expect(page.get_by_text("Learning from the log")).to_have_count(0)
    await done(page)
    await drawn(page)
    await page.get_by_label("Toast seconds, exactly").fill("60")
    await page.get_by_label("Toast seconds, exactly").press("Enter")
    await expect(page.get_by_text("B: toasts of 60 s", exact=True)).to_be_visible()
    await done(page)
    assert re.search(r"of 12 a day", await figure(page, "Lost unread"))
    await page.get_by_text("Attention", exact=True).click()
    await expect(page.get_by_text("How people notice and read, learned from")).to_be_visible()
    await page.get_by_text("Agents most often missed").click()
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Save scenario").click()
    saved = await saving.value
    assert re.fullmatch(r"leeds-floor-[\d-]+-toasts-of-60-s\.zip", saved.suggested_filename)
    await saved.save_as(tmp_path / "today.zip")
    with zipfile.ZipFile(io.BytesIO((tmp_path / "today.zip").read_bytes())) as files:
        files.extractall(tmp_path)
        toml = next(name for name in files.namelist() if name.endswith(".toml"))
    made = Scenario.load(tmp_path / toml)
    assert made.policy.toast_seconds == 60 and made.roster_path().is_file()
    # A reload comes back to it.
    await page.reload()
    await expect(page.get_by_label("Toast seconds, exactly")).to_have_value("60", timeout=120_000)
    await expect(page.get_by_label("Scenario").locator("option:checked")).to_have_text("Today's floor")
    await page.context.close()


async def test_a_trainer_is_told_why_not_and_can_choose_another(server, browser, page_log):
    page = await opened(server, browser, page_log, "tara")
    await page.get_by_label("Scenario").select_option("Today's floor")
    await expect(page.get_by_text("which supervisors and analysts may read")).to_be_visible(timeout=60_000)
    await expect(page.locator("svg.marks").first).to_be_hidden()
    await page.get_by_label("Scenario").select_option("Night shift")
    await done(page)
    await expect(page.locator("svg.marks").first).to_be_visible()
    await expect(page.get_by_text("A desk of 90 round the clock")).to_be_visible()
    await page.context.close()
