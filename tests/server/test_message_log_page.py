"""The message log page of a kernel, against a real server: what its visitor may see, and what it says else."""

from __future__ import annotations

from pathlib import Path

import pytest

from coachsim.pages.message_log import MessageLogPage
from tests.serving import serve
from tests.unit.test_pages_message_log import LogBrowser

pytestmark = pytest.mark.asyncio


async def test_the_page_is_its_visitors(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("coachsim.pages.message_log._chart_script", lambda: "export default {}")

    with serve(data) as served:
        with served.client("sup") as sup:
            for audience, number in (({"everyone": True}, 1), ({"agents": ["a3"]}, 2)):
                draft = {"audience": audience, "body": "Hello", "request_id": str(number)}
                assert sup.post("/api/messages", json=draft).status_code == 201
        monkeypatch.setenv("COACHSIM_URL", served.url)
        monkeypatch.setenv("COACHSIM_TOKEN", served.token("blue"))
        page = MessageLogPage()
        browser = LogBrowser(page)
        await browser.ask()
        assert browser.said("choices")[0]["teams"] == ["Blue"]
        assert browser.said("summary")[0]["cards"][0]["note"] == "1 message to 2 agents"
        with served.client("sup") as sup:
            draft = {"audience": {"agents": ["a1"]}, "body": "More", "request_id": "3"}
            assert sup.post("/api/messages", json=draft).status_code == 201
        await browser.ask(tab="activity")
        assert browser.said("summary")[0]["sent"] == 2, "it is of the moment it was fetched at"
        await browser.ask(refresh=1)
        assert browser.said("summary")[0]["sent"] == 3
        # The ticket of somebody who has signed out.
        monkeypatch.setenv("HTTP_X_COACH_TICKET", "no-longer")
        await browser.ask(refresh=2)
        trouble = await browser.wait_for("trouble")
        assert trouble["sentence"] == "You are signed out. Sign in again, then reload this page."
        monkeypatch.delenv("HTTP_X_COACH_TICKET")
    await browser.ask(refresh=3)
    assert "cannot be reached" in (await browser.wait_for("trouble"))["sentence"]
    await page.close_page()
    page.close()
