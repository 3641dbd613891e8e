"""The what-if page in a real browser, through the front door, Voila and a kernel; and in JupyterLab."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from coachsim.scenario import Scenario
from coachsim.server.accounts import Account, hash_password
from coachsim.server.app import Server
from coachsim.server.site import Options
from tests.browser.conftest import PageLog
from tests.browser.jupyterlab import lab, shown_in
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import GOING, VOILA
from tests.unit.days_of import LUNCH, message

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]
__all__ = ["lab"]  # the fixture

PASSWORD = "correct horse battery"
NO_MESSAGES = {"name": "Quiet", "floor": {"agents": 5, "teams": 1}, "shifts": [{"start": "09:00"}]}
SMALL = NO_MESSAGES | {
    "name": "Small",
    "floor": {"agents": 40, "teams": 4},
    "absence": 0.1,
    "breaks": [LUNCH],
    "messages": [message("10:00", key="briefing"), message("16:50", key="late", expires_after_min=20)],
}
ABSENT = SMALL | {"name": "Absent", "absence": 1.0}
IN_THE_KERNEL = """
from coachsim import Scenario, WhatIfPage

WhatIfPage(Scenario.load("small.toml"))
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("what-if")
    (folder / "scenarios").mkdir()
    for values in (NO_MESSAGES, SMALL, ABSENT):
        Scenario.from_dict(values).save(folder / "scenarios" / f"{values['name'].lower()}.toml")
    (folder / "scenarios" / "broken.toml").write_text("name = ", encoding="utf-8")
    server = await Server.start(Options(folder, port=0))
    account = Account("tara", frozenset({"trainer"}), None, None)
    server.site.accounts.add(account, hash_password(PASSWORD), actor="test")
    yield server
    await server.stop()


async def opened(server, browser, page_log, look: str) -> Page:
    """The what-if page in a window of its own, on the scenario Small, with its first results and curves."""
    page_log.expect(*VOILA, *GOING, "503")
    context = await browser.new_context(viewport={"width": 1240, "height": 900}, locale="en-GB", color_scheme=look)
    context.set_default_timeout(60_000)
    page_log.watch(context)
    page = await context.new_page()
    await page.goto(f"{server.url}/login?next=/")
    await page.get_by_label("Name").fill("tara")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="What if").click()
    await page.get_by_label("Scenario").select_option("Small", timeout=180_000)
    await expect(page.get_by_label("Message", exact=True)).to_have_value("briefing")
    await done(page)
    await drawn(page)
    return page


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(server, browser):
    """One page for the tests that leave it as it was: opening it takes most of their time."""
    log = PageLog()
    page = await opened(server, browser, log, "light")
    yield page
    await page.context.close()
    assert log.unexpected == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(shared) -> Page:
    """The shared page, with nothing moved."""
    await shared.get_by_label("Message", exact=True).select_option("briefing")
    back = shared.get_by_role("button", name="Back to A")
    if await back.is_enabled():
        await back.click()
    await done(shared)
    return shared


async def done(page: Page) -> None:
    """Waits until what is shown is what was asked for."""
    await expect(page.locator(".side")).to_have_attribute("aria-busy", "false", timeout=60_000)
    await expect(page.get_by_role("status", name="Progress")).to_have_text(re.compile(r"replications · seed"))


async def drawn(page: Page) -> None:
    """Waits until the curves are there, as wide as their place."""
    await expect(page.get_by_role("img", name="Read curves").locator("svg.marks")).to_have_attribute(
        "width", re.compile(r"^[4-9]\d\d|^1\d{3}"), timeout=180_000
    )


async def lines(page: Page) -> list[str]:
    """The curves as they are drawn."""
    found = page.get_by_role("img", name="Read curves").locator("g.mark-line path")
    return [await found.nth(n).get_attribute("d") or "" for n in range(await found.count())]


async def figure(page: Page, name: str) -> str:
    return await page.get_by_role("article", name=name).inner_text()


async def test_a_slider_moves_and_so_do_the_figures_and_the_curves(page):
    assert "100 replications · seed 1 · same people, same days" in await page.locator("header.top").inner_text()
    before, curves = await figure(page, "Median time to read"), await lines(page)
    assert "A " not in before, "as planned, there is nothing to compare with"
    assert len(curves) == 2
    slider = page.get_by_role("slider", name="Send at")
    await slider.focus()
    for _ in range(13):
        await page.keyboard.press("ArrowRight")
    await expect(page.get_by_label("Send at, exactly")).to_have_value("11:05")
    await done(page)
    await expect(page.get_by_text("B: 11:05", exact=True)).to_be_visible()
    after = await figure(page, "Median time to read")
    assert re.search(r"A [\d.]+ (s|min|h) · (no change|[+−][\d.]+ ± [\d.]+)", after), after
    await expect(page.locator("g.mark-line path").nth(1)).not_to_have_attribute("d", curves[1])
    # With the keyboard alone, back to where it was.
    await page.get_by_role("button", name="Back to A").press("Enter")
    await done(page)
    assert await figure(page, "Median time to read") == before


async def test_an_impossible_value_is_refused_and_named_and_what_is_shown_is_marked_as_old(page):
    before = await figure(page, "Lost unread")
    await page.get_by_label("Send at, exactly").fill("26:00")
    await page.get_by_label("Send at, exactly").press("Enter")
    await expect(page.get_by_role("alert")).to_have_text(re.compile("^Send at: write a time of day as HH:MM"))
    await page.get_by_label("Toast seconds, exactly").fill("-3")
    await expect(page.get_by_role("alert").filter(has_text="Toast seconds: ")).to_be_visible()
    await expect(page.locator(".side")).to_have_attribute("aria-busy", "true")
    await expect(page.get_by_role("button", name="Download results")).to_be_disabled()
    assert await figure(page, "Lost unread") == before
    await page.get_by_role("button", name="Back to A").click()
    await done(page)
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_who_is_missed_by_team_and_by_name(page):
    await page.get_by_label("Message", exact=True).select_option("late")
    await done(page)
    missed = page.get_by_role("region", name="Who is missed")
    await expect(missed.locator("svg.marks")).to_contain_text("Team 1")
    await missed.get_by_text("By team, as a table").click()
    await expect(missed.get_by_role("row", name=re.compile(r"Team 1 \d+\.\d % · [\d,]+ of 1,000 "))).to_be_visible()
    await missed.get_by_text("Agents most often missed").click()
    agents = missed.get_by_role("row", name=re.compile(r"^Agent \d+ Team \d \d+ of 100 \d+ of 100"))
    await expect(agents).to_have_count(25)
    await page.get_by_text("In words").click()
    await expect(page.get_by_text(re.compile(r"^B: read \d+% within 5 minutes"))).to_be_visible()


async def test_the_difference_is_drawn_over_another_span(page):
    await page.get_by_label("Send at, exactly").fill("11:05")
    await page.get_by_label("Send at, exactly").press("Enter")
    await page.get_by_label("Shown", exact=True).select_option("difference")
    await page.get_by_label("Time shown").select_option("4 hours")
    curves = page.get_by_role("img", name="Read curves")
    await expect(curves).to_contain_text("240 min")
    await expect(curves).to_contain_text("B minus A, percentage points")


async def test_every_control_has_a_name_and_the_page_fits_a_narrow_window(page):
    await page.get_by_label("Breaks", exact=True).select_option("in waves")
    await page.get_by_text("Attention", exact=True).click()
    unnamed = await page.evaluate(
        """() => [...document.querySelectorAll('.whatif input, .whatif select, .whatif button')]
            .filter((one) => !one.getAttribute('aria-label') && !one.labels?.length && !one.textContent.trim())
            .map((one) => one.outerHTML)"""
    )
    assert unnamed == []
    await page.set_viewport_size({"width": 430, "height": 900})
    plot = page.get_by_role("img", name="Read curves").locator("svg.marks")
    await expect(plot).to_have_attribute("width", re.compile(r"^3\d\d"))
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    await page.set_viewport_size({"width": 1240, "height": 900})
    await page.get_by_text("Attention", exact=True).click()


async def test_the_variant_and_the_results_are_files(page, tmp_path: Path):
    await page.get_by_label("Send at, exactly").fill("11:05")
    await page.get_by_label("Send at, exactly").press("Enter")
    await page.get_by_text("Attention", exact=True).click()
    await expect(page.get_by_text("These numbers are assumptions")).to_be_visible()
    await page.get_by_label("Bells never looked at").fill("20")
    await page.get_by_label("Replications").fill("30")
    await page.get_by_label("Seed").fill("7")
    await expect(page.get_by_text("A: as planned, other attention")).to_be_visible()
    await done(page)
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Save scenario").click()
    saved = await saving.value
    assert saved.suggested_filename == "small-11-05-other-attention.toml"
    await saved.save_as(tmp_path / "saved.toml")
    variant = Scenario.from_dict(tomllib.loads((tmp_path / "saved.toml").read_text(encoding="utf-8")))
    assert variant.messages[0].at == "11:05" and variant.attention.bell_never == 0.2
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download results").click()
    await (await downloading.value).save_as(tmp_path / "results.csv")
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["replications"], row["seed"]) for row in rows} == {("30", "7")}
    assert {row["variant"] for row in rows} == {"", "A", "B", "B-A"}
    # A reload keeps what was set.
    await page.reload()
    await expect(page.get_by_label("Send at, exactly")).to_have_value("11:05", timeout=180_000)
    await expect(page.get_by_label("Seed")).to_have_value("7")


async def test_in_the_dark_days_without_a_reader_without_a_message_and_a_broken_file(server, browser, page_log):
    page = await opened(server, browser, page_log, "dark")
    await expect(page.locator(".whatif")).to_have_css("color-scheme", "dark")
    label = page.get_by_role("img", name="Read curves").locator("svg.marks text").first
    await expect(label).to_have_attribute("fill", "#a9b5c3")
    await page.get_by_label("Scenario").select_option("Absent")
    await expect(page.get_by_role("article", name="Lost unread")).to_contain_text("100.0 %")
    await expect(page.get_by_role("article", name="Median time to read")).to_contain_text("not read by enough")
    await page.get_by_label("Scenario").select_option("broken.toml")
    await expect(page.get_by_text("broken.toml is not valid TOML")).to_be_visible()
    await expect(page.get_by_role("button", name="Save scenario")).to_be_disabled()
    await page.get_by_label("Scenario").select_option("Quiet")
    await expect(page.get_by_text("This scenario sends no message")).to_be_visible()
    await expect(page.get_by_role("slider", name="Send at")).to_have_count(0)
    await expect(page.get_by_role("article", name="Lost unread")).to_contain_text("nothing was sent")
    await expect(page.get_by_text("Nothing was sent, so nothing could be missed.")).to_be_visible()
    await page.context.close()


async def test_the_same_page_in_jupyterlab_with_files_and_without_another_host(lab, tmp_path, browser):
    Scenario.from_dict(SMALL).save(tmp_path / "small.toml")
    async with shown_in(lab, tmp_path, browser, IN_THE_KERNEL) as page:
        await expect(page.get_by_role("heading", name="What if")).to_be_visible(timeout=60_000)
        await done(page)
        await drawn(page)
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="Download results").click()
        assert (await downloading.value).suggested_filename == "small-what-if.csv"
        sent_at = page.get_by_label("Send at, exactly")
        before = await page.get_by_label("Send at", exact=True).input_value()
        await sent_at.fill("11:05")
        await sent_at.press("Enter")  # which JupyterLab takes for itself
        await expect(sent_at).to_be_focused()
        await expect(page.get_by_label("Send at", exact=True)).not_to_have_value(before)
