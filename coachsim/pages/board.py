"""What the coaching page shows, kept current event by event: agents, the day's messages with their counts.

No I/O and no widgets. ``Board.apply`` takes one frame of the event stream; ``Board.take_changes`` gives what a browser
has to be told since the last time, so that a thousand events between two looks cost no more than what they changed.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]
STATES = ("logged_in", "break", "logged_out")
_AGENT_FIELDS = ("agent_id", "state", "reason", "since", "connected", "unread")
_MESSAGE_FIELDS = ("message_id", "expired", "by_status", "by_milestone")
_GROUPS = ("campaigns", "lists", "queues")
_PERSON = ("name", "team", *_GROUPS)
_TIMES = ("toast_at", "notified_at", "read_at", "acknowledged_at")


@dataclass
class Changes:
    """What the browser has to be told. ``agents`` and ``messages`` are whole where they are new, else what can move."""

    agents: list[Json] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    deliveries: list[Json] = field(default_factory=list)
    counts: dict[str, int] | None = None
    scheduled: list[Json] | None = None
    floor: bool = False

    def __bool__(self) -> bool:
        lists = self.agents or self.removed or self.messages or self.deliveries
        return bool(lists or self.counts is not None or self.scheduled is not None or self.floor)


class Board:
    """The floor as one coaching page knows it. Fill it with ``load``, then ``apply`` each event."""

    def __init__(self) -> None:
        self.floor: Json = {}
        self._told_at = 0.0
        self.agents: dict[str, Json] = {}
        self.messages: dict[int, Json] = {}
        self.deliveries: dict[int, dict[str, Json]] = {}
        self.schedules: dict[int, Json] = {}
        self._known = {"agents": 0, "messages": 0, "schedules": 0}
        self._delivered_as_of: dict[int, int] = {}
        self._counts: Counter[str] = Counter()
        self._forget_changes()

    def _forget_changes(self) -> None:
        self._moved: set[str] = set()
        self._renewed: set[str] = set()
        self._removed: set[str] = set()
        self._messages: set[int] = set()
        self._sent: set[int] = set()
        self._deliveries: set[tuple[int, str]] = set()
        self._counted = False
        self._rescheduled = False
        self._floor_changed = False

    # --- filling ---

    def load(self, floor: Json, agents: Json, messages: Json, schedules: Json) -> int:
        """Starts afresh from four answers of the client; returns the event id to listen after."""
        self.floor = floor
        self._told_at = time.monotonic()
        self.agents = {row["agent_id"]: row for row in agents["agents"]}
        same: dict[tuple[str, ...], list[str]] = {}  # most agents are in groups that others are in too
        for row in self.agents.values():
            row.update({kind: same.setdefault(tuple(row[kind]), row[kind]) for kind in _GROUPS})
        self.messages = {row["message_id"]: row for row in reversed(messages["messages"])}
        self.deliveries.clear()
        self._delivered_as_of.clear()
        self.schedules = {row["schedule_id"]: row for row in schedules["schedules"]}
        self._known = {"agents": agents["as_of"], "messages": messages["as_of"], "schedules": schedules["as_of"]}
        self._counts = Counter(row["state"] for row in self.agents.values())
        self._forget_changes()
        return min(self._known.values())

    def open_message(self, message_id: int, answer: Json) -> list[Json]:
        """Keeps a message's deliveries current from now on; returns them."""
        self.deliveries[message_id] = {row["agent_id"]: row for row in answer["deliveries"]}
        self._delivered_as_of[message_id] = answer["as_of"]
        return list(self.deliveries[message_id].values())

    def close_message(self, message_id: int) -> None:
        """The deliveries of this message are no longer looked at."""
        self.deliveries.pop(message_id, None)

    def floor_now(self) -> Json:
        """The floor with its clock moved on to now: at ×60, half a second on the way is half a minute."""
        gone = 0.0 if self.floor["paused"] else (time.monotonic() - self._told_at) * self.floor["speed"]
        now = datetime.fromisoformat(self.floor["now"]) + timedelta(seconds=gone)
        return self.floor | {"now": now.isoformat()}

    @property
    def counts(self) -> dict[str, int]:
        """How many agents are in each state."""
        return {state: self._counts[state] for state in STATES}

    def all_messages(self) -> list[Json]:
        """The day's messages, newest first."""
        return [self.messages[key] for key in sorted(self.messages, reverse=True)]

    def scheduled(self) -> list[Json]:
        """What is to go out later, the next first, and what was to and did not."""
        rows = [row for row in self.schedules.values() if row["status"] in ("scheduled", "not_released")]
        return sorted(rows, key=lambda row: (row["when"].get("at") or row["when"]["not_after"], row["schedule_id"]))

    # --- events ---

    def apply(self, event_id: int, name: str, data: Json) -> None:
        """Takes one frame. What an answer already contained is not counted again."""
        match name:
            case "agent" if event_id > self._known["agents"]:
                self._agent(data)
            case "message":
                self._message(event_id, data)
            case "delivery":
                self._delivery(event_id, data)
            case "expired":
                self._lose(event_id, [data["message_id"]], set(data["lost"]), data["lost_at"])
                if data["message_id"] in self.messages:
                    self.messages[data["message_id"]]["expired"] = True
            case "cleared":
                self._lose(event_id, list(self.messages), None, data.get("cleared_at"))
            case "scheduled" | "withdrawn" | "released" | "not_released" if event_id > self._known["schedules"]:
                self.schedules[data["schedule_id"]] = data
                self._rescheduled = True
            case "floor":
                self.floor = self.floor | data
                self._told_at = time.monotonic()
                self._floor_changed = True

    def _agent(self, row: Json) -> None:
        agent_id = row["agent_id"]
        before = self.agents.get(agent_id)
        if before is not None:
            self._counts[before["state"]] -= 1
            self._counted = True
        if not row.get("active", True):
            if self.agents.pop(agent_id, None) is not None:
                self._removed.add(agent_id)
            return
        self._counts[row["state"]] += 1
        self._counted = True
        self._removed.discard(agent_id)
        if before is None:
            self._renewed.add(agent_id)
            self.agents[agent_id] = row
            return
        # Only what is new is kept: each frame brings its own copy of every name and group, and after an hour thousands
        # of these would be most of what a kernel holds.
        new = {key: value for key, value in row.items() if key not in before or before[key] != value}
        (self._moved if new.keys().isdisjoint(_PERSON) else self._renewed).add(agent_id)
        before.update(new)

    def _unread(self, event_id: int, agent_id: str, change: int) -> None:
        row = self.agents.get(agent_id)
        if row is not None and event_id > self._known["agents"]:
            row["unread"] = max(0, row["unread"] + change)
            self._moved.add(agent_id)

    def _message(self, event_id: int, data: Json) -> None:
        message = dict(data)
        for agent_id in message.pop("agent_ids", ()):
            self._unread(event_id, agent_id, +1)
        if event_id > self._known["messages"]:
            self.messages[message["message_id"]] = message
            self._sent.add(message["message_id"])

    def _delivery(self, event_id: int, data: Json) -> None:
        agent_id = data["agent_id"]
        times = {key: data[key] for key in _TIMES if data.get(key)}
        if "read_at" in times:
            self._unread(event_id, agent_id, -len(data["message_ids"]))
        for message_id in data["message_ids"]:
            message = self.messages.get(message_id)
            if message is not None and event_id > self._known["messages"]:
                _count(message, times)
                self._messages.add(message_id)
            row = self._open_row(event_id, message_id, agent_id)
            if row is not None:
                row.update(times)
                row["status"] = _status(row)
                self._deliveries.add((message_id, agent_id))

    def _open_row(self, event_id: int, message_id: int, agent_id: str) -> Json | None:
        if message_id not in self.deliveries or event_id <= self._delivered_as_of[message_id]:
            return None
        return self.deliveries[message_id].get(agent_id)

    def _lose(self, event_id: int, message_ids: list[int], lost: set[str] | None, when: str | None) -> None:
        """What is unread of these messages is lost; ``lost`` None = for everyone (a clear-down)."""
        if lost is None and event_id > self._known["agents"]:
            for agent_id, agent in self.agents.items():
                if agent["unread"]:
                    agent["unread"] = 0
                    self._moved.add(agent_id)
        for agent_id in lost or ():
            self._unread(event_id, agent_id, -1)
        for message_id in message_ids:
            message = self.messages.get(message_id)
            if message is not None and event_id > self._known["messages"]:
                counts = message["by_status"]
                counts["lost"] += counts["waiting"] + counts["notified"]
                counts["waiting"] = counts["notified"] = 0
                self._messages.add(message_id)
            for agent_id in list(self.deliveries.get(message_id, ())):
                row = self._open_row(event_id, message_id, agent_id)
                if row is None or row["read_at"] or row["lost_at"] or (lost is not None and agent_id not in lost):
                    continue
                row["lost_at"] = when
                row["status"] = "lost"
                self._deliveries.add((message_id, agent_id))

    # --- for the browser ---

    def take_changes(self) -> Changes:
        """What changed since the last call, each thing once and as it is now."""
        changes = Changes(removed=sorted(self._removed), floor=self._floor_changed)
        for agent_id in sorted(self._moved | self._renewed):
            row = self.agents.get(agent_id)
            if row is not None:
                keys: tuple[str, ...] = tuple(row) if agent_id in self._renewed else _AGENT_FIELDS
                changes.agents.append({key: row[key] for key in keys})
        for message_id in sorted(self._messages | self._sent):
            message = self.messages[message_id]
            fields: tuple[str, ...] = tuple(message) if message_id in self._sent else _MESSAGE_FIELDS
            changes.messages.append({key: message[key] for key in fields})
        for message_id, agent_id in sorted(self._deliveries):
            row = self.deliveries.get(message_id, {}).get(agent_id)
            if row is not None:
                changes.deliveries.append(row)
        if self._counted:
            changes.counts = self.counts
        if self._rescheduled:
            changes.scheduled = self.scheduled()
        self._forget_changes()
        return changes


def _count(message: Json, times: Json) -> None:
    """Moves one delivery of a message on: a frame's times are exactly those that are new."""
    status, milestone = message["by_status"], message["by_milestone"]
    for key in ("notified", "read", "acknowledged"):
        milestone[key] += f"{key}_at" in times
    if "read_at" in times:
        status["waiting" if "notified_at" in times else "notified"] -= 1
        status["read"] += 1
    elif "notified_at" in times:
        status["waiting"] -= 1
        status["notified"] += 1
    if "acknowledged_at" in times:
        status["read"] -= 1
        status["acknowledged"] += 1


def _status(row: Json) -> str:
    for key, status in (("lost_at", "lost"), ("acknowledged_at", "acknowledged"), ("read_at", "read")):
        if row.get(key):
            return status
    return "notified" if row.get("notified_at") else "waiting"
