"""What the templates menu of the coaching page is answered, over a real floor in the same process."""

from __future__ import annotations

import pytest

from coachsim.client import LocalClient
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.pages.coaching import CoachingPage
from coachsim.settings import Settings
from tests.unit.floors import AGENTS
from tests.unit.pressing import Browser


@pytest.fixture
async def browser(tmp_path):
    host = await FloorHost.open(tmp_path, Settings(time_zone="Europe/London"))
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    page = CoachingPage(LocalClient(host, actor="sup"))
    browser = Browser(page)
    await browser.wait_for("line", lambda data: data["state"] == "live")
    yield browser
    await page.close_page()
    page.close()
    await host.close()


async def ask(browser: Browser, what: str, **more) -> dict:
    ticket = f"t{len(browser.heard)}"
    browser.press("ask_texts", what=what, ticket=ticket, **more)
    told = await browser.wait_for("texts", lambda data: data["said"]["ticket"] == ticket)
    return told["said"]


async def test_the_menu_is_told_only_when_it_asks(browser):
    await browser.page.client.send({"agents": ["a1"]}, "Hello", request_id="1")
    assert not any(method == "texts" for method, *_ in browser.heard)
    said = await ask(browser, "open")
    assert said["templates"] == [] and [one["body"] for one in said["texts"]] == ["Hello"]


async def test_templates_are_kept_changed_deleted_and_brought_back(browser):
    kept = (await ask(browser, "keep", title="One", body="Hi {name}", shared=False))["kept"]
    changed = (await ask(browser, "keep", **kept | {"body": "Hello {name}"}))["kept"]
    assert (changed["template_id"], changed["version"], changed["body"]) == (kept["template_id"], 2, "Hello {name}")
    looked = (await ask(browser, "look", template_id=kept["template_id"]))["template"]
    assert [one["body"] for one in looked["versions"]] == ["Hello {name}", "Hi {name}"]
    assert (await ask(browser, "delete", template_id=kept["template_id"]))["done"]
    said = await ask(browser, "manage")
    (deleted,) = said["deleted"]
    assert said["templates"] == []
    assert (await ask(browser, "bring_back", **deleted))["done"]
    assert [one["title"] for one in (await ask(browser, "manage"))["templates"]] == ["One"]


async def test_what_is_refused_is_a_sentence_in_the_menu_and_no_trouble_of_the_page(browser):
    for what, more in (
        ("keep", {"title": "One", "body": "{nobody}", "shared": True}),
        ("look", {"template_id": 7}),
        ("dance", {}),
    ):
        assert (await ask(browser, what, **more))["error"].endswith(".")
    assert not any(method == "trouble" for method, *_ in browser.heard)


async def test_the_preview_fills_a_template_in(browser):
    browser.press("ask_preview", ticket="t", audience={"agents": ["a1"]}, template="Hi {name}")
    told = await browser.wait_for("previewed")
    assert told["preview"]["body"] == "Hi Ann"
