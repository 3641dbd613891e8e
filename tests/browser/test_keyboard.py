"""What supervisors and agents do all day, with key presses alone: the focus is seen, goes back, and is never held."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import PageLog
from tests.browser.keyboard import press, round_trip, shown, tab_to
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import Walk, button, inbox, is_live, list_fetched, toast, walking
from tests.serving import PASSWORD, add_account

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]
EWAN = "a001"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walk(tmp_path_factory, browser):
    log = PageLog()
    async with walking(tmp_path_factory.mktemp("keyboard"), browser, log) as walk:
        add_account(walk.data, "ewan", "agent", agent_id=EWAN)
        yield walk
    assert log.unexpected == []


async def signed_in_by_keys(walk: Walk, name: str, path: str) -> Page:
    """A window, and a sign-in without a pointer."""
    context = await walk.browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    context.set_default_timeout(60_000)
    walk.log.watch(context)
    page = await context.new_page()
    await page.goto(f"{walk.url}/login?next={path}")
    await expect(page.get_by_label("Name")).to_be_focused()
    await page.keyboard.type(name)
    await press(page, "Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    return page


async def test_a_supervisors_day_by_keyboard(walk):
    page = await signed_in_by_keys(walk, "sup", "/coaching")
    await is_live(page)

    # Filter: the choices open, get the focus, and give it back.
    filters = button(page, "Filter")
    choices = page.get_by_role("group", name="Filter choices")
    await tab_to(filters)
    await press(page, "Enter")
    await expect(choices.get_by_role("checkbox").first).to_be_focused()
    await tab_to(choices.get_by_role("checkbox", name="Blue", exact=True))
    await press(page, "Space", "Escape")
    await expect(filters).to_be_focused()
    await expect(choices).to_be_hidden()
    await expect(page.get_by_text("25 of 250 agents in the list")).to_be_visible()
    await press(page, "Enter")
    await tab_to(page.get_by_role("grid", name="Agents"))
    await expect(choices).to_be_hidden()  # it would lie on what has the focus now

    # Search, and select two of those found.
    await tab_to(page.get_by_role("searchbox", name="Search agents"), "Shift+Tab")
    await page.keyboard.type("a")
    await press(page, "Tab")
    grid = page.get_by_role("grid", name="Agents")
    await expect(grid).to_be_focused()
    await press(page, "ArrowDown", "Space", "ArrowDown", "Space")
    send = button(page, "Send to 2 selected")
    active = page.locator(f'[id="{await grid.get_attribute("aria-activedescendant")}"]')
    assert await active.evaluate("(row) => parseFloat(getComputedStyle(row).outlineWidth)") >= 2

    # Write and send; Escape asks for nothing and goes back to the button.
    await tab_to(page.get_by_role("textbox", name="Message", exact=True))
    await page.keyboard.type("By keyboard alone.")
    await tab_to(send)
    await press(page, "Enter")
    dialog = page.get_by_role("dialog", name="Send to 2 agents?")
    await expect(button(dialog, "OK")).to_be_focused()
    assert await round_trip(page, "dialog") >= 3
    await tab_to(dialog.locator("summary"), "Shift+Tab")
    await press(page, "Enter")
    await expect(dialog.get_by_role("list", name="Names").get_by_role("listitem")).to_have_count(2)
    await press(page, "Escape")
    await expect(dialog).to_have_count(0)
    await expect(send).to_be_focused()
    assert walk.sent("By keyboard alone.") == []
    await press(page, "Enter")
    await expect(button(dialog, "OK")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("✓ Sent to 2 agents")).to_be_visible()
    await expect(page.get_by_role("textbox", name="Message", exact=True)).to_be_focused()
    await shown(page)
    assert len(walk.sent("By keyboard alone.")) == 1

    # Open the message to its deliveries.
    article = page.get_by_role("article").filter(has_text="By keyboard alone.")
    fold = article.get_by_role("button", name=re.compile("recipients"))
    await tab_to(fold)
    await press(page, "Enter")
    recipients = article.get_by_role("region", name="Recipients")
    await expect(recipients).to_be_visible()  # the kernel has answered
    await tab_to(recipients)
    await tab_to(fold, "Shift+Tab")
    await press(page, "Enter")
    await expect(recipients).to_have_count(0)
    await expect(fold).to_be_focused()

    # All around the page and back, then out of it.
    assert await round_trip(page) >= 10
    account = page.locator("details.menu summary")
    await tab_to(account)
    await press(page, "Enter", "Tab", "Escape")
    await expect(account).to_be_focused()
    await press(page, "Enter")
    await tab_to(button(page, "Sign out"))
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Name")).to_be_focused()
    await page.context.close()


async def test_an_agents_day_by_keyboard(walk):
    page = await signed_in_by_keys(walk, "ewan", "/agent")
    status = page.get_by_role("button", name="Status menu")
    menu = page.get_by_role("menu")
    state = page.locator("#state")
    await expect(status).to_be_enabled()
    await tab_to(status)
    await press(page, "Enter")
    await expect(menu.get_by_role("menuitem", name="Log in")).to_be_focused()
    async with list_fetched(page):
        await page.keyboard.press("Enter")
    await expect(state).to_have_text("logged in")
    await expect(status).to_be_focused()
    await shown(page)

    with walk.served.client("sup") as sup:
        draft = {"audience": {"agents": [EWAN]}, "ack_required": True}
        for body in ("Please confirm this.", "And this."):
            sup.post("/api/messages", json=draft | {"body": body, "request_id": body}).raise_for_status()

    # One toast is dismissed, the other leads to the dialog; closing it leads back.
    await expect(page.locator(".toast")).to_have_count(2)
    await tab_to(toast(page, "Please confirm this.").get_by_role("button", name="Dismiss"))
    await press(page, "Enter")
    await expect(toast(page, "Please confirm this.")).to_have_count(0)
    await expect(toast(page, "And this.").get_by_role("button", name="Open")).to_be_focused()
    await tab_to(status, "Shift+Tab")
    await press(page, "ArrowDown")
    await expect(menu.get_by_role("menuitem", name="View coach messages")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(inbox(page)).to_be_focused()
    await shown(page)
    for n in (1, 2):
        confirm = inbox(page).get_by_role("button", name="Confirm").first
        await tab_to(confirm)
        await press(page, "Enter")
        await expect(inbox(page).get_by_text(re.compile(r"^Confirmed \d\d:\d\d"))).to_have_count(n)
        assert await page.evaluate("document.activeElement.closest('[role=dialog]') !== null")
    assert await round_trip(page) >= 4  # the page under the dialog too: it holds nobody
    await tab_to(inbox(page).get_by_role("button", name="Close"))
    await page.keyboard.press("Enter")
    await expect(inbox(page)).to_be_hidden()
    await expect(status).to_be_focused()
    await shown(page)

    # A break with a reason of one's own, and back.
    await press(page, "Enter", "ArrowDown")
    await expect(menu.get_by_role("menuitem", name="Break")).to_be_focused()
    await press(page, "ArrowRight")
    await expect(menu.get_by_role("menuitem", name="Lunch")).to_be_focused()
    await press(page, "End", "ArrowUp", "Enter")
    await expect(page.get_by_label("Reason", exact=True)).to_be_focused()
    await page.keyboard.type("Dentist")
    await page.keyboard.press("Enter")
    await expect(state).to_have_text("break · Dentist")
    await expect(status).to_be_focused()
    await press(page, "Enter", "ArrowDown")
    await expect(menu.get_by_role("menuitem", name="Back")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(state).to_have_text("logged in")
    await press(page, "Enter")
    while not await menu.get_by_role("menuitem", name="Sign out").evaluate("(item) => item === document.activeElement"):
        await press(page, "ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Name")).to_be_focused()
    await page.context.close()
