"""The API of texts that are sent again: templates with their versions, and what the caller sent last."""

from __future__ import annotations

from typing import Any

from coachsim.errors import InvalidInput
from coachsim.server.base import ApiHandler
from coachsim.server.schemas import NewTemplateBody, TemplateBody, id_in_path, parse

Json = dict[str, Any]
_YES_OR_NO = {"true": True, "false": False}


class Recent(ApiHandler):
    """GET /api/messages/recent"""

    async def on_get(self) -> Json:
        """The last ten different texts that the caller sent."""
        return await self.site.client(self.who).recent()


class Templates(ApiHandler):
    """GET and POST /api/templates"""

    async def on_get(self) -> Json:
        """The caller's own templates and the shared ones."""
        given = self.get_query_argument("hidden", "false")
        if given not in _YES_OR_NO:
            raise InvalidInput(f"hidden is true or false, not {given[:30]!r}.", field="hidden")
        return await self.site.client(self.who).templates(hidden=_YES_OR_NO[given])

    async def on_post(self) -> tuple[int, Json]:
        """A new template."""
        body = parse(NewTemplateBody, self.request.body)
        return 201, await self.site.client(self.who).new_template(**body.model_dump())


class Template(ApiHandler):
    """GET, PUT and DELETE /api/templates/{template_id}"""

    async def on_get(self, template_id: str) -> Json:
        """A template with its versions."""
        return await self.site.client(self.who).template(id_in_path(template_id, "template_id"))

    async def on_put(self, template_id: str) -> Json:
        """The next version."""
        wanted = id_in_path(template_id, "template_id")
        body = parse(TemplateBody, self.request.body)
        return await self.site.client(self.who).change_template(wanted, **body.model_dump())

    async def on_delete(self, template_id: str) -> None:
        """Hides it."""
        await self.site.client(self.who).delete_template(id_in_path(template_id, "template_id"))
