"""Toasts on the agent's page in a real browser: how long, how many, what they are taken for."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.browser.agent_rig import page, rig, toast, until

__all__ = ["page", "rig"]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
TOAST_S = 20  # so long that a busy machine finds them while they are up


@pytest.mark.parametrize("rig", [TOAST_S], indirect=True)
async def test_a_toast_shows_sender_and_text_is_reported_and_goes_unread(rig, page):
    message = await rig.send("Please mention the renewal offer.")
    shown = toast(page, "Please mention the renewal offer.")
    await expect(shown).to_contain_text("J. Kelly")
    await until(lambda: rig.delivery(message).toast_at)
    await expect(shown).to_be_hidden()
    await expect(page.get_by_role("button", name="Status menu, 1 unread message")).to_be_visible()
    assert rig.delivery(message).read_at is None


async def test_dismissing_a_toast_is_not_reading(rig, page):
    message = await rig.send("Wrap up, please.")
    await toast(page, "Wrap up").get_by_role("button", name="Dismiss").click()
    await expect(toast(page, "Wrap up")).to_have_count(0)
    await until(lambda: rig.delivery(message).toast_at)
    await expect(page.locator("#badge")).to_have_text("1")
    assert rig.delivery(message).read_at is None


async def test_a_toast_stays_under_the_pointer_when_another_comes(rig, page):
    first = await rig.send("About to be dismissed")
    dismiss = toast(page, "About to be dismissed").get_by_role("button", name="Dismiss")
    await until(lambda: rig.delivery(first).toast_at)
    await dismiss.hover()  # once it has slid into its place
    before = await dismiss.bounding_box()
    await rig.send("Came meanwhile, and is a good deal longer. " * 4)
    await expect(toast(page, "Came meanwhile")).to_be_visible()
    assert await dismiss.bounding_box() == before
    await page.mouse.down()
    await page.mouse.up()
    await expect(toast(page, "About to be dismissed")).to_have_count(0)
    await expect(toast(page, "Came meanwhile")).to_be_visible()


@pytest.mark.parametrize("rig", [TOAST_S], indirect=True)
async def test_three_toasts_at_once_and_urgent_ones_stay_and_go_first(rig, page):
    for text in ("one", "two", "three", "four"):
        await rig.send(text)
    await expect(page.locator(".toast")).to_have_count(3)
    await rig.send("Fire alarm", urgent=True)
    alert = page.get_by_role("alert").filter(has_text="Fire alarm")
    await expect(alert).to_be_visible()
    await expect(toast(page, "four")).to_be_visible()
    await expect(page.get_by_role("status")).to_have_count(0)
    await expect(alert).to_be_visible()
    await alert.get_by_role("button", name="Dismiss").click()
    await expect(alert).to_have_count(0)


@pytest.mark.parametrize("rig", [TOAST_S], indirect=True)
async def test_pointer_or_focus_holds_a_toast(rig, page):
    await rig.send("hold me")
    await toast(page, "hold me").hover()
    await asyncio.sleep(TOAST_S + 0.6)  # longer than a toast lasts: it is the time itself that is tested
    await expect(toast(page, "hold me")).to_be_visible()
    await toast(page, "hold me").get_by_role("button", name="Open").focus()
    await page.mouse.move(5, 300)
    await asyncio.sleep(TOAST_S + 0.6)
    await expect(toast(page, "hold me")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(toast(page, "hold me")).to_have_count(0)
