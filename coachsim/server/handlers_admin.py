"""The API of admins and machines: roster, clear-down, backup, health, metrics."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from coachsim import roster
from coachsim.errors import InvalidInput
from coachsim.events import AgentChanged, ClearedDown
from coachsim.floor import Floor
from coachsim.server.base import ApiHandler
from coachsim.server.schemas import BackupBody, parse

Json = dict[str, Any]


class ClearDown(ApiHandler):
    """POST /api/clear-down"""

    async def on_post(self) -> Json:
        """Empties the inboxes by hand."""
        host = self.site.host
        before = host.seq
        await host.clear_down(actor=self.who.name)
        cleared = [event for event in host.recent(before) or () if isinstance(event, ClearedDown)]
        return {
            "deliveries": sum(event.deliveries for event in cleared),
            "lost": sum(event.lost for event in cleared),
            "as_of": host.seq,
        }


class Roster(ApiHandler):
    """GET and POST /api/roster"""

    async def on_get(self) -> None:
        """The roster as CSV, the inactive agents too."""
        rows = self.site.host.floor.agents.values()
        text = roster.write(sorted((row.agent for row in rows), key=lambda agent: agent.agent_id))
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="roster.csv"')
        self.finish(text)

    async def on_post(self) -> Json:
        """Takes a roster: all of it, or nothing where it has a fault."""
        agents = await asyncio.to_thread(roster.read, self.request.body)
        host = self.site.host
        events = await host.do(Floor.set_agents, agents, actor=self.who.name)
        changed = sum(isinstance(event, AgentChanged) for event in events)
        return {"agents": len(agents), "changed": changed, "as_of": host.seq}


class Backup(ApiHandler):
    """POST /api/backup"""

    async def on_post(self) -> Json:
        """Copies the log to a file of the server's machine; only the command line on that machine may ask."""
        path = Path(parse(BackupBody, self.request.body).path)
        if not path.is_absolute():
            raise InvalidInput("The path of a backup has to be absolute.", field="path")
        try:
            await asyncio.to_thread(self.site.host.writer.backup, path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise InvalidInput(f"The backup cannot be written to {path}: {why}.", field="path") from error
        self.site.metrics.backed_up()
        return {"path": str(path)}


class Health(ApiHandler):
    """GET /healthz"""

    async def on_get(self) -> Json:
        """The server lives; what is wrong with the floor, if anything."""
        faults = self.site.host.faults
        return {"status": "degraded" if faults else "ok", "faults": faults, "as_of": self.site.host.seq}


class Metrics(ApiHandler):
    """GET /metrics"""

    async def on_get(self) -> None:
        """For Prometheus."""
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(self.site.metrics.text())
