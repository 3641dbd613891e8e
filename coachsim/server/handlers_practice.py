"""The API of a practice floor: the pace of its clock, and seats."""

from __future__ import annotations

from typing import Any

from coachsim.errors import InvalidInput, UnknownAgent
from coachsim.server.base import ApiHandler
from coachsim.server.schemas import PaceBody, parse

Json = dict[str, Any]


class Pace(ApiHandler):
    """PUT /api/practice"""

    async def on_put(self) -> Json:
        """Changes how fast floor time runs, or stops it."""
        self.site.seats.check()
        body = parse(PaceBody, self.request.body)
        if body.speed is None and body.paused is None:
            raise InvalidInput("Say what to change: speed, paused, or both.")
        return await self.site.client(self.who).practice(speed=body.speed, paused=body.paused)


class Seat(ApiHandler):
    """POST and DELETE /api/seats/{agent_id}"""

    async def on_post(self, agent_id: str) -> Json:
        """The caller is this agent from now on."""
        self._check(agent_id)
        await self.site.seats.take(agent_id, self.who)
        agent = self.site.host.floor.agents[agent_id].agent
        return {
            "agent_id": agent_id,
            "name": agent.name,
            "team": agent.team,
            "holder": self.who.name,
            "as_of": self.site.host.seq,
        }

    async def on_delete(self, agent_id: str) -> None:
        """The virtual agent takes over again."""
        self._check(agent_id)
        await self.site.seats.give_back(agent_id, self.who)

    def _check(self, agent_id: str) -> None:
        self.site.seats.check()
        scope = self.who.account.scope
        row = self.site.host.floor.agents.get(agent_id)
        if row is None or not row.agent.active or (scope is not None and row.agent.team not in scope):
            raise UnknownAgent.named(agent_id)
