"""GET /api/events: lets the caller in, then hands the bare connection to the streams."""

from __future__ import annotations

from coachsim.errors import InvalidInput
from coachsim.server.access import WATCHERS
from coachsim.server.base import ApiHandler
from coachsim.server.schemas import MAX_ID
from coachsim.server.stream import Stream


class Events(ApiHandler):
    """Server-sent events of the agent, or of the teams, that the caller may see."""

    async def on_get(self) -> None:
        """Starts the stream; ``Last-Event-ID`` (a reconnect) goes before ``?after=`` (the first connect)."""
        after = self._after()
        self.site.streams.check_room(self.who)
        account = self.who.account
        watches = bool(account.roles & WATCHERS[self.site.practice is not None])
        # Someone who is agent and supervisor opens the agent's page in a browser; a desk's kernel comes by ticket.
        as_agent = self.seat is not None or ("agent" in account.roles and (self.who.from_browser or not watches))
        agent_id = self.agent_id if as_agent else None
        stream = Stream(
            caller=self.who,
            socket=self.detach(),
            agent_id=agent_id,
            watches=watches and not as_agent,
            is_seat=self.seat is not None,
        )
        self.site.streams.open(stream, after)

    def _after(self) -> int | None:
        value = self.request.headers.get("Last-Event-ID") or self.get_query_argument("after", None)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 19 and int(value) <= MAX_ID):
            raise InvalidInput(f"{value[:30]!r} is no event id. Use an as_of, or the id of a frame.", field="after")
        return int(value)
