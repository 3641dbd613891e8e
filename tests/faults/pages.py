"""An agent's page without a browser: what its list holds, from the event stream alone, and how it is told.

It follows ``coachsim/web/inbox.js``: a list is fetched, the events after it are laid over it, an event that it has
already does nothing. Unlike that page it does not fetch the list anew when a line is back, so that the stream itself
has to make up for everything.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import httpx

from coachsim.remote import RemoteClient

Json = dict[str, Any]


class Page:
    """One agent's page on a server. ``listen`` is its life; all else belongs to the same event loop."""

    def __init__(self, agent_id: str, url: str, token: str) -> None:
        self.agent_id = agent_id
        self.http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )
        self._remote = RemoteClient(url, token=token)
        self.messages: dict[int, Json] = {}
        self.state = "logged_out"
        self.seen = 0
        self.twice = 0
        self.reading = asyncio.Event()
        self.reading.set()

    @property
    def unread(self) -> list[int]:
        """Messages in the list that have not been read."""
        return [message_id for message_id, one in self.messages.items() if one["read_at"] is None]

    @property
    def to_confirm(self) -> list[int]:
        """Messages in the list that wait for an acknowledgement."""
        return [
            message_id
            for message_id, one in self.messages.items()
            if one["ack_required"] and one["read_at"] is not None and one["acknowledged_at"] is None
        ]

    async def fetch(self) -> Json:
        """The list as the server has it now; asks until there is an answer."""
        while True:
            try:
                answer = await self.http.get("/api/inbox")
                if answer.status_code == 200:
                    return dict(answer.json())
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)

    async def load(self) -> None:
        """A fresh list takes the place of all that was here."""
        inbox = await self.fetch()
        self.messages = {one["message_id"]: dict(one) for one in inbox["messages"]}
        self.state, self.seen = inbox["state"], inbox["as_of"]

    async def listen(self) -> None:
        """Fetches the list and follows the stream, which reconnects by itself."""
        await self.load()
        async with aclosing(self._remote.events(self.seen)) as events:
            async for event_id, name, data in events:
                await self.reading.wait()
                if name == "reset":
                    await self.load()
                elif name != "reconnecting" and event_id > self.seen:
                    self.seen = event_id
                    await self._take(name, data)

    async def _take(self, name: str, data: Json) -> None:
        if name == "message":
            self.twice += data["message_id"] in self.messages
            empty = {"expired": False, "read_at": None, "acknowledged_at": None}
            self.messages.setdefault(data["message_id"], empty | data)
        elif name == "state":
            was, self.state = self.state, data["state"]
            if self.state == "logged_out":
                self.messages.clear()
            elif was == "logged_out":
                await self.load()
        elif name == "read":
            for message_id in data["message_ids"]:
                if message_id in self.messages:
                    self.messages[message_id]["read_at"] = data["read_at"]
        elif name == "acknowledged" and data["message_id"] in self.messages:
            self.messages[data["message_id"]]["acknowledged_at"] = data["acknowledged_at"]
        elif name == "expired" and (one := self.messages.get(data["message_id"])):
            if one["read_at"] is None:
                del self.messages[data["message_id"]]
            else:
                one["expired"] = True
        elif name == "cleared":
            self.messages.clear()

    def shows(self) -> Json:
        """What the agent sees, to compare with ``as_listed``."""
        return {"state": self.state, "messages": _seen(self.messages.values())}

    async def close(self) -> None:
        """Lets go of the lines."""
        await self.http.aclose()
        await self._remote.close()


def as_listed(inbox: Json) -> Json:
    """An answer of GET /api/inbox as ``Page.shows`` gives it."""
    return {"state": inbox["state"], "messages": _seen(inbox["messages"])}


def _seen(messages: Any) -> list[tuple[Any, ...]]:
    fields = ("message_id", "body", "expired", "read_at", "acknowledged_at")
    return sorted(tuple(one[field] for field in fields) for one in messages)
