"""The event stream of a real server: told once, caught up after a restart, dropped when it does not read."""

from __future__ import annotations

import os
import re
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from coachsim.models import Agent
from tests.serving import Served, add_account, listening, next_frame, reset, serve, until


def send(client, body="Hello", *, to=None):
    audience = {"agents": to} if to else {"everyone": True}
    answer = client.post("/api/messages", json={"audience": audience, "body": body, "request_id": body[:20]})
    assert answer.status_code == 201, answer.text
    return answer.json()


def log_in(served: Served, *agent_ids: str) -> None:
    with served.client("phones") as phones:
        for agent_id in agent_ids:
            assert phones.put(f"/api/agents/{agent_id}/state", json={"state": "logged_in"}).status_code == 200


def row(client, agent_id):
    return next(agent for agent in client.get("/api/agents").json()["agents"] if agent["agent_id"] == agent_id)


def test_a_message_reaches_its_agents_and_the_supervisors_who_may_see_it(served: Served):
    log_in(served, "a1")
    with ExitStack() as stack:
        sup, blue, ann, cy = (stack.enter_context(served.client(name)) for name in ("sup", "blue", "a1", "a3"))
        streams = {
            name: stack.enter_context(listening(client))
            for name, client in {"sup": sup, "blue": blue, "a1": ann, "a3": cy}.items()
        }
        for frames in streams.values():
            assert next(frames)[1] == "heartbeat"
        until(lambda: row(sup, "a1")["connected"], "the floor knows Ann's page")
        sent = send(sup, "Hello", to=["a1", "a3"])

        seq, _, message = next_frame(streams["a1"], "message")
        assert (message["message_id"], message["body"], message["seq"]) == (sent["message_id"], "Hello", seq)
        _, _, seen = next_frame(streams["blue"], "message")
        assert (seen["recipients"], seen["agent_ids"]) == (1, ["a1"])
        _, _, seen = next_frame(streams["sup"], "message")
        assert (seen["recipients"], seen["agent_ids"]) == (2, ["a1", "a3"])

        # The logged-out agent is told nothing until they log in; the next thing they hear of is that.
        log_in(served, "a3")
        assert next_frame(streams["a3"], "message", "state")[1] == "state"

        ann.post("/api/inbox/open", json={"through": seq})
        assert next_frame(streams["a1"], "read")[2]["message_ids"] == [sent["message_id"]]
        _, _, delivery = next_frame(streams["blue"], "delivery")
        assert (delivery["agent_id"], delivery["message_ids"]) == ("a1", [sent["message_id"]])


def test_the_floor_knows_who_has_a_page_open(served: Served):
    with served.client("sup") as sup, served.client("a1") as ann:
        with listening(ann) as first:
            next(first)
            with listening(ann) as second:
                next(second)
                until(lambda: row(sup, "a1")["connected"], "connected by the first page")
            assert row(sup, "a1")["connected"]
        until(lambda: not row(sup, "a1")["connected"], "disconnected with the last page")


def test_a_page_that_comes_back_is_told_what_it_missed_once(served: Served):
    log_in(served, "a1")
    with served.client("sup") as sup, served.client("a1") as ann:
        with listening(ann) as frames:
            send(sup, "one")
            seen = next_frame(frames, "message")[0]
        send(sup, "two")
        send(sup, "three")
        with listening(ann, headers={"Last-Event-ID": str(seen)}) as frames:
            assert next(frames)[:2] == (seen, "heartbeat")
            assert [next_frame(frames, "message")[2]["body"] for _ in range(2)] == ["two", "three"]
        newest = ann.get("/api/inbox").json()["as_of"]
        with listening(ann, params={"after": newest}) as frames:
            assert next(frames)[1] == "heartbeat"
            send(sup, "four")
            assert next_frame(frames, "message")[2]["body"] == "four"


def test_ids_go_on_over_a_restart(data):
    with serve(data) as first:
        log_in(first, "a1")
        with first.client("sup") as sup, first.client("a1") as ann, listening(ann) as frames:
            send(sup, "before")
            seen = next_frame(frames, "message")[0]
            send(sup, "missed")
        assert first.stop() == 0
    with serve(data) as second, second.client("a1") as ann:
        with listening(ann, headers={"Last-Event-ID": str(seen)}) as frames:
            _, _, message = next_frame(frames, "message")
            assert message["body"] == "missed"
        assert [message["body"] for message in ann.get("/api/inbox").json()["messages"]] == ["before", "missed"]


@pytest.mark.parametrize("after", ["0", "999999999"])
def test_beyond_what_is_known_the_page_has_to_start_afresh(served: Served, after: str):
    with served.client("a1") as ann, listening(ann, params={"after": after}) as frames:
        assert [next(frames)[1], next(frames)[1]] == ["heartbeat", "reset"]


ODD = [
    "-1",
    "+1",
    "1.0",
    "1e3",
    "nan",
    "x",
    "٣",
    "²",
    "0x1",
    "1_0",
    "1,2",
    "null",
    "9" * 19,
    "9" * 5_000,
    "<b>",
    "\u200b",
]


@pytest.mark.parametrize("name", ["a1", "sup"])
def test_what_is_no_event_id_is_refused_with_a_sentence(shared: Served, name: str):
    with shared.client(name) as client:
        for value in ODD:
            asked = [
                {"headers": {"Last-Event-ID": value.encode()}, "params": {"after": "0"}},
                {"params": {"after": value}},
            ]
            for how in asked:
                answer = client.get("/api/events", **how)
                error = answer.json()["error"]
                assert (answer.status_code, error["code"], error["field"]) == (422, "invalid_input", "after"), how
                assert "is no event id" in error["message"] and len(error["message"]) < 200
        for query in ("after=%ff", "after=%00", "after=", "after=1&after=x", "after[]=1&after=1%0a2"):
            answer = client.get(f"/api/events?{query}")
            assert answer.status_code in (400, 422) and answer.json()["error"]["message"], query
    assert "Traceback" not in (shared.data / "said.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", ["0", "000", "1", "999999999", str(2**53 - 1)])
def test_any_number_is_an_event_to_go_on_from_or_to_start_afresh_after(shared: Served, value: str):
    with shared.client("a1") as ann:
        for how in ({"params": {"after": value}}, {"headers": {"Last-Event-ID": value}, "params": {"after": "x"}}):
            with listening(ann, **how) as frames:
                assert next(frames)[1] == "heartbeat"
        # An id that is there but empty is none, as a browser has it before the first event.
        with listening(ann, headers={"Last-Event-ID": ""}, params={"after": value}) as frames:
            assert next(frames)[1] == "heartbeat"


def test_a_supervisor_who_missed_something_starts_afresh_and_one_who_missed_nothing_does_not(served: Served):
    with served.client("sup") as sup, served.client("blue") as blue:
        before = blue.get("/api/agents").json()["as_of"]
        send(sup, "for Red only", to=["a3"])
        with listening(blue, params={"after": before}) as frames:
            assert next(frames)[1] == "heartbeat"
            send(sup, "for Blue", to=["a1"])
            assert next(frames)[1] == "message"
        with listening(sup, params={"after": before}) as frames:
            assert [next(frames)[1], next(frames)[1]] == ["heartbeat", "reset"]


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "9" * 30, "١"])
def test_an_id_that_is_none_is_refused(shared: Served, after: str):
    with shared.client("sup") as sup:
        answer = sup.get("/api/events", params={"after": after})
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, "after")


def deaf_line(served: Served, name: str) -> socket.socket:
    """A stream of this account from which nobody reads."""
    deaf = socket.socket()
    host, port = served.url.removeprefix("http://").split(":")
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    deaf.connect((host, int(port)))
    head = f"Host: {host}\r\nAuthorization: Bearer {served.token(name)}\r\n\r\n"
    deaf.sendall(f"GET /api/events HTTP/1.1\r\n{head}".encode())
    return deaf


def test_a_stream_that_is_reset_before_it_opens_is_no_stream(data):
    (data / "settings.toml").write_text("streams_per_account = 2\n", encoding="utf-8")
    with serve(data) as served, served.client("sup") as sup, served.client("a1") as ann:
        with deaf_line(served, "a2"):
            until(lambda: row(sup, "a2")["connected"], "lines of this kind are streams")
            os.kill(served.process.pid, signal.SIGSTOP)  # as where the server is held up for a moment
            try:
                for _ in range(3):
                    reset(deaf_line(served, "a1"))
            finally:
                os.kill(served.process.pid, signal.SIGCONT)
            assert metric(sup, "coachsim_streams") == 1  # asked after them, answered after them
        with listening(ann) as frames:
            next(frames)
            until(lambda: row(sup, "a1")["connected"], "there is room for a page")
        until(lambda: not row(sup, "a1")["connected"], "disconnected with that page")
        until(lambda: metric(sup, "coachsim_streams") == 0, "no stream is left")


def metric(client, name: str) -> float:
    return float(re.search(rf"^{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)[1])


def memory_mb(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def test_a_stream_that_nobody_reads_is_dropped_and_the_others_go_on(data):
    crowd = [Agent(f"agent-number-{number:04}", f"Agent {number}", "Blue") for number in range(1_000)]
    with serve(data, people=crowd) as served, served.client("sup") as sup, deaf_line(served, "sup"):
        until(lambda: metric(sup, "coachsim_streams") == 1, "the stream is open")
        with served.client("sup") as other, listening(other) as frames:
            for number in range(200):  # each some 20 kB to a supervisor
                send(sup, f"{number}")
                assert next_frame(frames, "message")[2]["body"] == f"{number}"
                if number % 10 == 0 and metric(sup, "coachsim_streams") == 1:
                    break  # the one that reads is left
            else:
                raise AssertionError("the deaf stream was kept")
            assert metric(sup, "coachsim_streams_dropped_total") == 1


def test_pages_that_do_not_read_cost_little_and_lose_nothing(data):
    crowd = [Agent(f"deaf{number}", f"Agent {number}", "Blue") for number in range(20)]
    for agent in crowd:
        add_account(data, agent.agent_id, "agent", agent_id=agent.agent_id)
    with serve(data, people=crowd) as served, served.client("sup") as sup, ExitStack() as stack:
        log_in(served, *[agent.agent_id for agent in crowd])
        began = sup.get("/api/agents").json()["as_of"]
        for agent in crowd:
            stack.enter_context(deaf_line(served, agent.agent_id))
        until(lambda: metric(sup, "coachsim_streams") == len(crowd), "the streams are open")
        before = memory_mb(served.process.pid)
        sent = []
        while metric(sup, "coachsim_streams_dropped_total") < len(crowd):
            sent.append(send(sup, f"{len(sent):06}" + "\U0001f600" * 990)["message_id"])  # 12 kB as a frame
            assert len(sent) < 400, "the deaf streams were kept"
        assert metric(sup, "coachsim_streams") == 0
        assert memory_mb(served.process.pid) - before < 1.5 * len(crowd) + 20
        until(lambda: not any(row["connected"] for row in sup.get("/api/agents").json()["agents"]), "they are gone")
        # Less than this is told again; this much, every time, would be dropped every time.
        with served.client("deaf0") as back, listening(back, headers={"Last-Event-ID": str(began)}) as frames:
            assert [next(frames)[1], next(frames)[1]] == ["heartbeat", "reset"]
            assert [message["message_id"] for message in back.get("/api/inbox").json()["messages"]] == sent
            send(sup, "and now")
            assert next_frame(frames, "message")[2]["body"] == "and now"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system keeps dead lines for longer")
def test_a_page_that_is_gone_without_a_word_is_noticed(data):
    with serve(data) as served, served.client("sup") as sup, deaf_line(served, "a1"):
        log_in(served, "a1")
        until(lambda: row(sup, "a1")["connected"], "the page is there")
        for number in range(40):  # enough to fill what the system keeps, less than what the server does
            send(sup, f"{number:06}" + "\U0001f600" * 990, to=["a1"])
        assert row(sup, "a1")["connected"]
        until(lambda: not row(sup, "a1")["connected"], "the line is given up", seconds=100)
        assert metric(sup, "coachsim_streams_dropped_total") == 1
