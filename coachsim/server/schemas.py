"""The bodies that the API takes, validated with pydantic; a fault is said in a sentence that names its field."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from coachsim.errors import InvalidInput
from coachsim.when import whole

MAX_ID = (1 << 63) - 1
MAX_TOASTS = 1_000


Id = Annotated[int, BeforeValidator(whole), Field(ge=0, le=MAX_ID)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class PreviewBody(_Body):
    """POST /api/messages/preview"""

    audience: dict[str, Any]
    template: str | None = None


class AdviceBody(_Body):
    """POST /api/messages/advice"""

    audience: dict[str, Any]
    priority: str = "normal"
    by: str | None = None


class SendBody(_Body):
    """POST /api/messages"""

    audience: dict[str, Any]
    body: str
    request_id: str
    priority: str = "normal"
    ack_required: bool = False
    expires_at: str | None = None
    recipients_digest: str | None = None
    ack_by: str | None = None
    chase: dict[str, Any] | None = None


class ScheduleBody(SendBody):
    """POST /api/schedules"""

    when: dict[str, Any]


class NewTemplateBody(_Body):
    """POST /api/templates"""

    title: str
    body: str
    shared: bool = False


class TemplateBody(_Body):
    """PUT /api/templates/{id}"""

    title: str
    body: str
    shared: bool
    version: Id


class StateBody(_Body):
    """PUT /api/agents/{id}/state"""

    state: Literal["logged_in", "break", "logged_out"]
    reason: str | None = None


class OpenBody(_Body):
    """POST /api/inbox/open"""

    through: Id | None = None


class AckBody(_Body):
    """POST /api/inbox/ack"""

    message_id: Id


class ToastsBody(_Body):
    """POST /api/inbox/toasts"""

    message_ids: Annotated[list[Id], Field(max_length=MAX_TOASTS)]


class PaceBody(_Body):
    """PUT /api/practice"""

    speed: float | None = None
    paused: bool | None = None


class BackupBody(_Body):
    """POST /api/backup"""

    path: str


Body = TypeVar("Body", bound=_Body)


def parse(model: type[Body], raw: bytes) -> Body:
    """The body as ``model``; ``InvalidInput`` for what is not JSON or not this shape. No body is an empty object."""
    try:
        data = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise InvalidInput("The body is not JSON. Send a JSON object.") from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _explained(error) from None
    except RecursionError:
        raise InvalidInput("The body is nested too deeply. Send what api.yaml describes.") from None


def id_in_path(given: str, field: str) -> int:
    """An id that stands in an address; ``InvalidInput`` for what is none."""
    digits = given.lstrip("0") or "0"
    if not (given.isascii() and given.isdigit() and len(digits) < 20 and int(digits) <= MAX_ID):
        raise InvalidInput(f"{given[:30]!r} is no {field.replace('_', ' ')}. Use the number that it has.", field=field)
    return int(digits)


def _explained(error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    if first["type"] == "extra_forbidden":
        return InvalidInput(f"There is no field {field!r} here. Leave it out.", field=field)
    if first["type"] == "missing":
        return InvalidInput(f"The field {field!r} is missing. Give it too.", field=field)
    if field is None:
        return InvalidInput("The body has to be a JSON object.")
    return InvalidInput(f"{field}: {first['msg']}.", field=field)
