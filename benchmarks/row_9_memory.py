"""Row 9: memory with 5,000 agents after an hour of updates, for each agent's stream and for a coaching page's kernel.

The hour is compressed: everybody gets 20 messages, reads them once, and takes a break and comes back; as fast as the
server takes it. A stream's memory is what a server with 5,000 pages has more than one without, after the same hour; the
reference is a bare tornado with as many streams, which were written the same bytes. A kernel's is compared with one
that shows a single ipyvuetify widget. All memory is PSS: what is shared counts in parts.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from jupyter_client.manager import KernelManager, start_new_kernel

from benchmarks.crowd import Crowd
from benchmarks.harness import line
from benchmarks.served import Running, agents, running

AGENTS = 5_000
MESSAGES = 20
BODY = "Please read the new wording before your next call."
COACHING = """
from coachsim.pages.coaching import CoachingPage
from coachsim.remote import RemoteClient
page = CoachingPage(RemoteClient.from_env())
page
"""
SEEN = "print(len(page.board.agents), len(page.board.messages))"
BARE = """
import ipyvuetify
page = ipyvuetify.Btn(children=["OK"])
page
"""


def pss_mb(pid: int) -> float:
    """The memory of a process (MB), its part of what it shares with others included."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


class Kernel:
    """A kernel that shows a page."""

    def __init__(self, manager: KernelManager, client: object) -> None:
        self._manager = manager
        self._client = client

    def run(self, code: str) -> str:
        """What the code prints."""
        said: list[str] = []

        def hear(message: dict[str, object]) -> None:
            content = message["content"]
            assert isinstance(content, dict)
            if message["msg_type"] == "stream":
                said.append(content["text"])

        answer = self._client.execute_interactive(code, output_hook=hear, timeout=120)  # type: ignore[attr-defined]
        assert answer["content"]["status"] == "ok", answer["content"]
        return "".join(said).strip()

    @property
    def mb(self) -> float:
        """Its memory."""
        return pss_mb(self._manager.provisioner.pid)


@contextmanager
def kernel(code: str, server: Running) -> Iterator[Kernel]:
    """A kernel that has run the code, as a visitor of this server."""
    address = f"http://127.0.0.1:{server.port}"
    manager, client = start_new_kernel(env={**os.environ, "COACHSIM_URL": address, "COACHSIM_TOKEN": server.sup})
    try:
        started = Kernel(manager, client)
        started.run(code)
        yield started
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def until(holds: Callable[[], bool]) -> None:
    """Waits, two minutes at most."""
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def send(server: Running, number: int) -> None:
    """A message to everybody."""
    draft = {"audience": {"everyone": True}, "body": BODY, "request_id": f"r{number}"}
    headers = {"Authorization": f"Bearer {server.sup}"}
    answer = httpx.post(f"http://127.0.0.1:{server.port}/api/messages", json=draft, headers=headers, timeout=120)
    assert answer.status_code == 201, answer.text


def hour(crowd: Crowd, server: Running, number: int, *, heard: bool) -> None:
    """The updates of an hour, and one message more, which comes last."""
    for count in range(MESSAGES):
        if heard:
            crowd.expect("ours")
        send(server, count)
        if heard:
            crowd.heard("ours")
    for state in ("break", "logged_in"):
        body = json.dumps({"state": state})
        crowd.ask(
            server,
            [
                (token, f"PUT /api/agents/{agent.agent_id}/state", body)
                for token, agent in zip(server.tokens, agents(number), strict=True)
            ],
            500,
        )
    crowd.ask(server, [(token, "POST /api/inbox/open", "{}") for token in server.tokens], 500)
    send(server, MESSAGES)


def measure(number: int, *, kernels: bool = True) -> dict[str, float]:
    """KB of a stream (``stream``, ``bare_stream``), MB of a kernel (``kernel``, ``bare_kernel``, ``fresh_kernel``)."""
    found: dict[str, float] = {}
    with ExitStack() as stack:
        crowd = Crowd(stack)
        server = stack.enter_context(running("floor", str(number)))
        crowd.listen("ours", server, server.tokens)
        if kernels:
            page, bare = [stack.enter_context(kernel(code, server)) for code in (COACHING, BARE)]
            until(lambda: page.run(SEEN) == f"{number} 0")
            found["fresh_kernel"] = page.mb
        hour(crowd, server, number, heard=True)
        if kernels:
            until(lambda: page.run(SEEN) == f"{number} {MESSAGES + 1}")
            found["kernel"], found["bare_kernel"] = page.mb, bare.mb
        with_pages = pss_mb(server.pid)
    with ExitStack() as stack:
        server = stack.enter_context(running("floor", str(number)))
        hour(Crowd(stack), server, number, heard=False)
        found["stream"] = 1024 * (with_pages - pss_mb(server.pid)) / number
    with ExitStack() as stack:
        crowd, bare_server, empty = Crowd(stack), *(stack.enter_context(running("bare")) for _ in range(2))
        crowd.listen("bare", bare_server, ["nobody"] * number)
        frame = f"id: 1\nevent: message\ndata: {'x' * 250}\n\n"
        for server in (bare_server, empty):
            for _ in range(MESSAGES + 4):
                if server is bare_server:
                    crowd.expect("bare")
                httpx.post(f"http://127.0.0.1:{server.port}/api/messages", content=frame, timeout=120)
                if server is bare_server:
                    crowd.heard("bare")
        found["bare_stream"] = 1024 * (pss_mb(bare_server.pid) - pss_mb(empty.pid)) / number
    return found


def main() -> None:
    """Prints the table's lines."""
    found = measure(AGENTS)
    ours, bare = found["stream"], found["bare_stream"]
    claim = f"9: memory of an agent's stream, {AGENTS:,} agents, after an hour's updates"
    print(line(claim, f"{ours:.1f} KB", f"bare stream {bare:.1f} KB", ours / bare, 1.5), flush=True)
    ours, bare, fresh = found["kernel"], found["bare_kernel"], found["fresh_kernel"]
    claim = f"9: memory of a coaching page's kernel, {AGENTS:,} agents, after an hour's updates"
    print(line(claim, f"{ours:.0f} MB", f"bare ipyvuetify kernel {bare:.0f} MB", ours / bare, 1.5), flush=True)
    claim = "9: growth of that kernel over the hour"
    print(line(claim, f"{ours:.1f} MB", f"when it was loaded {fresh:.1f} MB", ours / fresh, 1.05), flush=True)


if __name__ == "__main__":
    main()
