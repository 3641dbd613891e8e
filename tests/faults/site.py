"""The site that the faults are done to: a folder, a server on it, and the load around it."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import subprocess
import time
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import httpx

from coachsim.days import HOUR, Schedule, to_datetime
from coachsim.log import LOG_FILE
from coachsim.models import Agent
from coachsim.server.local import RunningServer
from tests.faults.load import TEAMS, Load
from tests.faults.shifted_clock import ShiftedClock
from tests.serving import Served, add_account, make_token, serve, serve_command

SENDERS = ("sup", "kim", "lee")


class Site:
    """Used as a context: it starts the server and the load, and ends both whatever happens."""

    def __init__(self, folder: Path, *, agents: int, seed: int) -> None:
        self.folder = folder
        self.data = folder / "floor"
        self.chance = random.Random(seed)
        self.people = [
            Agent(f"a{number:03}", f"Agent {number}", TEAMS[number % len(TEAMS)]) for number in range(agents)
        ]
        self._seed = seed
        self._port = _quiet_port()
        self._stack = ExitStack()
        self._running = ExitStack()

    def __enter__(self) -> Site:
        self.data.mkdir(parents=True)
        self.clock = ShiftedClock(self.folder / "clock")
        # The night is always some hours away, so that only a clock that is set can bring it.
        self._night = f"{to_datetime(self.clock.wall() + 12 * HOUR):%H:%M}"
        text = f'time_zone = "Etc/UTC"\nclear_down = "{self._night}"\n'
        (self.data / "settings.toml").write_text(text, encoding="utf-8")
        for name in SENDERS:
            add_account(self.data, name, "supervisor", teams=None)
        add_account(self.data, "phones", "telephony")
        add_account(self.data, "admin", "admin")
        for agent in self.people:
            add_account(self.data, agent.agent_id, "agent", agent_id=agent.agent_id)
        agents = [agent.agent_id for agent in self.people]
        self.tokens = {name: make_token(self.data, name) for name in (*SENDERS, "phones", "admin", *agents)}
        try:
            self.start()
            url = self.served.url
            load = Load(url, self.tokens, agents, SENDERS, seed=self._seed)
            self.load = self._stack.enter_context(load)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._running.close()

    # --- the server ---

    def start(self, *, desk: bool = False) -> None:
        """Starts the server on the port that the pages know."""
        options = ("--port", str(self._port))
        self.served: Served = self._running.enter_context(
            serve(self.data, *options, desk=desk, people=self.people, program=self.clock.program)
        )
        if desk:
            self.served.wait_for("the desk is ready")

    def kill(self) -> None:
        """kill -9."""
        self.served.kill()
        self._running.close()

    def stop(self) -> None:
        """Ends the server as systemd would."""
        code = self.served.stop()
        assert code == 0, f"the server ended with {code}: {self.served.said}"
        self._running.close()

    def refused(self) -> str:
        """Starts one more server on the folder, which has to end; returns the sentence with which it does."""
        command = serve_command(self.data, "--port", "0", program=self.clock.program)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 1, f"it ended with {done.returncode} and said {done.stderr}"
        return done.stderr.splitlines()[-1]

    # --- what is so ---

    def local(self) -> RunningServer:
        """The server, as the command line of its machine asks it."""
        server = RunningServer.find(self.data)
        assert server is not None, "the server does not answer"
        return server

    @property
    def log(self) -> Path:
        """The log's file."""
        return self.data / LOG_FILE

    def faults(self) -> list[str]:
        """What the server says is wrong with it."""
        return list(self._asked("/healthz").json()["faults"])

    def metric(self, name: str) -> float:
        """One of the server's figures."""
        found = re.search(rf"^{name} (\S+)$", self._asked("/metrics").text, re.MULTILINE)
        assert found is not None, f"there is no figure {name}"
        return float(found[1])

    def day(self) -> str:
        """The label of the floor's day."""
        return str(self._asked("/api/floor").json()["day"])

    def day_ends(self) -> int:
        """When the floor's day ends, in µs."""
        following = date.fromisoformat(self.day()) + timedelta(days=1)
        return Schedule("Etc/UTC", self._night).instant(following)

    def _asked(self, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens['admin']}"}
        answer = httpx.get(self.served.url + path, headers=headers, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer

    def gather(self) -> None:
        """Pauses the load, logs everyone in, and waits until a new message is on every page."""
        self.load.pause()
        self.load.everyone_in()
        mark = self.load.send(SENDERS[0], {"everyone": True}, "Is everyone there?")
        self.load.until_pages(lambda page: mark in page.messages, "every page has the newest message")

    def recovered(self, since: float) -> float:
        """How many seconds after ``since`` (monotonic) every command was answered and every page had caught up."""
        self.gather()
        return time.monotonic() - since


def _quiet_port() -> int:
    """A free port below those that the system gives to outgoing connections: while the server is away, none of the
    many that knock at its door may be given the door itself.
    """
    for _ in range(100):
        port = random.randint(20_000, 32_000)  # not of the seed: several soaks may run at once
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")
