"""Servers in processes of their own, for the rows about load: a floor with everybody logged in, and a bare tornado.

    python -m benchmarks.served floor AGENTS [undurable]
    python -m benchmarks.served bare

Each prints one line of JSON when it is ready: its address, and a token for each agent and for ``sup``.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado import web
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_sockets

from coachsim.floor import Floor
from coachsim.log import LogWriter
from coachsim.models import Agent, AgentState
from coachsim.server.accounts import Account, hash_password
from coachsim.server.app import Server
from coachsim.server.site import Options

PASSWORD = "only-for-this-benchmark"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Running:
    """A server that has been started: where it listens, who may ask, and its process."""

    port: int
    tokens: list[str]
    sup: str
    pid: int


def agents(number: int) -> list[Agent]:
    """A floor of teams of 25."""
    return [
        Agent(f"a{n:04}", f"Agent {n:04}", f"Team {n // 25:03}", ("Spring",), ("Warm",), ("Sales",))
        for n in range(number)
    ]


@contextmanager
def running(*arguments: str) -> Iterator[Running]:
    """Starts one of the servers, and ends it."""
    command = [sys.executable, "-m", "benchmarks.served", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Running(**json.loads(process.stdout.readline()), pid=process.pid)
    finally:
        process.terminate()
        process.wait(60)


def _say(port: int, tokens: list[str], sup: str) -> None:
    print(json.dumps({"port": port, "tokens": tokens, "sup": sup}), flush=True)


async def floor(number: int, *, durable: bool) -> None:
    """A live floor, everybody on it logged in. Without durability every append counts as committed at once."""
    if not durable:

        def at_once(self: LogWriter, events: Any) -> Future[None]:
            done: Future[None] = Future()
            done.set_result(None)
            return done

        LogWriter.append = at_once  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        server = await Server.start(Options(Path(folder), port=0, desk=False))
        site, host = server.site, server.site.host
        people = agents(number)
        await host.do(Floor.set_agents, people, actor="benchmark")
        for agent in people:
            host.play(host.now(), Floor.connect, agent.agent_id, actor="benchmark")
            host.play(host.now(), Floor.set_state, agent.agent_id, AgentState.LOGGED_IN, actor="benchmark")
        await host.settled()
        accounts = [Account("sup", frozenset({"supervisor"}), None)]
        accounts += [Account(one.agent_id, frozenset({"agent"}), agent_id=one.agent_id) for one in people]
        hashed = hash_password(PASSWORD)
        for account in accounts:
            site.accounts.add(account, hashed, actor="benchmark")
        sup, *tokens = [site.sessions.new_token(account, actor="benchmark") for account in accounts]
        _say(int(server.url.rsplit(":", 1)[1]), tokens, sup)
        await server.run()


class _Events(web.RequestHandler):
    def get(self) -> None:
        stream = self.detach()
        stream.set_nodelay(True)
        streams: set[IOStream] = self.settings["streams"]
        streams.add(stream)
        stream.set_close_callback(lambda: streams.discard(stream))
        stream.write(HEAD)


class _Send(web.RequestHandler):
    def post(self) -> None:
        for stream in tuple(self.settings["streams"]):
            with suppress(StreamClosedError):
                stream.write(self.request.body)
        self.set_status(201)
        self.finish({})


class _Take(web.RequestHandler):
    def post(self) -> None:
        json.loads(self.request.body)
        self.set_status(204)


async def bare() -> None:
    """The least that does the same: streams that are written to, and a handler that takes reports."""
    urls = [("/api/events", _Events), ("/api/messages", _Send), ("/api/inbox/toasts", _Take)]
    app = web.Application(urls, streams=set(), log_function=lambda handler: None)
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(app).add_sockets(sockets)
    _say(sockets[0].getsockname()[1], [], "nobody")
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1] == "bare":
        asyncio.run(bare())
    else:
        asyncio.run(floor(int(sys.argv[2]), durable="undurable" not in sys.argv))
