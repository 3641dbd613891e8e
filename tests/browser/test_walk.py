"""A walk through the whole product: what a supervisor and agents, each in a browser, do on one day.

The order is that of the day: each test goes on where the one before stopped, on one server with the project's roster.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import pytest_asyncio
from playwright.async_api import expect

import coachsim
from tests.browser.conftest import PageLog
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import (
    button,
    card,
    choose,
    confirm,
    filter_team,
    inbox,
    is_live,
    row,
    seconds_of,
    select,
    tell,
    toast,
    until,
    walking,
    write,
)

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]
EWAN, NAOMI, GRACE = "a001", "a002", "a003"  # all in Blue


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def walk(tmp_path_factory, browser):
    log = PageLog()
    data = tmp_path_factory.mktemp("walk")
    (data / "settings.toml").write_text('floor_name = "Leeds floor"\n', encoding="utf-8")
    async with walking(data, browser, log) as walk:
        yield walk


@pytest.fixture(autouse=True)
def no_complaints(walk):
    """No page complains of anything, or asks another host, in any part of the walk."""
    yield
    assert walk.log.unexpected == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sup(walk):
    return await walk.supervisor()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ewan(walk):
    return await walk.agent(EWAN)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def naomi(walk):
    return await walk.agent(NAOMI)


async def test_one_agent_is_told_reads_during_a_call_and_the_supervisor_sees_it(walk, sup, ewan):
    body = "Please mention the renewal offer."
    person = walk.people[EWAN]
    await select(sup, person)
    await write(sup, body)
    await button(sup, f"Send to {person.name}").click()
    dialog = sup.get_by_role("dialog", name=f"Send to {person.name}?")
    await expect(dialog).to_contain_text(f"To {person.name}, who is logged in now")
    assert walk.sent(body) == []
    await button(dialog, "OK").dblclick()

    shown = toast(ewan, body)
    await expect(shown).to_be_visible()
    await expect(shown).to_contain_text("sup")
    box, size = await shown.bounding_box(), ewan.viewport_size
    assert box["x"] > size["width"] / 2 and box["y"] > size["height"] / 2  # bottom right
    await expect(ewan.locator("#badge")).to_have_text("1")
    await expect(ewan.locator("#status-button svg.bell")).to_be_visible()
    await expect(ewan.locator("#status-button svg.person")).to_be_hidden()
    await expect(card(sup, body)).to_contain_text("0 of 1 read · 1 notified, not read")

    notes, timer = ewan.get_by_label("Notes"), ewan.get_by_role("timer")
    await notes.click()
    await ewan.keyboard.type("wants the annual plan")
    before = await seconds_of(timer)
    await choose(ewan, "View coach messages")
    await expect(inbox(ewan)).to_contain_text(body)
    await expect(card(sup, body)).to_contain_text("1 of 1 read")  # by itself
    await notes.click()
    await ewan.keyboard.press("End")
    await ewan.keyboard.type(", asks")
    await tell(sup, person, "It ends on Friday.")
    await expect(inbox(ewan).get_by_role("listitem")).to_have_count(2)
    await ewan.keyboard.type(" about the price")
    await expect(notes).to_have_value("wants the annual plan, asks about the price")
    await expect(notes).to_be_focused()
    await expect(ewan.locator(".toast")).to_have_count(0)
    await until_later(timer, before)
    await expect(ewan.locator("#badge")).to_be_hidden()
    await expect(ewan.locator("#status-button svg.person")).to_be_visible()
    await expect(card(sup, "It ends on Friday.")).to_contain_text("1 of 1 read")
    assert len(walk.sent(body)) == 1
    assert walk.deliveries(body)[EWAN]["toast_at"] is not None
    assert walk.deliveries("It ends on Friday.")[EWAN]["toast_at"] is None


async def until_later(timer, before: int) -> None:
    """The timer goes on."""
    shown = re.compile("|".join(f"{(before + n) // 60:02}:{(before + n) % 60:02}" for n in range(1, 300)))
    await expect(timer).to_have_text(shown)


async def test_a_team_by_filter_the_number_is_said_and_all_of_them_get_it(walk, sup, ewan, naomi):
    body = "Queue is long until noon."
    many = len(walk.team("Blue"))
    await filter_team(sup, "Blue")
    await expect(sup.get_by_text(f"{many} of 250 agents in the list")).to_be_visible()
    await write(sup, body)
    await button(sup, f"Send to all {many} in list").click()
    dialog = sup.get_by_role("dialog", name=f"Send to {many} agents?")
    await expect(dialog).to_contain_text("2 logged in")
    await expect(dialog).to_contain_text(f"{many - 2} logged out now")
    await dialog.get_by_text("Show the names").click()
    assert {walk.people[EWAN].name, walk.people[NAOMI].name} <= set(
        await dialog.get_by_role("listitem").all_inner_texts()
    )
    await button(dialog, "OK").click()
    await expect(sup.get_by_text(f"Sent to {many} agents")).to_be_visible()

    # Side by side: one has the dialog open with the morning's messages, the other sees a first toast.
    await expect(inbox(ewan).get_by_role("listitem")).to_have_count(3)
    await expect(inbox(ewan).get_by_role("listitem").last).to_contain_text(body)
    await expect(toast(naomi, body)).to_be_visible()
    await toast(naomi, body).get_by_role("button", name="Open").click()
    await expect(inbox(naomi).get_by_role("listitem")).to_have_count(1)
    await expect(card(sup, body)).to_contain_text(
        f"2 of {many} read · 0 notified, not read · {many - 2} not yet notified"
    )
    assert set(walk.deliveries(body)) == {agent.agent_id for agent in walk.team("Blue")}
    for page in (ewan, naomi):
        await inbox(page).get_by_role("button", name="Close").click()


async def test_on_a_break_and_logged_out_no_toast_but_told_on_coming_back(walk, sup, ewan, naomi):
    person, other = walk.people[EWAN], walk.people[NAOMI]
    await choose(ewan, "Break", "Lunch")
    await choose(naomi, "Log out")
    await expect(naomi.locator("#state")).to_have_text("logged out")
    await select(sup, person)
    await expect(row(sup, person.name)).to_contain_text("break · Lunch")
    await tell(sup, person, "For after lunch.")
    await tell(sup, other, "For when you are back.")
    await expect(ewan.locator("#badge")).to_have_text("1")
    assert await ewan.locator(".toast").count() == await naomi.locator(".toast").count() == 0
    await expect(naomi.locator("#badge")).to_be_hidden()
    await choose(ewan, "View coach messages")  # during the break
    await expect(card(sup, "For after lunch.")).to_contain_text("1 of 1 read")
    await inbox(ewan).get_by_role("button", name="Close").click()
    await tell(sup, person, "And one more.")
    await expect(ewan.locator("#badge")).to_have_text("1")

    await choose(ewan, "Back")
    await choose(naomi, "Log in")
    for page, body in ((ewan, "And one more."), (naomi, "For when you are back.")):
        await expect(toast(page, "1 unread message")).to_be_visible()
        await expect(card(sup, body)).to_contain_text("0 of 1 read · 1 notified, not read")
        await toast(page, "1 unread message").get_by_role("button", name="Open").click()
        await expect(inbox(page).get_by_role("listitem").last).to_contain_text(body)
        await expect(card(sup, body)).to_contain_text("1 of 1 read")
        await inbox(page).get_by_role("button", name="Close").click()
    assert walk.deliveries("For when you are back.")[NAOMI]["toast_at"] is None
    assert walk.deliveries("For when you are back.")[NAOMI]["state_at_send"] == "logged_out"


BODIES = (
    "<b>bold</b><img src=x onerror=\"document.title='no'\"><script>document.title='no'</script>{{ 7 * 7 }} &amp;",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd\nsecond line 👩‍🚀🇬🇧 e\u0301",
    "Ｗ" * 1000,
)


@pytest.mark.parametrize("body", BODIES, ids=("markup", "scripts", "wide"))
async def test_a_text_is_shown_as_it_is_on_both_pages(walk, sup, ewan, body):
    await select(sup, walk.people[EWAN])
    await write(sup, body)
    await button(sup, f"Send to {walk.people[EWAN].name}").click()
    dialog = sup.get_by_role("dialog", name="Send to")
    assert await dialog.locator("blockquote").text_content() == body
    await button(dialog, "OK").click()
    await expect(dialog).to_have_count(0)
    await choose(ewan, "View coach messages")
    at_agent, at_supervisor = inbox(ewan).locator(".message-body").last, sup.locator("article .body").first
    await expect(at_agent).to_have_text(body, use_inner_text=False)
    await expect(at_supervisor).to_have_text(body, use_inner_text=False)
    for page, text in ((ewan, at_agent), (sup, at_supervisor)):
        assert await text.text_content() == body
        assert await text.evaluate("node => node.children.length") == 0
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.title() != "no"
    await inbox(ewan).get_by_role("button", name="Close").click()


async def test_an_audience_that_changed_under_the_dialog_is_shown_anew_and_not_sent(walk, sup, ewan):
    body = "To those who are in."
    await sup.get_by_role("searchbox", name="Search agents").fill("")
    await button(sup, "Filter").click()
    choices = sup.get_by_role("group", name="Filter choices")
    await button(choices, "Clear all").click()
    await choices.get_by_role("checkbox", name="logged in", exact=True).check()
    await button(choices, "Done").click()
    await write(sup, body)
    await button(sup, "Send to all 2 in list").click()
    dialog = sup.get_by_role("dialog", name="Send to 2 agents?")
    await expect(button(dialog, "OK")).to_be_enabled()
    await choose(ewan, "Break", "Training")
    await expect(ewan.locator("#state")).to_have_text("break · Training")
    await button(dialog, "OK").click()
    dialog = sup.get_by_role("dialog", name=f"Send to {walk.people[NAOMI].name}?")
    await expect(dialog.get_by_role("alert")).to_contain_text("it was 2 agents, now it is 1 agent. Nothing was sent")
    assert walk.sent(body) == []
    await button(dialog, "OK").click()
    await expect(sup.get_by_text(f"Sent to {walk.people[NAOMI].name}")).to_be_visible()
    assert set(walk.deliveries(body)) == {NAOMI}
    await choose(ewan, "Back")
    await button(sup, "Filter").click()
    await button(sup, "Clear all").click()
    await button(sup, "Done").click()


async def test_a_second_supervisor_of_other_teams_sees_neither_agents_nor_messages(walk, sup):
    red = await walk.supervisor("red")
    many = len(walk.team("Red")) + len(walk.team("Silver"))
    await expect(red.get_by_text(f"{many} of {many} agents in the list")).to_be_visible()
    await expect(red.get_by_role("list", name="Agents by state")).to_contain_text(f"{many} logged out")
    await expect(red.get_by_role("article")).to_have_count(0)
    await red.get_by_role("searchbox", name="Search agents").fill(walk.people[EWAN].name)
    await expect(red.get_by_text("No agent matches.")).to_be_visible()
    await button(red, "Filter").click()
    options = red.get_by_role("group", name="Filter choices").get_by_role("group", name="Team").get_by_role("checkbox")
    assert await options.evaluate_all("boxes => boxes.map((box) => box.dataset.value)") == ["Red", "Silver"]
    await red.keyboard.press("Escape")

    # A message to everybody, sent by another: only the part in scope is there, counts included.
    await sup.get_by_role("searchbox", name="Search agents").fill("")
    await sup.get_by_role("checkbox", name="everyone").check()
    await write(sup, "Fire drill at 15:00.")
    await button(sup, "Send to all 250 in list").click()
    await confirm(sup, "Send to 250 agents?")
    await tell(sup, walk.people[EWAN], "Not for Red.")
    await expect(card(red, "Fire drill")).to_contain_text(f"{many} agents")
    await expect(card(red, "Fire drill")).to_contain_text(
        f"0 of {many} read · 0 notified, not read · {many} not yet notified"
    )
    await expect(card(sup, "Fire drill")).to_contain_text("of 250 read")
    await expect(red.get_by_role("article")).to_have_count(1)
    walk.log.expect("Connection lost")  # what the closing page says to its console
    await red.context.close()


async def test_an_agent_has_no_way_to_the_coaching_page_to_others_or_to_sending(walk, ewan):
    walk.log.expect("403 (Forbidden)", "404 (Not Found)")
    page = await ewan.context.new_page()
    for path in ("/coaching", "/desk/voila/render/coaching.ipynb"):
        answer = await page.goto(walk.url + path)
        assert answer.status == 403, path
        await expect(page.get_by_role("grid")).to_have_count(0)
    await page.goto(walk.url + "/agent?seat=a002")
    tried = await page.evaluate("""async () => {
        const cookie = decodeURIComponent(document.cookie.match(/_xsrf=([^;]*)/)[1]);
        const ask = async (method, path, body) => (await fetch(path, {
            method, body: body && JSON.stringify(body),
            headers: { 'X-XSRFToken': cookie, 'Content-Type': 'application/json' },
        })).status;
        const audience = { agents: ['a002'] };
        return {
            send: await ask('POST', '/api/messages', { audience, body: 'x', request_id: 'x' }),
            preview: await ask('POST', '/api/messages/preview', { audience }),
            agents: await ask('GET', '/api/agents'),
            messages: await ask('GET', '/api/messages'),
            state: await ask('PUT', '/api/agents/a002/state', { state: 'logged_out' }),
            inbox: await ask('GET', '/api/inbox?seat=a002'),
            clear: await ask('POST', '/api/clear-down', {}),
        };
    }""")
    assert set(tried.values()) <= {403, 404}, tried
    assert walk.sent("x") == []
    await page.close()


async def test_a_clear_down_by_hand_empties_the_dialogs_and_the_log_has_everything(walk, sup, ewan, naomi):
    await choose(ewan, "View coach messages")
    await expect(inbox(ewan).get_by_role("listitem").last).to_contain_text("Not for Red.")
    await until(lambda: walk.deliveries("Not for Red.")[EWAN]["read_at"], "the dialog is read")
    before = {message["message_id"]: message for message in walk.ask("/api/messages")["messages"]}
    rows = {
        (row["message_id"], row["agent_id"]): row
        for key in before
        for row in walk.ask(f"/api/messages/{key}/deliveries")["deliveries"]
    }
    command = [sys.executable, "-m", "coachsim.cli", "clear-down", "--data", str(walk.data)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("Cleared down")
    await expect(inbox(ewan).get_by_role("listitem")).to_have_count(0)
    await expect(inbox(ewan).get_by_text("No messages today.")).to_be_visible()
    await expect(naomi.locator("#badge")).to_be_hidden()
    await expect(card(sup, "Fire drill")).to_contain_text("lost")
    await tell(sup, walk.people[EWAN], "A first message after it.")
    await expect(inbox(ewan).get_by_role("listitem")).to_have_count(1)

    # Reloaded, the pages show the same.
    await ewan.reload()
    await choose(ewan, "View coach messages")
    await expect(inbox(ewan).get_by_role("listitem")).to_have_count(1)
    await sup.reload()
    await is_live(sup)
    await expect(sup.get_by_role("article")).to_have_count(len(before) + 1)

    assert walk.kernels()
    assert await walk.end_server() > 0
    with coachsim.open_log(walk.data) as log:
        deliveries = log.deliveries().set_index(["message_id", "agent_id"])
        messages = log.messages().set_index("message_id")
    assert len(messages) == len(before) + 1 and len(deliveries) == len(rows) + 1
    for key, told in before.items():
        assert messages.loc[key].body == told["body"] and messages.loc[key].recipients == told["recipients"]
    for key, told in rows.items():
        kept = deliveries.loc[key]
        assert (kept.read_at == kept.read_at) == bool(told["read_at"])
        assert kept.status == (told["status"] if told["read_at"] else "lost")
        assert kept.cleared_at == kept.cleared_at
    walk.log.expect("ERR_", "WebSocket", "Failed to")  # from here on the server is gone
