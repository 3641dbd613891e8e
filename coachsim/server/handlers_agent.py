"""The API of agents: their state, their messages, and what their page reports."""

from __future__ import annotations

from typing import Any

from coachsim import views
from coachsim.days import to_iso
from coachsim.errors import UnknownAgent
from coachsim.events import Read
from coachsim.floor import Floor
from coachsim.models import AgentState
from coachsim.server.base import ApiHandler
from coachsim.server.schemas import AckBody, OpenBody, StateBody, ToastsBody, parse

Json = dict[str, Any]


class AgentStateOf(ApiHandler):
    """PUT /api/agents/{agent_id}/state"""

    async def on_put(self, agent_id: str) -> Json:
        """Sets a state: one's own, that of one's seat, or, as telephony, anybody's."""
        account = self.who.account
        if (self.seat is not None or "telephony" not in account.roles) and agent_id != self.agent_id:
            raise UnknownAgent.named(agent_id)
        body = parse(StateBody, self.request.body)
        host = self.site.host
        await host.do(Floor.set_state, agent_id, AgentState(body.state), reason=body.reason, actor=account.name)
        row = host.floor.agents[agent_id]
        return {
            "state": row.state.value,
            "reason": row.reason,
            "since": to_iso(row.since),
            "as_of": host.seq,
        }


class _Own(ApiHandler):
    def inbox(self) -> Json:
        """The caller's list of messages as it is now."""
        floor = self.site.host.floor
        if self.agent_id not in floor.agents:
            raise UnknownAgent(f"The agent {self.agent_id} of this account is not on the roster. Tell an admin.")
        return views.inbox(floor, self.agent_id) | {"as_of": self.site.host.seq}


class Inbox(_Own):
    """GET /api/inbox"""

    async def on_get(self) -> Json:
        """The day's messages."""
        await self.site.host.settled()
        return self.inbox()


class InboxOpen(_Own):
    """POST /api/inbox/open"""

    async def on_post(self) -> Json:
        """The dialog was open and visible."""
        body = parse(OpenBody, self.request.body)
        host = self.site.host
        events = await host.do(Floor.open_inbox, self.agent_id, through=body.through, actor=self.who.name)
        read = [message_id for event in events if isinstance(event, Read) for message_id in event.message_ids]
        return {"read": read, "unread": self.inbox()["unread"], "as_of": host.seq}


class InboxAck(_Own):
    """POST /api/inbox/ack"""

    async def on_post(self) -> None:
        """One message is acknowledged."""
        body = parse(AckBody, self.request.body)
        await self.site.host.do(Floor.acknowledge, self.agent_id, body.message_id, actor=self.who.name)


class InboxToasts(_Own):
    """POST /api/inbox/toasts"""

    async def on_post(self) -> None:
        """Toasts were on the screen."""
        body = parse(ToastsBody, self.request.body)
        await self.site.host.do(Floor.show_toasts, self.agent_id, body.message_ids, actor=self.who.name)
