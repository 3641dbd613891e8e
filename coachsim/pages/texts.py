"""What the coaching page's templates menu asks: the templates, the last texts, and changes to them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from coachsim.errors import CoachsimError, InvalidInput
from coachsim.pages.board import Json

if TYPE_CHECKING:
    from coachsim.client import FloorClient


async def answered(client: FloorClient, asked: Json) -> Json:
    """The answer to what the menu ``asked``, or the sentence why not, under the ticket of the question."""
    try:
        answer = await _answer(client, asked)
    except CoachsimError as error:
        answer = {"error": error.message}
    return answer | {"ticket": asked.get("ticket")}


async def _answer(client: FloorClient, asked: Json) -> Json:
    match asked.get("what"):
        case "open":
            kept, sent = await asyncio.gather(client.templates(), client.recent())
            return {"templates": kept["templates"], "texts": sent["texts"]}
        case "manage":
            kept, deleted = await asyncio.gather(client.templates(), client.templates(hidden=True))
            return {"templates": kept["templates"], "deleted": deleted["templates"]}
        case "look":
            return {"template": await client.template(asked["template_id"])}
        case "keep":
            return {"kept": await _keep(client, asked)}
        case "bring_back":
            await _keep(client, asked)
            return {"done": True}
        case "delete":
            await client.delete_template(asked["template_id"])
            return {"done": True}
        case other:
            raise InvalidInput(f"There is nothing called {other!r} to do with templates.")


async def _keep(client: FloorClient, asked: Json) -> Json:
    title, body, shared = asked["title"], asked["body"], bool(asked["shared"])
    if asked.get("template_id") is None:
        return await client.new_template(title, body, shared=shared)
    return await client.change_template(asked["template_id"], title, body, shared=shared, version=asked["version"])
