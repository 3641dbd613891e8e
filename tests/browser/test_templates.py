"""Templates on the coaching page: save one, use it, see it filled in or refused, take an old version back."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import PageLog
from tests.browser.keyboard import press, tab_to
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import button, card, confirm, filter_team, select, until, walking, write

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]
EWAN, NAOMI = "a001", "a002"
TEXT = "Hello {name} of {team}, it is {time}. {{ok}}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walk(tmp_path_factory, browser):
    log = PageLog()
    async with walking(tmp_path_factory.mktemp("templates"), browser, log) as walk:
        yield walk
        assert log.unexpected == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sup(walk):
    return await walk.supervisor()


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Message", exact=True)


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


async def menu(page: Page) -> Locator:
    """The menu, opened and filled."""
    opened = page.locator(".texts details.pop")
    await opened.locator("summary").click()
    await expect(button(opened, "Manage templates …")).to_be_visible()
    return opened


def text(opened: Locator, begins: str) -> Locator:
    """A template of the menu by its title, or a text that was sent."""
    return opened.get_by_role("button", name=re.compile(f"^{re.escape(begins)}"))


async def test_nothing_is_fetched_before_the_menu_is_opened_and_a_text_is_kept(walk, sup):
    ewan = walk.people[EWAN]
    said = walk.ask("/api/templates")["templates"]
    assert said == []
    await write(sup, "Braces: {ok}")
    opened = await menu(sup)
    await expect(opened).to_contain_text("None yet")
    await button(opened, "Save this as a template …").click()
    await expect(dialog(sup).get_by_label("Text")).to_have_value("Braces: {{ok}}")
    await dialog(sup).get_by_label("Title").fill("Greeting")
    await dialog(sup).get_by_label("Text").fill(TEXT.replace("{time}", "{tiem}"))
    await button(dialog(sup), "Save").click()
    await expect(dialog(sup).get_by_role("alert")).to_contain_text("There is no placeholder {tiem}")
    await dialog(sup).get_by_label("Text").fill(TEXT)
    await button(dialog(sup), "Save").click()
    await expect(sup.get_by_text("Saved as the template Greeting")).to_be_visible()
    await expect(dialog(sup)).to_have_count(0)
    await expect(box(sup)).to_have_value("Braces: {ok}")
    (kept,) = walk.ask("/api/templates")["templates"]
    assert (kept["title"], kept["body"], kept["shared"], kept["owner"]) == ("Greeting", TEXT, False, "sup")
    assert walk.ask("/api/templates", "red")["templates"] == []

    # A plain message with braces goes out as it was typed.
    await select(sup, ewan)
    await button(sup, f"Send to {ewan.name}").click()
    await confirm(sup, f"Send to {ewan.name}?")
    await until(lambda: walk.sent("Braces: {ok}"), "the message as it was typed")


async def test_a_template_is_filled_in_for_whoever_is_selected_when_it_is_sent(walk, sup):
    ewan, naomi = walk.people[EWAN], walk.people[NAOMI]
    await select(sup, ewan)
    await text(await menu(sup), "Greeting").click()
    await expect(box(sup)).to_have_value(TEXT)
    await expect(box(sup)).to_be_focused()
    await expect(sup.get_by_text("are filled in for whoever you send it to")).to_be_visible()
    await select(sup, naomi)
    await button(sup, f"Send to {naomi.name}").click()
    asked = sup.get_by_role("dialog", name=f"Send to {naomi.name}?")
    quote = asked.locator("blockquote")
    await expect(quote).to_have_text(re.compile(rf"^Hello {naomi.name} of Blue, it is \d\d:\d\d\. {{ok}}$"))
    shown = await quote.inner_text()
    await button(asked, "OK").click()
    await expect(card(sup, shown)).to_be_visible()
    assert list(walk.deliveries(shown)) == [NAOMI]
    await expect(box(sup)).to_have_value("")
    await expect(sup.get_by_text("are filled in for whoever")).to_have_count(0)


async def test_what_cannot_be_filled_in_is_refused_before_it_is_sent_and_stays_in_the_box(walk, sup):
    before = len(walk.ask("/api/messages")["messages"])
    await filter_team(sup, "Blue")
    await text(await menu(sup), "Greeting").click()
    everyone = sup.get_by_role("button", name=re.compile("Send to all 25 in list"))
    await everyone.click()
    refusal = "{name} can be filled in for one agent, and this is for 25."
    await expect(sup.get_by_role("alert")).to_contain_text(refusal)
    await expect(dialog(sup)).to_have_count(0)
    await expect(box(sup)).to_have_value(TEXT)
    await box(sup).fill("All of {team} at {time}")
    await everyone.click()
    asked = sup.get_by_role("dialog", name="Send to 25 agents?")
    await expect(asked.locator("blockquote")).to_have_text(re.compile(r"^All of Blue at \d\d:\d\d$"))
    await asked.get_by_label("Send when").select_option(label="when enough are logged in")
    await button(asked, "OK").click()
    await expect(asked.get_by_role("alert")).to_contain_text("{time} is filled in now, and this goes out later.")
    await button(asked, "Cancel").click()
    assert walk.ask("/api/schedules")["schedules"] == []
    assert len(walk.ask("/api/messages")["messages"]) == before

    # What is put after it is text, braces and all; without braces the box is no template any more.
    await box(sup).fill("{team}:")
    await text(await menu(sup), "Braces: {ok}").click()
    await expect(box(sup)).to_have_value("{team}:\nBraces: {{ok}}")
    await box(sup).fill("")
    await text(await menu(sup), "Braces: {ok}").click()
    await expect(box(sup)).to_have_value("Braces: {ok}")
    await expect(sup.get_by_text("are filled in for whoever")).to_have_count(0)
    await box(sup).fill("")


async def test_a_template_is_shared_changed_by_another_taken_back_deleted_and_brought_back(walk, sup):
    await button(await menu(sup), "Manage templates …").click()
    await button(dialog(sup), "Edit Greeting").click()
    await dialog(sup).get_by_role("checkbox", name="shared with all who may send").check()
    await button(dialog(sup), "Save").click()
    await expect(dialog(sup).get_by_role("list", name="Templates")).to_contain_text("shared")
    await button(dialog(sup), "Close").click()

    red = await walk.supervisor("red")
    await button(await menu(red), "Manage templates …").click()
    await expect(dialog(red).get_by_role("list", name="Templates")).to_contain_text("shared by sup")
    await button(dialog(red), "Edit Greeting").click()
    await expect(dialog(red).get_by_role("checkbox")).to_be_disabled()
    await dialog(red).get_by_label("Text").fill("Hi {name}")
    await button(dialog(red), "Save").click()
    await expect(button(dialog(red), "Edit Greeting")).to_be_visible()

    await button(await menu(sup), "Manage templates …").click()
    await button(dialog(sup), "Edit Greeting").click()
    await expect(dialog(sup).get_by_label("Text")).to_have_value("Hi {name}")
    await dialog(sup).get_by_text("Earlier versions (2)").click()
    await dialog(sup).get_by_role("button", name=re.compile("Bring back the version of")).first.click()
    await expect(dialog(sup).get_by_label("Text")).to_have_value(TEXT)
    # Meanwhile it is changed once more: nothing of that is overwritten.
    await button(dialog(red), "Edit Greeting").click()
    await dialog(red).get_by_label("Title").fill("Welcome")
    await button(dialog(red), "Save").click()
    await expect(button(dialog(red), "Edit Welcome")).to_be_visible()
    await button(dialog(sup), "Save").click()
    await expect(dialog(sup).get_by_role("alert")).to_contain_text("red has changed this template meanwhile")
    await button(dialog(sup), "Cancel").click()
    await button(dialog(sup), "Delete Welcome").click()
    await expect(dialog(sup)).to_contain_text("There are no templates yet")
    await dialog(sup).get_by_text("Deleted (1)").click()
    await button(dialog(sup), "Bring back Welcome").click()
    await expect(button(dialog(sup), "Edit Welcome")).to_be_visible()
    await button(dialog(sup), "Close").click()
    (kept,) = walk.ask("/api/templates", "red")["templates"]
    versions = walk.ask(f"/api/templates/{kept['template_id']}")["versions"]
    assert [(one["version"], one["changed_by"], one["hidden"]) for one in versions] == [
        (6, "sup", False), (5, "sup", True), (4, "red", False), (3, "red", False), (2, "sup", False), (1, "sup", False)
    ]  # fmt: skip


async def test_all_of_it_with_the_keyboard(walk, sup):
    await sup.reload()
    await expect(box(sup)).to_be_visible(timeout=180_000)
    opener = sup.locator(".texts summary")
    await expect(opener).to_be_visible()
    await box(sup).focus()
    await tab_to(opener, "Shift+Tab")
    await press(sup, "Enter")
    welcome = sup.locator(".texts").get_by_role("button", name=re.compile("^Welcome"))
    await expect(welcome).to_be_visible()
    await press(sup, "Escape")
    await expect(opener).to_be_focused()
    await expect(welcome).to_be_hidden()
    await press(sup, "Enter")
    await expect(welcome).to_be_visible()
    await tab_to(button(sup, "Manage templates …"))
    await press(sup, "Enter")
    await expect(button(dialog(sup), "Close")).to_be_focused()
    await tab_to(button(dialog(sup), "Edit Welcome"), "Shift+Tab")
    await press(sup, "Enter")
    await expect(dialog(sup).get_by_label("Title")).to_be_focused()
    await press(sup, "Escape")
    await expect(button(dialog(sup), "Close")).to_be_focused()
    await press(sup, "Escape")
    await expect(dialog(sup)).to_have_count(0)
    await expect(opener).to_be_focused()
