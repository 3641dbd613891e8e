"""The event stream: who is listening, and what each of them is told.

A frame is encoded once and the same bytes are written to every stream it is for. A stream is a bare socket: after the
handler has let the caller in, it is detached from HTTP, so that an idle one costs a few kilobytes. One that does not
read is dropped; its page comes back with ``Last-Event-ID``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tornado.iostream import IOStream, StreamBufferFullError, StreamClosedError

from coachsim import frames
from coachsim.client import floor_notice
from coachsim.errors import CoachsimError, LogError, TooManyRequests
from coachsim.events import AgentChanged, Event, Sent
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.server.sessions import Caller

HEARTBEAT_S = 15
FLUSH_S = 0.01
_PACE_EVERY = 5
_MOST_WAITING = 1 << 20
_MOST_TOLD_AGAIN = 1 << 18  # beyond this, fetching the list afresh is less
_SEND_BUFFER = 1 << 17  # what the system keeps besides, for each stream; left alone it grows to 4 MB
_UNREAD_MS = 40_000  # a line on which nothing arrives for so long is dead, though nobody has said so
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-store\r\n"
    b"X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\nretry: 2000\n\n"
)
_logger = logging.getLogger(__name__)
Scope = frozenset[str] | None


def encode(seq: int | None, name: str, data: dict[str, Any]) -> bytes:
    """One frame. ``seq`` None leaves the listener's position as it is."""
    head = "" if seq is None else f"id: {seq}\n"
    return f"{head}event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


@dataclass(slots=True, eq=False)
class Stream:
    """One open line to a page. ``agent_id`` is set for an agent's page, ``watches`` for one that sees a scope;
    ``is_seat`` where somebody else is this agent for a while (practice).
    """

    caller: Caller
    socket: IOStream
    agent_id: str | None = None
    watches: bool = False
    is_seat: bool = False
    slot: int = 0

    def write(self, data: bytes) -> None:
        """Queues bytes; a stream that has too much waiting is dropped."""
        try:
            self.socket.write(data)
        except StreamClosedError:
            pass  # its close callback takes it off the lists
        except StreamBufferFullError as error:
            self.socket.close(error)

    def end(self) -> None:
        """Says that the sign-in has ended, and closes."""
        try:
            self.socket.write(encode(None, "signed_out", {})).add_done_callback(lambda _: self.socket.close())
        except (StreamClosedError, StreamBufferFullError):
            self.socket.close()


@dataclass(slots=True)
class _Watched:
    """The streams of one scope, and the frames that wait to be written to them together."""

    streams: set[Stream] = field(default_factory=set)
    waiting: list[bytes] = field(default_factory=list)


class Streams:
    """All open streams of a floor. ``plays`` says whether an agent is played by the plan now (practice): what happens
    to their pages is then nothing to the floor.
    """

    def __init__(
        self, host: FloorHost, still: Callable[[Caller], bool], plays: Callable[[str], bool] = lambda agent_id: False
    ) -> None:
        self.dropped = 0
        self._host = host
        self._still = still
        self._plays = plays
        self._all: set[Stream] = set()
        self._of_account: Counter[str] = Counter()
        self._by_agent: dict[str, set[Stream]] = {}
        self._by_scope: dict[Scope, _Watched] = {}
        self._slots = 0
        self._untold: dict[str, str] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._flush: asyncio.TimerHandle | None = None
        self._unwatch = host.watch(self._on_event, self._on_faults)
        self._beating = asyncio.create_task(self._beat())
        self._closed = False

    def __len__(self) -> int:
        return len(self._all)

    @property
    def connected_agents(self) -> int:
        """How many agents have a page open."""
        return len(self._by_agent)

    # --- opening and closing ---

    def check_room(self, caller: Caller) -> None:
        """Raises ``TooManyRequests`` where this account has as many streams open as it may."""
        most = self._host.settings.streams_per_account
        if self._of_account[caller.name] >= most:
            raise TooManyRequests(
                f"{most} pages or scripts listen as {caller.name} already, the most for one account. Close some.",
                retry_after=HEARTBEAT_S,
            )

    def open(self, stream: Stream, after: int | None) -> None:
        """Takes a stream on. It is first told what it missed after event ``after`` (None = from now on).

        One that was reset before it opens is on no list: nobody would ever be told that it is closed.
        """
        if stream.socket.closed():  # while it was asked who they are
            return
        stream.slot = self._slots = (self._slots + 1) % HEARTBEAT_S
        stream.socket.max_write_buffer_size = _MOST_WAITING
        stream.socket.set_nodelay(True)
        stream.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; elsewhere it takes the system a quarter of an hour
            stream.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MS)
        stream.write(_HEAD + self._catch_up(stream, after))
        if stream.socket.closed():
            return
        self._all.add(stream)
        self._of_account[stream.caller.name] += 1
        stream.socket.set_close_callback(lambda: self._gone(stream))
        if stream.agent_id is not None:
            pages = self._by_agent.setdefault(stream.agent_id, set())
            pages.add(stream)
            if len(pages) == 1:
                self._tell_floor(stream.agent_id, stream.caller.name)
        elif stream.watches:
            self._by_scope.setdefault(stream.caller.account.scope, _Watched()).streams.add(stream)

    def _gone(self, stream: Stream) -> None:
        self._all.discard(stream)
        self._of_account[stream.caller.name] -= 1
        if not self._of_account[stream.caller.name]:
            del self._of_account[stream.caller.name]
        if isinstance(stream.socket.error, StreamBufferFullError | TimeoutError):
            self.dropped += 1
            _logger.warning("a stream of %s did not read and was dropped", stream.caller.name)
        if stream.agent_id is not None and (pages := self._by_agent.get(stream.agent_id)) is not None:
            pages.discard(stream)
            if not pages:
                del self._by_agent[stream.agent_id]
                self._tell_floor(stream.agent_id, stream.caller.name)
        scope = stream.caller.account.scope
        if (watched := self._by_scope.get(scope)) is not None:
            watched.streams.discard(stream)
            if not watched.streams:
                del self._by_scope[scope]

    def has_page(self, agent_id: str) -> bool:
        """Whether a page of this agent is open."""
        return agent_id in self._by_agent

    def end_seat(self, agent_id: str) -> None:
        """Ends the pages of a seat that is given back."""
        for stream in self._by_agent.pop(agent_id, ()):
            stream.end()

    def _catch_up(self, stream: Stream, after: int | None) -> bytes:
        seq = self._host.seq
        missed = [] if after is None or after == seq else self._host.recent(after)
        if missed is None:
            return encode(seq, "heartbeat", {"as_of": seq}) + encode(seq, "reset", {})
        if stream.agent_id is not None:
            told = self._missed_by_agent(stream.agent_id, missed)
        elif stream.watches and any(self._concerns(event, stream.caller) for event in missed):
            # Counts in a message's frame are those of now: told again piece by piece they would be counted twice.
            told = [encode(seq, "reset", {})]
        else:
            told = []
        if sum(map(len, told)) > _MOST_TOLD_AGAIN:
            told = [encode(seq, "reset", {})]
        position = after if told else seq
        return b"".join([encode(position, "heartbeat", {"as_of": position}), *told])

    def _missed_by_agent(self, agent_id: str, missed: list[Event]) -> list[bytes]:
        floor = self._host.floor
        row = floor.agents.get(agent_id)
        if row is None:
            return []
        told = []
        for event in missed:
            if isinstance(event, Sent):
                concerned = row.present and agent_id in floor.messages[event.message.message_id].deliveries
            else:
                agent_ids = frames.recipients_of(self._host.floor, event)
                concerned = agent_ids is None or agent_id in agent_ids
            if concerned and (frame := frames.agent_frame(floor, event)) is not None:
                told.append(encode(event.seq, *frame))
        return told

    # --- what happens ---

    def _on_event(self, event: Event) -> None:
        self._tell_agents(event)
        for scope, watched in self._by_scope.items():
            watched.waiting += [encode(event.seq, *frame) for frame in self._frames(event, scope)]
            if watched.waiting and self._flush is None:
                self._flush = asyncio.get_running_loop().call_later(FLUSH_S, self._write_waiting)
        if getattr(event, "schedule_id", None) is not None:
            self._write_waiting()  # first what happened before it, and the message that it became
            self._tell_of_scheduled(event)
        if isinstance(event, AgentChanged) and event.agent.agent_id in self._by_agent:
            agent_id = event.agent.agent_id
            self._tell_floor(agent_id, next(iter(self._by_agent[agent_id])).caller.name)
            self.check()

    def _tell_of_scheduled(self, event: Event) -> None:
        """A scheduled message is shown to its sender too, whose scope others share who may not see it."""
        for watched in self._by_scope.values():
            for stream in tuple(watched.streams):
                caller = stream.caller
                frame = frames.schedule_frame(self._host.floor, event, caller.name, caller.account.scope)
                if frame is not None:
                    stream.write(encode(event.seq, *frame))

    def _concerns(self, event: Event, caller: Caller) -> bool:
        scope = caller.account.scope
        of_schedule = frames.schedule_frame(self._host.floor, event, caller.name, scope)
        return of_schedule is not None or bool(self._frames(event, scope))

    def _frames(self, event: Event, scope: Scope) -> list[frames.Frame]:
        return frames.supervisor_frames(self._host.floor, event, scope)

    def _tell_agents(self, event: Event) -> None:
        concerned = frames.recipients_of(self._host.floor, event)
        agent_ids: Iterable[str] = self._by_agent if concerned is None else concerned
        listening = [agent_id for agent_id in agent_ids if agent_id in self._by_agent]
        frame = frames.agent_frame(self._host.floor, event) if listening else None
        if frame is None:
            return
        data = encode(event.seq, *frame)
        agents = self._host.floor.agents
        for agent_id in listening:
            if isinstance(event, Sent) and not agents[agent_id].present:
                continue
            for stream in tuple(self._by_agent[agent_id]):
                stream.write(data)

    def _on_faults(self) -> None:
        data = encode(None, "floor", floor_notice(self._host))
        for watched in self._by_scope.values():
            watched.waiting.append(data)
        for stream in self._all:
            if stream.is_seat:
                stream.write(data)
        self._write_waiting()

    def _write_waiting(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        for watched in self._by_scope.values():
            if watched.waiting:
                data = b"".join(watched.waiting)
                watched.waiting.clear()
                for stream in tuple(watched.streams):
                    stream.write(data)

    # --- what the floor is told ---

    def _tell_floor(self, agent_id: str, actor: str) -> None:
        if not self._closed:
            task = asyncio.get_running_loop().create_task(self._told(agent_id, actor))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def _told(self, agent_id: str, actor: str) -> None:
        if self._plays(agent_id):
            return
        try:
            command = Floor.connect if agent_id in self._by_agent else Floor.disconnect
            await self._host.do(command, agent_id, actor=actor)
        except LogError:
            self._untold[agent_id] = actor  # told again by the heartbeat, once the log can be written
        except CoachsimError as error:
            _logger.info("no connection of %s is kept: %s", agent_id, error)

    # --- time, and the end of sign-ins ---

    async def _beat(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(1)
            turn = (turn + 1) % HEARTBEAT_S
            self._write_waiting()
            data = encode(self._host.seq, "heartbeat", {"as_of": self._host.seq})
            for stream in [stream for stream in self._all if stream.slot == turn]:
                stream.write(data)
            untold, self._untold = self._untold, {}
            for agent_id, actor in untold.items():
                self._tell_floor(agent_id, actor)
            if self._host.mode == "practice" and turn % _PACE_EVERY == 0:
                self._on_faults()  # floor time may have fallen behind its pace: clocks in browsers are set by this

    def check(self) -> None:
        """Ends the streams of callers who are not let in any more."""
        for stream in [stream for stream in self._all if not self._still(stream.caller)]:
            stream.end()

    def close(self) -> None:
        """Ends everything; pages will try to come back."""
        self._closed = True
        self._unwatch()
        self._beating.cancel()
        for task in self._telling:
            task.cancel()
        for stream in tuple(self._all):
            stream.socket.close()
