"""Row 6: durable reads from 1,000 agents at once, at the log and over HTTP.

At the log, each read is an event of its own whose commit is waited for; they come all at once, and the reference waits
for one commit after the other. Over HTTP (6b), 1,000 pages report their dialog at once, to a server like any other and
to one whose log says of every event at once that it is committed.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx

from benchmarks.crowd import Crowd
from benchmarks.harness import interleaved, line, ms, ratio
from benchmarks.served import Running, running
from coachsim.events import Read
from coachsim.log import LogWriter

AGENTS = 1_000
ROUNDS = 7
OPEN = "POST /api/inbox/open"


def at_the_log(agents: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each round for so many reads: all at once, and one commit after the other."""
    with tempfile.TemporaryDirectory() as folder, LogWriter.open(Path(folder) / "log.duckdb") as writer:

        def reads() -> list[Read]:
            at, first = time.time_ns() // 1_000, writer.seq + 1
            return [
                Read(
                    seq=first + n,
                    happened_at=at,
                    actor=f"a{n:04}",
                    agent_id=f"a{n:04}",
                    message_ids=(at,),
                    notified=(True,),
                )
                for n in range(agents)
            ]

        def together() -> None:
            for future in [writer.append([read]) for read in reads()]:
                future.result()

        def each() -> None:
            for read in reads():
                writer.append([read]).result()

        ours, reference = interleaved(together, each, rounds=rounds)
    return ours, reference


def over_http(agents: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each round for so many pages' reports: durable, and not."""
    found: tuple[list[float], list[float]] = ([], [])
    with ExitStack() as stack:
        servers = [stack.enter_context(running("floor", str(agents), *how)) for how in ((), ("undurable",))]
        crowd = Crowd(stack)
        for number in range(rounds + 1):
            for server, seconds in zip(servers, found, strict=True):
                _send(server, number)
                taken = crowd.ask(server, [(token, OPEN, "{}") for token in server.tokens], agents)
                if number:
                    seconds.append(taken)
    return found


def _send(server: Running, number: int) -> None:
    draft = {"audience": {"everyone": True}, "body": "Read this.", "request_id": f"r{number}"}
    address = f"http://127.0.0.1:{server.port}/api/messages"
    answer = httpx.post(address, content=json.dumps(draft), headers={"Authorization": f"Bearer {server.sup}"})
    assert answer.status_code == 201, answer.text


def main() -> None:
    """Prints the table's lines."""
    ours, reference = at_the_log(AGENTS, 5)
    claim = f"6: {AGENTS:,} durable reads at once, at the log"
    note = f"; {AGENTS / statistics.median(ours):,.0f} reads/s"
    print(line(claim, ms(ours), f"a commit each {ms(reference)}", ratio(ours, reference), 1 / 50, note), flush=True)
    ours, reference = over_http(AGENTS, ROUNDS)
    claim = f"6b: {AGENTS:,} pages report reading at once, over HTTP"
    print(line(claim, ms(ours), f"without durability {ms(reference)}", ratio(ours, reference), 1.5), flush=True)


if __name__ == "__main__":
    main()
