"""Makes docs/coaching.png: a floor in the middle of a made-up morning, and its coaching page in Chromium.

Run it from the repository's folder after ``make test`` has set everything up: ``.venv/bin/python docs/screenshot.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import math
import os
import random
import shutil
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from coachsim import roster
from coachsim.days import MINUTE, SECOND, to_micros
from coachsim.errors import CoachsimError
from coachsim.floor import Floor
from coachsim.host import Command, FloorHost
from coachsim.models import Agent, AgentState, Audience, Draft, Filter, Priority
from coachsim.server.accounts import Account, hash_password
from coachsim.server.app import Server
from coachsim.server.site import Options
from coachsim.settings import Settings

HERE = Path(__file__).parent
LARGEST = 200_000  # bytes
PASSWORD = "only for this picture"
IN, BREAK = AgentState.LOGGED_IN, AgentState.BREAK
Step = tuple[int, Command, tuple[object, ...], dict[str, object]]


PALETTE = """async (picture) => {
  const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes]));
  const { width, height } = image;
  const pen = new OffscreenCanvas(width, height).getContext('2d');
  pen.drawImage(image, 0, 0);
  const { data } = pen.getImageData(0, 0, width, height);
  const code = (at) => data[at] << 16 | data[at + 1] << 8 | data[at + 2];
  const codes = Array.from({ length: width * height }, (_, at) => code(4 * at));
  const counts = new Map();
  for (const code of codes) counts.set(code, (counts.get(code) || 0) + 1);
  const common = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([code]) => code);
  const part = (code, at) => code >> (8 * at) & 255;
  const far = (a, b) => [0, 1, 2].reduce((sum, at) => sum + Math.abs(part(a, at) - part(b, at)), 0);
  const place = new Map([...counts.keys()].map((code) => {
    let best = 0;
    common.forEach((one, at) => { if (far(code, one) < far(code, common[best])) best = at; });
    return [code, best];
  }));
  let letters = '';
  for (const code of codes) letters += String.fromCharCode(place.get(code));
  return [width, height, common.flatMap((code) => [part(code, 2), part(code, 1), part(code, 0)]), btoa(letters)];
}"""


class StoppedClock:
    """The floor's time is only what ``FloorHost.play`` says."""

    speed = 1.0
    paused = False

    def __init__(self, at: int) -> None:
        self.at = at

    def wall(self) -> int:
        """The start of the morning."""
        return self.at

    boot = wall

    def seconds_until(self, moment: int) -> float:
        """Nothing happens by itself before the morning has been played."""
        return math.inf


def zone_where_it_is_morning(now: datetime) -> str:
    """A time zone in which the clock shows ten o'clock and something."""
    ahead = (10 - now.hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}"


class Morning:
    """Some hours of a floor, drawn with a fixed seed and played up to ``now``."""

    def __init__(self, agents: list[Agent], now: int) -> None:
        self.agents = [agent for agent in agents if agent.active]
        self.now = now
        self.draw = random.Random(4)
        self.present: dict[str, tuple[int, int, int]] = {}  # agent_id: logged in; break begins; break ends

    def people(self) -> Iterator[Step]:
        """Logging in, and a break for most."""
        draw = self.draw
        for agent in self.agents:
            who = agent.agent_id
            if draw.random() < 0.12:
                continue
            came = self.now - int(draw.triangular(60, 190, 175) * MINUTE)
            away = came + int(draw.uniform(20, 200) * MINUTE)
            back = away + int(draw.uniform(8, 35) * MINUTE)
            self.present[who] = (came, away, back)
            yield came, Floor.connect, (who,), {"actor": who}
            yield came, Floor.set_state, (who, IN), {"actor": who}
            reason = draw.choice(["lunch", "coffee", "training", None])
            yield away, Floor.set_state, (who, BREAK), {"actor": who, "reason": reason}
            yield back, Floor.set_state, (who, IN), {"actor": who}

    def answers(self, at: int, message_id: int, agent_ids: list[str], share: float) -> Iterator[Step]:
        """What the recipients of one message do: see a toast, read, confirm."""
        for who in agent_ids:
            if who not in self.present:
                continue
            came, away, back = self.present[who]
            if came <= at and not away <= at < back:
                yield at + SECOND, Floor.show_toasts, (who, [message_id]), {"actor": who}
            if self.draw.random() < share:
                took = int(self.draw.lognormvariate(1.2, 0.9) * MINUTE)
                first = max(at, came) + took
                read = back + took // 4 if away <= first < back else first
                yield read, Floor.open_inbox, (who,), {"actor": who}
                if self.draw.random() < 0.8:
                    yield read + 20 * SECOND, Floor.acknowledge, (who, message_id), {"actor": who}

    def messages(self) -> list[tuple[int, str, Draft, float]]:
        """When, from whom, what, and the share that reads it."""

        def draft(minutes: int, sender: str, audience: Audience, body: str, share: float = 0.93, **more: object):
            at = self.now - minutes * MINUTE
            return at, sender, Draft(audience, body, request_id=f"m{minutes}", **more), share  # type: ignore[arg-type]

        team = Audience(filter=Filter(team=("Blue",)))
        spring = Audience(filter=Filter(campaign=("Spring",)))
        urgent, until = Priority.URGENT, self.now - 40 * MINUTE
        return [
            draft(118, "k.jones", Audience(everyone=True), "Fire drill at 15:00 today. Use the south stairs."),
            draft(98, "supervisor", spring, "New script from today: see the pinned page.", 0.7, ack_required=True),
            draft(71, "k.jones", spring, "Free training seats at half past: first come.", 0.6, expires_at=until),
            draft(44, "supervisor", Audience(agents=("a002",)), "Well handled, that last call."),
            draft(26, "k.jones", Audience(agents=("a004", "a031", "a077")), "Please call me back.", priority=urgent),
            draft(11, "supervisor", team, "Queue is long until noon: please keep wrap-up short."),
        ]


async def play(data: Path, now: int) -> None:
    """Writes the morning into a log."""
    agents = roster.load(HERE.parent / "data" / "roster.csv")
    morning = Morning(agents, now)
    host = await FloorHost.open(data, Settings.load(data), clock=StoppedClock(now - 200 * MINUTE))
    try:
        host.play(now - 199 * MINUTE, Floor.set_agents, agents, actor="roster")
        steps: list[Step] = list(morning.people())
        for at, sender, draft, share in morning.messages():
            steps.append((at, Floor.send, (draft,), {"actor": sender, "share": share}))
        while steps:
            steps.sort(key=lambda step: step[0])
            at, command, arguments, named = steps.pop(0)
            if at > now:
                break
            share = named.pop("share", None)
            try:
                host.play(at, command, *arguments, **named)
            except CoachsimError:
                continue  # on a break, not yet in, read already: then it does not happen
            if isinstance(share, float):
                floor = host.deciding
                row = floor.messages[max(floor.messages)]
                steps += morning.answers(at, row.message.message_id, list(row.deliveries), share)
            if len(steps) % 200 == 0:
                await host.settled()
        await host.settled()
    finally:
        await host.close()


async def look(data: Path, size: tuple[int, int], act: Callable[[Page], object] | None = None) -> bytes:
    """Starts a server on the folder and gives a picture of its coaching page."""
    server = await Server.start(Options(data, port=0))
    try:
        host = server.site.host
        for who, row in host.floor.agents.items():
            if row.present:
                await host.do(Floor.connect, who, actor=who)
        supervisor = Account("supervisor", frozenset({"supervisor"}), None)
        if server.site.accounts.get("supervisor") is None:
            server.site.accounts.add(supervisor, hash_password(PASSWORD), actor="picture")
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        options = ["--disable-gpu", "--disable-background-networking", *["--no-sandbox"][: os.getuid() == 0]]
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=found, args=options)
            context = await browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="en-GB")
            page = await context.new_page()
            await page.goto(f"{server.url}/login?next=/coaching")
            await page.get_by_label("Name").fill("supervisor")
            await page.get_by_label("Password").fill(PASSWORD)
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("article").first).to_be_visible(timeout=90_000)
            await arrange(page)
            picture = await smaller(await page.screenshot(), page)
            await browser.close()
        return picture
    finally:
        await server.stop()


async def smaller(picture: bytes, page: Page) -> bytes:
    """The same picture as a PNG with a palette: its 256 most common colours."""
    width, height, colours, pixels = await page.evaluate(PALETTE, base64.b64encode(picture).decode())
    lines = base64.b64decode(pixels)
    lines = b"".join(b"\0" + lines[at : at + width] for at in range(0, width * height, width))  # 0: no filter
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = [(b"IHDR", head), (b"PLTE", bytes(colours)), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return picture[:8] + b"".join(chunks)


async def arrange(page: Page) -> None:
    """Two teams in the list, one of them chosen, a message half written, the newest one opened."""
    await page.get_by_role("button", name="Filter", exact=True).click()
    choices = page.get_by_role("group", name="Filter choices")
    for team in ("Blue", "Green"):
        await choices.get_by_role("checkbox", name=team, exact=True).check()
    await page.keyboard.press("Escape")
    await page.get_by_role("checkbox", name="Select team Blue").check()
    box = page.get_by_role("textbox", name="Message", exact=True)
    await box.fill("Please mention the renewal offer at the end of each call. It ends on Friday.")
    newest = page.get_by_role("article").first
    await newest.get_by_role("button", name="recipients").click()
    await expect(newest.get_by_role("region", name="Recipients")).to_be_visible()
    await page.mouse.move(0, 0)
    await page.evaluate("document.activeElement.blur()")
    await page.wait_for_timeout(800)  # bars and curve move to their places


async def make(target: Path, size: tuple[int, int] = (1440, 900)) -> None:
    """Plays the morning, takes the picture, writes it."""
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        zone = zone_where_it_is_morning(now)
        (data / "settings.toml").write_text(f'floor_name = "Leeds floor"\ntime_zone = "{zone}"\n', encoding="utf-8")
        await play(data, to_micros(now - timedelta(seconds=2)))
        picture = await look(data, size)
    if len(picture) > LARGEST:
        raise SystemExit(f"The picture has {len(picture):,} bytes; it should have at most {LARGEST:,}.")
    target.write_bytes(picture)
    print(f"{target}: {len(picture):,} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", type=Path, default=HERE / "coaching.png")
    asyncio.run(make(parser.parse_args().target))
