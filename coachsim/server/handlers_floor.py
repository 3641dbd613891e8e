"""The API of supervisors: the floor, its agents, sending, and what became of it."""

from __future__ import annotations

from typing import Any

from coachsim.errors import InvalidInput
from coachsim.models import AgentState
from coachsim.server.base import ApiHandler
from coachsim.server.schemas import AdviceBody, PreviewBody, SendBody, id_in_path, parse

Json = dict[str, Any]
_FILTERS = ("campaign", "list", "team", "queue", "state")


class Me(ApiHandler):
    """GET /api/me"""

    async def on_get(self) -> Json:
        """Who I am."""
        return await self.site.client(self.who).me()


class FloorNow(ApiHandler):
    """GET /api/floor"""

    async def on_get(self) -> Json:
        """The floor now. Counts are of the caller's teams; an agent, who sees no team, is given none."""
        floor = await self.site.client(self.who).floor()
        return floor | {"counts": None} if self.who.account.scope == frozenset() else floor


class Agents(ApiHandler):
    """GET /api/agents"""

    async def on_get(self) -> Json:
        """The agents in scope that match the filters."""
        given = {name: self.get_query_arguments(name) for name in self.request.query_arguments}
        if unknown := given.keys() - {*_FILTERS, "q"}:
            raise InvalidInput(
                f"There is no filter {min(unknown)!r}; use {', '.join(_FILTERS)} or q.", field=min(unknown)
            )
        for state in given.get("state", ()):
            if state not in tuple(AgentState):
                raise InvalidInput(f"There is no state {state!r}; use logged_in, break or logged_out.", field="state")
        q = " ".join(given.pop("q", ()))
        return await self.site.client(self.who).agents(q=q, **given)


class Preview(ApiHandler):
    """POST /api/messages/preview"""

    async def on_post(self) -> Json:
        """Who an audience would be now."""
        body = parse(PreviewBody, self.request.body)
        return await self.site.client(self.who).preview(body.audience, template=body.template)


class AdviceOn(ApiHandler):
    """POST /api/messages/advice"""

    async def on_post(self) -> Json:
        """What a message can be expected to come to, now and later."""
        body = parse(AdviceBody, self.request.body)
        return await self.site.client(self.who).advice(body.audience, priority=body.priority, by=body.by)


class Messages(ApiHandler):
    """GET and POST /api/messages"""

    async def on_get(self) -> Json:
        """A day's messages."""
        return await self.site.client(self.who).messages(self.get_query_argument("day", None))

    async def on_post(self) -> tuple[int, Json]:
        """Sends."""
        body = parse(SendBody, self.request.body)
        return 201, await self.site.client(self.who).send(**body.model_dump())


class Deliveries(ApiHandler):
    """GET /api/messages/{message_id}/deliveries"""

    async def on_get(self, message_id: str) -> Json:
        """Each recipient's delivery."""
        return await self.site.client(self.who).deliveries(id_in_path(message_id, "message_id"))
