"""What is said between the coaching page and its kernel is lost, or comes late: it asks again, and sends once."""

from __future__ import annotations

import re

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Request, Route, expect

from coachsim.floor import Floor
from coachsim.models import AgentState
from coachsim.server.accounts import Account, hash_password
from coachsim.server.app import Server
from coachsim.server.site import Options
from tests.browser.kernel_line import KernelLine
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import (
    GOING,
    LINE_DOWN,
    VOILA,
    Cable,
    button,
    card,
    is_live,
    row,
    select,
    sign_in,
    until,
    write,
)
from tests.serving import PASSWORD, PEOPLE

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]

ANN = PEOPLE[0]
KERNEL = re.compile(r"/api/kernels/[^/]+$")  # where the page asks whether its kernel is there


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory):
    server = await Server.start(Options(tmp_path_factory.mktemp("lost"), port=0))
    await server.site.host.do(Floor.set_agents, PEOPLE, actor="admin")
    server.site.accounts.add(
        Account("sup", frozenset({"supervisor"}), None, None), hash_password(PASSWORD), actor="test"
    )
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def window(browser, page_log) -> Page:
    """A window of a browser, with nothing in it."""
    page_log.expect(*VOILA, *GOING, *LINE_DOWN)
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    context.set_default_timeout(60_000)
    page_log.watch(context)
    yield await context.new_page()
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def line(window) -> KernelLine:
    """The line from the kernel to the page of the window."""
    return await KernelLine.of(window)


@pytest_asyncio.fixture(loop_scope="session")
async def page(server, window, line) -> Page:
    """The coaching page, live, over ``line``."""
    await enter(window, server.url)
    return window


async def enter(page: Page, url: str) -> None:
    await sign_in(page, url, "sup", "/coaching")
    await is_live(page)


async def ask(page: Page) -> Locator:
    """The confirmation of what is written to Ann."""
    await button(page, f"Send to {ANN.name}").click()
    return page.get_by_role("dialog")


def sent(server: Server, body: str) -> int:
    """How often a message with this text went out."""
    return sum(one.message.body == body for one in server.site.host.floor.messages.values())


@pytest.mark.parametrize("lost", ["previewed", "advised"])
async def test_a_confirmation_whose_answer_was_lost_asks_again(page, line, lost):
    await select(page, ANN)
    await write(page, f"Lost: {lost}")
    line.lose_one(lost)
    dialog = await ask(page)
    await until(lambda: line.lost, "the answer is lost")
    await expect(button(dialog, "OK")).to_be_enabled()
    await expect(dialog.locator(".advice")).not_to_contain_text("Working out")
    await button(dialog, "Cancel").click()


async def test_an_answer_that_comes_after_cancel_is_told_and_empties_the_box(server, window, page_log):
    async with Cable(int(server.url.rsplit(":", 1)[1])) as cable:
        page = window
        await enter(page, cable.url)
        await select(page, ANN)
        await write(page, "Told after all.")
        dialog = await ask(page)
        await expect(button(dialog, "OK")).to_be_enabled()
        cable.stall_answers()
        await button(dialog, "OK").click()
        await until(lambda: sent(server, "Told after all."), "the message arrives, though no answer comes back")
        await expect(dialog.get_by_role("alert")).to_contain_text("the message may have gone out already")
        await button(dialog, "Cancel").click()
        await expect(dialog).to_have_count(0)
        cable.mend()
        await expect(page.get_by_text(f"✓ Sent to {ANN.name}")).to_be_visible()
        await expect(page.get_by_role("textbox", name="Message", exact=True)).to_have_value("")
    assert sent(server, "Told after all.") == 1


async def test_sent_again_after_cancel_without_an_answer_it_goes_out_once_and_a_third_time_anew(server, page, line):
    body = "Not twice."
    await select(page, ANN)
    for answered in (False, True, True):
        await write(page, body)
        dialog = await ask(page)
        await expect(button(dialog, "OK")).to_be_enabled()
        if answered:
            await button(dialog, "OK").click()
            await expect(page.get_by_text(f"✓ Sent to {ANN.name}")).to_be_visible()
        else:
            line.lose_one("answered")
            await button(dialog, "OK").click()
            await expect(dialog.get_by_role("alert")).to_contain_text("There is no answer yet")
            await button(dialog, "Cancel").click()
            await expect(card(page, body)).to_have_count(1)
            await page.reload()  # by hand or by itself, in the meantime
            await is_live(page)
    await expect(card(page, body)).to_have_count(2)  # what was answered and is sent again is meant
    assert sent(server, body) == 2


async def test_an_agents_change_that_was_lost_is_asked_for_though_the_clock_is_heard_first(server, page, line):
    host = server.site.host
    await host.do(Floor.set_state, ANN.agent_id, AgentState.LOGGED_IN, actor="telephony")
    await expect(row(page, ANN.name)).to_contain_text("logged in")
    line.lose_until("clock")
    await host.do(Floor.set_state, ANN.agent_id, AgentState.BREAK, actor="telephony")
    await until(lambda: line.lost, "the change is lost")
    host.report("test", "The floor has something to say.")
    await expect(page.get_by_text("The floor has something to say.")).to_be_visible()
    await expect(row(page, ANN.name)).to_contain_text("break")
    host.report("test", None)


async def test_a_page_that_seeks_its_kernel_asks_once_at_a_time(page, line):
    begun, ended = [], []
    page.on("requestfailed", lambda request: ended.append(request) if KERNEL.search(request.url) else None)

    async def never_answered(route: Route, request: Request) -> None:
        begun.append((request, len(begun) - len(ended)))

    await page.route(KERNEL, never_answered)
    line.lose_all()
    await until(lambda: len(begun) == 3, "it asks again where no answer comes")
    assert [waiting for _, waiting in begun] == [0, 0, 0]


async def test_a_page_that_was_stopped_from_beginning_anew_does_so_a_while_later(page, line, page_log):
    page_log.expect("404 (Not Found)")
    loads = []

    async def stopped(route: Route) -> None:
        loads.append(route)
        await route.abort("aborted")  # as by Esc: the page that was there stays

    async def gone(route: Route) -> None:
        await route.fulfill(status=404)

    await page.route("**/render/coaching.ipynb", stopped)
    await page.route(KERNEL, gone)
    line.lose_all()
    await until(lambda: loads, "the page begins anew")
    await page.evaluate("() => { const now = Date.now; Date.now = () => now() + 180_000; }")  # three minutes later
    await until(lambda: len(loads) > 1, "the page begins anew once more")
