"""The agent's page where an answer is lost, breaks off on its way, or comes late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from playwright.async_api import APIResponse, Page, Route, expect

from coachsim.floor import Floor
from coachsim.models import Agent, AgentState
from tests.browser.agent_rig import DANA, page, rig, toast, until
from tests.browser.setting_clocks import clock_to_set
from tests.browser.walking import choose

__all__ = ["page", "rig"]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

UNREACHED = "The server could not be reached."


@pytest_asyncio.fixture(loop_scope="session")
async def breaks_off() -> AsyncIterator[str]:
    """An address whose every answer breaks off in the middle, as a line does."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"agent":')
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def held(page: Page, address: str) -> asyncio.Future[Route]:
    """The next request to ``address``, which waits for what the test makes of it."""
    asked: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
    await page.route(address, lambda route: asked.set_result(route), times=1)
    return asked


async def answered(page: Page, route: Route, answer: APIResponse) -> None:
    """Gives the page the server's answer, and waits until it has taken it in."""
    async with page.expect_response(route.request.url) as response:
        await route.fulfill(response=answer)
    await (await response.value).finished()
    await page.evaluate("new Promise(resolve => setTimeout(resolve))")


@pytest.mark.parametrize("how", ["unreached", "refused", "broken off"])
async def test_a_list_that_did_not_come_at_log_in_is_asked_for_until_it_does(rig, page_log, breaks_off, how):
    page_log.expect("ERR_", "503")
    page = await rig.open()
    await rig.send("for the start of the shift")

    async def lose(route: Route) -> None:
        if how == "unreached":
            await route.abort()
        elif how == "refused":
            await route.fulfill(status=503, json={})
        else:
            await route.continue_(url=breaks_off)

    await page.route("**/api/inbox", lose)
    await rig.set_state(AgentState.LOGGED_IN)
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("The server answered 503" if how == "refused" else UNREACHED)
    await page.unroute("**/api/inbox")
    await expect(page.locator("#badge")).to_have_text("1")
    await expect(toast(page, "1 unread message")).to_be_visible()
    await expect(alert).to_have_count(0)


@pytest.mark.parametrize("address", ["**/api/me", "**/api/inbox"])
async def test_a_page_whose_first_answer_breaks_off_begins_all_the_same(rig, page, page_log, breaks_off, address):
    page_log.expect("ERR_")
    await rig.send("waits")
    await page.route(address, lambda route: route.continue_(url=breaks_off))
    await page.reload()
    await expect(page.get_by_role("alert")).to_contain_text(UNREACHED)
    await page.unroute(address)
    await expect(page.locator("#badge")).to_have_text("1")
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_page_that_is_signed_out_asks_for_nothing_again(rig, page, page_log):
    page_log.expect("ERR_", "401")  # 401: asked again at the very moment
    await page.clock.install()
    await page.route("**/api/inbox", lambda route: route.abort())
    rig.reset()
    await expect(page.get_by_role("alert")).to_contain_text(UNREACHED)
    rig.end_session()
    await expect(page.get_by_text("Signed out.")).to_be_visible()
    await expect(page.get_by_text(UNREACHED)).to_have_count(0)
    asked = len(page_log.requests)
    await page.clock.run_for(60_000)
    assert page_log.requests[asked:] == []


async def test_what_is_under_way_at_the_sign_out_does_not_show_on_the_signed_out_page(rig, page):
    message = await rig.send("secret")
    await until(lambda: rig.delivery(message).toast_at)
    inbox = await held(page, "**/api/inbox")
    async with page.expect_response("**/api/floor") as floor:
        rig.reset()
    await (await floor.value).finished()
    route = await inbox
    answer = await route.fetch()
    rig.end_session()
    await expect(page.get_by_text("Signed out.")).to_be_visible()
    await answered(page, route, answer)
    await expect(page.locator(".toast")).to_have_count(0)
    await expect(page.get_by_role("button", name="Status menu")).to_be_disabled()


async def test_a_confirmation_stays_when_everything_was_fetched_before_its_answer_came(rig, page):
    """The stream tells of it first, with the floor's time; the answer comes last."""
    with clock_to_set() as set_forward:
        message = await rig.send("New script from today.", ack=True)
        await choose(page, "View coach messages")
        acknowledging = await held(page, "**/api/inbox/ack")
        await page.get_by_role("button", name="Confirm", exact=True).click()
        route = await acknowledging
        renamed = [Agent(DANA, "Dana Hughes", "Blue"), Agent("a002", "Eoin Mensah", "Blue")]
        await rig.server.site.host.do(Floor.set_agents, renamed, actor="admin")
        rig.reset()
        await expect(page.get_by_text("Dana Hughes · Blue")).to_be_visible()  # all that is on display is fresh now
        set_forward(200)
        answer = await route.fetch()
        await expect(page.locator(".confirmed")).to_be_visible()
        await answered(page, route, answer)
        await expect(page.get_by_role("button", name="Confirm", exact=True)).to_have_count(0)
        zone = ZoneInfo(rig.server.site.host.settings.time_zone)
        at = datetime.fromtimestamp(rig.delivery(message).acknowledged_at / 1e6, zone)
        await expect(page.locator(".confirmed")).to_have_text(f"Confirmed {at:%H:%M}")
