"""What schemathesis checks of each answer besides its own checks: a hooks module, loaded in schemathesis's process.

A refused request leaves the floor as it was, and what api.yaml allows is refused by the floor's rules only.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import schemathesis

#: The environment variable with what the caller shows in every request.
AUTHORIZATION = "COACHSIM_TEST_AUTHORIZATION"
#: What can be right by its shape and yet be refused: it depends on who is there, the clock, a whole file or braces.
RULES = {"empty_audience", "roster_faults", "template_fault"}
FIELDS_OF_RULES = {"as_of", "expires_at", "ack_by"}


@cache
def newest_known(url: str) -> dict[str, int]:
    """The number of the floor's newest event when it was last looked at, under ``seq``."""
    return {"seq": newest(url)}


@cache
def _session() -> requests.Session:
    return requests.Session()


def newest(url: str) -> int:
    """The number of the newest event of the floor that the server at ``url`` has."""
    return int(_session().get(urljoin(url, "/healthz"), timeout=60).json()["as_of"])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """The floor is looked at before the first request."""
    newest_known(case.operation.base_url)


def _put_back(response: Any, headers: dict[str, str]) -> None:
    """Time stands still again and the seat is free, so that a practice floor does nothing by itself."""
    path = urlsplit(response.request.url).path
    if path == "/api/practice":
        _session().put(response.request.url, json={"paused": True}, headers=headers, timeout=60)
    elif path.startswith("/api/seats/") and response.request.method == "POST":
        _session().delete(response.request.url, headers=headers, timeout=60)


@schemathesis.check
def a_refused_request_leaves_the_floor_as_it_was(ctx: Any, response: Any, case: Any) -> None:
    """No event was written for what was answered with an error."""
    known = newest_known(case.operation.base_url)
    if response.status_code < 400:
        _put_back(response, {"Authorization": os.environ[AUTHORIZATION]})
    before, known["seq"] = known["seq"], newest(case.operation.base_url)
    if response.status_code >= 400:
        assert known["seq"] == before, f"refused with {response.status_code}, and yet events {before} to {known['seq']}"


@schemathesis.check
def only_the_rules_refuse_what_the_schema_allows(ctx: Any, response: Any, case: Any) -> None:
    """A 422 for data of the right shape names a rule that no schema can state."""
    if response.status_code != 422 or case.meta is None or case.meta.generation.mode.is_negative:
        return
    error = response.json()["error"]
    allowed = error["code"] in RULES or error.get("field") in FIELDS_OF_RULES
    assert allowed, f"right by its shape, and refused: {error}"


@schemathesis.check
def an_error_is_a_sentence(ctx: Any, response: Any, case: Any) -> None:
    """Every error says what was wrong, in words of ours; and none is that too much was asked."""
    assert response.status_code != 429, "asked too often to find anything"
    if response.status_code >= 400 and response.request.method != "HEAD":
        message = response.json()["error"]["message"]
        assert message[:1].strip() and message.endswith((".", ")", "?")), message
        assert "Traceback" not in message and "Errno" not in message, message
