"""CoachingPage: send messages to agents and watch them arrive. One widget for Voila, JupyterLab and tests alike."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import traitlets
from ipywidgets import widget_serialization

from coachsim.errors import CoachsimError, InvalidInput
from coachsim.pages import texts
from coachsim.pages.agent_grid import AgentGrid
from coachsim.pages.board import Board, Json
from coachsim.pages.feed import Feed
from coachsim.pages.page import Page, styled, text

if TYPE_CHECKING:
    from coachsim.client import FloorClient

_CLOCK = ("now", "speed", "paused", "time_zone", "mode")


def coming(wall_time: str, floor: Json, field: str, what: str) -> str | None:
    """The next ``HH:MM`` of the floor's clock as an ISO time in UTC; empty = None. ``what`` it is, in words.

    Raises ``InvalidInput`` where that lies behind, or after the coming clear-down.
    """
    if not wall_time:
        return None
    zone = ZoneInfo(floor["time_zone"])
    now = datetime.fromisoformat(floor["now"])
    try:
        wanted = datetime.strptime(wall_time, "%H:%M").time()
    except ValueError:
        raise InvalidInput(f"Write the {what} as a time of day, such as 17:00.", field=field) from None
    today = now.astimezone(zone).date()
    ends = datetime.fromisoformat(floor["next_clear_down"]) if floor.get("next_clear_down") else None
    for date in (today, today + timedelta(days=1)):
        moment = datetime.combine(date, wanted, tzinfo=zone)
        if moment > now and (ends is None or moment <= ends):
            return moment.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
    raise InvalidInput(
        f"{wall_time} has passed, or is after the night's clear-down. Choose a later time today.", field=field
    )


def release(chosen: Json, floor: Json) -> Json | None:
    """What was chosen in the dialog as the API's ``when``; None = now. A time is the floor's wall clock."""
    match chosen.get("kind"):
        case "at":
            try:
                moment = datetime.fromisoformat(str(chosen.get("at")))
            except ValueError:
                raise InvalidInput("Choose the day and the time to send at.", field="when") from None
            return {"at": moment.replace(tzinfo=ZoneInfo(floor["time_zone"])).isoformat()}
        case "back":
            return {"back_from_break": True}
        case "share":
            try:
                return {"logged_in_share": round(float(str(chosen.get("share"))) / 100, 4)}
            except ValueError:
                raise InvalidInput("Write how many per cent have to be logged in.", field="when") from None
    return None


class CoachingPage(Page):
    """The coaching page on any ``FloorClient``: a server's, or a floor in the same process.

    Show it as the last line of a cell. ``await page.close_page()`` ends its tasks.

    >>> page = CoachingPage(RemoteClient("http://127.0.0.1:8800", token=token))
    """

    called = "coaching page"
    comfort = "What you typed is kept; reload if it goes on."
    template = traitlets.Unicode(styled("coaching")).tag(sync=True)
    components = traitlets.Dict(
        {
            name: text(name.replace("-", "_") + ".vue")
            for name in ("send-dialog", "send-advice", "message-card", "scheduled-list", "templates-menu")
        }
    ).tag(sync=True)
    grid = traitlets.Any().tag(sync=True, **widget_serialization)

    def __init__(self, client: FloorClient) -> None:
        self.client = client
        self.board = Board()
        self._told = 0
        self._feed = Feed(
            client,
            self.board,
            loaded=self._show_all,
            changed=self._show_changes,
            line=lambda state: self._tell("line", {"state": state}),
            beat=self._beat,
            failed=self.failed,
        )
        super().__init__(grid=AgentGrid(self._agent_rows))
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return  # nothing runs yet: the first browser that is ready starts it
        self._feed.start()

    @property
    def selected(self) -> list[str]:
        """The agents selected in the list, as the browser last reported."""
        return list(self.grid.selected)

    async def close_page(self) -> None:
        """Ends what runs in the background and lets go of the client."""
        for job in self._jobs:
            job.cancel()
        await self._feed.stop()

    # --- to the browser ---

    def _tell(self, method: str, data: Json, buffers: list[bytes] | None = None) -> None:
        # Numbered, so that a browser whose line broke for a moment notices what it missed and asks for everything.
        self._told += 1
        super()._tell(method, data | {"n": self._told}, buffers)

    def _beat(self) -> None:
        self._tell("beat", {"state": self._feed.state})
        self.grid.beat()

    def _agent_rows(self) -> tuple[list[Json], Json] | None:
        if not self.board.floor:
            return None
        return list(self.board.agents.values()), self._clock()

    def _clock(self) -> Json:
        floor = self.board.floor_now()
        return {key: floor[key] for key in _CLOCK}

    def _show_all(self) -> None:
        self.grid.show()
        self._show_page()

    def _show_page(self) -> None:
        board = self.board
        if board.floor:
            parts = {"floor": board.floor_now(), "counts": board.counts, "messages": board.all_messages()}
            self._tell("loaded", {"me": self._feed.me, "scheduled": board.scheduled()} | parts)
        self._tell("line", {"state": self._feed.state})

    def _show_changes(self) -> None:
        changes = self.board.take_changes()
        if not changes:
            return
        self.grid.patch(changes.agents, changes.removed)
        told: Json = {}
        if changes.messages:
            told["messages"] = changes.messages
        if changes.deliveries:
            told["deliveries"] = changes.deliveries
        if changes.counts is not None:
            told["counts"] = changes.counts
        if changes.scheduled is not None:
            told["scheduled"] = changes.scheduled
        if changes.floor:
            told["floor"] = self.board.floor_now()
            self.grid.pace(self._clock())
        if told:
            self._tell("changed", told)

    # --- from the browser ---

    def vue_page_ready(self, _data: Json) -> None:
        """A browser has drawn the frame and wants the data."""
        self._feed.start()
        self._show_page()

    def vue_ask_preview(self, data: Json) -> None:
        """Who an audience would be now, for the confirmation."""
        times = (str(data.get("expires") or ""), str(data.get("confirm_by") or ""))
        self._in_background(self._preview_now(str(data["ticket"]), data["audience"], *times, data.get("template")))

    async def _preview_now(
        self, ticket: str, audience: Json, expires: str, confirm_by: str, template: str | None
    ) -> None:
        answer: Json = {"ticket": ticket}
        try:
            floor = await self.client.floor() if expires or confirm_by else {}
            answer["expires_at"] = coming(expires, floor, "expires_at", "expiry")
            answer["ack_by"] = coming(confirm_by, floor, "ack_by", "time to confirm by")
            answer["preview"] = await self.client.preview(audience, template=template)
        except CoachsimError as error:
            answer["error"] = {"code": error.code, "message": error.message}
        self._tell("previewed", answer)

    def vue_ask_advice(self, data: Json) -> None:
        """The confirmation is open: what the message can be expected to come to, and when it would do better."""
        self._in_background(self._advise_now(str(data["ticket"]), data["audience"], data["priority"], data.get("by")))

    async def _advise_now(self, ticket: str, audience: Json, priority: str, by: str | None) -> None:
        try:
            advice = await self.client.advice(audience, priority=priority, by=by)
        except CoachsimError as error:
            advice = {"error": error.message}
        self._tell("advised", {"ticket": ticket, "advice": advice})

    def vue_send_message(self, data: Json) -> None:
        """OK was pressed."""
        self._in_background(self._send_now(str(data["ticket"]), data))

    async def _send_now(self, ticket: str, data: Json) -> None:
        answer: Json = {"ticket": ticket}
        message = {
            "request_id": data["request_id"],
            "priority": data["priority"],
            "ack_required": bool(data["ack_required"]),
            "expires_at": data.get("expires_at"),
            "ack_by": data.get("ack_by"),
            "chase": data.get("chase"),
        }
        audience, body, digest = data["audience"], data["body"], data["recipients_digest"]
        try:
            when = release(data.get("when") or {}, self.board.floor)
            if when is None:
                answer["sent"] = await self.client.send(audience, body, recipients_digest=digest, **message)
            else:  # who gets it is found out when it goes out: no promise has been made
                answer["scheduled"] = await self.client.schedule(audience, body, when, **message)
        except CoachsimError as error:
            answer["error"] = {"code": error.code, "message": error.message}
        self._tell("answered", answer)

    def vue_withdraw(self, data: Json) -> None:
        """A scheduled message is not to go out after all."""
        self._in_background(self._withdraw_now(int(data["schedule_id"])))

    async def _withdraw_now(self, schedule_id: int) -> None:
        answer: Json = {"schedule_id": schedule_id}
        try:
            await self.client.withdraw(schedule_id)
        except CoachsimError as error:
            answer["error"] = error.message
        self._tell("withdrawn", answer)

    def vue_ask_texts(self, data: Json) -> None:
        """The templates menu was opened, or something was chosen in it."""
        self._in_background(self._texts_now(data))

    async def _texts_now(self, asked: Json) -> None:
        self._tell("texts", {"said": await texts.answered(self.client, asked)})

    def vue_set_pace(self, data: Json) -> None:
        """On a practice floor: another speed, a pause, or the end of one."""
        speed, paused = data.get("speed"), data.get("paused")
        self._in_background(
            self._set_pace(None if speed is None else float(speed), None if paused is None else bool(paused))
        )

    async def _set_pace(self, speed: float | None, paused: bool | None) -> None:
        await self.client.practice(speed=speed, paused=paused)

    def vue_open_message(self, data: Json) -> None:
        """A message was opened: its recipients are shown, and kept current."""
        self._in_background(self._open_now(int(data["message_id"])))

    async def _open_now(self, message_id: int) -> None:
        try:
            rows = self.board.open_message(message_id, await self.client.deliveries(message_id))
        except CoachsimError as error:
            self._tell("opened", {"message_id": message_id, "error": error.message})
            return
        self._tell("opened", {"message_id": message_id, "deliveries": rows})
        await self._chances_now(message_id, rows)

    async def _chances_now(self, message_id: int, rows: list[Json]) -> None:
        """Of a message that is to be confirmed by a time that is still to come: whether those who have not been in
        since will be before it."""
        by = self.board.messages.get(message_id, {}).get("ack_by")
        away = [row["agent_id"] for row in rows if not (row["notified_at"] or row["read_at"] or row["lost_at"])]
        if not by or not away:
            return
        if datetime.fromisoformat(by) <= datetime.fromisoformat(self.board.floor_now()["now"]):
            return
        try:
            said = (await self.client.advice({"agents": away}, by=by))["in_before"]
        except CoachsimError as error:
            said = {"error": error.message}
        self._tell("chances", {"message_id": message_id, "chances": said | {"away": len(away)}})

    def vue_close_message(self, data: Json) -> None:
        """A message was folded up again."""
        self.board.close_message(int(data["message_id"]))
