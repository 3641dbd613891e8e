"""What the API answers to good requests, repeated ones, stale ones, and every kind of bad ones."""

from __future__ import annotations

import io

import httpx
import pyarrow.parquet as pq
import pytest

from coachsim.server.schemas import MAX_ID
from tests.serving import Served

GOOD = {"audience": {"agents": ["a1"]}, "body": "Hello", "request_id": "good"}


def refused(answer: httpx.Response, status: int, code: str) -> dict:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"].endswith((".", ")"))
    return error


def test_a_request_that_is_repeated_sends_once(served: Served):
    with served.client("sup") as sup, served.client("blue") as blue:
        first = sup.post("/api/messages", json=GOOD)
        again = sup.post("/api/messages", json=GOOD)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json()["message_id"] == again.json()["message_id"]
        refused(sup.post("/api/messages", json=GOOD | {"body": "Other"}), 409, "request_reused")
        # The id is the sender's: someone else may use the same one.
        assert blue.post("/api/messages", json=GOOD).json()["message_id"] != first.json()["message_id"]
        assert len(sup.get("/api/messages").json()["messages"]) == 2


def test_an_audience_that_changed_since_it_was_confirmed_is_not_sent_to(served: Served):
    audience = {"filter": {"state": ["logged_out"], "team": ["Blue"]}}
    with served.client("sup") as sup, served.client("phones") as phones:
        digest = sup.post("/api/messages/preview", json={"audience": audience}).json()["recipients_digest"]
        phones.put("/api/agents/a1/state", json={"state": "logged_in"})
        message = GOOD | {"audience": audience, "recipients_digest": digest}
        error = refused(sup.post("/api/messages", json=message), 409, "audience_changed")
        assert error["field"] == "recipients_digest"
        assert sup.get("/api/messages").json()["messages"] == []
        message["recipients_digest"] = sup.post("/api/messages/preview", json={"audience": audience}).json()[
            "recipients_digest"
        ]
        assert sup.post("/api/messages", json=message).json()["recipients"] == 1


BAD_SENDS = {
    "not JSON": (b"{", 422),
    "no object": (b"[]", 422),
    "nothing": (b"", 422),
    "not UTF-8": (b'{"body": "\xff"}', 422),
    "nested": (b'{"audience":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 422),
    "empty body": (GOOD | {"body": " \n "}, 422),
    "long body": (GOOD | {"body": "x" * 1_001}, 422),
    "control character": (GOOD | {"body": "a\x00b"}, 422),
    "lone surrogate": (b'{"audience":{"everyone":true},"body":"\\ud800","request_id":"1"}', 422),
    "body no text": (GOOD | {"body": 5}, 422),
    "no request_id": ({key: GOOD[key] for key in ("audience", "body")}, 422),
    "request_id no text": (GOOD | {"request_id": 1}, 422),
    "long request_id": (GOOD | {"request_id": "x" * 101}, 422),
    "request_id long by blanks": (GOOD | {"request_id": " " * 100 + "x"}, 422),
    "unknown field": (GOOD | {"audiences": 1}, 422),
    "unknown priority": (GOOD | {"priority": "high"}, 422),
    "ack_required no boolean": (GOOD | {"ack_required": "yes"}, 422),
    "expiry no time": (GOOD | {"expires_at": "soon"}, 422),
    "expiry without zone": (GOOD | {"expires_at": "2030-01-01T00:00:00"}, 422),
    "expiry past": (GOOD | {"expires_at": "2020-01-01T00:00:00Z"}, 422),
    "expiry after the night": (GOOD | {"expires_at": "2090-01-01T00:00:00Z"}, 422),
    "expiry at the end of time": (GOOD | {"expires_at": "9999-12-31T23:59:59.999999-23:59"}, 422),
    "no audience": (GOOD | {"audience": {}}, 422),
    "two audiences": (GOOD | {"audience": {"agents": ["a1"], "everyone": True}}, 422),
    "everyone not true": (GOOD | {"audience": {"everyone": False}}, 422),
    "no agents": (GOOD | {"audience": {"agents": []}}, 422),
    "agents no texts": (GOOD | {"audience": {"agents": [1]}}, 422),
    "empty filter": (GOOD | {"audience": {"filter": {}}}, 422),
    "unknown filter": (GOOD | {"audience": {"filter": {"site": ["x"]}}}, 422),
    "unknown state": (GOOD | {"audience": {"filter": {"state": ["asleep"]}}}, 422),
    "nobody": (GOOD | {"audience": {"filter": {"team": ["Blue"], "campaign": ["Sales"], "state": ["break"]}}}, 422),
    "unknown agent": (GOOD | {"audience": {"agents": ["a9"]}}, 404),
    "reminder of nothing": (GOOD | {"audience": {"unread_of": 12}}, 404),
    "reminder of no id": (GOOD | {"audience": {"unread_of": "12"}}, 422),
    "reminder of no number of ours": (GOOD | {"audience": {"unread_of": 2**63}}, 422),
    "rule without times": (GOOD | {"chase": {"after_min": 5}}, 422),
    "rule too often": (GOOD | {"chase": {"after_min": 5, "times": 99}}, 422),
    "rule no object": (GOOD | {"chase": 5}, 422),
    "confirm by without confirming": (GOOD | {"ack_by": "2030-01-01T00:00:00Z"}, 422),
    "confirm by no time": (GOOD | {"ack_required": True, "ack_by": "soon"}, 422),
    "confirm by past": (GOOD | {"ack_required": True, "ack_by": "2020-01-01T00:00:00Z"}, 422),
    "confirm by after the night": (GOOD | {"ack_required": True, "ack_by": "2090-01-01T00:00:00Z"}, 422),
    "unknown team": (GOOD | {"audience": {"filter": {"team": ["Mauve"]}}}, 404),
}


@pytest.mark.parametrize("name", BAD_SENDS)
def test_a_bad_send_is_refused_with_a_sentence_and_sends_nothing(shared: Served, name: str):
    body, status = BAD_SENDS[name]
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    with shared.client("sup") as sup:
        answer = sup.post("/api/messages", **content)
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]["message"]
        assert sup.get("/api/messages").json()["messages"] == []


BAD_REQUESTS = [
    ("GET", "/api/agents?state=asleep", None, 422),
    ("GET", "/api/agents?teams=Blue", None, 422),
    ("GET", "/api/agents?q=%ff", None, 400),
    ("GET", "/api/messages?day=yesterday", None, 422),
    ("GET", "/api/messages?day=2026-02-30", None, 422),
    ("GET", "/api/messages/x/deliveries", None, 422),
    ("GET", "/api/messages/12/deliveries", None, 404),
    ("GET", "/api/messages/9223372036854775808/deliveries", None, 422),
    ("GET", "/api/messages/99999999999999999999999999/deliveries", None, 422),
    ("GET", "/api/log/accounts.parquet", None, 404),
    ("GET", "/api/log/deliveries.parquet?from=x", None, 422),
    ("PUT", "/api/agents/a9/state", {"state": "logged_in"}, 404),
    ("PUT", "/api/agents/a1/state", {"state": "asleep"}, 422),
    ("PUT", "/api/agents/a1/state", {}, 422),
    ("PUT", "/api/agents/a1/state", {"state": "logged_in", "reason": "x" * 26}, 422),
    ("PUT", "/api/agents/a1/state", {"state": "logged_out", "reason": 3}, 422),
    ("POST", "/api/inbox/open", {"through": -1}, 422),
    ("POST", "/api/inbox/open", {"through": "1"}, 422),
    ("POST", "/api/inbox/open", {}, 409),
    ("POST", "/api/inbox/ack", {}, 422),
    ("POST", "/api/inbox/ack", {"message_id": 1}, 409),
    ("POST", "/api/inbox/ack", {"message_id": 1.0}, 409),  # to JSON the same number, so the answer is the same
    ("POST", "/api/inbox/ack", {"message_id": 1.5}, 422),
    ("POST", "/api/inbox/ack", {"message_id": 2**63}, 422),
    ("POST", "/api/inbox/toasts", {"message_ids": [1] * 1_001}, 422),
    ("POST", "/api/inbox/toasts", {"message_ids": "all"}, 422),
    ("POST", "/api/roster", None, 422),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD_REQUESTS)
def test_other_bad_requests_are_refused_with_a_sentence(shared: Served, method, path, body, status):
    name = "sup" if path.startswith(("/api/messages", "/api/log", "/api/agents?")) else "a1"
    name = {"/api/roster": "admin", "/api/agents/a9/state": "phones"}.get(path, name)
    with shared.client(name) as client:
        answer = client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"].endswith((".", ")"))


@pytest.mark.parametrize(
    ("method", "path", "field", "code"),
    [
        ("DELETE", "/api/schedules/{}", "schedule_id", "unknown_schedule"),
        ("GET", "/api/messages/{}/deliveries", "message_id", "unknown_message"),
        ("GET", "/api/templates/{}", "template_id", "unknown_template"),
    ],
)
def test_a_number_in_an_address_is_read_alike_everywhere(shared: Served, method, path, field, code):
    with shared.client("sup") as sup:
        for number in ("0", "007", "0" * 30 + "7", str(MAX_ID)):
            refused(sup.request(method, path.format(number)), 404, code)
        for none in (str(MAX_ID + 1), "9" * 19, "1" * 100, "-1", "1.5", "x", "%C2%B2"):
            assert refused(sup.request(method, path.format(none)), 422, "invalid_input")["field"] == field


def test_a_body_beyond_all_measure_is_refused(shared: Served):
    with shared.client("sup") as sup:
        refused(sup.post("/api/messages", content=b" " * (1 << 20) + b"{}"), 413, "too_large")
        try:
            answer = sup.post("/api/messages", content=b" " * (11 << 20))
        except httpx.TransportError:
            return  # the server hung up, which it may
        assert answer.status_code in (400, 413)


def test_texts_come_back_as_they_were_written(served: Served):
    body = "<script>alert(1)</script> & \u202eשלום 🎉\n" + "漢" * 900
    with served.client("sup") as sup, served.client("a1") as ann:
        ann.put("/api/agents/a1/state", json={"state": "logged_in"})
        sent = sup.post("/api/messages", json=GOOD | {"body": body, "priority": "urgent", "ack_required": True}).json()
        (message,) = ann.get("/api/inbox").json()["messages"]
        assert (message["body"], message["priority"], message["ack_required"]) == (body, "urgent", True)
        refused(ann.post("/api/inbox/ack", json={"message_id": sent["message_id"]}), 409, "not_read_yet")
        assert ann.post("/api/inbox/toasts", json={"message_ids": [sent["message_id"], 7]}).status_code == 204
        opened = ann.post("/api/inbox/open", json={}).json()
        assert (opened["read"], opened["unread"]) == ([sent["message_id"]], 0)
        assert ann.post("/api/inbox/ack", json={"message_id": sent["message_id"]}).status_code == 204
        (delivery,) = sup.get(f"/api/messages/{sent['message_id']}/deliveries").json()["deliveries"]
        assert delivery["status"] == "acknowledged"
        assert delivery["toast_at"] and delivery["notified_at"] and delivery["read_at"]


def test_the_log_is_given_as_parquet_in_the_callers_teams(served: Served):
    with served.client("sup") as sup, served.client("analyst") as red, served.client("admin") as admin:
        sup.post("/api/messages", json=GOOD | {"audience": {"everyone": True}})
        tables = {
            who: pq.read_table(io.BytesIO(client.get("/api/log/deliveries.parquet").content))
            for who, client in {"sup": sup, "red": red}.items()
        }
        assert tables["sup"].num_rows == 4
        assert set(tables["red"].column("team").to_pylist()) == {"Red"}
        assert admin.post("/api/clear-down").json()["lost"] == 4
        day = sup.get("/api/floor").json()["day"]
        old = red.get("/api/log/messages.parquet", params={"from": "2020-01-01", "to": "2020-01-02"}).content
        assert pq.read_table(io.BytesIO(old)).num_rows == 0
        new = red.get("/api/log/messages.parquet", params={"from": day, "to": day}).content
        assert pq.read_table(io.BytesIO(new)).column("recipients").to_pylist() == [2]


def test_a_roster_with_a_fault_changes_nothing(served: Served):
    with served.client("admin") as admin:
        before = admin.get("/api/roster").text
        error = refused(
            admin.post("/api/roster", content=before + "a5,,Blue,,,,true\na6,F,,,,,maybe\n"), 422, "roster_faults"
        )
        assert len(error["faults"]) == 3
        assert admin.get("/api/roster").text == before
        assert admin.post("/api/roster", content=before).json()["changed"] == 0
        assert admin.post("/api/roster", content=before + "a5,Eve,Green,,,,\n").json()["changed"] == 1
        assert "a5,Eve,Green" in admin.get("/api/roster").text
