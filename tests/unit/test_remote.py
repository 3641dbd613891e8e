"""RemoteClient against a small real HTTP server that plays the coaching server's part, breakdowns included."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
import tornado.httpserver
import tornado.web
from tornado.testing import bind_unused_port

from coachsim.errors import AudienceChanged, InvalidInput, NotSignedIn, ServerUnavailable, TooManyRequests, UnknownAgent
from coachsim.remote import RemoteClient


def frame(event_id: int, name: str, data: dict) -> bytes:
    return f"id: {event_id}\nevent: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


class Answers(tornado.web.RequestHandler):
    def _answer(self) -> None:
        script = self.application.settings["script"]
        script["asked"].append((self.request.method, self.request.uri, self.request.body, dict(self.request.headers)))
        status, body = script["answers"].pop(0) if script["answers"] else (200, {})
        self.set_status(status)
        self.finish(body if isinstance(body, str) else json.dumps(body))

    get = post = put = _answer


class Events(tornado.web.RequestHandler):
    async def get(self) -> None:
        script = self.application.settings["script"]
        script["listened"].append((self.get_argument("after"), self.request.headers.get("Last-Event-ID")))
        script["headers"] = dict(self.request.headers)
        steps = script["streams"].pop(0) if script["streams"] else [401]
        if steps == [429]:
            self.set_status(429)
            self.set_header("Retry-After", "1")
            self.finish({"error": {"code": "too_many_requests", "message": "Too many listen. Close some."}})
            return
        if steps == [401]:
            self.set_status(401)
            self.finish({"error": {"code": "not_signed_in", "message": "Your session has ended."}})
            return
        self.set_header("Content-Type", "text/event-stream")
        for step in steps:
            if step == "hang":
                await asyncio.sleep(600)
            else:
                self.write(step)
                await self.flush()
        self.request.connection.stream.close() if steps and steps[-1] == b"" else self.finish()


@pytest.fixture
async def served():
    script: dict = {"asked": [], "answers": [], "streams": [], "listened": []}
    app = tornado.web.Application([("/api/events", Events), ("/api/.*", Answers)], script=script)
    sock, port = bind_unused_port()
    server = tornado.httpserver.HTTPServer(app)
    server.add_socket(sock)
    script["url"] = f"http://127.0.0.1:{port}"
    yield script
    server.stop()
    await server.close_all_connections()


@pytest.fixture
async def client(served):
    async with RemoteClient(served["url"], ticket="t1") as client:
        yield client


async def take(client: RemoteClient, n: int, after: int = 0) -> list:
    found = []
    async with asyncio.timeout(60):
        async for item in client.events(after):
            found.append(item)
            if len(found) == n:
                break
    return found


async def test_questions_go_to_their_addresses_with_the_ticket(served, client) -> None:
    served["answers"] += [(200, {"agents": []})] * 2 + [(201, {"message_id": 5})] + [(200, {})] * 2
    await client.agents(team=["Blue", "Green"], state=["break"], q="dana")
    await client.preview({"team": ["Blue"]})
    await client.send({"agents": ["a1"]}, "Hi\u2028there", request_id="r1")
    await client.messages("2026-03-02")
    await client.deliveries(17)
    asked = served["asked"]
    assert [(method, uri) for method, uri, *_ in asked] == [
        ("GET", "/api/agents?team=Blue&team=Green&state=break&q=dana"),
        ("POST", "/api/messages/preview"),
        ("POST", "/api/messages"),
        ("GET", "/api/messages?day=2026-03-02"),
        ("GET", "/api/messages/17/deliveries"),
    ]
    sent = json.loads(asked[2][2])
    assert sent["body"] == "Hi\u2028there" and sent["request_id"] == "r1" and "recipients_digest" not in sent
    assert all(headers["X-Coach-Ticket"] == "t1" for *_, headers in asked)


async def test_rows_of_an_answer_share_the_texts_that_they_have_in_common(served, client) -> None:
    rows = [{"name": f"Agent {n}", "team": "Team of many", "queues": ["Sales of many"]} for n in (1, 2)]
    served["answers"].append((200, {"agents": rows}))
    one, two = (await client.agents())["agents"]
    assert [one, two] == rows
    assert one["team"] is two["team"] and one["queues"][0] is two["queues"][0]
    assert one["queues"] is not two["queues"], "a list can be changed by whoever has it"


async def test_a_token_is_sent_as_a_bearer(served) -> None:
    async with RemoteClient(served["url"], token="secret") as client:
        await client.me()
    assert served["asked"][0][3]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (409, "audience_changed", AudienceChanged),
        (404, "unknown_agent", UnknownAgent),
        (422, "invalid_input", InvalidInput),
        (401, "not_signed_in", NotSignedIn),
    ],
)
async def test_an_error_comes_back_as_the_class_that_raised_it(served, client, status, code, kind) -> None:
    served["answers"].append((status, {"error": {"code": code, "message": "Choose again.", "field": "audience"}}))
    with pytest.raises(kind) as caught:
        await client.preview({"everyone": True})
    assert type(caught.value) is kind
    assert caught.value.message == "Choose again." and caught.value.field == "audience"


async def test_an_answer_without_a_reason_is_the_servers_fault(served, client) -> None:
    served["answers"] += [(500, "<html>oops</html>"), (401, "no"), (200, "<html>a sign-in page</html>")]
    with pytest.raises(ServerUnavailable, match="500"):
        await client.floor()
    with pytest.raises(NotSignedIn):
        await client.floor()
    with pytest.raises(ServerUnavailable, match="Check the address"):
        await client.floor()


async def test_no_server_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can
        async with RemoteClient(f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            with pytest.raises(ServerUnavailable, match="cannot be reached"):
                await client.me()


def test_an_address_has_to_be_one() -> None:
    with pytest.raises(InvalidInput, match="no server address"):
        RemoteClient("127.0.0.1:8800")


def test_a_dashboard_finds_its_server_and_ticket_in_the_environment(monkeypatch) -> None:
    with pytest.raises(ServerUnavailable, match="COACHSIM_URL"):
        RemoteClient.from_env()
    monkeypatch.setenv("COACHSIM_URL", "http://127.0.0.1:8800/")
    assert RemoteClient.from_env().base_url == "http://127.0.0.1:8800"


async def test_a_dropped_stream_resumes_after_the_last_whole_event(served, client) -> None:
    served["streams"] += [
        [frame(10, "heartbeat", {}), frame(11, "agent", {"n": 1}), frame(12, "agent", {"n": 2}), b""],
        [frame(12, "agent", {"n": 2}), frame(12, "delivery", {"n": 3}), frame(13, "agent", {"n": 4}), "hang"],
    ]
    items = await take(client, 6, after=10)
    assert [(event_id, name) for event_id, name, _ in items] == [
        (10, "heartbeat"),
        (11, "agent"),
        (12, "agent"),
        (11, "reconnecting"),
        (12, "delivery"),  # the second frame of event 12, and the first not twice
        (13, "agent"),
    ]
    assert served["listened"] == [("10", "10"), ("11", "11")]


async def test_a_silent_line_is_opened_again(served) -> None:
    served["streams"] += [[frame(5, "heartbeat", {}), "hang"], [frame(6, "agent", {}), "hang"]]
    async with RemoteClient(served["url"], ticket="t1", silence_s=3.0) as client:
        items = await take(client, 3, after=5)
    assert [name for _, name, _ in items] == ["heartbeat", "reconnecting", "agent"]


async def test_a_stream_for_which_there_is_no_room_is_asked_for_again(served, client) -> None:
    served["streams"] += [[429], [frame(6, "agent", {}), "hang"]]
    items = await take(client, 2, after=5)
    assert items[0] == (5, "reconnecting", {"message": "Too many listen. Close some."})
    assert items[1][:2] == (6, "agent")


async def test_what_is_asked_too_often_for_long_is_an_error(served, client, monkeypatch) -> None:
    monkeypatch.setattr("coachsim.remote.PATIENCE_S", 1.0)
    served["answers"] += [(429, {"error": {"code": "too_many_requests", "message": "Too many."}})] * 2
    with pytest.raises(TooManyRequests, match="Too many"):
        await client.floor()
    assert len(served["asked"]) == 2


async def test_a_message_may_hold_any_line_separator(served, client) -> None:
    body = "one\u2028two\u0085three\x0bfour"
    served["streams"].append(
        [frame(1, "message", {"body": body})[:20], frame(1, "message", {"body": body})[20:], "hang"]
    )
    ((_, name, data),) = await take(client, 1)
    assert name == "message" and data["body"] == body


@pytest.mark.parametrize("how", ["refused", "told"])
async def test_a_session_that_ended_is_an_error_and_no_endless_retry(served, client, how: str) -> None:
    served["streams"].append([401] if how == "refused" else [frame(1, "signed_out", {})])
    with pytest.raises(NotSignedIn):
        await take(client, 1)
