"""CoachingPage: send messages to agents and watch them arrive. One widget for Voila, JupyterLab and tests alike."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import traitlets
from ipyvuetify.VuetifyTemplate import VuetifyTemplate
from ipywidgets import widget_serialization

from coachsim.errors import CoachsimError, InvalidInput
from coachsim.pages.agent_grid import AgentGrid
from coachsim.pages.board import Board, Json
from coachsim.pages.feed import Feed

if TYPE_CHECKING:
    from coachsim.client import FloorClient

_HERE = Path(__file__).parent
_CLOCK = ("now", "speed", "paused", "time_zone", "mode")
_logger = logging.getLogger(__name__)


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def expiry_moment(wall_time: str, floor: Json) -> str | None:
    """The next ``HH:MM`` of the floor's clock as an ISO time in UTC; empty = None.

    Raises ``InvalidInput`` where that lies behind, or after the coming clear-down.
    """
    if not wall_time:
        return None
    zone = ZoneInfo(floor["time_zone"])
    now = datetime.fromisoformat(floor["now"])
    try:
        wanted = datetime.strptime(wall_time, "%H:%M").time()
    except ValueError:
        raise InvalidInput("Write the expiry as a time of day, such as 17:00.", field="expires_at") from None
    today = now.astimezone(zone).date()
    ends = datetime.fromisoformat(floor["next_clear_down"]) if floor.get("next_clear_down") else None
    for date in (today, today + timedelta(days=1)):
        moment = datetime.combine(date, wanted, tzinfo=zone)
        if moment > now and (ends is None or moment <= ends):
            return moment.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
    raise InvalidInput(
        f"{wall_time} has passed, or is after the night's clear-down. Choose a later time today.", field="expires_at"
    )


class CoachingPage(VuetifyTemplate):
    """The coaching page on any ``FloorClient``: a server's, or a floor in the same process.

    Show it as the last line of a cell. ``await page.close_page()`` ends its tasks.
    """

    template = traitlets.Unicode(f"{_text('coaching.vue')}<style>\n{_text('coaching.css')}</style>\n").tag(sync=True)
    components = traitlets.Dict(
        {"send-dialog": _text("send_dialog.vue"), "message-card": _text("message_card.vue")}
    ).tag(sync=True)
    grid = traitlets.Any().tag(sync=True, **widget_serialization)

    def __init__(self, client: FloorClient) -> None:
        self.client = client
        self.board = Board()
        self._jobs: set[asyncio.Task[None]] = set()
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

    def _tell(self, method: str, data: Json) -> None:
        # Numbered, so that a browser whose line broke for a moment notices what it missed and asks for everything.
        self._told += 1
        self.send({"method": method, "args": [data | {"n": self._told}]})

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
            self._tell("loaded", {"me": self._feed.me} | parts)
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
        if changes.floor:
            told["floor"] = self.board.floor_now()
            self.grid.pace(self._clock())
        if told:
            self._tell("changed", told)

    def failed(self, error: BaseException) -> None:
        """An error nobody expected: it is logged, and said on the page, and the page goes on."""
        _logger.error("The coaching page failed at something.", exc_info=error)
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        sentence = f"Something went wrong in the page ({said}). What you typed is kept; reload if it goes on."
        self._tell("trouble", {"sentence": sentence})

    # --- from the browser: only these events, and never ipyvue's own requests to import a module or call a function ---

    def set_state(self, sync_data: Json) -> None:
        """Browsers set nothing here: what they report comes as events."""

    def _handle_event(self, _widget: Any, content: Any, _buffers: Any) -> None:
        try:
            name = content.get("event") if isinstance(content, dict) else None
            if name not in self.events or "create_widget" in content or "update_ref" in content:
                _logger.warning("Refused a message that no button of the coaching page sends.")
                return
            data = content.get("data")
            getattr(self, f"vue_{name}")(data if isinstance(data, dict) else {})
        except Exception as error:
            self.failed(error)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a request of the browser in the background; the one place that catches what it did not expect."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self.failed(error)

        job = asyncio.ensure_future(guarded())
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    def vue_page_ready(self, _data: Json) -> None:
        """A browser has drawn the frame and wants the data."""
        self._feed.start()
        self._show_page()

    def vue_ask_preview(self, data: Json) -> None:
        """Who an audience would be now, for the confirmation."""
        self._in_background(self._preview_now(str(data["ticket"]), data["audience"], str(data.get("expires") or "")))

    async def _preview_now(self, ticket: str, audience: Json, expires: str) -> None:
        answer: Json = {"ticket": ticket}
        try:
            floor = await self.client.floor() if expires else {}
            answer["expires_at"] = expiry_moment(expires, floor)
            answer["preview"] = await self.client.preview(audience)
        except CoachsimError as error:
            answer["error"] = {"code": error.code, "message": error.message}
        self._tell("previewed", answer)

    def vue_send_message(self, data: Json) -> None:
        """OK was pressed."""
        self._in_background(self._send_now(str(data["ticket"]), data))

    async def _send_now(self, ticket: str, data: Json) -> None:
        answer: Json = {"ticket": ticket}
        try:
            answer["sent"] = await self.client.send(
                data["audience"],
                data["body"],
                request_id=data["request_id"],
                priority=data["priority"],
                ack_required=bool(data["ack_required"]),
                expires_at=data.get("expires_at"),
                recipients_digest=data["recipients_digest"],
            )
        except CoachsimError as error:
            answer["error"] = {"code": error.code, "message": error.message}
        self._tell("answered", answer)

    def vue_set_pace(self, data: Json) -> None:
        """On a practice floor: another speed, a pause, or the end of one."""
        speed, paused = data.get("speed"), data.get("paused")
        self._in_background(
            self._set_pace(None if speed is None else float(speed), None if paused is None else bool(paused))
        )

    async def _set_pace(self, speed: float | None, paused: bool | None) -> None:
        try:
            await self.client.practice(speed=speed, paused=paused)
        except CoachsimError as error:
            self._tell("trouble", {"sentence": error.message})

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

    def vue_close_message(self, data: Json) -> None:
        """A message was folded up again."""
        self.board.close_message(int(data["message_id"]))
