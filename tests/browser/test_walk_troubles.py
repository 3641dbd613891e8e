"""Reloads, cut lines, restarts and closed windows: nothing is lost, nothing comes twice, nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

import pandas
import pytest
import pytest_asyncio
from playwright.async_api import Error, Route, expect

import coachsim
from coachsim.clock import JUMP
from coachsim.days import MINUTE, SECOND, to_micros
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import (
    LINE_DOWN,
    Cable,
    button,
    card,
    choose,
    confirm,
    inbox,
    is_live,
    select,
    tell,
    toast,
    until,
    walking,
    write,
)
from tests.faults.shifted_clock import ShiftedClock
from tests.processes import alive
from tests.serving import add_account

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]
EWAN, NAOMI = "a001", "a002"
CUT_S = 10
SLOW_S = 8  # more than twice as long as a page that seeks its kernel waits before it asks again


@pytest_asyncio.fixture(loop_scope="session")
async def walk(tmp_path, browser, page_log):
    async with walking(tmp_path, browser, page_log) as walk:
        yield walk


async def test_a_reload_and_ten_seconds_without_a_line_lose_nothing_and_double_nothing(walk, page_log):
    page_log.expect(*LINE_DOWN)
    person = walk.people[EWAN]
    bodies = ("Before.", "Meanwhile.", "From afar.")
    port = int(walk.url.rsplit(":", 1)[1])
    async with Cable(port) as to_far, Cable(port) as to_ewan:
        sup, far = await walk.supervisor(), await walk.supervisor(url=to_far.url)
        ewan, naomi = await walk.agent(EWAN, url=to_ewan.url), await walk.agent(NAOMI)
        await tell(sup, person, "Before.")
        await expect(toast(ewan, "Before.")).to_be_visible()
        await ewan.get_by_label("Notes").fill("kept")
        await ewan.reload()
        await expect(ewan.locator("#badge")).to_have_text("1")
        await expect(ewan.get_by_label("Notes")).to_have_value("kept")

        # The agents' lines are cut, and one supervisor sends; another presses OK on a line that stands still.
        await expect(card(far, "Before.")).to_be_visible()
        await select(far, person)
        await write(far, "From afar.")
        await button(far, f"Send to {person.name}").click()
        dialog = far.get_by_role("dialog", name=f"Send to {person.name}?")
        await expect(button(dialog, "OK")).to_be_enabled()
        to_ewan.cut()
        await naomi.context.set_offline(True)
        await tell(sup, person, "Meanwhile.")
        await tell(sup, walk.people[NAOMI], "To Naomi.")
        to_far.stall()  # and not for so long that the server gives the line up
        await button(dialog, "OK").click()
        await asyncio.sleep(CUT_S)
        assert walk.sent("From afar.") == []
        to_far.mend()
        await expect(ewan.get_by_text("Offline: reconnecting…")).to_be_visible()
        assert await ewan.get_by_text("Meanwhile.").count() == 0
        await naomi.context.set_offline(False)
        to_ewan.mend()

        await expect(ewan.get_by_text("Offline: reconnecting…")).to_have_count(0)
        await expect(dialog).to_have_count(0)
        await expect(ewan.locator("#badge")).to_have_text("3")
        await expect(naomi.locator("#badge")).to_have_text("1")
        for page in (sup, far):
            await expect(page.get_by_role("status", name="Connection")).to_have_text("live")
            for body in (*bodies, "To Naomi."):
                await expect(card(page, body)).to_have_count(1)
        await choose(ewan, "View coach messages")
        await expect(inbox(ewan).get_by_role("listitem")).to_have_count(3)
        await choose(naomi, "View coach messages")
        await expect(inbox(naomi).get_by_role("listitem")).to_have_count(1)
        for page in (sup, far):
            await expect(card(page, "Meanwhile.")).to_contain_text("1 of 1 read")
            await expect(card(page, "To Naomi.")).to_contain_text("1 of 1 read")
        assert all(len(walk.sent(body)) == 1 for body in (*bodies, "To Naomi."))
        for page in (ewan, naomi):
            await expect(page.get_by_role("region", name="Notices").get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("hard", [False, True], ids=["SIGTERM", "SIGKILL"])
async def test_a_server_that_is_started_again_finds_its_pages_again(walk, page_log, hard):
    page_log.expect(*LINE_DOWN, "404 (Not Found)")
    person = walk.people[EWAN]
    sup, ewan = await walk.supervisor(), await walk.agent(EWAN)
    await tell(sup, person, "Before.")
    await expect(ewan.locator("#badge")).to_have_text("1")
    await ewan.get_by_label("Notes").fill("kept")
    await select(sup, person)
    await write(sup, "Half a thought")
    kernels = walk.kernels()
    port = await walk.end_server(hard=hard)
    await expect(ewan.get_by_text("Offline: reconnecting…")).to_be_visible()
    await until(lambda: not any(alive(pid) for pid in kernels), "the kernels are gone with the server")
    await expect(sup.get_by_role("status", name="Connection")).not_to_have_text("live")
    await expect(sup.get_by_role("textbox", name="Message", exact=True)).to_have_value("Half a thought")
    begun = []

    async def slowly(route: Route) -> None:
        begun.append(route.request.url)
        await asyncio.sleep(SLOW_S)
        with contextlib.suppress(Error):  # given up, for another of its kind
            await route.continue_()

    helped_itself = "sessionStorage.getItem('coach-loaded-again') !== null"
    await sup.evaluate("sessionStorage.removeItem('coach-loaded-again')")
    await sup.route("**/render/coaching.ipynb", slowly)
    await walk.start(port=port)

    await expect(ewan.get_by_text("Offline: reconnecting…")).to_have_count(0)
    await expect(ewan.get_by_label("Notes")).to_have_value("kept")
    await is_live(sup)  # by itself
    assert len(begun) == (2 if await sup.evaluate(helped_itself) else 1)  # where the machine is very busy
    await expect(card(sup, "Before.")).to_have_count(1)
    await expect(sup.get_by_role("textbox", name="Message", exact=True)).to_have_value("Half a thought")
    await button(sup, f"Send to {person.name}").click()
    await confirm(sup, f"Send to {person.name}?")
    await expect(ewan.locator("#badge")).to_have_text("2")
    await choose(ewan, "View coach messages")
    await expect(inbox(ewan).get_by_role("listitem")).to_have_count(2)
    await expect(card(sup, "Half a thought")).to_contain_text("1 of 1 read")
    assert [len(walk.sent(body)) for body in ("Before.", "Half a thought")] == [1, 1]


async def test_ok_while_the_server_dies_sends_once_however_often_it_is_pressed(walk, page_log):
    page_log.expect(*LINE_DOWN, "404 (Not Found)")
    person = walk.people[EWAN]
    port = int(walk.url.rsplit(":", 1)[1])
    async with Cable(port) as cable:
        sup = await walk.supervisor(url=cable.url)
        await select(sup, person)
        await write(sup, "Once.")
        await button(sup, f"Send to {person.name}").click()
        dialog = sup.get_by_role("dialog", name=f"Send to {person.name}?")
        await expect(button(dialog, "OK")).to_be_enabled()
        cable.stall_answers()
        await button(dialog, "OK").click()
        await until(lambda: walk.sent("Once."), "the message arrives, though no answer comes back")
        cable.cut()
        await walk.end_server(hard=True)
        await expect(sup.get_by_role("status", name="Connection")).not_to_have_text("live")
        await walk.start(port=port)
        cable.mend()

        await is_live(sup)  # a new page, in which the question stands again
        await expect(dialog.get_by_role("alert")).to_contain_text("Pressing OK is safe")
        await expect(dialog.locator("blockquote")).to_have_text("Once.")
        await button(dialog, "OK").click()
        await expect(dialog).to_have_count(0)
        await expect(sup.get_by_text(f"Sent to {person.name}")).to_be_visible()
        await expect(card(sup, "Once.")).to_have_count(1)
        await sup.reload()
        await is_live(sup)
        await expect(sup.get_by_role("dialog")).to_have_count(0)
    assert len(walk.sent("Once.")) == 1


async def test_closed_windows_leave_no_kernel_behind(walk, page_log):
    page_log.expect("Connection lost")
    pages = [await walk.supervisor() for _ in range(2)]
    assert len(walk.kernels()) == 2
    await pages[0].reload()
    await is_live(pages[0])
    await until(lambda: len(walk.kernels()) == 2, "the reloaded page's first kernel is gone")
    for page in pages:
        await page.close(run_before_unload=True)
    await until(lambda: not walk.kernels(), "no page, no kernel")


@pytest.fixture
def clear_down_soon(tmp_path) -> datetime:
    """A floor whose night falls in twenty minutes, at a whole one: time to send something before it."""
    night = (datetime.now(UTC) + timedelta(minutes=21)).replace(second=0, microsecond=0)
    text = f'time_zone = "Etc/UTC"\nclear_down = "{night:%H:%M}"\n'
    (tmp_path / "settings.toml").write_text(text, encoding="utf-8")
    return night


@pytest.fixture
def clock(tmp_path) -> ShiftedClock:
    """The clock of the server of ``shifted``."""
    return ShiftedClock(tmp_path / "ahead")


@pytest_asyncio.fixture(loop_scope="session")
async def shifted(clear_down_soon, clock, tmp_path, browser, page_log):
    """A walk on a floor whose clock can be set."""
    async with walking(tmp_path, browser, page_log, program=clock.program) as walk:
        yield walk


async def test_the_night_empties_every_list_by_itself_and_the_log_keeps_all(clear_down_soon, clock, shifted):
    walk, night = shifted, to_micros(clear_down_soon)
    person = walk.people[EWAN]
    sup, ewan = await walk.supervisor(), await walk.agent(EWAN)
    await tell(sup, person, "Read before the night.")
    await choose(ewan, "View coach messages")
    await expect(card(sup, "Read before the night.")).to_contain_text("1 of 1 read")
    await tell(sup, walk.people[NAOMI], "Never seen.")
    await expect(inbox(ewan)).to_contain_text(f"Cleared overnight at {clear_down_soon:%H:%M}")
    assert clock.wall() < night, "this machine was too slow for the test"

    add_account(walk.data, "phones", "telephony")
    with walk.served.client("phones") as phones:
        while (left := night - clock.wall() - MINUTE) > 0:
            clock.set(clock.ahead + min(left, JUMP - SECOND))  # less than what would be taken for wrong
            # No change, but whoever asks for one has the clock looked at before the next step.
            phones.put(f"/api/agents/{EWAN}/state", json={"state": "logged_in"}).raise_for_status()
    await expect(inbox(ewan).get_by_text("No messages today.")).to_be_visible(timeout=180_000)
    assert clock.wall() >= night
    await expect(sup.get_by_text("Nothing has been sent today.")).to_be_visible()
    await tell(sup, person, "Good morning.")
    await expect(inbox(ewan).get_by_role("listitem")).to_have_count(1)
    assert walk.lost == []  # a page that is left alone for a minute keeps its line
    await walk.end_server()
    walk.log.expect(*LINE_DOWN)
    with coachsim.open_log(walk.data) as log:
        told = log.sql("SELECT m.body, d.status, d.cleared_at FROM deliveries d JOIN messages m USING (message_id)")
        days = log.days()
    found = {row.body: (row.status, row.cleared_at) for row in told.itertuples()}
    cleared = clear_down_soon.replace(tzinfo=None)
    assert found["Read before the night."] == ("read", cleared)
    assert found["Never seen."] == ("lost", cleared)
    assert found["Good morning."][0] == "read" and found["Good morning."][1] is pandas.NaT
    assert len(days) == 2
