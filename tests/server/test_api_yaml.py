"""api.yaml says what the server does: the same endpoints, roles and fields, and answers of the shapes it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from coachsim.server import schemas
from coachsim.server.access import LOCAL, TABLE
from tests.serving import Served

SPEC = yaml.safe_load((Path(schemas.__file__).parent / "api.yaml").read_text(encoding="utf-8"))
OPERATIONS = {
    (method.upper(), path): operation
    for path, methods in SPEC["paths"].items()
    for method, operation in methods.items()
}
MODELS = {
    ("POST", "/api/messages/preview"): schemas.PreviewBody,
    ("POST", "/api/messages/advice"): schemas.AdviceBody,
    ("POST", "/api/messages"): schemas.SendBody,
    ("POST", "/api/schedules"): schemas.ScheduleBody,
    ("POST", "/api/templates"): schemas.NewTemplateBody,
    ("PUT", "/api/templates/{template_id}"): schemas.TemplateBody,
    ("PUT", "/api/agents/{agent_id}/state"): schemas.StateBody,
    ("POST", "/api/inbox/open"): schemas.OpenBody,
    ("POST", "/api/inbox/ack"): schemas.AckBody,
    ("POST", "/api/inbox/toasts"): schemas.ToastsBody,
    ("PUT", "/api/practice"): schemas.PaceBody,
    ("POST", "/api/backup"): schemas.BackupBody,
}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    return SPEC["components"]["schemas"][name] if name else schema


def promised(answer, method: str, path: str) -> Any:
    """The answer's JSON, checked against what api.yaml promises for its status."""
    responses = OPERATIONS[method, path]["responses"]
    said = responses.get(str(answer.status_code), responses.get("default", {"$ref": "#/components/responses/Error"}))
    if "$ref" in said:
        said = SPEC["components"]["responses"]["Error"]
    schema = said["content"]["application/json"]["schema"] | {"components": SPEC["components"]}
    jsonschema.validate(answer.json(), schema, jsonschema.Draft202012Validator)
    return answer.json()


def test_the_endpoints_and_their_roles_are_those_of_the_access_table():
    assert {key: set(operation["x-roles"]) for key, operation in OPERATIONS.items()} == {
        (line.method, line.path): set(line.roles) - {LOCAL} for line in TABLE
    }
    assert {key: set(operation.get("x-roles-in-practice", ())) for key, operation in OPERATIONS.items()} == {
        (line.method, line.path): set(line.in_practice) for line in TABLE
    }


def test_refusals_of_what_is_too_much_are_described():
    assert [key for key, operation in OPERATIONS.items() if "429" not in operation["responses"]] == []
    with_body = {key for key, operation in OPERATIONS.items() if "requestBody" in operation}
    assert {key for key, operation in OPERATIONS.items() if "413" in operation["responses"]} == with_body


@pytest.mark.parametrize("key", MODELS, ids=" ".join)
def test_bodies_have_the_fields_that_are_described(key):
    described = resolved(OPERATIONS[key]["requestBody"]["content"]["application/json"]["schema"])
    fields = MODELS[key].model_fields
    assert set(described["properties"]) == set(fields)
    assert set(described.get("required", [])) == {name for name, field in fields.items() if field.is_required()}
    assert described["additionalProperties"] is False


def test_answers_have_the_shapes_that_are_described(served: Served):
    with served.client("sup") as sup, served.client("a1") as ann, served.client("admin") as admin:
        for client in (sup, ann, admin):
            promised(client.get("/api/me"), "GET", "/api/me")
            promised(client.get("/api/floor"), "GET", "/api/floor")
        state = ann.put("/api/agents/a1/state", json={"state": "logged_in"})
        promised(state, "PUT", "/api/agents/{agent_id}/state")
        promised(sup.get("/api/agents"), "GET", "/api/agents")
        everyone = {"audience": {"everyone": True}}
        promised(sup.post("/api/messages/preview", json=everyone), "POST", "/api/messages/preview")
        for more in ({}, {"priority": "urgent", "by": None}, {"by": "2020-01-01T00:00:00Z"}):
            promised(sup.post("/api/messages/advice", json=everyone | more), "POST", "/api/messages/advice")
        draft = everyone | {"body": "Hello", "request_id": "1", "ack_required": True}
        sent = promised(sup.post("/api/messages", json=draft), "POST", "/api/messages")
        promised(sup.post("/api/messages", json=draft | {"body": ""}), "POST", "/api/messages")
        promised(sup.get("/api/messages"), "GET", "/api/messages")
        when = {"logged_in_share": 1}
        later = promised(
            sup.post("/api/schedules", json=draft | {"request_id": "2", "when": when}), "POST", "/api/schedules"
        )
        promised(sup.post("/api/schedules", json=draft | {"request_id": "3", "when": {}}), "POST", "/api/schedules")
        promised(sup.get("/api/schedules"), "GET", "/api/schedules")
        path = "/api/schedules/{schedule_id}"
        for schedule_id in (later["schedule_id"], 1, "x", 10**30):
            promised(sup.delete(path.format(schedule_id=schedule_id)), "DELETE", path)
        promised(sup.get("/api/messages/recent"), "GET", "/api/messages/recent")
        for text in ("At {time}", "{nothing}"):
            given = {"title": "New", "body": text}
            promised(sup.post("/api/templates", json=given), "POST", "/api/templates")
            preview = sup.post("/api/messages/preview", json=everyone | {"template": text})
            promised(preview, "POST", "/api/messages/preview")
        promised(sup.get("/api/templates"), "GET", "/api/templates")
        path = "/api/templates/{template_id}"
        changes = given | {"body": "Now", "shared": True, "version": 1}
        promised(sup.put(path.format(template_id=1), json=changes), "PUT", path)
        promised(sup.put(path.format(template_id=1), json=changes), "PUT", path)
        promised(sup.get(path.format(template_id=1)), "GET", path)
        assert sup.delete(path.format(template_id=1)).status_code == 204
        promised(ann.get("/api/inbox"), "GET", "/api/inbox")
        promised(ann.post("/api/inbox/open"), "POST", "/api/inbox/open")
        assert ann.post("/api/inbox/ack", json={"message_id": sent["message_id"]}).status_code == 204
        path = "/api/messages/{message_id}/deliveries"
        promised(sup.get(path.format(message_id=sent["message_id"])), "GET", path)
        promised(sup.get(path.format(message_id=1)), "GET", path)
        promised(admin.post("/api/roster", content="x"), "POST", "/api/roster")
        promised(admin.post("/api/clear-down"), "POST", "/api/clear-down")
        promised(admin.post("/api/archive?from=2026-11-22"), "POST", "/api/archive")
        path = "/api/agents/{agent_id}/pseudonym"
        promised(admin.post(path.format(agent_id="a1")), "POST", path)
        promised(admin.get("/healthz"), "GET", "/healthz")
