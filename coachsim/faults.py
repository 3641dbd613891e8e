"""What is wrong with nested data that pydantic models are to hold: misspelt fields, and values that cannot be."""

from __future__ import annotations

import difflib
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from coachsim.errors import InvalidInput


def unknown_fields(model: type[BaseModel], data: Any, at: str = "") -> list[str]:
    """A sentence for each field that no model knows, with what it may have been meant to be."""
    found: list[str] = []
    if not isinstance(data, dict):
        return found
    fields = [name for name, field in model.model_fields.items() if not field.exclude]
    for name, value in data.items():
        if name not in fields:
            close = difflib.get_close_matches(name, fields, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            found.append(f"there is no field {at + name!r}{hint}")
            continue
        for part in parts(model.model_fields[name].annotation):
            for index, item in enumerate(value if isinstance(value, list) else [value]):
                place = f"{at}{name}[{index}]." if isinstance(value, list) else f"{at}{name}."
                found += unknown_fields(part, item, place)
    return found


def parts(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field holds: itself, or one for each item of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (tuple, UnionType):
        return [part for inner in get_args(annotation) for part in parts(inner)]
    return []


def fault(error: Any) -> str:
    """One error of a pydantic ``ValidationError`` as a sentence that names the field."""
    where = ""
    for step in error["loc"]:
        where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else str(step)
    cause = error.get("ctx", {}).get("error")
    said = cause.message if isinstance(cause, InvalidInput) else str(cause) if cause else error["msg"]
    said = said[0].lower() + said[1:].rstrip(".") if said else said
    return f"{where}: {said}" if where else said
