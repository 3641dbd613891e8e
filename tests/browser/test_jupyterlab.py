"""The same coaching page in JupyterLab: on a server through an API token, and on a floor in the notebook itself."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from coachsim import roster
from tests.browser.jupyterlab import lab, shown_in
from tests.browser.marks import IN_A_BROWSER
from tests.browser.walking import card, is_live, tell
from tests.serving import PEOPLE, add_account, serve

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(600)]
__all__ = ["lab"]  # the fixture

ANN = PEOPLE[0]
ON_A_SERVER = """
from coachsim import CoachingPage
from coachsim.remote import RemoteClient

CoachingPage(RemoteClient({url!r}, token={token!r}))
"""
IN_THE_KERNEL = """
from pathlib import Path

from coachsim import CoachingPage, roster
from coachsim.client import LocalClient
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.settings import Settings

host = await FloorHost.open(Path("floor"), Settings(time_zone="Etc/UTC"))
await host.do(Floor.set_agents, roster.load("agents.csv"), actor="me")
CoachingPage(LocalClient(host, actor="me", scope=None, roles=["supervisor"]))
"""


@pytest.fixture(params=["on a server", "in the kernel"])
def code(request, tmp_path):
    """The code of a cell that shows the page, on a floor of four agents."""
    if request.param == "in the kernel":
        (tmp_path / "agents.csv").write_text(roster.write(PEOPLE), encoding="utf-8")
        yield IN_THE_KERNEL
        return
    with serve(tmp_path / "data") as served:
        add_account(tmp_path / "data", "sup", "supervisor", teams=None)
        yield ON_A_SERVER.format(url=served.url, token=served.token("sup"))


async def test_an_agent_is_chosen_and_told_from_a_notebook(code, lab, tmp_path, browser):
    async with shown_in(lab, tmp_path, browser, code) as page:
        await is_live(page)
        await expect(page.get_by_text("4 of 4 agents in the list")).to_be_visible()
        await tell(page, ANN, "Told from a notebook.")
        await expect(card(page, "Told from a notebook.")).to_contain_text(
            "0 of 1 read · 0 notified, not read · 1 not yet notified"
        )
        await expect(page.get_by_role("region", name="Today")).to_contain_text("1 message")
        await card(page, "Told from a notebook.").get_by_role("button").first.click()  # who got it, asked for anew
        await expect(card(page, "Told from a notebook.").get_by_text("Ann Ames").last).to_be_visible()
        await expect(page.get_by_text("Something went wrong")).to_have_count(0)


async def test_in_a_dark_jupyterlab_the_light_page_has_light_controls_and_its_own_words(lab, tmp_path, browser):
    settings = tmp_path / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text('{"theme": "JupyterLab Dark"}', encoding="utf-8")
    (tmp_path / "agents.csv").write_text(roster.write(PEOPLE), encoding="utf-8")
    async with shown_in(lab, tmp_path, browser, IN_THE_KERNEL) as page:
        await is_live(page)
        await expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
        tick = page.get_by_role("checkbox", name="ask to confirm")
        await expect(tick).to_have_css("color-scheme", "light")
        search = page.get_by_role("searchbox", name="Search agents")
        faint = await search.evaluate("field => getComputedStyle(field, '::placeholder').color")
        assert faint == "rgb(102, 113, 128)"
