"""Row 5: one message to 5,000 open pages, and row 5b: the reports of its toasts that follow.

The pages are in other processes. From the POST to the last byte at the last page, the answer to the POST included;
everything is on the disk by then. The reference is a bare tornado that writes the same bytes to as many streams, and
then takes the same reports and forgets them.
"""

from __future__ import annotations

import json
import statistics
import time
from contextlib import ExitStack

import httpx

from benchmarks.crowd import Crowd
from benchmarks.harness import line, ms, ratio
from benchmarks.served import Running, running

AGENTS = 5_000
ROUNDS = 7
CONNECTIONS = 500
TOASTS = "POST /api/inbox/toasts"
BODY = "Please read the new wording before your next call."


def measure(agents: int, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of each round: ``sent`` and ``bare_sent`` for the fan-out, ``told`` and ``bare_told`` for the reports."""
    found: dict[str, list[float]] = {name: [] for name in ("sent", "bare_sent", "told", "bare_told")}
    with ExitStack() as stack:
        ours = stack.enter_context(running("floor", str(agents)))
        bare = stack.enter_context(running("bare"))
        crowd = Crowd(stack)
        crowd.listen("ours", ours, ours.tokens)
        crowd.listen("bare", bare, ours.tokens)
        sup = stack.enter_context(_client(ours))
        raw = stack.enter_context(_client(bare))
        for number in range(rounds + 1):
            draft = {"audience": {"everyone": True}, "body": BODY, "request_id": f"r{number}"}
            sent, answer = _fan_out(crowd, "ours", sup, json.dumps(draft))
            frame = _frame(answer["as_of"], answer["message_id"], answer["sent_at"])
            report = json.dumps({"message_ids": [answer["message_id"]]})
            reports = [(token, TOASTS, report) for token in ours.tokens]
            told = crowd.ask(ours, reports, CONNECTIONS)
            bare_sent, _ = _fan_out(crowd, "bare", raw, frame)
            bare_told = crowd.ask(bare, reports, CONNECTIONS)
            if number:
                for name, seconds in zip(found, (sent, bare_sent, told, bare_told), strict=True):
                    found[name].append(seconds)
    return found


def _client(server: Running) -> httpx.Client:
    headers = {"Authorization": f"Bearer {server.sup}", "Content-Type": "application/json"}
    return httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=120)


def _fan_out(crowd: Crowd, name: str, client: httpx.Client, body: str) -> tuple[float, dict[str, object]]:
    crowd.expect(name)
    began = time.monotonic()
    answer = client.post("/api/messages", content=body)
    answered = time.monotonic()
    assert answer.status_code == 201, answer.text
    return max(answered, crowd.heard(name)) - began, answer.json()


def _frame(seq: object, message_id: object, sent_at: object) -> str:
    """The bytes that our pages were sent, or as many."""
    message = {
        "message_id": message_id,
        "sent_at": sent_at,
        "sender": "sup",
        "body": BODY,
        "priority": "normal",
        "ack_required": False,
        "expires_at": None,
        "expired": False,
        "seq": seq,
    }
    return f"id: {seq}\nevent: message\ndata: {json.dumps(message, separators=(',', ':'))}\n\n"


def main() -> None:
    """Prints the table's lines."""
    found = measure(AGENTS)
    for row, what, ours, bare in (
        ("5", "one message to {} pages, POST to last byte", found["sent"], found["bare_sent"]),
        ("5b", "the {} reports of its toasts", found["told"], found["bare_told"]),
    ):
        claim = f"{row}: {what.format(f'{AGENTS:,}')}"
        note = f"; {1e6 * statistics.median(ours) / AGENTS:,.0f} µs each"
        print(line(claim, ms(ours), f"bare tornado {ms(bare)}", ratio(ours, bare), 1.5, note), flush=True)


if __name__ == "__main__":
    main()
