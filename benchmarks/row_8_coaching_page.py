"""Row 8: what a change costs on the coaching page, in bytes and milliseconds, beside a bare anywidget table.

Both pages are served by the same server, in Chromium, each with a kernel that follows the same event stream.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, Page, WebSocket, async_playwright, expect

from benchmarks.harness import line
from benchmarks.served import agents
from coachsim import bundled
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.models import AgentState
from coachsim.server import app
from coachsim.server.accounts import Account, hash_password
from coachsim.server.site import Options

PASSWORD = "only for this benchmark"
CHANGES = 30
RATE, SECONDS = 500, 6.0
IN, BREAK = AgentState.LOGGED_IN, AgentState.BREAK

# The least that shows agents and changes one when told: no filters, no selection, nothing to send with.
BARE = """
import asyncio
import anywidget
from coachsim.remote import RemoteClient

class Table(anywidget.AnyWidget):
    _esm = '''
    export default { render({ model, el }) {
      const table = document.createElement("table");
      table.setAttribute("aria-label", "Agents");
      el.append(table);
      const cells = new Map();
      const write = (row) => cells.get(row.agent_id)?.forEach((cell, at) => {
        cell.textContent = [row.name, row.state, row.unread][at];
      });
      model.on("msg:custom", ({ rows, row }) => {
        for (const one of rows || []) {
          if (cells.size >= 40) break;
          const line = table.insertRow();
          cells.set(one.agent_id, [line.insertCell(), line.insertCell(), line.insertCell()]);
          write(one);
        }
        if (row) write(row);
      });
      model.send({ ready: true });
    } };
    '''

table, client = Table(), RemoteClient.from_env()

async def follow():
    answer = await client.agents()
    table.send({"rows": answer["agents"]})
    async for _, name, data in client.events(answer["as_of"]):
        if name == "agent":
            table.send({"row": data})

following = []
table.on_msg(lambda *_: following or following.append(asyncio.ensure_future(follow())))
table
"""
WATCH = """() => {
  window.seen = []; window.longest = 0;
  const at = () => performance.timeOrigin + performance.now();
  new MutationObserver(() => window.seen.push(at()))
    .observe(document.querySelector('[aria-label="Agents"]'), { subtree: true, childList: true, characterData: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
  }).observe({ type: 'longtask' });
}"""
# Browsers report tasks of 50 ms and more. One of 120 ms shows that this one does, before its silence is believed.
BUSY = "setTimeout(() => { const end = performance.now() + 120; while (performance.now() < end); }); undefined"


@dataclass
class Watched:
    """A page, and what its kernel says to it, but for its regular signs of life: when, and how many bytes."""

    page: Page
    frames: list[tuple[float, int]] = field(default_factory=list)

    def listen(self, socket: WebSocket) -> None:
        """Takes down every frame."""

        def heard(payload: str | bytes) -> None:
            data = payload.encode() if isinstance(payload, str) else payload
            if (b"msg:custom" not in data and b'"custom"' not in data) or b'"beat"' in data:
                return
            self.frames.append((time.time() * 1e3, len(data)))

        socket.on("framereceived", heard)

    async def change(self, host: FloorHost, agent_id: str) -> tuple[float, int]:
        """Milliseconds until one change shows, and the bytes it took."""
        row = host.floor.agents[agent_id]
        self.frames.clear()
        await self.page.evaluate("window.seen = []")
        start = time.time() * 1e3
        await host.do(Floor.set_state, agent_id, BREAK if row.state is IN else IN, actor="telephony")
        await self.page.wait_for_function("window.seen.length > 0")
        shown = (await self.page.evaluate("window.seen[0]")) - start
        await asyncio.sleep(0.7)  # the page of both tells no more than twice a second
        return shown, sum(size for _, size in self.frames)


@asynccontextmanager
async def floor_of(number: int, browser: Browser) -> AsyncIterator[tuple[FloorHost, Watched, Watched]]:
    """A server with so many agents, logged in and connected; the coaching page and the bare table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pages = folder / "pages"
        pages.mkdir()
        own = bundled.folder
        notebook = json.loads((own("dashboards") / "coaching.ipynb").read_text(encoding="utf-8"))
        (pages / "coaching.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
        notebook["cells"] = [notebook["cells"][0] | {"source": BARE}]
        (pages / "what_if.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
        bundled.folder = lambda name: pages  # a page of this name is let through the front door
        try:
            server = await app.Server.start(Options(folder / "data", port=0))
        finally:
            bundled.folder = own
        try:
            host = server.site.host
            await host.do(Floor.set_agents, agents(number), actor="benchmark")
            for agent in agents(number):
                host.play(host.now(), Floor.connect, agent.agent_id, actor="benchmark")
                host.play(host.now(), Floor.set_state, agent.agent_id, IN, actor="benchmark")
            await host.settled()
            account = Account("sup", frozenset({"supervisor"}), None)
            server.site.accounts.add(account, hash_password(PASSWORD), actor="benchmark")
            ours, bare = [await open_page(browser, server.url, path) for path in ("coaching", "what_if")]
            yield host, ours, bare
            for watched in (ours, bare):
                await watched.page.context.close()
        finally:
            await server.stop()


async def open_page(browser: Browser, url: str, name: str) -> Watched:
    """A page with its data, watched."""
    page = await (await browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
    watched = Watched(page)
    page.on("websocket", watched.listen)
    await page.goto(f"{url}/login?next=/desk/voila/render/{name}.ipynb")
    await page.get_by_label("Name").fill("sup")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_label("Agents", exact=True).get_by_text("Agent 0001")).to_be_visible(timeout=120_000)
    await asyncio.sleep(2)
    await page.evaluate(WATCH)
    return watched


async def one_change(host: FloorHost, ours: Watched, bare: Watched) -> list[tuple[list[float], list[int]]]:
    """The same changes, watched on one page and then on the other, in turns."""
    found: list[tuple[list[float], list[int]]] = [([], []), ([], [])]
    for number in range(CHANGES):
        for place, watched in enumerate((ours, bare)):
            shown, size = await watched.change(host, f"a{1 + number % 9:04}")
            if number >= 5:  # the first few warm up both
                found[place][0].append(shown)
                found[place][1].append(size)
    return found


async def many_changes(host: FloorHost, watched: Watched) -> str:
    """Changes at a steady rate: how many frames come of it, the longest task in the browser, and when all is shown."""
    draw = random.Random(1)
    names = list(host.floor.agents)
    watched.frames.clear()
    await watched.page.evaluate(BUSY)
    await watched.page.wait_for_function("window.longest >= 100")
    await watched.page.evaluate("window.longest = 0; window.seen = []")
    start, began = time.monotonic(), time.time() * 1e3
    done, running = 0, set()
    while (now := time.monotonic() - start) < SECONDS:
        while done < now * RATE:
            agent_id = names[done % 30] if done % 10 == 0 else draw.choice(names)
            state = BREAK if host.deciding.agents[agent_id].state is IN else IN
            running.add(asyncio.ensure_future(host.do(Floor.set_state, agent_id, state, actor="telephony")))
            done += 1
        await asyncio.sleep(0.005)
    await asyncio.gather(*running)
    ended = time.time() * 1e3
    await asyncio.sleep(3)
    last = max(moment for moment, _ in watched.frames)
    shown = await watched.page.evaluate("Math.max(...window.seen)")
    longest = await watched.page.evaluate("window.longest")
    task = f"longest task {longest:.0f} ms" if longest else "no task of 50 ms or more"
    frames = len(watched.frames) / max(SECONDS, (last - began) / 1e3)
    return (
        f"{done / SECONDS:.0f} changes/s: {frames:.1f} frames/s (≤ 4), "
        f"{sum(size for _, size in watched.frames) / done:.0f} bytes a change, {task} (≤ 100), "
        f"last shown {max(0.0, max(last, shown) - ended):.0f} ms after the last change (≤ 1,000)"
    )


async def measure() -> None:
    """Prints the table's lines."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    options = ["--disable-gpu", "--disable-background-networking", *["--no-sandbox"][: os.getuid() == 0]]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=options)
        for number in (250, 5_000):
            async with floor_of(number, browser) as (host, ours, bare):
                (our_ms, our_bytes), (bare_ms, bare_bytes) = await one_change(host, ours, bare)
                for what, mine, theirs in (("ms", our_ms, bare_ms), ("bytes", our_bytes, bare_bytes)):
                    one, other = statistics.median(mine), statistics.median(theirs)
                    name = f"8: coaching page, {number:,} agents, one change"
                    print(line(name, f"{one:,.0f} {what}", f"bare anywidget table {other:,.0f} {what}", one / other, 2))
                if number == 5_000:
                    print(
                        f"| 8: coaching page, {number:,} agents | {await many_changes(host, ours)} | | | |", flush=True
                    )
        await browser.close()


if __name__ == "__main__":
    asyncio.run(measure())
