"""The agent's page in a real browser, against a real server with its log on disk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from coachsim.floor import Floor
from coachsim.models import AgentState, Audience, Draft
from tests.browser.agent_rig import DANA, page, rig, toast, until
from tests.browser.setting_clocks import clock_to_set
from tests.browser.walking import LINE_DOWN, choose, log_in

__all__ = ["page", "rig"]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

IN, BREAK, OUT = AgentState.LOGGED_IN, AgentState.BREAK, AgentState.LOGGED_OUT
OFFLINE = re.compile(r"Offline: reconnecting… what you see is from \d\d:\d\d")
WEB = Path(__file__).parents[2] / "coachsim" / "web"


async def set_hidden(page: Page, hidden: bool) -> None:
    """Headless pages are always visible: this one says what a tab in the background would."""
    await page.evaluate(
        """hidden => {
            const get = () => hidden ? "hidden" : "visible";
            Object.defineProperty(document, "visibilityState", {get, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


async def test_signed_in_but_logged_out_there_is_the_status_menu_and_nothing_else(rig):
    page = await rig.open()
    await rig.send("for later")
    await page.get_by_role("button", name="Status menu", exact=True).click()
    assert await page.get_by_role("menuitem").all_inner_texts() == ["Log in", "Sign out"]
    await expect(page.locator("#badge")).to_be_hidden()
    await expect(page.get_by_label("Notes")).to_be_hidden()


async def test_log_in_says_what_waited_and_that_notifies_but_is_no_toast_of_the_message(rig):
    page = await rig.open()
    first, _ = await rig.send("one"), await rig.send("two")
    await choose(page, "Log in")
    await expect(toast(page, "2 unread messages")).to_be_visible()
    await expect(page.locator("#badge")).to_have_text("2")
    assert rig.delivery(first).notified_at is not None
    assert rig.delivery(first).toast_at is None


async def test_the_dialog_reads_grows_and_leaves_the_work_alone(rig, page):
    first = await rig.send("first")
    await page.get_by_label("Notes").fill("wants the annual plan")
    await choose(page, "View coach messages")
    dialog = page.get_by_role("dialog", name="Coach messages")
    await expect(dialog).to_contain_text("first")
    assert await page.evaluate("document.activeElement.id") == "dialog"
    await expect(dialog).to_contain_text("Cleared overnight at 03:00")
    await until(lambda: rig.delivery(first).read_at)
    await expect(page.locator("#badge")).to_be_hidden()

    await page.get_by_label("Notes").click()
    await page.keyboard.press("End")
    await page.keyboard.type(", asks")
    second = await rig.send("second")
    await expect(dialog.get_by_role("listitem")).to_have_count(2)
    await expect(dialog.get_by_role("listitem").last).to_contain_text("new")
    await page.keyboard.type(" about the price")
    await expect(page.get_by_label("Notes")).to_have_value("wants the annual plan, asks about the price")
    await until(lambda: rig.delivery(second).read_at)
    assert rig.delivery(second).toast_at is None
    await expect(page.locator(".toast")).to_have_count(0)


async def test_opening_from_the_keyboard_and_giving_the_focus_back(rig, page):
    await rig.send("by keyboard")
    button = page.get_by_role("button", name="Status menu")
    await button.focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("menuitem", name="View coach messages")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("menuitem", name="Break")).to_be_focused()
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(button).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("End")
    await expect(page.get_by_role("menuitemcheckbox", name="Desktop notifications")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(button).to_be_focused()
    await expect(button).to_have_attribute("aria-expanded", "false")


@pytest.mark.parametrize(
    "body",
    [
        "<b>bold</b><img src=x onerror=alert(1)><script>document.title='no'</script>",
        "مرحبا بالعالم\nsecond line",
        "W" * 1000,
        "‮right to left‬ 👩‍🚀 &amp;",
    ],
)
async def test_texts_are_shown_as_they_are(rig, page, body):
    await rig.send(body)
    await expect(page.locator(".toast-text")).to_have_text(body, use_inner_text=False)
    await choose(page, "View coach messages")
    text = page.locator(".message-body")
    assert await text.text_content() == body
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await text.evaluate("node => node.children.length") == 0
    await expect(text).to_have_attribute("dir", "auto")


async def test_on_a_break_there_is_a_bell_and_no_toast_and_back_says_what_waits(rig, page):
    await rig.send("before the break")
    await expect(toast(page, "before the break")).to_be_visible()
    await choose(page, "Break", "Lunch")
    await expect(page.locator("#state")).to_have_text("break · Lunch")
    await expect(page.locator(".toast")).to_have_count(0)
    message = await rig.send("during the break")
    await expect(page.locator("#badge")).to_have_text("2")
    await expect(page.locator(".toast")).to_have_count(0)
    assert rig.delivery(message).notified_at is None
    await choose(page, "Back")
    await expect(toast(page, "2 unread messages")).to_be_visible()
    await until(lambda: rig.delivery(message).notified_at)
    assert rig.delivery(message).toast_at is None


async def test_a_break_can_have_a_reason_of_ones_own_and_messages_are_read_on_it(rig, page):
    await choose(page, "Break", "Other…")
    await page.get_by_label("Reason", exact=True).fill("Dentist, until half past two")
    await page.get_by_role("button", name="Start break").click()
    await expect(page.locator("#state")).to_have_text("break · Dentist, until half past")  # 25 characters
    message = await rig.send("read on a break")
    await choose(page, "View coach messages")
    await until(lambda: rig.delivery(message).read_at)


async def test_confirming_and_being_told_once_that_one_has_not(rig, page):
    message = await rig.send("New script from today.", ack=True)
    await toast(page, "New script").get_by_role("button", name="Open").click()
    await page.keyboard.press("Escape")
    await expect(toast(page, "Not confirmed yet")).to_be_visible()
    await toast(page, "Not confirmed yet").get_by_role("button", name="Open").click()
    await page.get_by_role("button", name="Close").click()
    await expect(toast(page, "Not confirmed yet")).to_have_count(0)
    await choose(page, "View coach messages")
    await page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("dialog").get_by_text("Confirmed")).to_be_visible()
    assert rig.delivery(message).acknowledged_at is not None


async def test_an_expired_message_leaves_toast_bell_and_list(rig, page):
    with clock_to_set() as set_forward:
        await rig.send("Free seats at 12", urgent=True, expires_in=200)
        gone = page.get_by_role("alert").filter(has_text="Free seats")
        await expect(gone).to_be_visible()
        await expect(page.locator("#badge")).to_have_text("1")
        set_forward(201)
        await expect(gone).to_have_count(0)
        await expect(page.locator("#badge")).to_be_hidden()
        await choose(page, "View coach messages")
        await expect(page.get_by_text("No messages today.")).to_be_visible()


async def test_a_clear_down_empties_the_open_dialog(rig, page):
    await rig.send("old")
    await choose(page, "View coach messages")
    await expect(page.get_by_role("listitem")).to_have_count(1)
    await rig.server.site.host.do(Floor.clear_down, actor="admin")
    await expect(page.get_by_role("listitem")).to_have_count(0)


async def test_a_hidden_tab_counts_in_its_title_and_shows_and_reads_only_when_seen(rig, page):
    await set_hidden(page, True)
    message = await rig.send("while away")
    await expect(page).to_have_title(re.compile(r"^\(1\) "))
    assert await page.locator(".toast").count() == 0
    assert rig.delivery(message).toast_at is None
    await set_hidden(page, False)
    await expect(toast(page, "while away")).to_be_visible()
    await expect(page).to_have_title(re.compile(r"^Agent"))
    await until(lambda: rig.delivery(message).toast_at)

    await choose(page, "View coach messages")
    await until(lambda: rig.delivery(message).read_at)
    await set_hidden(page, True)
    later = await rig.send("dialog open, tab hidden")
    await expect(page.get_by_role("listitem")).to_have_count(2)
    assert rig.delivery(later).read_at is None
    await set_hidden(page, False)
    await until(lambda: rig.delivery(later).read_at)
    assert rig.delivery(later).toast_at is None


async def test_tabs_share_one_stream_and_another_takes_over_when_its_tab_closes(rig, page):
    others = [await rig.open(), await rig.open()]
    streams = rig.server.site.streams
    await rig.send("to all tabs")
    for tab in (page, *others):
        await expect(tab.locator("#badge")).to_have_text("1")
    assert len(streams) == 1
    await page.close()
    await rig.send("after the first tab closed")
    for tab in others:
        await expect(tab.locator("#badge")).to_have_text("2")
    await until(lambda: len(streams) == 1)
    await choose(others[0], "View coach messages")
    for tab in others:
        await expect(tab.locator("#badge")).to_be_hidden()
        await expect(tab.locator(".toast")).to_have_count(0)


async def test_without_web_locks_each_tab_has_its_own_stream(rig):
    await rig.context.add_init_script("delete Navigator.prototype.locks")
    first, second = await rig.open(), await rig.open()
    await log_in(first)
    await rig.send("two streams")
    for tab in (first, second):
        await expect(tab.locator("#badge")).to_have_text("1")
    await until(lambda: len(rig.server.site.streams) == 2)


async def test_a_server_that_goes_away_is_said_and_caught_up_with(rig, page, page_log):
    page_log.expect(*LINE_DOWN)  # 503 too: what is asked of a server on its way down is refused, and asked again
    before = await rig.send("before")
    await expect(page.locator("#badge")).to_have_text("1")
    await page.get_by_label("Notes").fill("kept")
    await rig.server.stop()
    await expect(page.get_by_text(OFFLINE)).to_be_visible()
    await rig.restart()
    await rig.send("while it was down")
    await expect(page.locator("#badge")).to_have_text("2")
    await expect(page.get_by_text(OFFLINE)).to_have_count(0)
    await expect(page.get_by_label("Notes")).to_have_value("kept")
    await until(lambda: rig.delivery(before).notified_at is not None)  # its report met a server going down, or none


async def test_a_reminder_is_marked_and_says_until_when_to_confirm(rig, page):
    host = rig.server.site.host
    by = host.floor.day.ends_at
    first = Draft(Audience(agents=(DANA,)), "Use the new form", "first", ack_required=True, ack_by=by)
    await host.do(Floor.send, first, actor="sup")
    again = Draft(Audience(unread_of=host.floor.newest_message_id), "Please use it", "again")
    await host.do(Floor.send, again, actor="sup")
    await choose(page, "View coach messages")
    dialog = page.get_by_role("dialog", name="Coach messages")
    await expect(dialog.get_by_role("listitem").filter(has_text="Please use it")).to_contain_text("reminder")
    await expect(dialog.get_by_role("listitem").filter(has_text="Use the new form")).not_to_contain_text("reminder")
    clear_down = host.floor.day.clear_down
    await expect(dialog.get_by_text(f"asked to confirm by {clear_down}")).to_be_visible()


async def test_signing_out_on_one_tab_is_said_on_the_others_which_show_nothing_more(rig, page, page_log):
    page_log.expect("401")  # what the other tab was asking at that moment
    other = await rig.open()
    await rig.send("secret")
    await choose(other, "View coach messages")
    await choose(page, "Sign out")
    await expect(page).to_have_url(re.compile("/login"))
    await expect(other.get_by_role("alert")).to_contain_text("Signed out. Sign in again")
    await expect(other.get_by_text("secret")).to_have_count(0)
    assert "/login?next=%2Fagent" in str(await other.get_by_role("link", name="Sign in again").get_attribute("href"))


async def test_a_session_that_ends_at_the_server_is_said(rig, page, page_log):
    page_log.expect("401")
    rig.end_session()
    await expect(page.get_by_role("alert")).to_contain_text("Signed out. Sign in again")
    await expect(page.get_by_label("Notes")).to_be_hidden()


async def test_a_state_that_the_telephony_sets_shows_and_a_reload_keeps_the_notes(rig, page):
    await page.get_by_label("Notes").fill("call back on Monday")
    await rig.set_state(BREAK)
    await expect(page.locator("#state")).to_have_text("on a break")
    await page.reload()
    await expect(page.get_by_label("Notes")).to_have_value("call back on Monday")
    await rig.set_state(OUT)
    await expect(page.locator("#state")).to_have_text("logged out")


async def test_a_change_that_is_refused_is_said_in_a_sentence(rig, page, page_log):
    page_log.expect("503")
    answer = {"error": {"code": "log_unavailable", "message": "The log cannot be written: the disk is full."}}
    await page.route("**/api/agents/*/state", lambda route: route.fulfill(status=503, json=answer))
    await choose(page, "Log out")
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("The log cannot be written: the disk is full.")
    await page.unroute("**/api/agents/*/state")
    await choose(page, "Log out")
    await expect(page.locator("#state")).to_have_text("logged out")
    await expect(alert).to_have_count(0)


async def test_a_change_that_comes_too_soon_is_sent_again_when_the_server_says(rig, page, page_log):
    page_log.expect("429")
    refused = {"status": 429, "headers": {"Retry-After": "1"}, "json": {}}
    await page.route("**/api/agents/*/state", lambda route: route.fulfill(**refused), times=2)
    await choose(page, "Log out")
    await expect(page.locator("#state")).to_have_text("logged out")
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_reading_that_does_not_get_through_is_sent_again(rig, page, page_log):
    page_log.expect("503")
    message = await rig.send("read me")
    await page.route("**/api/inbox/open", lambda route: route.fulfill(status=503, json={}), times=1)
    await choose(page, "View coach messages")
    await expect(page.get_by_role("alert")).to_be_visible()
    await until(lambda: rig.delivery(message).read_at)
    await expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("width", [320, 550, 1100])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everything_fits_narrow_windows(rig, page, width, scheme):
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 480})
    await rig.send("W" * 200, urgent=True)
    await choose(page, "View coach messages")
    for part in ("#dialog", "#status-button", "#call"):
        box = await page.locator(part).bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width, part
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_page_is_small_and_inserts_text_only_as_text(rig, page_log):
    page = await rig.open()
    loaded = {url.partition("?")[0] for url in page_log.requests if "/static/" in url}
    assert {WEB / url.rsplit("/", 1)[1] for url in loaded} >= set(WEB.glob("*.js"))
    assert sum(file.stat().st_size for file in WEB.iterdir()) < 60 * 1024
    for file in WEB.glob("*.js"):
        code = file.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", code), file.name
    assert not re.search(r"<script(?![^>]*src)|<style|\sstyle=|\son\w+=", await page.content())
