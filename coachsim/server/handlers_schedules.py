"""The API of messages that go out later."""

from __future__ import annotations

from typing import Any

from coachsim.errors import InvalidInput, UnknownSchedule
from coachsim.server.base import ApiHandler
from coachsim.server.schemas import MAX_ID, ScheduleBody, parse

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
        if not (schedule_id.isascii() and schedule_id.isdigit()):
            raise InvalidInput(f"{schedule_id[:30]!r} is no number of a scheduled message.", field="schedule_id")
        if len(schedule_id) > len(str(MAX_ID)):
            raise UnknownSchedule(f"There is no scheduled message {schedule_id[:30]}.")
        return await self.site.client(self.who).withdraw(int(schedule_id))
