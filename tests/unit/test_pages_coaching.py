"""The coaching page's kernel side over a real floor in the same process; the browser's side has its own tests."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from coachsim.client import LocalClient
from coachsim.days import to_datetime, to_iso
from coachsim.errors import InvalidInput, ServerUnavailable, UnknownAgent
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.models import AgentState
from coachsim.pages import VOILA_TEMPLATE_PATH
from coachsim.pages.coaching import CoachingPage, coming
from coachsim.pages.feed import PAUSE_S
from coachsim.practice import Practice
from coachsim.settings import Settings
from tests.unit.floors import AGENTS
from tests.unit.pressing import NO_CONTROL_SENDS, Browser
from tests.unit.test_practice import SCENARIO, TODAY


@pytest.fixture
async def host(tmp_path):
    host = await FloorHost.open(tmp_path, Settings(time_zone="Europe/London"))
    await host.do(Floor.set_agents, AGENTS, actor="admin")
    yield host
    await host.close()


class CoachingBrowser(Browser):
    """Presses the buttons of the coaching page; hears its grid too."""

    def __init__(self, page: CoachingPage) -> None:
        super().__init__(page)
        page.grid.send = lambda content, buffers=None: self.heard.append(
            (f"grid {content['method']}", content, buffers)
        )

    async def preview(self, audience: dict, **more) -> dict:
        ticket = f"t{len(self.heard)}"
        self.press("ask_preview", ticket=ticket, audience=audience, **more)
        return await self.wait_for("previewed", lambda data: data["ticket"] == ticket)

    async def client_send(self, audience: dict) -> int:
        return (await self.page.client.send(audience, "Hello", request_id="first"))["message_id"]

    async def send(self, audience: dict, body: str, digest: str, request_id: str, **more) -> dict:
        ticket = f"t{len(self.heard)}"
        self.press(
            "send_message",
            ticket=ticket,
            audience=audience,
            body=body,
            request_id=request_id,
            priority="normal",
            ack_required=False,
            recipients_digest=digest,
            **more,
        )
        return await self.wait_for("answered", lambda data: data["ticket"] == ticket)


@pytest.fixture
async def browser(host):
    page = CoachingPage(LocalClient(host, actor="sup"))
    browser = CoachingBrowser(page)
    await browser.wait_for("line", lambda data: data["state"] == "live")
    yield browser
    await page.close_page()
    page.close()


async def test_a_reminder_is_previewed_and_sent_like_any_message(browser, host) -> None:
    first = await browser.client_send({"agents": ["a1", "a2"]})
    previewed = await browser.preview({"unread_of": first}, confirm_by="", expires="")
    assert previewed["preview"]["recipients"] == 2 and previewed["ack_by"] is None
    digest = previewed["preview"]["recipients_digest"]
    sent = await browser.send({"unread_of": first}, "Again", digest, "again")
    assert sent["sent"]["recipients"] == 2
    assert host.floor.messages[first].reminders == [sent["sent"]["message_id"]]
    refused = await browser.preview({"agents": ["a1"]}, confirm_by="soon")
    assert refused["error"]["message"].startswith("Write the time to confirm by")


async def test_a_message_to_confirm_says_who_of_those_not_in_since_will_be_in_before_the_time(browser, host) -> None:
    await host.do(Floor.connect, "a1", actor="a1")
    await host.do(Floor.set_state, "a1", AgentState.LOGGED_IN, actor="a1")
    assert host.floor.day is not None
    sent = await browser.page.client.send(
        {"everyone": True}, "By the night", request_id="r", ack_required=True, ack_by=to_iso(host.floor.day.ends_at)
    )
    await browser.wait_for("changed", lambda data: "messages" in data)
    browser.press("open_message", message_id=sent["message_id"])
    said = await browser.wait_for("chances", lambda data: data["message_id"] == sent["message_id"])
    # No day is over: those who are out are taken to stay out.
    assert [one["name"] for one in said["chances"].pop("hardly")] == ["Bo", "Cy", "Di"]
    assert said["chances"] == {"away": 3, "surely": 0, "perhaps": 0}


async def test_advice_is_told_for_the_confirmation_that_asked_for_it(browser) -> None:
    browser.press("ask_advice", ticket="t1", audience={"agents": ["a1"]}, priority="normal", by=None)
    told = await browser.wait_for("advised", lambda data: data["ticket"] == "t1")
    assert told["advice"]["now"]["read_rate"] == 0
    browser.press("ask_advice", ticket="t2", audience={"agents": ["nobody"]}, priority="normal", by=None)
    told = await browser.wait_for("advised", lambda data: data["ticket"] == "t2")
    assert told["advice"] == {"error": UnknownAgent.named("nobody").message}


async def test_a_message_is_scheduled_on_the_floors_clock_shown_and_withdrawn(browser, host) -> None:
    tomorrow = (to_datetime(host.now(), ZoneInfo("Europe/London")) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    answer = await browser.send({"agents": ["a1"]}, "Later", "", "r1", when={"kind": "at", "at": tomorrow})
    planned = answer["scheduled"]
    assert datetime.fromisoformat(planned["when"]["at"]).astimezone(ZoneInfo("Europe/London")).strftime(
        "%Y-%m-%dT%H:%M"
    ) == tomorrow  # fmt: skip
    shown = await browser.wait_for("changed", lambda data: "scheduled" in data)
    assert [row["body"] for row in shown["scheduled"]] == ["Later"]
    share = await browser.send({"agents": ["a1"]}, "When in", "", "r2", when={"kind": "share", "share": "80"})
    assert share["scheduled"]["when"]["logged_in_share"] == 0.8
    for when, field in (({"kind": "at", "at": ""}, "day and the time"), ({"kind": "back"}, "on a break now")):
        refused = await browser.send({"agents": ["a1"]}, "x", "", f"r-{field}", when=when)
        assert field in refused["error"]["message"]
    browser.press("withdraw", schedule_id=planned["schedule_id"])
    await browser.wait_for("changed", lambda data: [row["body"] for row in data.get("scheduled", ())] == ["When in"])
    assert not host.floor.messages


async def test_a_browser_that_is_ready_gets_everything(browser) -> None:
    browser.heard.clear()
    browser.press("page_ready")
    browser.page.grid._heard(None, {"event": "ready"}, [])
    loaded = await browser.wait_for("loaded")
    assert loaded["me"]["name"] == "sup" and loaded["counts"]["logged_out"] == 4
    rows = await browser.wait_for("grid rows")
    assert [row[0] for row in rows["rows"]] == ["a1", "a2", "a3", "a4"], "no inactive agents"
    assert rows["clock"]["time_zone"] == "Europe/London"


async def test_a_message_is_previewed_sent_once_and_followed_until_it_is_read(host, browser) -> None:
    await host.do(Floor.connect, "a1", actor="a1")
    await host.do(Floor.set_state, "a1", AgentState.LOGGED_IN, actor="a1")
    audience = {"agents": ["a1"]}
    shown = (await browser.preview(audience))["preview"]
    assert shown["names"] == [{"agent_id": "a1", "name": "Ann"}]
    first = await browser.send(audience, "Well done", shown["recipients_digest"], "r1")
    again = await browser.send(audience, "Well done", shown["recipients_digest"], "r1")
    message_id = first["sent"]["message_id"]
    assert again["sent"]["message_id"] == message_id and len(host.floor.messages) == 1

    told = await browser.wait_for("changed", lambda data: "messages" in data)
    assert told["messages"][0]["body"] == "Well done"
    browser.press("open_message", message_id=message_id)
    opened = await browser.wait_for("opened")
    assert opened["deliveries"][0]["status"] == "notified"
    await host.do(Floor.open_inbox, "a1", actor="a1")
    told = await browser.wait_for("changed", lambda data: "deliveries" in data)
    assert told["deliveries"][0]["status"] == "read"
    assert told["messages"][0]["by_milestone"]["read"] == 1


async def test_an_audience_that_changed_since_the_preview_is_not_sent_to(host, browser) -> None:
    audience = {"filter": {"state": ["logged_out"]}}
    digest = (await browser.preview(audience))["preview"]["recipients_digest"]
    await host.do(Floor.set_state, "a2", AgentState.LOGGED_IN, actor="a2")
    answer = await browser.send(audience, "Hello", digest, "r1")
    assert answer["error"]["code"] == "audience_changed"
    assert not host.floor.messages


async def test_what_the_floor_refuses_is_a_sentence_and_no_trouble(browser) -> None:
    answer = await browser.preview({"agents": ["nobody"]})
    assert answer["error"]["code"] == "unknown_agent" and answer["error"]["message"].endswith(".")
    assert not any(method == "trouble" for method, *_ in browser.heard)


async def test_an_error_in_a_callback_is_on_the_page_and_in_the_log(browser, caplog) -> None:
    async def broken(_audience, **_more):
        raise ZeroDivisionError("no such luck")

    browser.page.client.preview = broken
    with caplog.at_level(logging.ERROR):
        browser.press("ask_preview", ticket="t", audience={"everyone": True})
        trouble = await browser.wait_for("trouble")
    assert "no such luck" in trouble["sentence"]
    assert caplog.records[0].exc_info is not None
    caplog.clear()
    browser.heard.clear()
    browser.press("open_message", message_id="not a number")
    assert "ValueError" in (await browser.wait_for("trouble"))["sentence"]


@pytest.mark.parametrize("content", NO_CONTROL_SENDS)
async def test_a_browser_cannot_make_the_kernel_import_or_call_anything(browser, content, monkeypatch) -> None:
    browser.sends_no_event(content, monkeypatch)


async def test_a_browser_sets_nothing_of_the_page(browser) -> None:
    before = browser.page.template
    browser.page.set_state({"template": "<script>", "grid": None})
    browser.page.grid.set_state({"_esm": "x"})
    assert browser.page.template == before and browser.page.grid._esm != "x"


async def test_many_changes_are_a_few_messages_and_the_last_one_arrives(host, browser) -> None:
    browser.heard.clear()
    started = asyncio.get_running_loop().time()
    for _ in range(100):
        await host.do(Floor.set_state, "a1", AgentState.LOGGED_IN, actor="a1")
        await host.do(Floor.set_state, "a1", AgentState.LOGGED_OUT, actor="a1")
    await host.do(Floor.set_state, "a1", AgentState.LOGGED_IN, actor="a1")
    await host.do(Floor.set_state, "a1", AgentState.BREAK, reason="done", actor="a1")
    await browser.wait_for("grid patch", lambda data: data["rows"][0]["reason"] == "done")
    took = asyncio.get_running_loop().time() - started
    patches = [data for method, data, _ in browser.heard if method == "grid patch"]
    assert len(patches) <= 2 + took / PAUSE_S


class Flaky:
    """A client whose stream breaks after its first item, and whose server is then away for a while."""

    def __init__(self, inner: LocalClient) -> None:
        self.inner = inner
        self.away = 0
        self.broken = 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def me(self):
        if self.away:
            self.away -= 1
            raise ServerUnavailable("The server cannot be reached.")
        return await self.inner.me()

    async def events(self, after):
        async for item in self.inner.events(after):
            yield item
            if self.broken == 0:
                self.broken, self.away = 1, 1
                raise ServerUnavailable("The line dropped.")


async def test_a_dropped_line_is_said_and_everything_is_fetched_again(host) -> None:
    page = CoachingPage(Flaky(LocalClient(host, actor="sup")))
    browser = CoachingBrowser(page)
    await browser.wait_for("line", lambda data: data["state"] == "reconnecting")
    browser.heard.clear()
    await browser.wait_for("line", lambda data: data["state"] == "live")
    assert "loaded" in [method for method, *_ in browser.heard]
    await page.close_page()


FLOOR = {
    "time_zone": "Europe/London",
    "now": "2026-07-01T14:00:00.000000Z",  # 15:00 in London
    "next_clear_down": "2026-07-02T02:00:00.000000Z",
}


@pytest.mark.parametrize(
    ("wall", "moment"),
    [
        ("", None),
        ("17:00", "2026-07-01T16:00:00Z"),
        ("01:30", "2026-07-02T00:30:00Z"),
        ("03:00", "2026-07-02T02:00:00Z"),
    ],
)
def test_a_time_of_day_is_the_next_such_time_on_the_floors_clock(wall, moment) -> None:
    assert coming(wall, FLOOR, "expires_at", "expiry") == moment


@pytest.mark.parametrize("wall", ["14:59", "15:00", "04:00", "25:00", "soon"])
def test_a_time_of_day_that_cannot_be_is_refused_with_a_sentence(wall) -> None:
    with pytest.raises(InvalidInput) as caught:
        coming(wall, FLOOR, "ack_by", "time to confirm by")
    assert caught.value.field == "ack_by"


def test_a_page_kernel_stays_light() -> None:
    code = (
        "import sys\n"
        "from coachsim.pages.coaching import CoachingPage\n"
        "from coachsim.remote import RemoteClient\n"
        "heavy = {'pandas', 'duckdb', 'pyarrow', 'numpy', 'tornado.httpserver', 'voila', 'coachsim.host'}\n"
        "heavy |= {'click', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_voila_template_is_where_voila_is_told_to_look() -> None:
    assert (VOILA_TEMPLATE_PATH / "voila/templates/coachsim/index.html.j2").is_file()


async def test_the_pace_of_a_practice_floor_is_set_from_the_page_and_shown(tmp_path) -> None:
    practice = await Practice.open(tmp_path, SCENARIO, seed=5, speed=60, today=TODAY)
    page = CoachingPage(LocalClient(practice.host, practice=practice, actor="sup"))
    browser = CoachingBrowser(page)
    try:
        await browser.wait_for("line", lambda data: data["state"] == "live")
        loaded = await browser.wait_for("loaded")
        assert (loaded["floor"]["mode"], loaded["floor"]["speed"]) == ("practice", 60)
        browser.press("set_pace", paused=True)
        told = await browser.wait_for("changed", lambda data: data.get("floor", {}).get("paused"))
        assert practice.clock.paused and told["floor"]["speed"] == 60
        await browser.wait_for("grid clock", lambda data: data["clock"]["paused"])
        browser.press("set_pace", speed=300, paused=False)
        await browser.wait_for("grid clock", lambda data: data["clock"]["speed"] == 300 and not data["clock"]["paused"])
        browser.press("set_pace", speed=1e9)
        assert "speed" in (await browser.wait_for("trouble"))["sentence"]
        assert practice.clock.speed == 300
    finally:
        await page.close_page()
        page.close()
        await practice.close()


async def test_a_live_floor_has_no_pace(browser) -> None:
    browser.press("set_pace", speed=60)
    assert "live" in (await browser.wait_for("trouble"))["sentence"]
