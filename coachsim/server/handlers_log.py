"""The API of analysts: tables of the log as Parquet, while the floor goes on."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress

from tornado.iostream import StreamClosedError

from coachsim.errors import InvalidInput, NotFound
from coachsim.log import snapshot
from coachsim.server.base import ApiHandler
from coachsim.server.schemas import MAX_ID

_CHUNK = 1 << 20
AS_OF = "X-Coach-As-Of"
OLDER_DAYS = "X-Coach-Older-Days"


class LogTable(ApiHandler):
    """GET /api/log/{table}.parquet"""

    async def on_get(self, table: str) -> None:
        """One of the log's tables for some days, within the caller's teams.

        It is written to an unnamed file first: so its size does not matter, and the log is not kept waiting for
        whoever fetches it slowly.
        """
        tables = (*snapshot.TABLES, *snapshot.PARTS)
        if table not in tables:
            raise NotFound(f"The log has no table {table!r}; it has {', '.join(snapshot.TABLES)}.")
        days = (self.get_query_argument("from", None), self.get_query_argument("to", None))
        as_of = _seq(self.get_query_argument("as_of", None))
        scope = self.who.account.scope
        with tempfile.TemporaryFile(prefix="coachsim-") as file:
            async with self.site.reading:
                writer = self.site.host.writer
                seq = await asyncio.to_thread(snapshot.write_from, writer, file, table, *days, scope, as_of)
                if table == "all_days" and self.site.keeping is not None:
                    older = await asyncio.to_thread(self.site.keeping.older_days)
                    if older:
                        self.set_header(OLDER_DAYS, f"{older[0]}/{older[-1]}")
            self.set_header("Content-Type", "application/vnd.apache.parquet")
            self.set_header("Content-Disposition", f'attachment; filename="{table}.parquet"')
            self.set_header("Content-Length", str(file.tell()))
            self.set_header(AS_OF, str(seq))
            file.seek(0)
            with suppress(StreamClosedError):  # whoever asked has gone
                while chunk := await asyncio.to_thread(file.read, _CHUNK):
                    self.write(chunk)
                    await self.flush()
                await self.finish()


def _seq(given: str | None) -> int | None:
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 20 and int(given) <= MAX_ID):
        raise InvalidInput(f"{given[:30]!r} is no number of an event. Use the as_of of another table.", field="as_of")
    return int(given)
