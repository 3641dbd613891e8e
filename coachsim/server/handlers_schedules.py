"""The API of messages that go out later."""

from __future__ import annotations

from typing import Any

from coachsim.server.base import ApiHandler
from coachsim.server.schemas import ScheduleBody, id_in_path, parse

Json = dict[str, Any]


class Schedules(ApiHandler):
    """GET and POST /api/schedules"""

    async def on_get(self) -> Json:
        """What waits, and what became of others today."""
        return await self.site.client(self.who).schedules()

    async def on_post(self) -> tuple[int, Json]:
        """Schedules a message."""
        body = parse(ScheduleBody, self.request.body)
        return 201, await self.site.client(self.who).schedule(**body.model_dump())


class ScheduleOf(ApiHandler):
    """DELETE /api/schedules/{schedule_id}"""

    async def on_delete(self, schedule_id: str) -> Json:
        """Withdraws it."""
        return await self.site.client(self.who).withdraw(id_in_path(schedule_id, "schedule_id"))
