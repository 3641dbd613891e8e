"""The scenario's part of the data dictionary, as the models have it. Run as a module, it prints the table."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from coachsim.faults import parts
from coachsim.scenario import Scenario


def rows(model: type[BaseModel] = Scenario, at: str = "") -> Iterator[str]:
    """A line for each field that a scenario may have, in the models' order."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        inner = parts(field.annotation)
        if not inner:
            yield f"| `{at}{name}` | {_default(field)} | {_range(field)} | {field.description} |"
        for part in inner:
            listed = "tuple" in str(field.annotation)
            if listed:
                yield f"| `{at}[[{name}]]` | {_default(field)} |  | {field.description} |"
            yield from rows(part, f"{name}[]." if listed else f"{name}.")


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or field.default == ():
        return "none"
    value = field.default.isoformat() if isinstance(field.default, dt.date) else json.dumps(field.default)
    return f"`{value}`"


def _range(field: FieldInfo) -> str:
    limits: dict[str, Any] = {}
    for one in field.metadata:
        limits |= {name: getattr(one, name) for name in ("ge", "gt", "le") if hasattr(one, name)}
    if "le" not in limits:
        return ""
    if "gt" in limits:
        return "over 0" if limits["le"] == 1e6 else f"over 0 to {limits['le']}"
    return f"{limits['ge']} to {limits['le'] if isinstance(limits['le'], dt.date) else format(limits['le'], ',')}"


if __name__ == "__main__":
    print("\n".join(rows()))
