"""A server with a desk in the test's own process, its visitors' browsers, and the lines from a page to its kernel."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import HTTPRequest
from tornado.web import create_signed_value
from tornado.websocket import WebSocketClientConnection, websocket_connect

from coachsim.floor import Floor
from coachsim.server.app import Server
from coachsim.server.site import Options
from tests.serving import DEADLINE_S, PEOPLE, add_everybody

PAGE = "/desk/voila/render/coaching.ipynb"
KERNEL = re.compile(rb'"kernelId":\s*"([0-9a-f-]{36})"')
V1 = "v1.kernel.websocket.jupyter.org"


async def eventually(look: Callable[[], Any], what: str) -> Any:
    """Looks until what it sees is true."""
    end = time.monotonic() + DEADLINE_S
    while not (found := look()):
        assert time.monotonic() < end, f"never happened: {what}"
        await asyncio.sleep(0.05)
    return found


class Door:
    """A server in the test's own process, with a desk."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def browser(self, name: str) -> httpx.AsyncClient:
        """Someone who is signed in, as a browser would be."""
        site = self.server.site
        raw = site.sessions.begin(site.accounts.known(name))
        value = create_signed_value(site.cookie_secret, "coachsim_session", raw).decode()
        cookies = {"coachsim_session": value, "_xsrf": "of-this-browser"}
        headers = {"X-XSRFToken": "of-this-browser"}
        return httpx.AsyncClient(base_url=self.server.url, cookies=cookies, headers=headers, timeout=DEADLINE_S)

    async def render(self, client: httpx.AsyncClient, page: str = PAGE) -> tuple[str, httpx.Response]:
        """Opens the page; returns its kernel."""
        answer = await client.get(page)
        assert answer.status_code == 200, answer.text[:500]
        found = KERNEL.search(answer.content)
        assert found is not None, answer.text[:2_000]
        return found[1].decode(), answer

    @asynccontextmanager
    async def line(self, client: httpx.AsyncClient, kernel: str) -> AsyncIterator[Line]:
        """A websocket from this browser to a kernel, as a page has it."""
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        headers = {"Cookie": cookie, "Origin": self.server.url}
        url = self.server.url.replace("http", "ws") + f"/desk/api/kernels/{kernel}/channels?session_id=of-this-page"
        line = Line(await websocket_connect(HTTPRequest(url, headers=headers), subprotocols=[V1]))
        try:
            yield line
        finally:
            line.socket.close()
            await line.end()


class Line:
    """What a page says to its kernel and hears from it."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket = socket
        self._sent = 0
        self._ended = False

    async def end(self) -> None:
        """Waits for the line to be closed, by whichever side."""
        async with asyncio.timeout(DEADLINE_S):
            while not self._ended:
                self._ended = await self.socket.read_message() is None

    async def say(self, kind: str, content: Any, *, channel: str = "shell", **more: Any) -> str:
        """Sends one message; returns its id."""
        self._sent += 1
        msg_id = f"m{self._sent}"
        header = {"msg_id": msg_id, "msg_type": kind, "session": "of-this-page", "username": "", "version": "5.3"}
        header |= {"date": "2026-01-01T00:00:00Z"}
        parts = [json.dumps(part).encode() for part in (header, {}, more.get("metadata", {}), content)]
        await self.socket.write_message(serialize_msg_to_ws_v1(parts, channel), binary=True)
        return msg_id

    async def hear(self, wanted: Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], Any]) -> dict[str, Any]:
        """The content of the next message for which ``wanted(header, parent header, content)`` holds."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                heard = await self.socket.read_message()
                assert isinstance(heard, bytes), "the line was closed"
                _, parts = deserialize_msg_from_ws_v1(heard)
                header, parent, _, content = (json.loads(bytes(part)) for part in parts[:4])
                if wanted(header, parent, content):
                    found: dict[str, Any] = content
                    return found

    async def answer_of(self, kind: str, content: Any, **options: Any) -> dict[str, Any]:
        """Asks, and returns the content of the reply."""
        msg_id = await self.say(kind, content, **options)
        return await self.hear(
            lambda header, parent, _: header["msg_type"].endswith("_reply") and parent.get("msg_id") == msg_id
        )

    async def widgets(self) -> dict[str, Any]:
        """The models that the kernel has, as a page asks for them when it loads."""
        await self.say("comm_open", {"comm_id": "control", "target_name": "jupyter.widget.control", "data": {}},
                       metadata={"version": "1.0.0"})  # fmt: skip
        await self.say("comm_msg", {"comm_id": "control", "data": {"method": "request_states"}})
        said = await self.hear(lambda header, _, content: content.get("data", {}).get("method") == "update_states")
        states: dict[str, Any] = said["data"]["states"]
        return states


@asynccontextmanager
async def open_door(data: Path, **options: Any) -> AsyncIterator[Door]:
    """Starts a server on ``data`` with everybody's account, and ends it."""
    add_everybody(data)
    server = await Server.start(Options(data, port=0, **options))
    try:
        assert server.desk is not None
        await server.site.host.do(Floor.set_agents, PEOPLE, actor="test")
        await eventually(lambda: server.desk is not None and server.desk.port, "the desk is ready")
        yield Door(server)
    finally:
        await server.stop()
