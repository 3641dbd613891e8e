"""When to send, in the confirmation: at lunch on a practice floor, where the time after it is advised and chosen."""

from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from coachsim.days import to_datetime
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.models import AgentState, Audience, Draft
from coachsim.server.app import Server
from coachsim.server.site import Options
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import enter_as_supervisor, picture

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]

WEEKDAY = Path(__file__).parents[2] / "data" / "scenarios" / "weekday.toml"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory):
    """A floor on which it is half past twelve, and time goes on as on the wall."""
    folder = tmp_path_factory.mktemp("advice")
    text = WEEKDAY.read_text(encoding="utf-8").replace('"../roster.csv"', f'"{WEEKDAY.parents[1] / "roster.csv"}"')
    (folder / "lunch.toml").write_text(text.replace('practice_from = "10:30"', 'practice_from = "12:30"'))
    server = await Server.start(Options(folder / "data", port=0, practice=folder / "lunch.toml", speed=1.0))
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def page(server, browser, page_log) -> Page:
    page_log.expect("Unsatisfied version", "No satisfying version", "503", "mathjax", "404 (Not Found)", "Cannot send")
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(60_000)
    page_log.watch(context)
    page = await context.new_page()
    await page.goto(server.url)
    await enter_as_supervisor(page)
    await expect(page.get_by_text("You are in as supervisor.")).to_be_visible()
    await page.goto(f"{server.url}/coaching")
    await expect(page.get_by_role("status", name="Connection")).to_have_text("live", timeout=180_000)
    yield page
    await context.close()


async def write(page: Page, text: str) -> None:
    await page.get_by_role("checkbox", name="everyone").check()
    await page.get_by_role("textbox", name="Message", exact=True).fill(text)


async def ask(page: Page):
    await page.get_by_role("button", name=re.compile("^Send to all")).click()
    return page.get_by_role("dialog")


def on_a_break(host: FloorHost) -> set[str]:
    return {agent_id for agent_id, row in host.floor.agents.items() if row.state is AgentState.BREAK}


async def test_at_lunch_the_better_time_is_said_and_one_click_schedules_it_for_these_very_people(server, page):
    host = server.site.host
    await page.get_by_role("button", name="Filter", exact=True).click()
    choices = page.get_by_role("group", name="Filter choices")
    await choices.get_by_role("checkbox", name=re.compile("break")).check()
    await choices.get_by_role("button", name="Done").click()
    await page.get_by_role("textbox", name="Message", exact=True).fill("The new price list counts from today")
    before = on_a_break(host)
    dialog = await ask(page)
    said = dialog.locator(".advice")
    await expect(said).to_contain_text(
        re.compile(r"Now, 0 of \d+ logged in: expect \d+ % \(\d+–\d+\) read by \d\d:\d\d")
    )
    await expect(said).to_contain_text("half of all within")
    await expect(said).to_contain_text(
        "Based on the last 20 days like this one. How agents notice and read: as in the scenario Weekday."
    )
    await picture(page, "advice")
    later = said.get_by_role("button", name=re.compile(r"Send at \d\d:\d\d"))
    time = (await later.inner_text()).removeprefix("Send at ")
    await later.click()
    await expect(dialog.get_by_label("Send when")).to_have_value("at")
    await expect(dialog.get_by_label("Day and time to send at")).to_have_value(re.compile(f"T{time}$"))
    await dialog.get_by_role("button", name="OK").click()
    await expect(page.get_by_text("✓ Scheduled")).to_be_visible()
    (row,) = host.floor.schedules.values()
    assert to_datetime(row.when.release_at, ZoneInfo("Europe/London")).strftime("%H:%M") == time
    # Some may have gone or come back since they were counted; by that time others will be on a break.
    assert before & on_a_break(host) <= {*row.draft.audience.agents}
    assert row.draft.audience.filter is None


async def test_a_time_to_confirm_by_says_who_will_be_in_before_it(page):
    await write(page, "Please confirm")
    await page.get_by_label("ask to confirm").check()
    await page.get_by_label("Confirm by").fill("17:00")
    dialog = await ask(page)
    said = dialog.locator(".advice")
    await expect(said).to_contain_text(
        re.compile(r"read by 17:00.*Logged in before 17:00: \d+ surely.*hardly \(.* and \d+ more\)", re.DOTALL)
    )
    await dialog.get_by_role("button", name="Cancel").click()


async def test_the_read_curve_ends_at_the_floors_time_not_the_walls(page):
    card = page.get_by_role("article").filter(has_text="Card payments work again")  # of 11:52
    await card.get_by_role("button", name=re.compile("recipients and read curve")).click()
    await expect(card.locator("svg text").last).to_have_text(re.compile("^12:[345][0-9]$"))


async def test_ok_does_not_wait_for_the_advice(server, page):
    await write(page, "At once")
    adviser = server.site.adviser
    async with adviser._one_at_a_time:  # as long as this is held, no advice is given
        dialog = await ask(page)
        await expect(dialog.locator(".advice")).to_have_text("Working out what to expect …")
        await dialog.get_by_role("button", name="OK").click()
        await expect(page.get_by_text("✓ Sent to 250 agents")).to_be_visible()


@pytest.mark.parametrize("height", [900, 560], ids=["a usual window", "a low window"])
async def test_what_is_clicked_stays_under_the_pointer_when_the_advice_comes(server, page, height):
    await page.set_viewport_size({"width": 1440, "height": height})
    await write(page, f"Under the pointer, {height}")
    async with server.site.adviser._one_at_a_time:
        dialog = await ask(page)
        await expect(dialog.locator(".advice")).to_have_text("Working out what to expect …")
        ok = dialog.get_by_role("button", name="OK")
        await expect(ok).to_be_focused()
        names = dialog.get_by_text("Show the names")
        before, before_names = await ok.bounding_box(), await names.bounding_box()
        tall = (await dialog.bounding_box())["height"]
        await page.mouse.move(before["x"] + 4, before["y"] + 4)
        await page.mouse.down()
    await expect(dialog.locator(".advice")).to_contain_text("Based on")
    assert (await dialog.bounding_box())["height"] > tall  # the advice did need room
    assert (await ok.bounding_box(), await names.bounding_box()) == (before, before_names)
    await page.mouse.up()
    await expect(page.get_by_text("✓ Sent to 250 agents")).to_be_visible()


async def test_one_message_too_many_is_warned_of_once(server, page):
    host = server.site.host
    for number in range(23):
        draft = Draft(audience=Audience(agents=("a001",)), body=f"Number {number}", request_id=f"many {number}")
        await host.do(Floor.send, draft, actor="supervisor")
    await write(page, "And another")
    dialog = await ask(page)
    said = dialog.locator(".advice")
    await expect(said).to_contain_text("one of them has had more than 22 messages today")
    await picture(page, "advice-load")
    await dialog.get_by_role("button", name="OK").click()
    await expect(page.get_by_text("✓ Sent to 250 agents")).to_be_visible()
    await write(page, "And one more")
    dialog = await ask(page)
    await expect(said).to_contain_text("from about 22 on they are noticed less")
    await expect(said).not_to_contain_text("had more than")
