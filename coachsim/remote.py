"""RemoteClient: what ``FloorClient`` asks, asked of a server over HTTP; its event stream reconnects by itself."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from types import TracebackType
from typing import Any

from coachsim.addresses import server_address
from coachsim.errors import (
    CoachsimError,
    NotSignedIn,
    RosterError,
    ServerUnavailable,
    TooManyRequests,
    kind_named,
)
from coachsim.light_httpx import httpx

Json = dict[str, Any]
StreamItem = tuple[int, str, Json]
Params = dict[str, str | list[str]]

ANSWER_S = 20.0
CONNECT_S = 5.0
SILENCE_S = 40.0  # the server says something every 15 s; a line silent for longer is dead
PATIENCE_S = 15.0  # so long at most a request that came too soon is asked again, when the server says
_BACKOFF_S = (0.3, 1.0, 2.0, 4.0, 8.0)


class RemoteClient:
    """Asks the server at ``base_url``, as whoever the ``ticket`` (a kernel's) or the API ``token`` (a script's) is.

    All methods raise ``CoachsimError``: what the server said, or ``ServerUnavailable`` where it said nothing.
    """

    def __init__(
        self, base_url: str, *, ticket: str | None = None, token: str | None = None, silence_s: float = SILENCE_S
    ) -> None:
        parts = server_address(base_url)
        self.base_url = base_url.rstrip("/")
        self._headers = {"Accept": "application/json"}
        if ticket:
            self._headers["X-Coach-Ticket"] = ticket
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._silence_s = silence_s
        self._here = parts.hostname in ("127.0.0.1", "localhost", "::1")
        self._http: httpx.AsyncClient | None = None

    @classmethod
    def from_env(cls) -> RemoteClient:
        """The client of a dashboard's kernel: ``COACHSIM_URL``, and the visitor's ticket that Voila hands over.

        In a notebook without a ticket, ``COACHSIM_TOKEN`` is used.
        """
        url = os.environ.get("COACHSIM_URL")
        if not url:
            raise ServerUnavailable(
                "No server address is known. Set COACHSIM_URL, for example to http://127.0.0.1:8800, or open the page "
                "through the server's /coaching."
            )
        return cls(url, ticket=os.environ.get("HTTP_X_COACH_TICKET"), token=os.environ.get("COACHSIM_TOKEN"))

    async def __aenter__(self) -> RemoteClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    # --- questions ---

    async def me(self) -> Json:
        """Who is asking: name, roles, teams, agent_id, mode."""
        return await self._ask("GET", "/api/me")

    async def floor(self) -> Json:
        """The floor's name, time, day and counts by state."""
        return await self._ask("GET", "/api/floor")

    async def agents(self, *, q: str = "", **filters: Collection[str]) -> Json:
        """The active agents in scope that match."""
        params: Params = {kind: list(values) for kind, values in filters.items()}
        return await self._ask("GET", "/api/agents", params=params | {"q": q} if q else params)

    async def preview(self, audience: Mapping[str, Any], *, template: str | None = None) -> Json:
        """Who an audience would be now, and what a template would be for them now. Sends nothing."""
        more = {} if template is None else {"template": template}
        return await self._ask("POST", "/api/messages/preview", body={"audience": dict(audience)} | more)

    async def advice(self, audience: Mapping[str, Any], *, priority: str = "normal", by: str | None = None) -> Json:
        """What a message can be expected to come to, now and at a better time today."""
        more = {} if by is None else {"by": by}
        body = {"audience": dict(audience), "priority": priority} | more
        return await self._ask("POST", "/api/messages/advice", body=body)

    async def send(
        self,
        audience: Mapping[str, Any],
        body: str,
        *,
        request_id: str,
        priority: str = "normal",
        ack_required: bool = False,
        expires_at: str | None = None,
        recipients_digest: str | None = None,
        ack_by: str | None = None,
        chase: Mapping[str, Any] | None = None,
    ) -> Json:
        """Sends. Where the answer is lost, the same ``request_id`` again sends nothing twice."""
        draft = {
            "audience": dict(audience),
            "body": body,
            "request_id": request_id,
            "priority": priority,
            "ack_required": ack_required,
            "expires_at": expires_at,
            "recipients_digest": recipients_digest,
            "ack_by": ack_by,
            "chase": None if chase is None else dict(chase),
        }
        return await self._ask("POST", "/api/messages", body={k: v for k, v in draft.items() if v is not None})

    async def schedule(
        self, audience: Mapping[str, Any], body: str, when: Mapping[str, Any], *, request_id: str, **message: Any
    ) -> Json:
        """Takes a message that goes out later. The same ``request_id`` again schedules nothing twice."""
        given = {"audience": dict(audience), "body": body, "when": dict(when), "request_id": request_id} | message
        return await self._ask("POST", "/api/schedules", body={k: v for k, v in given.items() if v is not None})

    async def schedules(self) -> Json:
        """The scheduled messages that wait, and those of which something became today."""
        return await self._ask("GET", "/api/schedules")

    async def withdraw(self, schedule_id: int) -> Json:
        """Takes back a scheduled message that has not gone out."""
        return await self._ask("DELETE", f"/api/schedules/{int(schedule_id)}")

    async def messages(self, day: str | None = None) -> Json:
        """A day's messages with their counts, newest first; None = the open day."""
        return await self._ask("GET", "/api/messages", params={"day": day} if day else None)

    async def deliveries(self, message_id: int) -> Json:
        """Each recipient's delivery of a message."""
        return await self._ask("GET", f"/api/messages/{int(message_id)}/deliveries")

    async def recent(self) -> Json:
        """The last ten different texts that the caller sent."""
        return await self._ask("GET", "/api/messages/recent")

    async def templates(self, *, hidden: bool = False) -> Json:
        """The templates that the caller sees."""
        return await self._ask("GET", "/api/templates", params={"hidden": "true"} if hidden else None)

    async def template(self, template_id: int) -> Json:
        """A template with its versions."""
        return await self._ask("GET", f"/api/templates/{int(template_id)}")

    async def new_template(self, title: str, body: str, *, shared: bool = False) -> Json:
        """Keeps a text as a template."""
        return await self._ask("POST", "/api/templates", body={"title": title, "body": body, "shared": shared})

    async def change_template(self, template_id: int, title: str, body: str, *, shared: bool, version: int) -> Json:
        """The next version of a template."""
        changes = {"title": title, "body": body, "shared": shared, "version": version}
        return await self._ask("PUT", f"/api/templates/{int(template_id)}", body=changes)

    async def delete_template(self, template_id: int) -> None:
        """Hides a template."""
        await self._ask("DELETE", f"/api/templates/{int(template_id)}")

    async def practice(self, *, speed: float | None = None, paused: bool | None = None) -> Json:
        """Changes how fast a practice floor's time runs, or stops it."""
        changes = {"speed": speed, "paused": paused}
        return await self._ask("PUT", "/api/practice", body={k: v for k, v in changes.items() if v is not None})

    # --- the stream ---

    async def events(self, after: int) -> AsyncIterator[StreamItem]:
        """(id, name, data) of what happens after event ``after``, for as long as it is listened to.

        When the line drops it says so once, with a ``reconnecting`` item, and resumes where it was. Raises
        ``NotSignedIn`` or ``Forbidden`` when it may no longer listen.
        """
        place = _Place(after)
        tries = 0
        while True:
            wait = 0
            try:
                async for item in self._listen(place):
                    tries = 0
                    if item[1] == "signed_out":
                        raise NotSignedIn("You are signed out. Sign in again.")
                    yield item
            except (ServerUnavailable, TooManyRequests) as error:
                wait = error.retry_after if isinstance(error, TooManyRequests) else 0
                if tries == 0:
                    yield place.complete, "reconnecting", {"message": error.message}
            # Spread out, so that a restarted server is not met by everyone at once.
            await asyncio.sleep(max(wait, _BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)] * random.uniform(0.7, 1.3)))
            tries += 1

    async def _listen(self, place: _Place) -> AsyncIterator[StreamItem]:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(place.complete)}
        timeout = httpx.Timeout(self._silence_s, connect=CONNECT_S)
        skip = place.partial
        try:
            async with self._connection().stream(
                "GET", "/api/events", params={"after": place.complete}, headers=headers, timeout=timeout
            ) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    raise _error_of(answer)
                async for event_id, name, data in _frames(answer.aiter_bytes()):
                    if name == "heartbeat":
                        place.saw_heartbeat(event_id)
                    elif event_id == place.newest and skip > 0:
                        skip -= 1  # came before the line dropped, in the middle of this event's frames
                        continue
                    else:
                        skip = 0 if event_id != place.newest else skip
                        place.saw(event_id)
                    yield event_id, name, data
        except httpx.HTTPError as error:
            raise _unreachable(self.base_url, error) from error
        raise ServerUnavailable("The server closed the event stream; it is being opened again.")

    # --- HTTP ---

    def _connection(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(
                base_url=self.base_url,
                headers=self._headers,
                timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
                trust_env=not self._here,  # a site's proxy is not for this machine
            )
        return self._http

    async def _ask(self, method: str, path: str, *, params: Params | None = None, body: Json | None = None) -> Json:
        waited = 0.0
        while True:
            try:
                answer = await self._connection().request(method, path, params=params or None, json=body)
            except httpx.HTTPError as error:
                raise _unreachable(self.base_url, error) from error
            if answer.status_code < 300:
                break
            refusal = _error_of(answer)
            # Refused before anything was done: the same again does nothing twice.
            if not isinstance(refusal, TooManyRequests) or waited + refusal.retry_after > PATIENCE_S:
                raise refusal
            waited += refusal.retry_after
            await asyncio.sleep(refusal.retry_after)
        if not answer.content:
            return {}
        try:
            data = answer.json(object_hook=_sharing())
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise ServerUnavailable(f"{self.base_url} does not answer like a coachsim server. Check the address.")
        return data


def _sharing() -> Callable[[Json], Json]:
    """What makes all rows of an answer hold one copy of a text that they have in common: a team's or a state's name."""
    known: dict[str, str] = {}

    def share(row: Json) -> Json:
        for key, value in row.items():
            if isinstance(value, str):
                row[key] = known.setdefault(value, value)
            elif isinstance(value, list):
                value[:] = [known.setdefault(one, one) if isinstance(one, str) else one for one in value]
        return row

    return share


class _Place:
    """How far a stream was heard. One event may come as several frames: it is complete when the next one comes."""

    def __init__(self, after: int) -> None:
        self.complete = after
        self.newest = after
        self.partial = 0

    def saw(self, event_id: int) -> None:
        if event_id > self.newest:
            self.complete, self.newest, self.partial = self.newest, event_id, 0
        self.partial += 1

    def saw_heartbeat(self, event_id: int) -> None:
        # The first heartbeat of a connection carries the server's newest id, ahead of the frames still to come.
        if event_id == self.newest:
            self.complete, self.partial = event_id, 0


async def _frames(chunks: AsyncIterator[bytes]) -> AsyncIterator[StreamItem]:
    """The frames of a stream. Lines end with \\n or \\r\\n only: a message may contain other line separators."""
    rest = b""
    event_id, name, data = 0, "message", b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            line = line.rstrip(b"\r")
            if not line:
                if data:
                    yield event_id, name, json.loads(data)
                name, data = "message", b""
                continue
            key, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if key == b"id" and value.isdigit():
                event_id = int(value)
            elif key == b"event":
                name = value.decode()
            elif key == b"data":
                data = data + b"\n" + value if data else value


def _error_of(answer: httpx.Response) -> CoachsimError:
    """The error that the server meant, as the class that raised it there."""
    try:
        told = answer.json()["error"]
        code, message, field = str(told["code"]), str(told["message"]), told.get("field")
    except (ValueError, KeyError, TypeError, AttributeError):
        if answer.status_code == 401:
            return NotSignedIn("You are signed out. Sign in again.")
        return ServerUnavailable(f"The server answered {answer.status_code} without saying why. Try again.")
    kind = kind_named(code)
    if kind is RosterError:
        return RosterError(message, told.get("faults"))
    if issubclass(kind, TooManyRequests):
        given = answer.headers.get("Retry-After", "")
        return TooManyRequests(message, field=field, retry_after=int(given) if given.isdigit() else 1)
    return kind(message, field=field)


def _unreachable(base_url: str, error: httpx.HTTPError) -> ServerUnavailable:
    if isinstance(error, httpx.TimeoutException):
        return ServerUnavailable(f"The server at {base_url} did not answer in time. Try again.")
    return ServerUnavailable(f"The server at {base_url} cannot be reached just now. Try again in a moment.")
