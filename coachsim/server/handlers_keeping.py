"""The API of whoever looks after the log: the archive written by hand, and former agents made pseudonyms."""

from __future__ import annotations

from datetime import date
from typing import Any

from coachsim.errors import InvalidInput, NotFound
from coachsim.keeping import Keeping
from coachsim.server.base import ApiHandler

Json = dict[str, Any]


class Archiving(ApiHandler):
    """POST /api/archive"""

    async def on_post(self) -> Json:
        """Writes the closed days from one to another to the archive, those that it has as well."""
        keeping = _keeping(self)
        first, last = (_day(self.get_query_argument(name, None), name) for name in ("from", "to"))
        return {"days": await keeping.archive(first, last), "as_of": self.site.host.seq}


class PseudonymOf(ApiHandler):
    """POST /api/agents/{id}/pseudonym"""

    async def on_post(self, agent_id: str) -> Json:
        """Replaces a former agent's id and name in log and archive, for good."""
        keeping = _keeping(self)
        accounts = tuple(account.name for account in self.site.accounts.list() if account.agent_id == agent_id)
        new_id = await keeping.pseudonym(agent_id, accounts=accounts, actor=self.who.name)
        return {"agent_id": new_id, "as_of": self.site.host.seq}


def _keeping(handler: ApiHandler) -> Keeping:
    if handler.site.keeping is None:
        raise NotFound("A practice floor keeps nobody's record, and has no archive. Ask a live floor.")
    return handler.site.keeping


def _day(given: str | None, field: str) -> str | None:
    if given is None:
        return None
    try:
        return date.fromisoformat(given).isoformat()
    except ValueError:
        raise InvalidInput(f"{given[:30]!r} is no day. Write it as in 2026-11-22.", field=field) from None
