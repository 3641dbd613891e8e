"""The what-if page of a kernel, against a real server: the floor as it is today, as far as its visitor may see it."""

from __future__ import annotations

import io
import re
import tomllib
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from coachsim import roster
from coachsim.pages.what_if import WhatIfPage
from coachsim.pages.what_if_scenarios import ASSUMED, TODAY
from coachsim.plan import floor_of
from coachsim.scenario import Scenario
from tests.server.past import live_past
from tests.serving import Served, add_account, make_ticket, serve
from tests.unit.pressing import Browser

pytestmark = [pytest.mark.slow, pytest.mark.asyncio, pytest.mark.timeout(600)]

Opens = Callable[[str], AbstractAsyncContextManager[Browser]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A floor of two teams with four days behind it; today, ten of Team 1 are in and were sent a message."""
    folder = tmp_path_factory.mktemp("today")
    made = live_past(folder)
    add_account(folder, "sup", "supervisor", teams=None)
    add_account(folder, "one", "supervisor", teams=["Team 1"])
    add_account(folder, "nine", "analyst", teams=["Team 9"])
    add_account(folder, "tara", "trainer")
    add_account(folder, "phones", "telephony")
    people = floor_of(made)
    with serve(folder, people=people) as running:
        with running.client("phones") as phones:
            for agent in [agent for agent in people if agent.team == "Team 1"][:10]:
                answer = phones.put(f"/api/agents/{agent.agent_id}/state", json={"state": "logged_in"})
                assert answer.status_code in (200, 204), answer.text
        with running.client("one") as one:
            draft = {"audience": {"everyone": True}, "body": "Only today.", "request_id": "1"}
            assert one.post("/api/messages", json=draft).status_code == 201
        yield running


@pytest.fixture
def opens(served: Served, monkeypatch: pytest.MonkeyPatch) -> Opens:
    """Opens the page as its kernel would for a visitor, once its first scenario is there."""
    monkeypatch.setenv("COACHSIM_URL", served.url)

    @asynccontextmanager
    async def opened(name: str) -> AsyncIterator[Browser]:
        monkeypatch.setenv("HTTP_X_COACH_TICKET", make_ticket(served.data, name)[1])
        async with of_kernel() as browser:
            yield browser

    return opened


@pytest.fixture(autouse=True)
def no_chart_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coachsim.pages.what_if._chart_script", lambda: "export default {}")


@asynccontextmanager
async def of_kernel() -> AsyncIterator[Browser]:
    """The page of the kernel that the environment speaks of, once its first scenario is there."""
    page = WhatIfPage()
    browser = Browser(page)
    browser.press("page_ready")
    first = await browser.wait_for("scenario")
    # It is the last one, and nothing was asked of the server for it.
    assert (first["name"], first["names"][-1]) == ("Weekday", TODAY)
    assert first["choices"]["attention_note"] == ASSUMED
    yield browser
    await page.close_page()
    page.close()


async def choose(browser: Browser, ends: str) -> dict:
    """Chooses today's floor, and waits for what comes of it."""
    number = browser.said("scenario")[0]["names"].index(TODAY)
    browser.press("choose", number=number)
    told = await browser.wait_for("learning")
    assert told["number"] == number and told["sentence"].startswith("Learning from the log of this floor")
    return await browser.wait_for(ends, lambda data: data["number"] == number)


async def test_the_floor_is_learned_and_a_variant_of_it_is_played_and_saved(opens: Opens):
    async with opens("sup") as browser:
        told = await choose(browser, "scenario")
        assert told["name"] == TODAY
        assert re.fullmatch(
            r"24 agents on \S+ as of \d\d:\d\d; shifts and breaks from 5 days; 1 message;"
            r" attention learned from 1,\d{3} deliveries to 24 agents, read at [\d,]+ looks, 4 days to \S+;"
            # Those who are in came at another time than any shift that is over.
            r" how long shifts last that are not over is assumed\.",
            told["description"],
        )
        offered = told["choices"]
        assert offered["attention_note"].startswith("How people notice and read, learned from 1,")
        assert offered["toast"] == 11, "as long as the floor's toasts stay"
        (message,) = offered["messages"]
        # The sender has Team 1 alone: its everyone is not the floor's.
        assert (message["body"], message["to"]) == ("Only today.", "Team: Team 1")
        assert "Team 2 · 12" in [one["label"] for one in offered["audiences"]]
        form = {"message": message["key"], "to": '"everyone"', "replications": 5, "seed": 1}
        browser.press("ask", ticket=1, form=form)
        results = await browser.wait_for("results")
        assert (results["changes"], results["sent"]) == (["to everyone"], 5 * 24)
        assert {row["team"] for row in results["agents"]} == {"Team 1", "Team 2"}
        browser.press("save", form=form)
        saved = await browser.wait_for("file")
        ((content,),) = [buffers for method, _, buffers in browser.heard if method == "file"]
        assert re.fullmatch(r"leeds-floor-[\d-]+-to-everyone\.zip", saved["name"])
        with zipfile.ZipFile(io.BytesIO(content)) as files:
            toml, csv = files.namelist()
            made = Scenario.from_dict(tomllib.loads(files.read(toml).decode()))
            assert len(roster.read(files.read(csv))) == 24
        assert made.floor.roster == csv and made.messages[0].to == "everyone"
        # The usual shift is that of the days before.
        assert made.shifts[0].length_h == pytest.approx(6.0, abs=0.1)


async def test_a_supervisor_of_one_team_has_that_team_and_it_is_said(opens: Opens):
    async with opens("one") as browser:
        told = await choose(browser, "scenario")
        assert told["description"].startswith("Only your team Team 1: 12 agents on ")
        labels = [one["label"] for one in told["choices"]["audiences"]]
        assert labels[0] == "Everyone · 12" and "Team 2 · 12" not in labels


async def test_before_anything_is_sent_today_it_is_the_last_day_with_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    people = floor_of(live_past(tmp_path))
    add_account(tmp_path, "phones", "telephony")
    for name, teams in (("sup", None), ("one", ["Team 1"])):
        add_account(tmp_path, name, "supervisor", teams=teams)
    with serve(tmp_path, people=people) as running:
        with running.client("phones") as phones, running.client("sup") as sup:
            phones.put(f"/api/agents/{people[0].agent_id}/state", json={"state": "logged_in"})  # the day has begun
            today = sup.get("/api/floor").json()["day"]
        monkeypatch.setenv("COACHSIM_URL", running.url)
        for name, begins in (
            ("sup", "Nothing has been sent today yet, so this is the last day on which something was: 24 agents on "),
            ("one", "Only your team Team 1: nothing has been sent today yet, so this is the last day on which "),
        ):
            monkeypatch.setenv("HTTP_X_COACH_TICKET", make_ticket(tmp_path, name)[1])
            async with of_kernel() as browser:
                told = await choose(browser, "scenario")
                assert told["description"].startswith(begins)
                on = re.findall(r"agents on (\S+);", told["description"])
                assert on and on[0] < today and len(told["choices"]["messages"]) == 12


async def test_a_floor_on_which_nothing_was_ever_sent_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    add_account(tmp_path, "phones", "telephony")
    add_account(tmp_path, "sup", "supervisor", teams=None)
    with serve(tmp_path) as running:
        with running.client("phones") as phones:
            phones.put("/api/agents/a1/state", json={"state": "logged_in"})
        monkeypatch.setenv("COACHSIM_URL", running.url)
        monkeypatch.setenv("HTTP_X_COACH_TICKET", make_ticket(tmp_path, "sup")[1])
        async with of_kernel() as browser:
            told = await choose(browser, "scenario")
            assert told["description"].startswith("4 agents on ")
            assert told["choices"]["silent"].startswith("Nothing has been sent to these agents yet")
            assert "file" not in told["choices"]["silent"]


async def test_what_cannot_be_learned_is_a_sentence(opens: Opens, served: Served):
    async with opens("nine") as browser:
        assert "No agent was on the roster" in (await choose(browser, "refused"))["sentence"]
    async with opens("tara") as browser:
        refused = await choose(browser, "refused")
        assert "which supervisors and analysts may read" in refused["sentence"]
        # Another scenario can be chosen after that.
        browser.press("choose", number=1)
        assert (await browser.wait_for("scenario", lambda data: data["number"] == 1))["description"]


async def test_whoever_is_signed_out_is_told_to_sign_in(opens: Opens, monkeypatch: pytest.MonkeyPatch):
    async with opens("sup") as browser:
        monkeypatch.setenv("HTTP_X_COACH_TICKET", "no-longer")
        refused = await choose(browser, "refused")
        assert refused["sentence"] == "You are signed out. Sign in again, then reload this page."


async def test_another_choice_meanwhile_is_what_is_shown(opens: Opens):
    async with opens("sup") as browser:
        number = browser.said("scenario")[0]["names"].index(TODAY)
        browser.press("choose", number=number)
        await browser.wait_for("learning")
        browser.press("choose", number=1)
        await browser.wait_for("scenario", lambda data: data["number"] == 1)
        await browser.page._learning.acquire()  # the floor has been learned, for nobody
        assert browser.said("scenario")[-1]["number"] == 1 and browser.said("trouble") == []
