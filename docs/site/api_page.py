"""The page of the API, written from ``coachsim/server/api.yaml`` whenever the site is made.

``page`` gives it as Markdown: every operation with who may ask, what it takes and what it answers; every shape; and the
codes of errors, from the classes that have them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from sphinx.application import Sphinx

from coachsim import errors
from coachsim.server import base, store

SOURCE = Path(__file__).parents[2] / "coachsim" / "server" / "api.yaml"
PAGE = "docs/reference/api"
_METHODS = ("get", "post", "put", "patch", "delete")
_Json = Mapping[str, Any]
_LIMITS = {
    "format": "{}",
    "minLength": "at least {:,} characters",
    "maxLength": "at most {:,} characters",
    "minItems": "at least {:,}",
    "maxItems": "at most {:,}",
    "minimum": "from {:,}",
    "exclusiveMinimum": "over {:,}",
    "maximum": "to {:,}",
}


def setup(app: Sphinx) -> dict[str, bool]:
    """Hooks into Sphinx."""
    app.connect("source-read", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(app: Sphinx, name: str, source: list[str]) -> None:
    """Puts the operations and shapes at the end of their page, which has what is said before them."""
    if name == PAGE:
        app.env.note_dependency(str(SOURCE))
        source[0] += "\n" + page(yaml.safe_load(SOURCE.read_text(encoding="utf-8")))


def page(described: _Json) -> str:
    """The operations and shapes of an OpenAPI description as Markdown, from headings of the second level on."""
    about = described["info"]["description"].strip()
    parts = [about.partition(" `x-roles`")[0], "## Operations"]  # the rest is of fields that stand here as words
    for path, item in described["paths"].items():
        for method in _METHODS:
            if method in item:
                parts += _operation(f"{method.upper()} {path}", item[method], described["components"])
    parts.append("## Shapes")
    for name, schema in described["components"]["schemas"].items():
        parts += [f"### {name}", *_shape(schema)]
    parts += ["## Codes", "What `code` of an [Error](#error) may be.", codes()]
    return "\n\n".join(parts) + "\n"


def codes() -> str:
    """The codes of all errors that a server may answer with, as a table."""
    kinds = [kind for module in (errors, base, store) for kind in vars(module).values() if isinstance(kind, type)]
    raised = {kind for kind in kinds if issubclass(kind, errors.CoachsimError)}
    rows = [(kind.http_status, kind.code, (kind.__doc__ or "").partition("\n\n")[0]) for kind in raised]
    lines = ["| code | status | |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| `{code}` | {status} | {_cell(says)} |" for status, code, says in sorted(rows))])


def _operation(title: str, operation: _Json, components: _Json) -> Iterator[str]:
    yield f"### {title}"
    yield _sentence(operation["summary"])
    if "description" in operation:
        yield operation["description"].strip()
    yield _who(operation)
    parameters = [_referred(each, components["parameters"]) for each in operation.get("parameters", [])]
    if parameters:
        yield _table("parameter", [_parameter(each) for each in parameters])
    if "requestBody" in operation:
        ((kind, content),) = operation["requestBody"]["content"].items()
        yield f"It takes `{kind}`" + _content(content["schema"])
    yield from _answers(operation["responses"], components["responses"])


def _who(operation: _Json) -> str:
    roles, practice = operation["x-roles"], operation.get("x-roles-in-practice", [])
    said = ", ".join(roles) or "this machine's command line"
    more = f"; on a practice floor also {', '.join(practice)}" if practice else ""
    return f"For: {said}{more}."


def _parameter(parameter: _Json) -> tuple[str, str, str]:
    where = parameter["in"] + (", required" if parameter.get("required") and parameter["in"] != "path" else "")
    described = {key: parameter[key] for key in ("description",) if key in parameter}
    return parameter["name"], where, _type({**parameter["schema"], **described}, True)


def _answers(responses: _Json, shared: _Json) -> Iterator[str]:
    """What it answers when it did what it was asked for; refusals are alike, and only their numbers are listed."""
    refusals = []
    for status, given in responses.items():
        answer = _referred(given, shared)
        if int(status) >= 400:
            refusals.append(status)
            continue
        text = f"It answers **{status}**: {answer['description']}."
        for kind, content in answer.get("content", {}).items():
            text += f" `{kind}`" + _content(content["schema"])
        for name, header in answer.get("headers", {}).items():
            text += f"\n\nWith the header `{name}`: {_sentence(header['description'])}"
        yield text
    yield f"Or it refuses with {', '.join(refusals)} and an [Error](#error)."


def _content(schema: _Json) -> str:
    """The end of a sentence that has just named the kind of content."""
    if "properties" in schema:
        return ":\n\n" + "\n\n".join(_shape(schema))
    said = _type(schema)
    return "." if said == "text" else f": {said}."


def _shape(schema: _Json) -> Iterator[str]:
    """A schema: what it means, and its fields where it has some."""
    if "description" in schema:
        yield _sentence(schema["description"])
    if "$ref" in schema:
        yield f"All of {_reference(schema)}{_limits(schema)}" + (", and:" if "properties" in schema else ".")
    if "properties" in schema:
        required = schema.get("required", [])
        rows = [(name, "" if name in required else "optional", _type(field, True)) for name, field in
                schema["properties"].items()]  # fmt: skip
        yield _table("field", rows)
    elif "$ref" not in schema:
        yield _sentence(_type({key: value for key, value in schema.items() if key != "description"}))


def _table(first: str, rows: list[tuple[str, str, str]]) -> str:
    lines = [f"| {first} | | |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| `{name}` | {mark} | {_cell(text)} |" for name, mark, text in rows)])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# --- one schema in words ---


def _type(schema: _Json, described: bool = False) -> str:
    """A schema in words, with a link to each shape that it names; ``described`` puts its meaning after it."""
    said = f"{_kind(schema)}{_limits(schema)}"
    if "default" in schema:
        said += f"; else {_value(schema['default'])}"
    if described and "description" in schema:
        said += f". {_sentence(schema['description'])}"
    return said


def _kind(schema: _Json) -> str:
    if "$ref" in schema:
        return _reference(schema)
    if "const" in schema:
        return _value(schema["const"])
    if "enum" in schema:
        return " or ".join(map(_value, schema["enum"]))
    for several in ("oneOf", "anyOf"):
        if several in schema and "properties" not in schema:
            return ", or ".join(_type(each, True) for each in schema[several])
    if "properties" in schema:
        required = schema.get("required", [])
        fields = [f"`{name}` ({_type(each)}{'' if name in required else ', optional'})" for name, each in
                  schema["properties"].items()]  # fmt: skip
        return "an object with " + ", ".join(fields)
    kinds = schema.get("type", "anything")
    return " or ".join(_plain(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _plain(kind: str, schema: _Json) -> str:
    if kind == "array":
        return f"a list of {_type(schema['items'])}" if "items" in schema else "a list"
    if kind == "object" and "additionalProperties" in schema and schema["additionalProperties"]:
        return f"an object, each value {_type(schema['additionalProperties'])}"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false", "null": "`null`"}
    return words.get(kind, kind)


def _limits(schema: _Json) -> str:
    said = [text.format(schema[key]) for key, text in _LIMITS.items() if key in schema]
    return f" ({', '.join(said)})" if said else ""


def _reference(schema: _Json) -> str:
    name = schema["$ref"].rpartition("/")[2]
    return f"[{name}](#{name.lower()})"


def _value(value: object) -> str:
    return f"`{value}`" if isinstance(value, str) else f"`{str(value).lower()}`"


def _referred(given: _Json, shared: _Json) -> _Json:
    return shared[given["$ref"].rpartition("/")[2]] if "$ref" in given else given


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", ":")) else ".")
