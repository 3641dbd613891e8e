"""Row 5c: a send while many sign in at once, beside the same send on a quiet server.

Passwords are slow to check on purpose, two at a time, so those who sign in wait for each other: what matters is that
nobody else waits for them. More of them make the storm longer, not worse; a check takes a fifth of a second of the
processor and stands back for everything else, so on a busy machine a storm of hundreds lasts many minutes.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from contextlib import ExitStack

import httpx

from benchmarks.crowd import Crowd
from benchmarks.harness import line
from benchmarks.served import PASSWORD, Running, agents, running

AGENTS = 1_000
SIGN_INS = 50
ROUNDS = 3
SENDS = 25


def main() -> None:
    """Prints the table's line."""
    quiet: list[float] = []
    stormy: list[float] = []
    ratios, rates = [], []
    with ExitStack() as stack:
        server = stack.enter_context(running("floor", str(AGENTS)))
        crowd = Crowd(stack)
        for number in range(ROUNDS):
            before = _sends(server, SENDS, f"quiet{number}")
            taken: list[float] = []
            storm = threading.Thread(target=lambda taken=taken: taken.append(_sign_in(crowd, server)))
            storm.start()
            during: list[float] = []
            while storm.is_alive():
                during += _sends(server, 1, f"storm{number}-{len(during)}")
            storm.join()
            if not taken:
                raise RuntimeError("a sign-in failed; what the crowd wrote says why")
            ratios.append(statistics.median(during) / statistics.median(before))
            quiet += before
            stormy += during
            rates.append(SIGN_INS / taken[0])
    claim = f"5c: a send to {AGENTS:,} while {SIGN_INS} sign in at once"
    slowest = sorted(stormy)[int(0.95 * len(stormy))]
    print(
        line(
            claim,
            f"{1e3 * statistics.median(stormy):.0f} ms",
            f"quiet {1e3 * statistics.median(quiet):.0f} ms",
            statistics.median(ratios),
            None,
            f"; 95 % within {1e3 * slowest:.0f} ms, {statistics.median(rates):.1f} sign-ins/s",
        ),
        flush=True,
    )


def _sign_in(crowd: Crowd, server: Running) -> float:
    # A request with a token needs no XSRF token; it is a sign-in like any other.
    names = [agent.agent_id for agent in agents(SIGN_INS)]
    requests = [
        (token, "POST /login", f"username={name}&password={PASSWORD}")
        for token, name in zip(server.tokens, names, strict=False)
    ]
    return crowd.ask(server, requests, SIGN_INS)


def _sends(server: Running, number: int, name: str) -> list[float]:
    """Seconds that each of some sends takes, a few a second."""
    seconds = []
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=120) as client:
        for count in range(number):
            draft = {"audience": {"everyone": True}, "body": "Hello", "request_id": f"{name}-{count}"}
            began = time.monotonic()
            answer = client.post(
                "/api/messages", content=json.dumps(draft), headers={"Authorization": f"Bearer {server.sup}"}
            )
            seconds.append(time.monotonic() - began)
            assert answer.status_code == 201, answer.text
            time.sleep(0.1)
    return seconds


if __name__ == "__main__":
    main()
