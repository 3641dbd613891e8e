"""Thousands of clients in processes of their own: pages that listen, and requests that come all at once.

Told what to do by lines of JSON on standard input; answers each with one. Times are of the machine's monotonic clock,
which all processes share.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.served import Running

PROCESSES = 2
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
Request = tuple[str, str, str]
"""A token, method and path ("POST /api/inbox/open"), and a body: JSON, or a form's fields."""


class Crowd:
    """The processes. Whatever is asked is shared out among them."""

    def __init__(self, stack: ExitStack) -> None:
        self._processes = [stack.enter_context(_process()) for _ in range(PROCESSES)]

    def _ask(self, orders: Sequence[dict[str, Any]]) -> None:
        for process, order in zip(self._processes, orders, strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()

    def _answers(self) -> list[Any]:
        answers = []
        for process in self._processes:
            assert process.stdout is not None
            answers.append(json.loads(process.stdout.readline()))
        return answers

    def listen(self, name: str, server: Running, tokens: Sequence[str]) -> None:
        """A page for each of the tokens; returns when all have their stream."""
        parts = [tokens[place::PROCESSES] for place in range(PROCESSES)]
        self._ask([{"do": "listen", "name": name, "port": server.port, "tokens": part} for part in parts])
        self._answers()

    def expect(self, name: str, messages: int = 1) -> None:
        """From now on these pages wait for so many messages each."""
        self._ask([{"do": "expect", "name": name, "messages": messages}] * PROCESSES)
        self._answers()

    def heard(self, name: str) -> float:
        """When the last byte of the last message was there."""
        self._ask([{"do": "heard", "name": name}] * PROCESSES)
        return max(self._answers())

    def ask(self, server: Running, requests: Sequence[Request], connections: int) -> float:
        """Seconds until all of these are answered, over so many connections that are open already."""
        parts = [requests[place::PROCESSES] for place in range(PROCESSES)]
        order = {"do": "connect", "port": server.port, "connections": connections // PROCESSES}
        self._ask([order | {"requests": part} for part in parts])
        self._answers()
        began = time.monotonic()
        self._ask([{"do": "ask"}] * PROCESSES)
        return max(self._answers()) - began


@contextmanager
def _process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.crowd"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


class _Page(asyncio.Protocol):
    """One open stream. It counts messages, as few instructions as can be."""

    def __init__(self, pages: _Pages, token: str) -> None:
        self.pages = pages
        self.token = token
        self.rest = b""
        self.is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        head = f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        transport.write(head.encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        data = self.rest + data
        if not data.endswith((b"\n\n", b"\r\n\r\n")):
            self.rest = data
            return
        self.rest = b""
        if not self.is_open:
            if not data.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(data[:200])
            self.is_open = True
            self.pages.opened.release()
        if count := data.count(b"event: message\n"):
            self.pages.hear(count)


class _Pages:
    """All pages of one server."""

    def __init__(self) -> None:
        self.opened = asyncio.Semaphore(0)
        self.number = 0
        self.waiting = 0
        self.last: asyncio.Future[float] | None = None

    async def open(self, port: int, tokens: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        for start in range(0, len(tokens), 100):
            some = tokens[start : start + 100]
            await asyncio.gather(
                *(loop.create_connection(lambda token=token: _Page(self, token), "127.0.0.1", port) for token in some)
            )
            for _ in some:
                await self.opened.acquire()
        self.number += len(tokens)

    def expect(self, messages: int) -> None:
        self.waiting = self.number * messages
        self.last = asyncio.get_running_loop().create_future()

    def hear(self, count: int) -> None:
        self.waiting -= count
        if self.waiting == 0 and self.last is not None:
            self.last.set_result(time.monotonic())


class _Requests:
    """Requests over connections that are there before the clock starts."""

    async def connect(self, port: int, connections: int, requests: Sequence[Request]) -> None:
        self.requests = [
            f"{what} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: {JSON if body.startswith('{') else FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
            f"{body}".encode()
            for token, what, body in requests
        ]
        wanted = min(connections, len(requests))
        self.lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(wanted)]

    async def ask(self) -> float:
        waiting = iter(self.requests)
        await asyncio.gather(*(self._work(reader, writer, waiting) for reader, writer in self.lines))
        ended = time.monotonic()
        for _, writer in self.lines:
            writer.close()
        return ended

    async def _work(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: Iterator[bytes]) -> None:
        for request in waiting:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3")):
                raise RuntimeError(head[:200])
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    await reader.readexactly(int(line.partition(b":")[2]))


async def main() -> None:
    """Does what it is told, until standard input ends."""
    loop = asyncio.get_running_loop()
    pages: dict[str, _Pages] = {}
    requests = _Requests()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        answer: Any = None
        if order["do"] == "listen":
            await pages.setdefault(order["name"], _Pages()).open(order["port"], order["tokens"])
        elif order["do"] == "expect":
            pages[order["name"]].expect(order["messages"])
        elif order["do"] == "heard":
            last = pages[order["name"]].last
            assert last is not None
            answer = await asyncio.wait_for(last, 120)
        elif order["do"] == "connect":
            await requests.connect(order["port"], order["connections"], order["requests"])
        else:
            answer = await requests.ask()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
