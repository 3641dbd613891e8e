"""Every page in every state, held against WCAG 2.2, levels A and AA, by axe-core, in the light and in the dark; and in
small windows.

``make test ARGS=tests/browser/test_accessibility.py`` ends with a table of what was looked at.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from coachsim import roster
from coachsim.floor import Floor
from coachsim.models import AgentState, Audience, Draft, Filter, Priority
from coachsim.scenario import Scenario
from coachsim.server.accounts import Account
from coachsim.server.app import Server
from coachsim.server.site import Options
from tests.browser.auditing import Audit, Look
from tests.browser.conftest import PageLog
from tests.browser.keyboard import round_trip
from tests.browser.marks import IN_A_BROWSER
from tests.browser.narrow import DESKTOP_AT_200_PERCENT, PHONE, TABLET, TABLET_AT_200_PERCENT, fits
from tests.browser.setting_clocks import clock_to_set
from tests.browser.walking import (
    GOING,
    LINE_DOWN,
    ROSTER,
    VOILA,
    Cable,
    button,
    choose,
    enter_as_supervisor,
    filter_team,
    inbox,
    is_live,
    log_in,
    row,
    sign_in,
    toast,
    write,
)
from tests.serving import password_hash
from tests.unit.days_of import LUNCH, message

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]

IN, BREAK = AgentState.LOGGED_IN, AgentState.BREAK
SECOND = 1_000_000
DANA = "a001"
DESK_SIZES = (TABLET, DESKTOP_AT_200_PERCENT, TABLET_AT_200_PERCENT, PHONE)
WEEKDAY = ROSTER.parent / "scenarios" / "weekday.toml"
SMALL = {
    "name": "Small",
    "floor": {"agents": 40, "teams": 4},
    "shifts": [{"start": "09:00"}],
    "absence": 0.1,
    "breaks": [LUNCH],
    "messages": [message("10:00", key="briefing"), message("16:50", key="late", expires_after_min=20)],
}


@pytest.fixture
def audit(record_property):
    """Fails the test at its end if axe found anything; what it looked at is told at the end of all tests."""
    audit = Audit()
    yield audit
    record_property("axe", [[one.state, one.look, one.passed, one.undecided] for one in audit.seen])
    assert audit.violations == []


@pytest.fixture(scope="module")
def set_forward():
    """Sets the server's clock forward."""
    with clock_to_set() as set_forward:
        yield set_forward


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory, set_forward):
    """The project's roster, some of it logged in or on a break, three messages sent and partly read."""
    folder = tmp_path_factory.mktemp("accessible")
    settings = 'floor_name = "Leeds floor"\ntoast_seconds = 120\n'
    (folder / "settings.toml").write_text(settings, encoding="utf-8")
    (folder / "scenarios").mkdir()
    Scenario.from_dict(SMALL).save(folder / "scenarios" / "small.toml")
    server = await Server.start(Options(folder, port=0))
    host = server.site.host
    people = [agent for agent in roster.load(ROSTER) if agent.active]
    await host.do(Floor.set_agents, people, actor="admin")
    for name, role, agent_id in (
        ("sup", "supervisor", None),
        ("ana", "analyst", None),
        ("tara", "trainer", None),
        ("dana", "agent", DANA),
    ):
        server.site.accounts.add(Account(name, frozenset({role}), None, agent_id), password_hash(), actor="test")
    present = [agent.agent_id for agent in people[1:40]]
    for n, agent_id in enumerate(present):
        if n % 3:
            await host.do(Floor.connect, agent_id, actor=agent_id)
        await host.do(Floor.set_state, agent_id, IN, actor=agent_id)
        if n % 5 == 0:
            await host.do(Floor.set_state, agent_id, BREAK, actor=agent_id, reason="Lunch")
    await send(server, "Fire drill at 15:00 today.", Audience(everyone=True))
    await send(server, "New script from today.", Audience(filter=Filter(team=("Blue",))), ack_required=True)
    await send(server, "Please call me back.", Audience(agents=tuple(present[:3])), priority=Priority.URGENT)
    for agent_id in present[::2]:
        await host.do(Floor.open_inbox, agent_id, actor=agent_id)
    yield server
    await server.stop()


async def send(server: Server, body: str, audience: Audience, **more: object) -> None:
    """From a supervisor to these agents."""
    await server.site.host.do(Floor.send, Draft(audience, body, request_id=body, **more), actor="k.jones")


async def window(browser: Browser, log: PageLog, width: int = 1440, height: int = 1200) -> Page:
    """A window so high that little lies outside it: of what is not on the screen axe cannot tell the contrast."""
    log.expect(*VOILA, *GOING)
    context = await browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    context.set_default_timeout(60_000)
    log.watch(context)
    return await context.new_page()


async def test_setting_up_and_the_start_of_a_practice_floor(tmp_path: Path, browser, page_log, audit):
    page_log.expect("422 (Unprocessable Entity)", "503")
    page = await window(browser, page_log)
    new = await Server.start(Options(tmp_path / "new", port=0, desk=False))
    await page.goto(new.url)
    await audit.look_at(page, "start page, no account yet")
    await page.goto(f"{new.url}/setup?token={new.site.setup_token}")
    await audit.look_at(page, "set-up")
    await fits(page, PHONE)
    await page.get_by_label("Name").fill("two words")
    await page.get_by_label("Password").fill("long enough for it")
    await page.get_by_role("button", name="Make the account").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await audit.look_at(page, "set-up, refused")
    await new.stop()

    practice = await Server.start(Options(tmp_path / "practice", port=0, practice=WEEKDAY, speed=1.0))
    await page.goto(practice.url)
    await audit.look_at(page, "start page, practice")
    await enter_as_supervisor(page)
    await expect(page.get_by_text("You are in as supervisor.")).to_be_visible()
    await audit.look_at(page, "start page, practice, entered")
    await fits(page, PHONE)
    seat = await page.get_by_role("link", name="Take the seat of").get_attribute("href")
    await page.goto(f"{practice.url}/coaching?agent={seat.partition('=')[2]}")
    await is_live(page)
    await expect(page.get_by_role("link", name="Take seat of").first).to_be_visible()
    await audit.look_at(page, "coaching, practice floor")
    await page.goto(practice.url + seat)
    await expect(page.locator("#state")).to_have_text("logged in")
    await audit.look_at(page, "agent, a seat")
    await page.context.close()
    await practice.stop()


async def test_signing_in_the_password_and_what_does_not_exist(server, browser, page_log, audit):
    page_log.expect("401 (Unauthorized)", "403 (Forbidden)", "404 (Not Found)")
    page = await window(browser, page_log)
    await page.goto(server.url)
    await audit.look_at(page, "start page, signed out")
    await page.goto(f"{server.url}/login")
    await audit.look_at(page, "sign-in")
    await sign_in(page, server.url, "sup", "/", password="not this one")
    await expect(page.get_by_role("alert")).to_be_visible()
    await audit.look_at(page, "sign-in, refused")
    await fits(page, PHONE)
    await sign_in(page, server.url, "sup", "/")
    await expect(page.get_by_role("link", name="Coaching")).to_be_visible()
    await audit.look_at(page, "start page, signed in")
    await fits(page, PHONE)
    await page.goto(f"{server.url}/password")
    await audit.look_at(page, "password")
    await fits(page, PHONE)
    for field in ("Password now", "New password", "New password again"):
        await page.get_by_label(field, exact=True).fill("not this one")
    await page.get_by_role("main").get_by_role("button", name="Change password").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await audit.look_at(page, "password, refused")
    for path, state in (("/nothing", "not found"), ("/agent", "not allowed")):
        await page.goto(server.url + path)
        await audit.look_at(page, state)
    await page.context.close()


async def test_the_agents_page(server, set_forward, browser, page_log, audit):
    page_log.expect(*LINE_DOWN)
    async with Cable(int(server.url.rsplit(":", 1)[1])) as cable:
        page = await window(browser, page_log, 1100, 620)
        await sign_in(page, cable.url, "dana", "/agent")
        await expect(page.get_by_text("You are logged out.")).to_be_visible()
        await audit.look_at(page, "agent, logged out")
        await log_in(page)
        await expect(toast(page, "unread messages")).to_be_visible()
        await toast(page, "unread messages").hover()
        await audit.look_at(page, "agent, logged in, toast of a summary")
        await fits(page, PHONE)
        to_dana, now = Audience(agents=(DANA,)), server.site.host.now()
        await send(server, "Normal, and asks to confirm.", to_dana, ack_required=True)
        until = now + 280 * SECOND  # long enough to be read on a busy machine
        await send(server, "Urgent, for a short while.", to_dana, priority=Priority.URGENT, expires_at=until)
        await expect(page.locator(".toast")).to_have_count(3)
        await audit.look_at(page, "agent, toasts normal and urgent")
        await fits(page, PHONE)

        await page.get_by_role("button", name="Status menu").click()
        await audit.look_at(page, "agent, menu")
        await page.get_by_role("menuitem", name="Break").click()
        await audit.look_at(page, "agent, menu, reasons")
        await page.get_by_role("menuitem", name="Other…").click()
        await audit.look_at(page, "agent, menu, a reason of one's own")
        await fits(page, PHONE)
        for _ in range(3):
            await page.keyboard.press("Escape")
        await choose(page, "View coach messages")
        await expect(inbox(page).get_by_role("listitem").last).to_contain_text("Urgent")
        await audit.look_at(page, "agent, dialog, new messages")
        await fits(page, PHONE)
        await inbox(page).get_by_role("button", name="Confirm").last.click()
        await expect(inbox(page)).to_contain_text("Confirmed")
        set_forward(280)
        await expect(inbox(page)).to_contain_text("expired")
        await audit.look_at(page, "agent, dialog, confirmed and expired")
        await inbox(page).get_by_role("button", name="Close").click()
        await expect(toast(page, "Not confirmed yet")).to_be_visible()
        await audit.look_at(page, "agent, toast of the page's own")
        await choose(page, "Break", "Lunch")
        await expect(page.locator("#state")).to_have_text("break · Lunch")
        await audit.look_at(page, "agent, on a break")

        cable.cut()
        await expect(page.get_by_text("Offline: reconnecting…")).to_be_visible()
        await choose(page, "Back")
        await expect(page.get_by_role("alert")).to_contain_text("could not be reached")
        lines = (
            "button => { const all = new Range(); all.selectNodeContents(button); return all.getClientRects().length }"
        )
        assert await page.get_by_role("alert").get_by_role("button", name="Close").evaluate(lines) == 1
        await audit.look_at(page, "agent, offline, a change refused")
        await fits(page, PHONE)
        await page.context.close()


async def test_the_coaching_page(server, browser, page_log, audit):
    page_log.expect("503")  # the desk is still coming up
    dana = server.site.host.floor.agents[DANA].agent
    page = await window(browser, page_log)
    await sign_in(page, server.url, "sup", "/coaching")
    await is_live(page)
    await audit.look_at(page, "coaching, nothing chosen")
    await button(page, "Filter").click()
    await audit.look_at(page, "coaching, filter choices")
    await fits(page, *DESK_SIZES)
    await page.keyboard.press("Escape")
    await filter_team(page, dana.team)
    await write(page, "Please mention the renewal offer.")
    await audit.look_at(page, "coaching, filtered")
    await page.get_by_role("checkbox", name=f"Select team {dana.team}").check()
    await audit.look_at(page, "coaching, a team selected")
    await fits(page, *DESK_SIZES)
    await row(page, dana.name).click()
    await button(page, f"Send to {dana.name}").click()
    dialog = page.get_by_role("dialog")
    await expect(button(dialog, "OK")).to_be_enabled()
    await audit.look_at(page, "coaching, asked about one agent")
    await button(dialog, "Cancel").click()
    await page.get_by_role("button", name=re.compile("Send to all")).click()
    await expect(button(dialog, "OK")).to_be_enabled()
    await dialog.get_by_text("Show the names").click()
    await audit.look_at(page, "coaching, asked about many, names shown")
    await fits(page, *DESK_SIZES)
    await button(dialog, "OK").click()
    await expect(page.get_by_text("✓ Sent to")).to_be_visible()
    await audit.look_at(page, "coaching, sent")
    script = page.get_by_role("article").filter(has_text="New script")
    await script.get_by_role("button").click()
    await expect(script.get_by_role("region", name="Recipients")).to_be_visible()
    await audit.look_at(page, "coaching, deliveries and curve")
    await fits(page, *DESK_SIZES)
    await page.locator("details.menu summary").click()
    await audit.look_at(page, "coaching, account menu")
    await fits(page, *DESK_SIZES)
    await page.context.close()


async def test_the_coaching_pages_templates_and_troubles(server, browser, page_log, audit):
    page_log.expect(*LINE_DOWN)
    dana = server.site.host.floor.agents[DANA].agent
    async with Cable(int(server.url.rsplit(":", 1)[1])) as cable:
        page = await window(browser, page_log)
        await sign_in(page, cable.url, "sup", "/coaching")
        await is_live(page)
        await filter_team(page, dana.team)
        await look_at_the_templates(page, audit)
        await page.get_by_role("searchbox", name="Search agents").fill("nobody of this name")
        await expect(page.get_by_text("No agent matches.")).to_be_visible()
        await page.get_by_role("button", name="More", exact=True).click()
        await page.get_by_label("expires at").fill("03:01")
        await write(page, "Too late.")
        await page.get_by_role("searchbox", name="Search agents").fill("")
        await row(page, dana.name).click()
        await button(page, f"Send to {dana.name}").click()
        await expect(page.get_by_role("alert")).to_contain_text("Choose a later time")
        await audit.look_at(page, "coaching, refused")
        cable.cut()
        line = page.get_by_role("status", name="Connection")
        await expect(line).to_have_text("reconnecting …", timeout=60_000)
        await audit.look_at(page, "coaching, reconnecting")
        await page.context.close()


async def look_at_the_templates(page: Page, audit: Audit) -> None:
    """One is kept, looked at, put into the message box, refused, and deleted."""
    opener, dialog = page.locator(".texts summary"), page.get_by_role("dialog")
    await write(page, "Hello")
    await opener.click()
    await expect(page.get_by_text("None yet")).to_be_visible()
    await audit.look_at(page, "coaching, templates, none yet")
    await button(page, "Save this as a template …").click()
    await dialog.get_by_label("Text").fill("Good morning {nobody}")
    await button(dialog, "Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("There is no placeholder")
    await audit.look_at(page, "coaching, a template refused")
    await dialog.get_by_label("Text").fill("Good morning {team}")
    await dialog.get_by_role("checkbox", name="shared").check()
    await button(dialog, "Save").click()
    await expect(dialog).to_have_count(0)
    await opener.click()
    await button(page, "Manage templates …").click()
    await button(dialog, "Edit Hello").click()
    await dialog.get_by_label("Text").fill("Good afternoon {team}")
    await button(dialog, "Save").click()
    await button(dialog, "Edit Hello").click()
    await dialog.get_by_text("Earlier versions").click()
    await audit.look_at(page, "coaching, a template with its versions")
    await fits(page, *DESK_SIZES)
    await button(dialog, "Cancel").click()
    await expect(button(dialog, "Delete Hello")).to_be_visible()
    await audit.look_at(page, "coaching, all templates")
    await button(dialog, "Close").click()
    await write(page, "")
    await opener.click()
    kept = page.locator(".texts").get_by_role("button", name=re.compile("^Hello"))
    await expect(kept).to_be_visible()
    await audit.look_at(page, "coaching, templates")
    await fits(page, *DESK_SIZES)
    await kept.click()
    await expect(page.locator(".fills")).to_be_visible()
    await audit.look_at(page, "coaching, a template in the box")
    await opener.click()
    await button(page, "Manage templates …").click()
    await button(dialog, "Delete Hello").click()
    await dialog.get_by_text("Deleted (1)").click()
    await audit.look_at(page, "coaching, a deleted template")
    await button(dialog, "Close").click()
    await write(page, "")


async def test_the_message_log_page(server, browser, page_log, audit):
    page_log.expect("503")
    page = await window(browser, page_log)
    await sign_in(page, server.url, "ana", "/message_log")

    async def drawn(look: Look) -> None:
        await expect(page.locator(".desk")).to_have_attribute("aria-busy", "false", timeout=60_000)
        ink = {"light": "#5a6675", "dark": "#a9b5c3"}[look]
        await expect(page.locator(".role-axis-label text").first).to_have_attribute("fill", ink, timeout=60_000)

    await expect(page.get_by_role("article", name="Sent")).to_contain_text("messages", timeout=180_000)
    await audit.look_at(page, "message log, unread and lost", drawn)
    await fits(page, *DESK_SIZES)
    for tab in ("Time to read", "Load and presence"):
        await page.get_by_role("tab", name=tab).click()
        await audit.look_at(page, f"message log, {tab.lower()}", drawn)
    await page.get_by_role("region", name="Messages").get_by_role("row").nth(1).get_by_role("button").click()
    one = page.get_by_role("region", name="Message", exact=True)
    await expect(one.locator("svg.marks").first).to_be_visible(timeout=60_000)
    await audit.look_at(page, "message log, a message", drawn)
    await fits(page, *DESK_SIZES)
    await page.locator("details.menu summary").click()
    await audit.look_at(page, "message log, choice of teams", drawn)
    await page.keyboard.press("Escape")
    await expect(page.locator("details.menu summary")).to_be_focused()
    await page.set_viewport_size({"width": 1240, "height": 620})
    assert await round_trip(page) >= 10
    await page.context.close()


async def test_the_what_if_page(server, browser, page_log, audit):
    page_log.expect("503")
    page = await window(browser, page_log)
    await sign_in(page, server.url, "tara", "/what_if")

    async def drawn(look: Look) -> None:
        ink = {"light": "#5a6675", "dark": "#a9b5c3"}[look]
        await expect(page.locator(".role-axis-label text").first).to_have_attribute("fill", ink, timeout=60_000)

    await expect(page.get_by_label("Scenario")).to_be_visible(timeout=180_000)
    await audit.look_at(page, "what if, at its start")
    await page.get_by_label("Scenario").select_option("Today's floor")
    await expect(page.get_by_text("which supervisors and analysts may read")).to_be_visible(timeout=60_000)
    await audit.look_at(page, "what if, today's floor refused")
    await page.get_by_label("Scenario").select_option("Small")
    await page.get_by_label("Message", exact=True).select_option("late")
    await page.get_by_label("Breaks", exact=True).select_option("in waves")
    await expect(page.locator(".side")).to_have_attribute("aria-busy", "false", timeout=60_000)
    for words in ("Attention", "In words", "By team, as a table", "Agents most often missed"):
        await page.get_by_text(words, exact=True).click()
    await audit.look_at(page, "what if, results", drawn)
    await fits(page, *DESK_SIZES)
    await page.get_by_label("Send at, exactly").fill("26:00")
    await page.get_by_label("Send at, exactly").press("Enter")
    await expect(page.get_by_role("alert")).to_be_visible()
    await audit.look_at(page, "what if, an impossible value", drawn)
    await page.set_viewport_size({"width": 1240, "height": 620})
    assert await round_trip(page) >= 10
    await page.context.close()


async def test_the_desk_not_answering(server, browser, page_log, audit):
    """The last one: the desk does not come back."""
    page_log.expect("503 (Service Unavailable)")
    await server.desk.stop()
    page = await window(browser, page_log)

    async def without_refresh(route):
        answer = await route.fetch()
        await route.fulfill(response=answer, headers={**answer.headers, "refresh": ""})

    await page.route("**/desk/**", without_refresh)  # it would come again while axe is at work
    await sign_in(page, server.url, "sup", "/coaching")
    await expect(page.get_by_role("heading", name="The desk is not answering")).to_be_visible()
    await audit.look_at(page, "the desk is not answering")
    await page.context.close()
