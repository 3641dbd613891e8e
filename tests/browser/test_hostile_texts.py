"""Names, groups and messages that are markup, scripts, odd directions or endless: every page shows them as they are.

One floor has them all, and a person goes from page to page. What is compared is the text that stands on the page.
"""

from __future__ import annotations

import asyncio
import csv
import time
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from coachsim import roster
from coachsim.models import Agent
from coachsim.scenario import Scenario
from tests.browser.conftest import PageLog
from tests.browser.marks import IN_A_BROWSER
from tests.browser.test_message_log import done as log_done
from tests.browser.test_message_log import drawn as log_drawn
from tests.browser.test_what_if import done as what_if_done
from tests.browser.test_what_if import drawn as what_if_drawn
from tests.browser.walking import Walk, button, card, inbox, is_live, log_in, toast, walking, write
from tests.serving import DEADLINE_S, add_account

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]

SCRIPT = "<script>alert(1)</script>"
IMAGE = "<img src=x onerror=alert(1)>"
QUOTES = "The \"A\", 'B' & &lt C"
BRACES = "{{ 7*7 }} ${7*7} \\u0041 %s"
TURNED = "\u202eteerts yrreh\u2066"
STACKED = unicodedata.normalize("NFC", "Z\u0300\u0301\u0302\u0323\u0324o\u0308e\u0301 👩🏽‍🚀👨‍👩‍👧 🏴‍☠️")
WIDE = "Ｗ" * roster.MAX_NAME
LONG = "長" * roster.MAX_NAME
PROTO, MAKER, TELLER = "__proto__", "constructor", "toString"
PEOPLE = [
    Agent(PROTO, SCRIPT, PROTO, (MAKER, IMAGE), (TELLER,), (QUOTES,)),
    Agent(MAKER, TURNED, IMAGE, (MAKER,), ("hasOwnProperty",), (BRACES,)),
    Agent(TELLER, STACKED, QUOTES, (TURNED,), (PROTO, LONG), ("valueOf",)),
    Agent("a4", WIDE, LONG, (LONG,), (SCRIPT,), (PROTO,)),
]
BODY = f"{SCRIPT}{IMAGE} {BRACES} {QUOTES}\n\u202eשלום\u202c عربي\u200f\n{STACKED}"
ENDLESS = "Ｗ" * 1_000
#: An account may have the name of what every JavaScript object knows.
SENDER = MAKER
SCENARIO = f"{IMAGE} {QUOTES} {BRACES}"
KEY = "<marquee>key</marquee> __proto__"
#: What of these texts could be found in a document if one of them had become more than text.
INJECTED = "img[src='x'], [onerror], marquee, script"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walk(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Any:
    data = tmp_path_factory.mktemp("hostile")
    people = data / "hostile.csv"
    people.write_text(roster.write(PEOPLE), encoding="utf-8")
    (data / "settings.toml").write_text(f"floor_name = '''{IMAGE} & {TURNED}'''\n", encoding="utf-8")
    (data / "scenarios").mkdir()
    planned = {"key": KEY, "body": BODY, "at": "10:00", "to": {"filter": {"team": [team.team for team in PEOPLE]}}}
    about = {"name": SCENARIO, "description": BODY, "floor": {"roster": str(people)}, "absence": 0.3}
    made = Scenario.from_dict(about | {"shifts": [{"start": "09:00"}], "messages": [planned]})
    made.save(data / "scenarios" / "hostile.toml")
    log = PageLog()
    add_account(data, SENDER, "supervisor", "trainer", teams=None)
    async with walking(data, browser, log, csv=people) as walk:
        yield walk
    assert log.unexpected == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desk(walk: Walk) -> Page:
    """The coaching page."""
    page = await opened(walk, SENDER, "/coaching")
    await is_live(page)
    return page


async def opened(walk: Walk, name: str, path: str) -> Page:
    """A window in which nothing may ask anything of the person, as a script that runs would."""
    page = await walk.window(name, path)
    watched(walk, page)
    return page


def watched(walk: Walk, page: Page) -> None:
    async def close(dialog: Any) -> None:
        walk.log.complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    page.on("dialog", close)


async def only_text(page: Page) -> None:
    """Nothing in the page is of the markup in these texts."""
    own = (
        "(all, script) => all.map((one) => one.outerHTML).filter((one) => !one.startsWith('<script') || one === script)"
    )
    assert await page.locator(INJECTED).evaluate_all(own, SCRIPT) == []


async def texts(found: Locator) -> list[str]:
    """What stands there, to the character."""
    return [text or "" for text in await found.evaluate_all("all => all.map((one) => one.textContent)")]


async def shows(found: Locator, wanted: set[str]) -> None:
    """Waits until these texts stand there, and no other."""
    end = time.monotonic() + DEADLINE_S
    while (seen := set(await texts(found))) != wanted:
        assert time.monotonic() < end, f"{seen} stands there, not {wanted}"
        await asyncio.sleep(0.05)


async def text_of(found: Locator) -> str:
    (text,) = await texts(found)
    return text


async def test_the_list_and_the_filter_know_every_name_and_a_filter_selects_its_agents(desk: Page):
    grid = desk.get_by_role("grid", name="Agents")
    rows = grid.locator(".cg-row:not(.cg-team):not(.cg-head):not([hidden])")
    await expect(rows).to_have_count(len(PEOPLE))
    await shows(rows.locator(".cg-name"), {agent.name for agent in PEOPLE})
    heads = grid.locator(".cg-team:not([hidden]) .cg-name")
    await shows(heads, {agent.team for agent in PEOPLE})

    await button(desk, "Filter").click()
    choices = desk.get_by_role("group", name="Filter choices")
    for kind in ("campaign", "list", "team", "queue"):
        groups = {group for agent in PEOPLE for group in agent.groups(kind)}
        await shows(choices.locator(f"label:has([data-kind={kind}]) .cg-value"), groups)
        for group in sorted(groups):
            box = choices.locator(f"[data-kind={kind}]").and_(choices.get_by_label(group, exact=True))
            await choices.locator(f"[data-kind={kind}]").evaluate_all(
                "(all, value) => all.find((one) => one.dataset.value === value).click()", group
            )
            members = {agent.name for agent in PEOPLE if group in agent.groups(kind)}
            await expect(desk.get_by_text(f"{len(members)} of {len(PEOPLE)} agents in the list")).to_be_visible()
            await shows(rows.locator(".cg-name"), members)
            await shows(desk.locator(".cg-chip > span:first-child"), {f"{kind.capitalize()}: {group}"})
            assert await box.count() <= 1
            await button(choices, "Clear all").click()
    await button(choices, "Done").click()
    await only_text(desk)


async def test_a_message_to_a_hostile_group_arrives_and_is_shown_as_it_was_written(walk: Walk, desk: Page):
    for agent in PEOPLE:
        add_account(walk.data, f"as-{agent.agent_id}", "agent", agent_id=agent.agent_id)
    page = await opened(walk, f"as-{PROTO}", "/agent")
    await expect(page.locator("#state-text")).to_have_text("logged out")
    assert await text_of(page.locator("#who")) == f"{SCRIPT} · {PROTO}"
    await log_in(page)

    for body, kind, group, names in (
        (BODY, "campaign", MAKER, [SCRIPT, TURNED]),
        (ENDLESS, "team", PROTO, [SCRIPT]),
    ):
        await button(desk, "Filter").click()
        choices = desk.get_by_role("group", name="Filter choices")
        await button(choices, "Clear all").click()
        await choices.locator(f'[data-kind={kind}][data-value="{group}"]').check()
        await button(choices, "Done").click()
        await write(desk, body)
        await expect(desk.locator(".compose .chip")).to_contain_text(group)
        await button(desk, f"Send to all {len(names)} in list").click()
        dialog = desk.get_by_role("dialog")
        await expect(button(dialog, "OK")).to_be_enabled()
        assert await text_of(dialog.locator("blockquote")) == body
        if len(names) == 1:
            assert await text_of(dialog.locator("h2")) == f"Send to {names[0]}?"
        else:
            assert group in await text_of(dialog.locator(".to"))
            assert set(await texts(dialog.locator(".names li"))) == set(names)
        await only_text(desk)
        await button(dialog, "OK").click()
        await expect(dialog).to_have_count(0)

        shown = toast(page, body.splitlines()[0][:30])
        await expect(shown.locator(".toast-text")).to_be_visible()
        assert await text_of(shown.locator(".toast-text")) == body
        assert await text_of(shown.locator("bdi")) == SENDER
        sent = desk.get_by_role("article").first
        await expect(sent.locator(".body")).to_have_text(body)
        assert await text_of(sent.locator(".body")) == body
        await expect(sent.locator(".chip")).to_contain_text(group)
        await sent.get_by_role("button", name="recipients").click()
        await expect(sent.get_by_role("region", name="Recipients").locator("tbody tr")).to_have_count(len(names))
        await shows(sent.locator("tbody td:first-child"), set(names))
        assert set(walk.deliveries(body)) == {agent.agent_id for agent in PEOPLE if agent.name in names}

    await only_text(page)
    await page.get_by_role("button", name="Status menu").click()
    await page.get_by_role("menuitem", name="View coach messages").click()
    await expect(inbox(page).locator(".message-body")).to_have_count(2)
    assert await texts(inbox(page).locator(".message-body")) == [BODY, ENDLESS]
    assert await texts(inbox(page).locator("bdi")) == [SENDER, SENDER]
    assert await inbox(page).evaluate("box => box.scrollWidth <= box.clientWidth + 1"), "nothing runs out of the dialog"
    await only_text(page)
    await expect(card(desk, ENDLESS)).to_contain_text("1 of 1 read")
    # One selected agent: the button says the name.
    await desk.get_by_role("grid", name="Agents").locator(".cg-row:not(.cg-team):not(.cg-head):not([hidden])").click()
    await write(desk, "x")
    await expect(desk.locator("button.main").first).to_have_text(f"Send to {SCRIPT}")
    assert await desk.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    await only_text(desk)
    await page.context.close()


async def test_the_message_log_page_lists_and_draws_them(walk: Walk):
    page = await opened(walk, SENDER, "/message_log")
    await expect(page.get_by_role("heading", name="Message log")).to_be_visible(timeout=180_000)
    await log_done(page)
    await log_drawn(page, "Unread by team and hour")
    messages = page.get_by_role("region", name="Messages")
    rows = messages.locator("tbody tr")
    await expect(rows).to_have_count(2)
    assert set(await texts(rows.locator(".said span[dir]"))) == {BODY, ENDLESS[:159] + "…"}
    assert set(await texts(rows.locator("td:nth-child(3)"))) == {f"Campaign: {MAKER}", f"Team: {PROTO}"}
    for body, group in ((ENDLESS, PROTO), (BODY, MAKER)):
        await rows.filter(has_text=group).filter(has_text=body[:20]).get_by_role("button").click()
        one = page.get_by_role("region", name="Message", exact=True)
        await expect(one.locator("blockquote")).to_have_text(body)
        assert await text_of(one.locator("blockquote")) == body
        await log_drawn(page, "How far the message got")

    # The charts know the teams that were sent something, and their shares.
    marks = page.get_by_role("tabpanel").locator("svg.marks")
    for team, share in ((PROTO, "0 of 2"), (IMAGE, "1 of 1")):
        await expect(marks.first).to_contain_text(team[:15])
        await expect(marks.first).to_contain_text(share)
    await page.get_by_role("tab", name="Time to read").click()
    await page.get_by_label("A curve for").select_option("team")
    await log_done(page)
    await log_drawn(page, "Time to read")
    drawn = page.get_by_role("tabpanel").locator("svg.marks").first
    await expect(drawn.locator("g.mark-line path")).not_to_have_count(0)
    await expect(drawn).to_contain_text(PROTO)
    await page.get_by_role("tab", name="Load and presence").click()
    await log_done(page)
    await log_drawn(page, "Messages for an agent")

    await page.get_by_text("All 4 teams").click()
    assert set(await texts(page.get_by_role("group", name="Teams").locator("label span"))) == {p.team for p in PEOPLE}
    await page.get_by_role("checkbox", name=PROTO, exact=True).check()
    await expect(page.get_by_role("article", name="Sent")).to_contain_text("2 messages to 1 agent")
    await only_text(page)
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    await page.context.close()


async def test_the_what_if_page_plays_a_hostile_scenario_and_gives_it_back(walk: Walk, tmp_path: Path):
    page = await opened(walk, SENDER, "/what_if")
    await page.get_by_label("Scenario").select_option(SCENARIO, timeout=180_000)
    await expect(page.get_by_label("Message", exact=True)).to_have_value(KEY)
    await what_if_done(page)
    await what_if_drawn(page)
    assert await text_of(page.locator(".about")) == BODY
    assert await text_of(page.locator(".ctl .body")) == BODY
    groups = await texts(page.locator("optgroup[label=Team] option"))
    assert groups == [f"{team} · 1" for team in sorted(person.team for person in PEOPLE)]
    missed = page.get_by_role("region", name="Who is missed")
    await expect(missed.locator("svg.marks")).to_contain_text(PROTO)
    await missed.get_by_text("By team, as a table").click()
    assert set(await texts(missed.locator("table").first.locator("td:first-child"))) == {p.team for p in PEOPLE}
    await missed.get_by_text("Agents most often missed").click()
    assert set(await texts(missed.locator("table").last.locator("td:first-child"))) == {p.name for p in PEOPLE}
    await only_text(page)

    # To one team alone: the one whose name every object knows.
    await page.get_by_label("To", exact=True).select_option(f"{PROTO} · 1")
    await what_if_done(page)
    files = {}
    for name in ("Save scenario", "Download results"):
        async with page.expect_download() as saving:
            await page.get_by_role("button", name=name).click()
        download = await saving.value
        assert set(download.suggested_filename) <= set("abcdefghijklmnopqrstuvwxyz0123456789-."), name
        files[name] = tmp_path / download.suggested_filename
        await download.save_as(files[name])
    saved = tomllib.loads(files["Save scenario"].read_text(encoding="utf-8"))
    assert saved["messages"][0]["to"] == {"filter": {"team": [PROTO]}}
    assert (saved["messages"][0]["key"], saved["messages"][0]["body"]) == (KEY, BODY)
    with files["Download results"].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {p.team for p in PEOPLE} == {row["name"] for row in rows if row["part"] == "team"}
    await page.context.close()


async def test_the_sign_in_page_and_a_page_that_is_not_there(walk: Walk):
    context = await walk.browser.new_context()
    walk.log.expect("401 (Unauthorized)", "404 (Not Found)")
    walk.log.watch(context)
    page = await context.new_page()
    watched(walk, page)
    for name in (f'"><script>alert(1)</script>{IMAGE}', TURNED, PROTO, WIDE):
        await page.goto(f"{walk.url}/login")
        await page.get_by_label("Name").fill(name)
        await page.get_by_label("Password").fill(BODY)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        assert await page.get_by_label("Name").input_value() == name
        await only_text(page)
    for path in (f"/{SCRIPT}", f"/{IMAGE}/{PROTO}", "/%3Cscript%3Ealert(1)%3C/script%3E", "/%00%ff%22%3E"):
        answer = await page.goto(walk.url + path)
        assert answer is not None and answer.status == 404
        await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
        await only_text(page)
    await context.close()
