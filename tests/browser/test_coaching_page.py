"""The coaching page in a real browser, through the front door, Voila and a kernel, on a real floor."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from coachsim.floor import Floor
from coachsim.models import Agent, AgentState
from coachsim.server.accounts import Account, hash_password
from coachsim.server.app import Server
from coachsim.server.site import Options
from tests.browser.auditing import Audit
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import GOING, VOILA, filter_team, sign_in

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]

PASSWORD = "correct horse battery"
IN, BREAK, OUT = AgentState.LOGGED_IN, AgentState.BREAK, AgentState.LOGGED_OUT
TEAMS = ("Amber", "Blue", "Green", "Violet", "Slate")


def people() -> list[Agent]:
    """250 agents in five teams of 50; a007 is the only Dana Reyes."""
    agents = []
    for n in range(1, 251):
        name = "Dana Reyes" if n == 7 else f"Agent {n:03}"
        campaign = "Renewals" if n % 2 else "Spring"
        agents.append(Agent(f"a{n:03}", name, TEAMS[n % 5], (campaign,), (f"List {n % 3 + 1}",), ("Inbound",)))
    return agents


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    (folder / "settings.toml").write_text('floor_name = "Leeds floor"\n', encoding="utf-8")
    server = await Server.start(Options(folder, port=0))
    host = server.site.host
    await host.do(Floor.set_agents, people(), actor="admin")
    for agent_id in ("a007", "a002"):
        await host.do(Floor.connect, agent_id, actor=agent_id)
        await host.do(Floor.set_state, agent_id, IN, actor=agent_id)
    server.site.accounts.add(
        Account("sup", frozenset({"supervisor"}), None, None), hash_password(PASSWORD), actor="test"
    )
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def page(server, browser, page_log) -> Page:
    """The coaching page, live. Voila's bundle and newer extensions warn about each other's versions."""
    page_log.expect(*VOILA, *GOING, "503")
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(60_000)
    page_log.watch(context)
    page = await context.new_page()
    await signed_in(server, page)
    await is_live(page)
    yield page
    await context.close()


async def signed_in(server: Server, page: Page) -> None:
    await sign_in(page, server.url, "sup", "/coaching", PASSWORD)


async def is_live(page: Page) -> None:
    await expect(page.get_by_role("status", name="Connection")).to_have_text("live", timeout=180_000)
    await expect(page.get_by_text("agents in the list")).to_be_visible()


def grid(page: Page) -> Locator:
    return page.get_by_role("grid", name="Agents")


def message_box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message", exact=True)


def button(where: Page | Locator, name: str) -> Locator:
    return where.get_by_role("button", name=name, exact=True)


async def until(holds: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


def newest(server: Server):
    floor = server.site.host.floor
    return floor.messages[max(floor.messages)]


async def test_the_whole_floor_is_listed_but_only_the_rows_in_view_are_in_the_document(page) -> None:
    await expect(grid(page)).to_have_attribute("aria-rowcount", "256")  # heading, 5 teams, 250 agents
    assert await grid(page).get_by_role("row").count() < 60
    await expect(page.get_by_text("250 of 250 agents in the list")).to_be_visible()
    await expect(page.get_by_text("Leeds floor")).to_be_visible()
    assert await page.title() == "Coaching"
    await grid(page).evaluate("grid => { grid.scrollTop = grid.scrollHeight }")
    await expect(grid(page).get_by_role("row", name=re.compile("Agent 248"))).to_be_visible()
    await page.get_by_role("searchbox", name="Search agents").fill("dana r")
    await expect(page.get_by_text("1 of 250 agents in the list")).to_be_visible()


async def test_one_agent_is_told_by_name_once_and_the_page_moves_when_they_read(server, page) -> None:
    await page.get_by_role("searchbox", name="Search agents").fill("Dana")
    await grid(page).get_by_role("row", name=re.compile("Dana Reyes")).click()
    body = "Well <b>done</b>\n\u202eשלום\u202c 🎉 " + "Ｗ" * 100
    await message_box(page).fill(body)
    before = len(server.site.host.floor.messages)
    await button(page, "Send to Dana Reyes").click()
    dialog = page.get_by_role("dialog", name="Send to Dana Reyes?")
    await expect(dialog).to_contain_text("who is logged in now")
    assert await dialog.locator("blockquote").inner_text() == body
    await button(dialog, "OK").dblclick()
    await expect(page.get_by_text("Sent to Dana Reyes")).to_be_visible()
    await expect(message_box(page)).to_have_value("")
    assert len(server.site.host.floor.messages) == before + 1
    assert newest(server).message.body == body

    card = page.get_by_role("article").first
    await expect(card).to_contain_text("Well <b>done</b>")
    assert await card.locator(".body").inner_text() == body
    await expect(card).to_contain_text("0 of 1 read")
    await card.get_by_role("button", name=re.compile("recipients")).click()
    table = card.get_by_role("region", name="Recipients")
    await expect(table).to_contain_text("notified, not read")
    await server.site.host.do(Floor.open_inbox, "a007", actor="a007")
    await expect(card).to_contain_text("1 of 1 read")
    await expect(table.get_by_role("cell", name="read", exact=True)).to_be_visible()


async def test_a_group_by_filters_and_a_changed_filter_drops_what_it_hides(server, page) -> None:
    everyone = button(page, "Send to all 250 in list")
    await message_box(page).fill("Queue is long until noon.")
    await expect(everyone).to_be_disabled()
    await page.get_by_role("checkbox", name="everyone").check()
    await expect(everyone).to_be_enabled()
    await page.get_by_role("checkbox", name="everyone").uncheck()

    await grid(page).get_by_role("checkbox", name="Select team Amber").check()
    await expect(button(page, "Send to 50 selected")).to_be_enabled()
    await button(page, "Filter").click()
    choices = page.get_by_role("group", name="Filter choices")
    await choices.get_by_role("checkbox", name="Blue", exact=True).check()
    await choices.get_by_role("checkbox", name="Spring", exact=True).check()
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("25 of 250 agents in the list")).to_be_visible()
    await expect(button(page, "Send to selected")).to_be_disabled()

    await button(page, "Send to all 25 in list").click()
    dialog = page.get_by_role("dialog", name="Send to 25 agents?")
    await dialog.get_by_text("Show the names").click()
    await expect(dialog.get_by_role("group").get_by_role("listitem")).to_have_count(25)
    await button(dialog, "Cancel").click()
    await expect(message_box(page)).to_have_value("Queue is long until noon.")
    await button(page, "Send to all 25 in list").click()
    await button(dialog, "OK").click()
    await expect(page.get_by_text("Sent to 25 agents")).to_be_visible()
    assert newest(server).message.audience.filter.given == {"campaign": ("Spring",), "team": ("Blue",)}
    await button(page, "Remove filter Team: Blue").click()
    await expect(page.get_by_text("125 of 250 agents in the list")).to_be_visible()


async def test_with_a_search_the_audience_is_these_very_agents(server, page) -> None:
    await button(page, "Filter").click()
    await page.get_by_role("group", name="Filter choices").get_by_role("checkbox", name="Green", exact=True).check()
    await page.keyboard.press("Escape")
    await page.get_by_role("searchbox", name="Search agents").fill("Agent 01")
    await message_box(page).fill("You two.")
    await button(page, "Send to all 2 in list").click()
    await button(page.get_by_role("dialog"), "OK").click()
    await expect(page.get_by_text("Sent to 2 agents")).to_be_visible()
    assert newest(server).message.audience.agents == ("a012", "a017")


async def test_an_audience_that_changed_is_shown_again_and_nothing_was_sent(server, page) -> None:
    host = server.site.host
    await button(page, "Filter").click()
    choices = page.get_by_role("group", name="Filter choices")
    await choices.get_by_role("checkbox", name="logged in", exact=True).check()
    await page.keyboard.press("Escape")
    await message_box(page).fill("To those here.")
    await page.get_by_role("button", name=re.compile(r"Send to all \d+ in list")).click()
    dialog = page.get_by_role("dialog")
    await expect(button(dialog, "OK")).to_be_enabled()
    before = len(host.floor.messages)
    await host.do(Floor.set_state, "a003", IN, actor="a003")
    await button(dialog, "OK").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Nothing was sent")
    assert len(host.floor.messages) == before
    await button(dialog, "OK").click()
    await expect(page.get_by_text("✓ Sent to")).to_be_visible()
    assert len(host.floor.messages) == before + 1 and "a003" in newest(server).deliveries


async def test_what_was_typed_chosen_and_selected_survives_a_reload_and_an_error(page) -> None:
    await page.get_by_role("searchbox", name="Search agents").fill("Dana")
    await grid(page).get_by_role("row", name=re.compile("Dana Reyes")).click()
    await message_box(page).fill("Half a thought")
    await page.get_by_role("button", name="More", exact=True).click()
    await page.get_by_label("expires at").fill("03:01")  # after the night's clear-down, whatever the time is now
    await button(page, "Send to Dana Reyes").click()
    await expect(page.get_by_role("alert")).to_contain_text("Choose a later time")
    await page.reload()
    await is_live(page)
    await expect(message_box(page)).to_have_value("Half a thought")
    await expect(button(page, "Send to Dana Reyes")).to_be_enabled()


async def test_the_keyboard_is_enough(server, page) -> None:
    await page.get_by_role("searchbox", name="Search agents").focus()
    await page.keyboard.press("Tab")
    await expect(grid(page)).to_be_focused()
    for key in ("ArrowDown", "ArrowDown", "Space", "Shift+ArrowDown", "Shift+ArrowDown"):
        await page.keyboard.press(key)
    await expect(button(page, "Send to 3 selected")).to_be_visible()
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    await message_box(page).focus()
    await page.keyboard.type("By hand")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name=re.compile("^Send to Agent"))).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(button(page.get_by_role("dialog"), "OK")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("✓ Sent to Agent")).to_be_visible()
    assert newest(server).message.body == "By hand"


async def test_a_session_that_ends_elsewhere_is_said_and_the_text_stays(server, page, page_log) -> None:
    # A font that was still on its way is answered with the sign-in.
    page_log.expect("401", "403", "Failed to decode downloaded font", "OTS parsing error")
    await message_box(page).fill("Not sent yet")
    server.site.sessions.end_all_of(["sup"])
    await expect(page.get_by_role("link", name="sign in again")).to_be_visible(timeout=30_000)
    await expect(message_box(page)).to_have_value("Not sent yet")


async def test_who_has_not_read_it_is_told_again_by_hand_and_both_are_one_row(server, page):
    host = server.site.host
    await host.do(Floor.connect, "a012", actor="a012")
    await host.do(Floor.set_state, "a012", IN, actor="a012")
    await filter_team(page, "Green")
    await grid(page).get_by_role("row", name=re.compile("Agent 002")).click()
    await grid(page).get_by_role("row", name=re.compile("Agent 012")).click(modifiers=["Control"])
    await message_box(page).fill("Use the new form")
    await page.get_by_label("ask to confirm").check()
    await page.get_by_label("Confirm by").fill("02:59")
    await page.get_by_role("button", name="More", exact=True).click()
    await page.get_by_label("remind those who have not read it").select_option("after 20 min")
    await page.get_by_role("button", name="Send to 2 selected").click()
    dialog = page.get_by_role("dialog", name="Send to 2 agents?")
    await expect(dialog).to_contain_text("asks to confirm by 02:59 · reminds after 20 min unread, at most twice")
    await dialog.get_by_role("button", name="OK").click()
    card = page.get_by_role("article").filter(has_text="Use the new form")
    await expect(card).to_contain_text("confirm by 02:59 · reminds after 20 min")
    await expect(card).to_contain_text("0 of 2 confirmed · 2 could have read it · 0 not in since")
    await expect(page.get_by_label("remind those who have not read it")).to_have_value("0")
    await host.do(Floor.open_inbox, "a012", actor="a012")
    await expect(card).to_contain_text("1 of 2 read")
    await card.get_by_role("button", name=re.compile("recipients and read curve")).click()
    await card.get_by_role("button", name="Remind the 1 who has not read it").click()
    dialog = page.get_by_role("dialog", name="Send to Agent 002?")
    await expect(dialog).to_contain_text("Use the new form")
    await dialog.get_by_role("button", name="OK").click()
    await expect(card).to_have_count(1)
    await expect(card).to_contain_text(re.compile(r"reminded \d\d:\d\d \(1\)"))
    assert [row.message.reminds is not None for row in host.floor.messages.values()][-1]
    await host.do(Floor.open_inbox, "a002", actor="a002")
    await expect(card).to_contain_text("2 of 2 read")
    await expect(card.get_by_role("button", name=re.compile("^Remind the"))).to_have_count(0)


async def test_a_message_is_scheduled_shown_until_it_goes_out_and_can_be_withdrawn(server, page):
    audit = Audit()
    host = server.site.host
    await host.do(Floor.set_state, "a003", IN, actor="a003")
    await filter_team(page, "Violet")
    for body in ("See you all", "Not needed after all"):
        await message_box(page).fill(body)
        await button(page, "Send to all 50 in list").click()
        dialog = page.get_by_role("dialog", name="Send to 50 agents?")
        await expect(button(dialog, "OK")).to_be_focused()
        send = dialog.get_by_label("Send when")
        if body == "See you all":
            await send.select_option("when enough are logged in")
            await dialog.get_by_label("Per cent logged in").fill("4")
        else:
            await send.select_option("at a time")
            await expect(dialog.get_by_label("Day and time to send at")).to_have_value(re.compile(r"^\d{4}-\d\d-\d\dT"))
        await expect(dialog).to_contain_text("It can be withdrawn until it goes out.")
        await audit.look_at(page, f"coaching, {body}")
        await button(dialog, "OK").press("Enter")
        await expect(page.get_by_text("✓ Scheduled")).to_be_visible()
        await expect(message_box(page)).to_have_value("")
    rows = page.get_by_role("list", name="Scheduled").get_by_role("listitem")
    await expect(rows).to_have_count(2)
    await expect(rows.filter(has_text="See you all")).to_contain_text("Goes out when 4 % are logged in, until")
    await audit.look_at(page, "coaching, scheduled")

    await rows.get_by_role("button", name="Withdraw: Not needed after all").press("Enter")
    await expect(button(rows, "Yes, withdraw")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(1)
    await host.do(Floor.set_state, "a008", IN, actor="a008")
    await expect(page.get_by_role("article").filter(has_text="See you all")).to_contain_text("of 50 read")
    await expect(rows).to_have_count(0)
    assert newest(server).message.body == "See you all"
    assert audit.violations == []


async def test_a_plain_send_takes_no_key_more_than_before(server, page):
    await page.get_by_role("searchbox", name="Search agents").fill("Dana")
    await grid(page).get_by_role("row", name=re.compile("Dana Reyes")).click()
    await message_box(page).fill("As ever")
    await button(page, "Send to Dana Reyes").press("Enter")
    dialog = page.get_by_role("dialog", name="Send to Dana Reyes?")
    await expect(dialog.get_by_label("Send when")).to_have_value("now")
    await expect(button(dialog, "OK")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Sent to Dana Reyes")).to_be_visible()
    await until(lambda: newest(server).message.body == "As ever")


GIVEN_UP = """
if (Number(sessionStorage.getItem('loads') ?? 0) < TIMES) document.addEventListener('DOMContentLoaded', () => {
  if (!document.getElementById('rendered_cells')) return;
  sessionStorage.setItem('loads', Number(sessionStorage.getItem('loads') ?? 0) + 1);
  const failed = document.createElement('div');
  failed.className = 'jupyter-widgets';
  failed.textContent = 'Error displaying widget: model not found';
  setTimeout(() => document.getElementById('rendered_cells').append(failed));
});
"""


@pytest.mark.parametrize("times", [1, 2])
async def test_a_page_whose_widget_was_given_up_loads_again_once_and_then_says_so(server, browser, page_log, times):
    page_log.expect(*VOILA, *GOING, "503")
    context = await browser.new_context(locale="en-GB")
    context.set_default_timeout(60_000)
    page_log.watch(context)
    page = await context.new_page()
    await page.add_init_script(GIVEN_UP.replace("TIMES", str(times)))
    await signed_in(server, page)
    await expect(page.get_by_role("grid", name="Agents")).to_be_visible()
    assert await page.evaluate("sessionStorage.getItem('loads')") == str(times)
    await expect(page.get_by_text("The page did not come up")).to_be_visible(visible=times == 2)
    await expect(page.get_by_text("model not found")).to_have_count(0)
    await context.close()
