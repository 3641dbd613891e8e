"""kill -9 while messages are being sent: what was acknowledged is there after the restart, and there once."""

from __future__ import annotations

import threading
from collections import Counter

import httpx

from tests.serving import Served, listening, next_frame, serve

SENDERS = 4


def send_until_it_dies(served: Served, number: int, acknowledged: dict[str, int], enough: threading.Event) -> None:
    count = 0
    with served.client("sup") as client:
        while True:
            request_id = f"{number}-{count}"
            message = {"audience": {"everyone": True}, "body": request_id, "request_id": request_id}
            try:
                answer = client.post("/api/messages", json=message)
            except httpx.TransportError:
                return
            assert answer.status_code == 201, answer.text
            acknowledged[request_id] = answer.json()["message_id"]
            count += 1
            if len(acknowledged) > 40:
                enough.set()


def test_every_acknowledged_message_is_there_once_after_a_kill(data):
    acknowledged: dict[str, int] = {}
    with serve(data) as first:
        with first.client("phones") as phones:
            phones.put("/api/agents/a1/state", json={"state": "logged_in"})
        enough = threading.Event()
        senders = [
            threading.Thread(target=send_until_it_dies, args=(first, number, acknowledged, enough))
            for number in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        assert enough.wait(60)
        first.kill()
        for sender in senders:
            sender.join(60)

    with serve(data) as second, second.client("sup") as sup, second.client("a1") as ann:
        messages = sup.get("/api/messages").json()["messages"]
        bodies = Counter(message["body"] for message in messages)
        assert set(acknowledged) <= set(bodies)
        assert set(bodies.values()) == {1}
        assert len({message["message_id"] for message in messages}) == len(messages)
        # A sender who got no answer asks again, and a sender who did gets the same answer.
        for request_id in [*acknowledged, *(f"{number}-{10_000}" for number in range(SENDERS))]:
            message = {"audience": {"everyone": True}, "body": request_id, "request_id": request_id}
            answer = sup.post("/api/messages", json=message).json()["message_id"]
            assert answer == acknowledged.get(request_id, answer)
        assert len(sup.get("/api/messages").json()["messages"]) == len(messages) + SENDERS
        # The agent is still logged in, and hears of the next one.
        inbox = ann.get("/api/inbox").json()
        assert inbox["state"] == "logged_in"
        assert inbox["unread"] == len(messages) + SENDERS
        with listening(ann) as frames:
            next(frames)
            sup.post("/api/messages", json={"audience": {"everyone": True}, "body": "on", "request_id": "on"})
            assert next_frame(frames, "message")[2]["body"] == "on"
