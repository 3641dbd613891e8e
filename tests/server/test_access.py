"""The access table, walked: every endpoint for every role and for nobody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from coachsim.server.access import OWN_PAGES, TABLE, Endpoint, OwnPage, line_of
from coachsim.server.app import Server, make_app
from coachsim.server.desk import Desk
from coachsim.server.site import Options
from tests.serving import PEOPLE, Served

ROLE_OF = {
    "sup": "supervisor",
    "analyst": "analyst",
    "trainer": "trainer",
    "phones": "telephony",
    "admin": "admin",
    "a1": "agent",
}
EXPECTED = {
    "GET /api/me": "agent supervisor analyst trainer telephony admin",
    "GET /api/floor": "agent supervisor analyst trainer telephony admin",
    "GET /api/agents": "supervisor",
    "POST /api/messages/preview": "supervisor",
    "POST /api/messages/advice": "supervisor",
    "POST /api/messages": "supervisor",
    "GET /api/messages": "supervisor",
    "GET /api/messages/{message_id}/deliveries": "supervisor",
    "POST /api/schedules": "supervisor",
    "GET /api/schedules": "supervisor",
    "DELETE /api/schedules/{schedule_id}": "supervisor",
    "GET /api/messages/recent": "supervisor",
    "GET /api/templates": "supervisor",
    "POST /api/templates": "supervisor",
    "GET /api/templates/{template_id}": "supervisor",
    "PUT /api/templates/{template_id}": "supervisor",
    "DELETE /api/templates/{template_id}": "supervisor",
    "PUT /api/agents/{agent_id}/state": "agent telephony",
    "GET /api/inbox": "agent",
    "POST /api/inbox/open": "agent",
    "POST /api/inbox/ack": "agent",
    "POST /api/inbox/toasts": "agent",
    "GET /api/events": "agent supervisor analyst trainer telephony admin",
    "GET /api/log/{table}.parquet": "supervisor analyst",
    "PUT /api/practice": "supervisor trainer",
    "POST /api/seats/{agent_id}": "supervisor trainer",
    "DELETE /api/seats/{agent_id}": "supervisor trainer",
    "POST /api/clear-down": "admin",
    "GET /api/roster": "admin",
    "POST /api/roster": "admin",
    "POST /api/archive": "admin",
    "POST /api/agents/{agent_id}/pseudonym": "admin",
    "POST /api/backup": "",
    "GET /healthz": "admin",
    "GET /metrics": "admin",
}


def address(endpoint: Endpoint) -> str:
    return endpoint.path.format(message_id=1, schedule_id=1, template_id=1, agent_id="a1", table="messages")


def ask(client: httpx.Client, endpoint: Endpoint, **options) -> int:
    with client.stream(endpoint.method, address(endpoint), **options) as answer:
        return answer.status_code


def test_the_table_is_the_one_that_was_agreed():
    assert {f"{line.method} {line.path}" for line in TABLE} == set(EXPECTED)


@pytest.mark.parametrize("name", ROLE_OF)
@pytest.mark.parametrize("endpoint", TABLE, ids=lambda line: f"{line.method} {line.path}")
def test_each_role_gets_in_where_it_should_and_nowhere_else(shared: Served, endpoint: Endpoint, name: str):
    # As if it came from another machine: what is open to this one is open to nobody else.
    with shared.client(name) as client:
        status = ask(client, endpoint, headers={"X-Forwarded-For": "192.0.2.1"})
    if ROLE_OF[name] in EXPECTED[f"{endpoint.method} {endpoint.path}"].split():
        assert status not in (401, 403, 405, 500)
    else:
        assert status == 403


def test_who_may_not_is_told_which_role_it_takes(shared: Served):
    with shared.client("a1") as client:
        said = client.get("/api/agents").json()["error"]["message"]
        assert said == "Your account may not do this: it takes the role supervisor. Ask an admin."
        said = client.post("/api/backup", json={"path": "/tmp/x"}, headers={"X-Forwarded-For": "192.0.2.1"}).json()
        assert said["error"]["message"] == "Only the command line on the server's own machine may ask this."


@pytest.mark.parametrize("endpoint", TABLE, ids=lambda line: f"{line.method} {line.path}")
def test_nobody_gets_in_without_signing_in(shared: Served, endpoint: Endpoint):
    with shared.browser() as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-Coach-Ticket": "wrong"}):
            assert ask(client, endpoint, headers={"X-Forwarded-For": "192.0.2.1", **headers}) == 401


def test_health_and_metrics_are_open_to_this_machine(shared: Served):
    assert shared.get("/healthz").json()["status"] == "ok"
    assert "coachsim_streams" in shared.get("/metrics").text


def test_what_is_not_in_the_table_is_not_there(shared: Served):
    with shared.client("admin") as client:
        for path in ("/api/", "/api/contents", "/api/kernels", "/api/terminals", "/api/seats", "/api/me/", "/tree"):
            assert client.get(path).status_code == 404, path
        answer = client.get("/api/nothing")
        assert answer.json()["error"]["code"] == "not_found"
        answer = client.delete("/api/me")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
        assert answer.json()["error"]["code"] == "method_not_allowed"
        answer = client.request("TRACE", "/api/roster")  # a method that tornado refuses before the API is asked
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
        assert answer.json()["error"]["code"] == "method_not_allowed"
        answer = client.request("DELETE", "/login")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_a_supervisor_sees_and_reaches_only_their_teams(served: Served):
    with served.client("sup") as everyone, served.client("blue") as blue:
        both = everyone.post(
            "/api/messages", json={"audience": {"agents": ["a1", "a3"]}, "body": "Both", "request_id": "1"}
        ).json()["message_id"]
        red = everyone.post(
            "/api/messages", json={"audience": {"agents": ["a3"]}, "body": "Red", "request_id": "2"}
        ).json()["message_id"]

        assert [agent["agent_id"] for agent in blue.get("/api/agents").json()["agents"]] == ["a1", "a2"]
        assert sum(blue.get("/api/floor").json()["counts"].values()) == 2
        (seen,) = blue.get("/api/messages").json()["messages"]
        assert (seen["message_id"], seen["recipients"], seen["audience"]) == (both, 1, {"agents": ["a1"]})
        assert [one["agent_id"] for one in blue.get(f"/api/messages/{both}/deliveries").json()["deliveries"]] == ["a1"]

        # Outside the scope is as unknown as what does not exist: same status, same code.
        for audience, unknown in (
            ({"agents": ["a3"]}, {"agents": ["a9"]}),
            ({"filter": {"team": ["Red"]}}, {"filter": {"team": ["Mauve"]}}),
        ):
            answers = [blue.post("/api/messages/preview", json={"audience": who}) for who in (audience, unknown)]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert len({answer.json()["error"]["code"] for answer in answers}) == 1
        assert blue.get(f"/api/messages/{red}/deliveries").status_code == 404
        everyone_in_blue = blue.post("/api/messages/preview", json={"audience": {"everyone": True}}).json()
        assert everyone_in_blue["recipients"] == 2


def test_an_agent_sets_their_own_state_and_telephony_anybodys(served: Served):
    with served.client("a1") as ann, served.client("phones") as phones:
        assert ann.put("/api/agents/a1/state", json={"state": "logged_in"}).json()["state"] == "logged_in"
        others = [ann.put(f"/api/agents/{other}/state", json={"state": "logged_in"}) for other in ("a2", "a9")]
        assert [answer.status_code for answer in others] == [404, 404]
        answer = phones.put("/api/agents/a2/state", json={"state": "logged_in"})
        assert answer.status_code == 200
        answer = phones.put("/api/agents/a2/state", json={"state": "break", "reason": "lunch"})
        assert answer.json()["reason"] == "lunch"
        answer = phones.put("/api/agents/a3/state", json={"state": "break"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invalid_transition")


def test_an_agent_is_told_nothing_about_the_others(shared: Served):
    with shared.client("a1") as ann:
        assert ann.get("/api/floor").json()["counts"] is None
        assert ann.get("/api/me").json()["teams"] is None


def test_everybody_on_the_roster_of_the_tests_is_active(shared: Served):
    with shared.client("admin") as admin:
        assert admin.get("/api/roster").text.count("true") == len(PEOPLE)


async def test_every_address_of_the_front_door_is_in_the_table(tmp_path: Path):
    server = await Server.start(Options(tmp_path, port=0, desk=False))
    try:
        app = make_app(server.site, Desk(tmp_path, server.url, tmp_path))
        there = {rule.matcher.regex.pattern.removesuffix("$") for rule in app.wildcard_router.rules}
    finally:
        await server.stop()
    own = {page.path for page in OWN_PAGES} - {"/enter"}  # which only a practice floor has
    assert own < there
    # The API's lines, all else under /api/ (404), and the desk's, which has a test of its own.
    assert {path for path in there - own if not path.startswith("/api/") and path not in ("/healthz", "/metrics")} == {
        "/desk/(.+)"
    }
    assert sum(path.startswith("/api/") for path in there) == len({line.path for line in TABLE}) - 2 + 1


@pytest.mark.parametrize("page", [page for page in OWN_PAGES if "GET" in page.methods], ids=lambda page: page.path)
def test_each_page_is_for_whom_the_table_says(shared: Served, page: OwnPage):
    path = {
        "/(coaching|message_log|what_if)": "/coaching",
        "/(favicon\\.ico)": "/favicon.ico",
        "/desk/?": "/desk/",
    }.get(page.path, page.path.replace("(.*)", "site.css" if "front" not in page.path else "front.css"))
    with shared.browser() as nobody:
        answer = nobody.get(path)
        if page.roles is None:
            assert answer.status_code not in (401, 403, 500)
        else:
            assert answer.headers["Location"].startswith("/login?")
    for name, role in ROLE_OF.items():
        with shared.browser(name) as client:
            let_in = page.roles is None or role in page.roles
            assert (client.get(path).status_code == 403) == (not let_in), name


def test_a_request_is_put_down_by_its_line_whatever_its_path():
    kernel = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    assert line_of("GET", "/api/messages/12/deliveries") == "GET /api/messages/{message_id}/deliveries"
    assert line_of("GET", f"/desk/api/kernels/{kernel}/channels") == "GET /desk/api/kernels/{kernel}/channels"
    assert line_of("GET", "/agent") == "GET /agent"
    assert {line_of("GET", path) for path in ("/x", "/api/x", "/desk/x", "/api/me/../x", "/desk/../agent")} == {"other"}
    assert line_of("BREW", "/api/me") == "other"


def test_the_papers_have_the_table_as_the_command_prints_it(repository: Path):
    command = [sys.executable, "-m", "coachsim.server.access_table"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=repository).stdout
    text = (repository / "docs" / "security.md").read_text(encoding="utf-8")
    assert f"<!-- the table -->\n{printed}<!-- until here -->" in text, "paste what the command prints"
    for line in TABLE:
        assert f"`{line.method} {line.path}`" in printed
