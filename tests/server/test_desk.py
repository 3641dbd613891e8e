"""The desk behind the front door: whose page and whose kernel it is, and Voila coming and going."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from pathlib import Path

import httpx
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from coachsim.server.comings import NOT_RECOGNISED
from coachsim.server.desk import Desk
from tests.processes import alive, descendants, kernels_of, listens_at, running
from tests.server.desks import PAGE, Door, eventually
from tests.serving import DEADLINE_S, add_everybody, serve, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


async def test_a_page_is_for_its_roles_and_a_kernel_for_its_session(door: Door):
    async with door.browser("sup") as sup, door.browser("sup") as elsewhere, door.browser("a1") as ann:
        anonymous = httpx.AsyncClient(base_url=door.server.url, timeout=DEADLINE_S)
        async with anonymous:
            answer = await anonymous.get(PAGE)
            assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/login")
            assert (await anonymous.delete("/desk/api/kernels/" + "0" * 36)).status_code == 401
        assert (await ann.get(PAGE)).status_code == 403
        assert (await ann.get("/desk/voila/static/voila.js")).status_code == 403

        kernel, page = await door.render(sup)
        assert "Set-Cookie" not in page.headers
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert "http://" not in page.headers["Content-Security-Policy"]
        assert not re.search(r'(src|href)="(https?:)?//', page.text)

        address = f"/desk/api/kernels/{kernel}"
        assert (await sup.get(address)).json()["id"] == kernel
        # The same person, signed in a second time, is another session.
        assert (await elsewhere.get(address)).status_code == 404
        assert (await elsewhere.post(f"/desk/voila/api/shutdown/{kernel}")).status_code == 404
        assert (await elsewhere.delete(address)).status_code == 404
        assert (await sup.get(address)).status_code == 200

        # XSRF is checked at the front door.
        del sup.headers["X-XSRFToken"]
        assert (await sup.post(f"/desk/voila/api/shutdown/{kernel}")).status_code == 403
        sup.headers["X-XSRFToken"] = "of-this-browser"
        assert (await sup.post(f"/desk/voila/api/shutdown/{kernel}")).status_code == 204
        assert (await sup.get(address)).status_code == 404


@pytest.mark.parametrize("long", [False, True], ids=["usual folder", "too long for sockets"])
def test_a_kernels_lines_are_no_ports_that_all_the_machine_can_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: bool
):
    folder = (tmp_path if long else Path("/tmp")) / ("a" * 90 if long else "")
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("TMPDIR", str(folder))
    add_everybody(tmp_path)
    with serve(tmp_path, desk=True) as served:
        served.wait_for("the desk is ready")
        with served.browser("sup") as browser:
            assert browser.get(PAGE).status_code == 200
        (kernel,) = kernels_of(served.process.pid)
        # At one port ipykernel waits for what processes below it print; the lines of a kernel are five.
        assert len(listens_at(kernel)) == (6 if long else 1)


async def test_a_page_that_is_left_by_signing_out_is_no_stranger(door: Door):
    async with door.browser("sup") as sup, httpx.AsyncClient(base_url=door.server.url, timeout=DEADLINE_S) as stranger:
        kernel, _ = await door.render(sup)
        address = f"/desk/voila/api/shutdown/{kernel}"
        cookies = dict(sup.cookies)
        assert (await sup.post("/logout", data={"_xsrf": "of-this-browser"})).status_code == 303
        # Said by the page before it knew of that; a browser sends the two side by side.
        leaving = httpx.AsyncClient(base_url=door.server.url, cookies=cookies, timeout=DEADLINE_S)
        async with leaving:
            assert (await leaving.post(address)).status_code == 204
            assert (await leaving.delete(f"/desk/api/kernels/{kernel}")).status_code == 401
        assert (await stranger.post(address)).status_code == 401
        stranger.cookies.set("coachsim_session", cookies["coachsim_session"][:-4] + "0000")
        assert (await stranger.post(address)).status_code == 401
        site = door.server.site
        site.comings.write()
        # The kernel, which does not know yet either, may have asked with its ticket meanwhile.
        question = "SELECT subject, times FROM coming WHERE action = ? AND subject LIKE 'cookie %' ORDER BY subject"
        rows = site.store.rows(question, NOT_RECOGNISED)
        kernels = "/desk/api/kernels/{kernel}"
        assert [tuple(row) for row in rows] == [
            (f"cookie at DELETE {kernels}", 1),
            ("cookie at POST /desk/voila/api/shutdown/{kernel}", 1),
        ]


async def test_each_page_of_the_desk_is_for_its_roles(door: Door):
    page = "/desk/voila/render/{}.ipynb"
    may = {"sup": {"coaching", "message_log", "what_if"}, "analyst": {"message_log", "what_if"}}
    may |= {"trainer": {"what_if"}, "phones": set(), "a1": set()}
    for name, pages in may.items():
        async with door.browser(name) as client:
            start = (await client.get("/")).text
            for one in ("coaching", "message_log", "what_if"):
                assert (f'href="/{one}"' in start) == (one in pages), f"{name}'s start page, {one}"
                # A page's first bytes are enough: the rest comes when its kernel has run.
                async with client.stream("GET", page.format(one)) as answer:
                    assert answer.status_code == (200 if one in pages else 403), f"{name}, {one}"
    async with door.browser("trainer") as trainer:
        link = await trainer.get("/what_if")
        assert (link.status_code, link.headers["Location"]) == (302, page.format("what_if"))


async def test_a_page_is_told_where_scenarios_are(door: Door, tmp_path: Path):
    told = door.server.desk._environment()
    assert told["COACHSIM_SCENARIOS"] == str(tmp_path / "scenarios")
    assert told["COACHSIM_CACHE"] == str(tmp_path / "cache")


async def test_a_websocket_is_for_its_session_and_ends_with_it(door: Door, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("coachsim.server.desk_proxy._GRACE_S", 0.1)
    async with door.browser("sup") as sup, door.browser("blue") as blue:
        kernel, _ = await door.render(sup)
        url = door.server.url.replace("http", "ws") + f"/desk/api/kernels/{kernel}/channels?session_id=x"

        def headers(client: httpx.AsyncClient, origin: str = door.server.url) -> dict[str, str]:
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            return {"Cookie": cookie, "Origin": origin}

        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(HTTPRequest(url, headers={"Origin": door.server.url}))
        assert refused.value.code == 401
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(HTTPRequest(url, headers=headers(sup, "https://example.org")))
        assert refused.value.code == 403

        stranger = await websocket_connect(HTTPRequest(url, headers=headers(blue)))
        try:
            assert await asyncio.wait_for(stranger.read_message(), DEADLINE_S) is None  # closed, and nothing was said
        finally:
            stranger.close()

        async with door.line(sup, kernel) as own:
            assert (await own.answer_of("kernel_info_request", {}))["status"] == "ok"
            assert (await sup.post("/logout")).status_code == 303
            await asyncio.wait_for(own.end(), DEADLINE_S)


@pytest.mark.parametrize("door", [60.0], indirect=True)  # longer than a busy machine takes to make the page
async def test_a_kernel_that_no_page_has_open_is_ended(door: Door):
    async with door.browser("sup") as sup:
        kernel, _ = await door.render(sup)
        end = time.monotonic() + 60 + DEADLINE_S
        while (await sup.get(f"/desk/api/kernels/{kernel}")).status_code == 200:
            assert time.monotonic() < end, "the kernel was kept"
            await asyncio.sleep(0.2)


async def test_voila_is_started_again_and_nothing_else_stops_meanwhile(door: Door):
    desk = door.server.desk
    async with door.browser("sup") as sup:
        os.kill(desk.process.pid, signal.SIGKILL)
        await eventually(lambda: desk.port is None, "the end was noticed")
        down = await sup.get(PAGE)
        assert (down.status_code, down.headers["Refresh"]) == (503, "3")
        assert "not affected" in down.text
        message = {"audience": {"everyone": True}, "body": "Hello", "request_id": "1"}
        assert (await sup.post("/api/messages", json=message)).status_code == 201
        await eventually(lambda: desk.port, "the desk is back")
        await door.render(sup)


class Told:
    """What a child is told, to which nobody listens."""

    def write(self, line: bytes) -> None:
        pass

    def close(self) -> None:
        pass


class Child:
    """In place of Voila's process: says or ends when the test has it."""

    def __init__(self) -> None:
        self.stdin = Told()
        self.stdout = asyncio.StreamReader()
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    def end(self) -> None:
        self.stdout.feed_eof()
        self._ended.set()

    async def wait(self) -> None:
        await self._ended.wait()
        self.returncode = 0


@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("ends", [False, True], ids=["says its port", "ends"])
async def test_a_desk_that_is_stopped_as_its_child_says_something_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: bool, turns: int
):
    children: list[Child] = []

    async def begun(*_: object, **__: object) -> Child:
        children.append(Child())
        return children[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", begun)
    desk = Desk(tmp_path, "http://127.0.0.1:1", tmp_path / "cache")
    desk.start()
    await eventually(lambda: children, "the child is there")
    await asyncio.sleep(0)
    if ends:
        children[0].end()
    else:
        children[0].stdout.feed_data(b"1\n")
    for _ in range(turns):
        await asyncio.sleep(0)
    stopping = asyncio.create_task(desk.stop())
    await asyncio.sleep(0)
    children[0].end()
    async with asyncio.timeout(DEADLINE_S):
        await stopping
    assert len(children) == 1
    assert desk.port is None


def test_a_server_that_is_told_to_stop_while_the_desk_starts_says_nothing_odd(tmp_path: Path):
    with serve(tmp_path, desk=True) as served:
        (desk,) = until(lambda: running(served.process.pid, "desk_child"), "the desk has been started")
        # Told before it can listen, as by Ctrl-C a moment after the start.
        assert served.stop() == 0
        until(lambda: not alive(desk), "the desk is gone")
        said = (tmp_path / "said.txt").read_text(encoding="utf-8")
    assert "the desk is ready" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("ending", ["kill", "stop"])
def test_voila_and_its_kernels_end_with_the_front_door_however_it_ends(tmp_path: Path, ending: str):
    add_everybody(tmp_path)
    with serve(tmp_path, desk=True) as served:
        served.wait_for("the desk is ready")
        with served.browser("sup") as browser:
            assert browser.get(PAGE).status_code == 200
        below = descendants(served.process.pid)
        assert len(below) >= 2  # Voila and a kernel
        getattr(served, ending)()
        until(lambda: not any(alive(pid) for pid in below), "all are gone")


def test_without_the_desk_there_is_none(tmp_path: Path):
    add_everybody(tmp_path)
    with serve(tmp_path) as served, served.browser("sup") as browser:
        assert browser.get(PAGE).status_code == 404
        assert browser.get("/coaching").status_code == 404
