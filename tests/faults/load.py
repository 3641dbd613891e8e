"""Load: agents who read, confirm, go on breaks and come back, supervisors who send, all at once over HTTP.

It lives in a thread with an event loop of its own, so that a fault can be told as one thing after the other.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx

from tests.faults.ledger import Ledger, Sending
from tests.faults.pages import Page
from tests.serving import until

T = TypeVar("T")
TEAMS = ("Blue", "Red", "Green")
ANSWER_S = 120.0
EXPIRES_S = 60
_AGAIN_S = 0.2
# What the floor itself may have changed meanwhile: it logs out who has no page, messages expire, the night clears. (And
# an expiry may be over before it is sent, where somebody sets the clock.)
_EXCUSED = {"invalid_transition", "not_present", "unknown_message", "not_read_yet"}


class Load:
    """People at work on one server. ``tokens`` are API tokens by account; ``seed`` draws what they do."""

    def __init__(
        self,
        url: str,
        tokens: dict[str, str],
        agents: Sequence[str],
        senders: Sequence[str],
        *,
        seed: int,
    ) -> None:
        self.ledger = Ledger()
        self.pages: dict[str, Page] = {}
        self._url, self._tokens = url, tokens
        self._agents, self._senders = agents, senders
        self._chance = random.Random(seed)
        self._busy = 0
        self._numbers = 0
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="load")

    # --- told by the one who does the faults ---

    def __enter__(self) -> Load:
        self._thread.start()
        self._started.result(ANSWER_S)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Does something in the load's event loop and gives its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_S)

    def acknowledged(self, more: int) -> None:
        """Waits until so many more commands have been acknowledged."""
        enough = self.ledger.acknowledged + more
        until(lambda: self.ledger.acknowledged >= enough or self.broken, f"{more} commands acknowledged", ANSWER_S)
        self.check()

    def pause(self) -> None:
        """Nobody begins anything more; returns when everything that was begun has been answered."""
        self._loop.call_soon_threadsafe(self._working.clear)
        until(lambda: not self._working.is_set() and not self._busy, "every command has its answer", ANSWER_S)
        self.check()

    def resume(self) -> None:
        """Everybody goes on."""
        self._loop.call_soon_threadsafe(self._working.set)

    def send(self, sender: str, audience: dict[str, object], body: str) -> int:
        """One more message, acknowledged; returns its id."""
        sending = self.run(self._send(self._clients[sender], sender, audience, body))
        assert sending.message_id is not None
        return sending.message_id

    def everyone_in(self) -> None:
        """Logs in whoever is out or on a break."""
        self.run(self._everyone_in())

    async def _everyone_in(self) -> None:
        for page in self.pages.values():
            await self._go(page, "logged_in")

    def stop_reading(self, agent_id: str) -> None:
        """The agent's browser reads its stream no more."""
        self._loop.call_soon_threadsafe(self.pages[agent_id].reading.clear)

    def go_on_reading(self, agent_id: str) -> None:
        """It reads again, first what is still on the line."""
        self._loop.call_soon_threadsafe(self.pages[agent_id].reading.set)

    def send_again(self, sending: Sending) -> dict[str, Any] | None:
        """Makes a sender's request once more; returns the answer."""
        return self.run(self.ask(self._clients[sending.sender], "POST", "/api/messages", sending.asked()))

    def until_pages(self, holds: Callable[[Page], bool], what: str) -> None:
        """Waits until something is so of every page."""
        pages = self.pages.values()
        until(lambda: self.broken or all(map(holds, tuple(pages))), what, ANSWER_S)
        self.check()

    def check(self) -> None:
        """Raises what went wrong among the people, if anything did."""
        if self.broken:
            raise self.broken[0]

    # --- the life in the thread ---

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._working, self._over = asyncio.Event(), asyncio.Event()
        self.broken: list[BaseException] = []
        self.pages = {agent_id: Page(agent_id, self._url, self._tokens[agent_id]) for agent_id in self._agents}
        self._clients = {
            name: httpx.AsyncClient(
                base_url=self._url,
                headers={"Authorization": f"Bearer {self._tokens[name]}"},
                timeout=30,
                trust_env=False,
            )
            for name in (*self._senders, "phones")
        }
        tasks = [asyncio.create_task(self._lived(page.listen())) for page in self.pages.values()]
        tasks += [asyncio.create_task(self._lived(self._agent(page))) for page in self.pages.values()]
        tasks += [asyncio.create_task(self._lived(self._supervisor(name))) for name in self._senders]
        self._working.set()
        self._started.set_result(None)
        await self._over.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for closing in (*self.pages.values(), *self._clients.values()):
            await (closing.close() if isinstance(closing, Page) else closing.aclose())

    async def _lived(self, life: Coroutine[Any, Any, None]) -> None:
        try:
            await life
        except Exception as error:
            self.broken.append(error)

    @asynccontextmanager
    async def _turn(self, seconds: float) -> AsyncIterator[None]:
        """The next thing to do, a moment later; ``pause`` waits until it is done."""
        await asyncio.sleep(seconds * self._chance.uniform(0.5, 1.5))
        await self._working.wait()
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    async def ask(self, client: httpx.AsyncClient, method: str, path: str, body: object) -> dict[str, Any] | None:
        """Asks until there is an answer, as pages do; None where the floor had changed meanwhile.

        No answer at all, and a 503 (the log cannot be written), are reasons to ask again.
        """
        while True:
            try:
                answer = await client.request(method, path, json=body)
            except httpx.TransportError as error:
                self.ledger.unanswered[type(error).__name__] += 1
            else:
                if answer.is_success:
                    self.ledger.acknowledged += 1
                    return dict(answer.json()) if answer.content else {}
                said = answer.json()["error"]
                if answer.status_code != 503:
                    if said["code"] not in _EXCUSED and said.get("field") != "expires_at":
                        self.ledger.wrong.append(f"{method} {path}: {answer.status_code} {said['message']}")
                    return None
                self.ledger.unanswered["503"] += 1
            await asyncio.sleep(_AGAIN_S * self._chance.uniform(0.5, 1.5))

    # --- agents ---

    async def _agent(self, page: Page) -> None:
        while True:
            async with self._turn(0.4):
                if not page.reading.is_set():
                    continue
                if page.state == "logged_out":
                    await self._go(page, "logged_in")
                elif self._chance.random() < 0.15:
                    away = self._chance.choice(["break", "logged_out"])
                    await self._go(page, "logged_in" if page.state == "break" else away)
                elif page.unread:
                    await self._read(page)
                elif page.to_confirm:
                    message_id = page.to_confirm[0]
                    if await self.ask(page.http, "POST", "/api/inbox/ack", {"message_id": message_id}) is not None:
                        self.ledger.confirmed.add((page.agent_id, message_id))

    async def _go(self, page: Page, state: str) -> None:
        # Half of the agents set their own state; those of the others come from the telephone system.
        client = page.http if self._agents.index(page.agent_id) % 2 else self._clients["phones"]
        answer = await self.ask(client, "PUT", f"/api/agents/{page.agent_id}/state", {"state": state})
        if answer is not None:
            self.ledger.states.append((page.agent_id, state, answer["as_of"]))
            await self._sees(page, lambda: page.state == state)

    async def _read(self, page: Page) -> None:
        if page.state == "logged_in" and self._chance.random() < 0.5:
            await self.ask(page.http, "POST", "/api/inbox/toasts", {"message_ids": page.unread})
        through = page.seen
        answer = await self.ask(page.http, "POST", "/api/inbox/open", {"through": through})
        if answer is not None:
            self.ledger.read |= {(page.agent_id, message_id) for message_id in answer["read"]}
            self.ledger.read_through.setdefault(page.agent_id, []).append((through, answer["as_of"]))
            await self._sees(page, lambda: not set(answer["read"]) & set(page.unread))

    async def _sees(self, page: Page, what: Callable[[], bool]) -> None:
        """An agent looks at what became of it before the next thing, unless the day is to stand still."""
        while not what() and self._working.is_set() and page.reading.is_set():
            await asyncio.sleep(0.02)

    # --- supervisors ---

    async def _supervisor(self, name: str) -> None:
        while True:
            async with self._turn(0.25):
                draw = self._chance.random()
                audience: dict[str, object] = {"agents": self._chance.sample(list(self._agents), 3)}
                if draw < 0.2:
                    audience = {"everyone": True}
                elif draw < 0.4:
                    audience = {"filter": {"team": [self._chance.choice(TEAMS)]}}
                options: dict[str, object] = {"ack_required": self._chance.random() < 0.3}
                if self._chance.random() < 0.1:
                    floor = await self.ask(self._clients[name], "GET", "/api/floor", None)
                    assert floor is not None
                    soon = datetime.fromisoformat(floor["now"]) + timedelta(seconds=EXPIRES_S)
                    options["expires_at"] = soon.isoformat()
                await self._send(self._clients[name], name, audience, f"{name} has something to say", options)

    async def _send(
        self,
        client: httpx.AsyncClient,
        sender: str,
        audience: dict[str, object],
        body: str,
        options: dict[str, object] | None = None,
    ) -> Sending:
        self._numbers += 1
        request_id = f"request-{self._numbers}"
        sending = Sending(sender, request_id, f"{body} ({self._numbers})", audience, options or {})
        self.ledger.sendings[sender, request_id] = sending
        answer = await self.ask(client, "POST", "/api/messages", sending.asked())
        if answer is not None:
            sending = replace(sending, message_id=answer["message_id"], recipients=answer["recipients"])
            self.ledger.sendings[sender, request_id] = sending
        return sending
