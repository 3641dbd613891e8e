"""A real coachsim server in a process of its own, on a free port and a folder of the test's."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

import httpx

from coachsim import roster
from coachsim.models import Agent
from coachsim.server.accounts import Account, Accounts, hash_password
from coachsim.server.sessions import Sessions
from coachsim.server.site import cookie_secret
from coachsim.server.store import Store

PASSWORD = "correct horse"
#: Long enough for a machine that has much else to do; what is broken is told a little later.
DEADLINE_S = 120.0
PEOPLE = (
    Agent("a1", "Ann Ames", "Blue", campaigns=("Sales",), queues=("North",)),
    Agent("a2", "Bob Bell", "Blue", campaigns=("Service",)),
    Agent("a3", "Cy Cole", "Red", campaigns=("Sales",)),
    Agent("a4", "Di Dunn", "Red"),
)


@cache
def password_hash() -> str:
    """The hash of ``PASSWORD``, worked out once: it is slow on purpose."""
    return hash_password(PASSWORD)


def until(look: Callable[[], Any], what: str, seconds: float = DEADLINE_S) -> Any:
    """Looks again and again until what it sees is true, and returns that; fails after two minutes."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"never happened: {what}")
        time.sleep(0.02)
    return found


def port_to_keep() -> int:
    """A free port for what listens on it later, or again: nobody who asks the system for any port gets it meanwhile.

    The system hands out those from 32768 on, to every client that connects; one of those, closed, may be a client's.
    No two calls in a run of the tests get the same.
    """
    for port in _ports_to_keep():
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no port is left")


@cache
def _ports_to_keep() -> Iterator[int]:
    """This process's own among those that the system does not hand out, in no order: two runs seldom meet."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = range(20_000 + worker, 32_000, workers)
    return iter(secrets.SystemRandom().sample(own, len(own)))


def reset(line: socket.socket) -> None:
    """Ends a connection as one does that breaks off: the other side is told of a reset (RST), not of an end."""
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


class Served:
    """A running server. Made by ``serve``."""

    def __init__(self, data: Path, process: subprocess.Popen[str], output: IO[str]) -> None:
        self.data = data
        self.process = process
        self._output = output
        self.said = ""
        self.url = ""

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Reads what the server prints until it prints this."""
        end = time.monotonic() + DEADLINE_S
        while (found := re.search(pattern, self.said)) is None:
            self.said += self._output.read()
            if self.process.poll() is not None:
                self.said += self._output.read()
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.said}")
            if time.monotonic() > end:
                raise AssertionError(f"the server never said {pattern!r}:\n{self.said}")
            time.sleep(0.02)
        return found

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Asks as nobody in particular."""
        return httpx.get(self.url + path, timeout=DEADLINE_S, **options)

    def token(self, name: str) -> str:
        """A new API token of an account."""
        return make_token(self.data, name)

    def client(self, name: str, token: str | None = None) -> httpx.Client:
        """Asks as a script of this account, with a new token if none is given."""
        headers = {"Authorization": f"Bearer {token or self.token(name)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=DEADLINE_S)

    def browser(self, name: str | None = None, password: str = PASSWORD) -> httpx.Client:
        """Asks as a browser does: cookies, and the XSRF header; signed in if a name is given."""
        cookies = httpx.Cookies(self.get("/login").cookies)
        headers = {"X-XSRFToken": cookies["_xsrf"]}
        if name is not None:
            form = {"username": name, "password": password}
            answer = httpx.post(self.url + "/login", data=form, cookies=cookies, headers=headers, timeout=DEADLINE_S)
            assert answer.status_code == 303, answer.text
            cookies.update(answer.cookies)
        return httpx.Client(base_url=self.url, timeout=DEADLINE_S, cookies=cookies, headers=headers)

    def kill(self) -> None:
        """As a power cut would: no chance to put anything away."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def stop(self) -> int:
        """As systemd would; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)


def serve_command(
    data: Path,
    *arguments: str,
    desk: bool = False,
    python: Path | str = sys.executable,
    program: Sequence[str] = ("-m", "coachsim.cli"),
) -> list[str]:
    """What starts a server on ``data``. ``program`` is what Python runs: the command line, or what goes before it."""
    command = [str(python), *program, "serve", "--data", str(data), "--port", "0"]
    return [*command, *([] if desk else ["--no-desk"]), *arguments]


@contextmanager
def serve(
    data: Path,
    *arguments: str,
    desk: bool = False,
    people: Sequence[Agent] = PEOPLE,
    folder: Path | None = None,
    **options: Any,
) -> Iterator[Served]:
    """Starts a server on ``data`` with ``people`` on its roster, and ends it whatever happens.

    ``folder`` is the one it is started in, if not that of the tests; ``options`` are those of ``serve_command``.
    """
    data.mkdir(parents=True, exist_ok=True)
    csv = data / "roster-of-the-test.csv"
    csv.write_text(roster.write(people), encoding="utf-8")
    if not {"--roster", "--practice"} & set(arguments):
        arguments = ("--roster", str(csv), *arguments)
    command = serve_command(data, *arguments, desk=desk, **options)
    said = data / "said.txt"
    with said.open("w", encoding="utf-8") as writing, said.open(encoding="utf-8") as reading:
        process = subprocess.Popen(
            command, stdout=writing, stderr=subprocess.STDOUT, text=True, env=dict(os.environ), cwd=folder
        )
        served = Served(data, process, reading)
        try:
            served.url = served.wait_for(r"is serving .* at (http://\S+?)/\n")[1]
            yield served
        finally:
            if process.poll() is None:
                served.stop()


def add_account(
    data: Path, name: str, *roles: str, teams: Sequence[str] | None = (), agent_id: str | None = None
) -> None:
    """Adds an account with ``PASSWORD``. ``teams`` None = all teams. Works while the server runs."""
    store = Store(data)
    try:
        scope = None if teams is None else frozenset(teams)
        account = Account(name, frozenset(roles), scope, agent_id)
        Accounts(store).add(account, password_hash(), actor="test")
    finally:
        store.close()


def add_everybody(data: Path) -> None:
    """One account of each kind: sup (all teams), blue (Blue only), analyst, trainer, phones, admin, and a1 to a4."""
    add_account(data, "sup", "supervisor", teams=None)
    add_account(data, "blue", "supervisor", teams=["Blue"])
    add_account(data, "analyst", "analyst", teams=["Red"])
    add_account(data, "trainer", "trainer")
    add_account(data, "phones", "telephony")
    add_account(data, "admin", "admin")
    for agent in PEOPLE:
        add_account(data, agent.agent_id, "agent", agent_id=agent.agent_id)


def make_token(data: Path, name: str) -> str:
    """An API token, made beside a running server as the command line does."""
    store = Store(data)
    try:
        accounts = Accounts(store)
        return Sessions(store, accounts, cookie_secret(data)).new_token(accounts.known(name), actor="test")
    finally:
        store.close()


def make_ticket(data: Path, name: str) -> tuple[str, str]:
    """A sign-in session and its ticket, as a kernel of the desk would be given."""
    store = Store(data)
    try:
        accounts = Accounts(store)
        sessions = Sessions(store, accounts, cookie_secret(data))
        raw = sessions.begin(accounts.known(name))
        return raw, sessions.ticket(raw)
    finally:
        store.close()


Frame = tuple[int | None, str, dict[str, Any]]


@contextmanager
def listening(client: httpx.Client, **options: Any) -> Iterator[Iterator[Frame]]:
    """The event stream of a client, as (id, name, data)."""
    with client.stream("GET", "/api/events", **options) as answer:
        assert answer.status_code == 200, answer.read()
        yield _frames(answer.iter_lines())


def _frames(lines: Iterator[str]) -> Iterator[Frame]:
    got: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            got[name] = value
        elif "event" in got:
            yield (int(got["id"]) if "id" in got else None), got["event"], json.loads(got["data"])
            got = {}
        else:
            got = {}


def next_frame(frames: Iterator[Frame], *names: str) -> Frame:
    """The next frame of one of these names; other frames are passed over."""
    return next(frame for frame in frames if frame[1] in names)
