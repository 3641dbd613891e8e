"""Someone who follows a paper word for word, in a checkout of their own: shell commands, servers, Python."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.papers import Block
from tests.processes import alive
from tests.serving import port_to_keep, until

# A reader sees the server's first lines and goes on in another terminal; before the next one they end the last.
COACHSIM = """#!{python}
import os, pathlib, signal, subprocess, sys, time
real, pid, said = {real!r}, pathlib.Path({pid!r}), pathlib.Path({said!r})
if sys.argv[1:2] != ["serve"]:
    os.execv(real, [real, *sys.argv[1:]])
end = time.monotonic() + 90
if pid.exists():
    os.kill(int(pid.read_text()), signal.SIGTERM)
    try:
        while pathlib.Path(f"/proc/{{pid.read_text()}}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.05)
    except OSError:
        pass  # it is gone
command = [real, *sys.argv[1:], "--no-desk", "--port", {port!r}]
with said.open("wb") as file:
    process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, start_new_session=True)
pid.write_text(str(process.pid))
while b"is serving" not in said.read_bytes():
    if process.poll() is not None or time.monotonic() > end:
        sys.exit(said.read_text())
    time.sleep(0.05)
print(said.read_text())
"""
PASSWORD = "a long enough password\n"


class Reader:
    """Runs a paper's blocks one after the other; what one exports or defines, the next one has."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder = folder / "coachsim"
        self.port = str(port_to_keep())
        self._pid = folder / "pid"
        self._environment = folder / "environment"
        self._names: dict[str, Any] = {"__name__": "__main__"}
        (self.folder / "data").mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "constraints.txt", "data/roster.csv"):
            shutil.copy2(repository / name, self.folder / name)
        shutil.copytree(repository / "data" / "scenarios", self.folder / "data" / "scenarios")
        (self.folder / "notebooks").symlink_to(repository / "notebooks")
        shutil.copy(repository / "data" / "roster.csv", self.folder / "my-roster.csv")
        self._set_up(folder)
        self.environment = os.environ | {"PATH": f"{self.folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        self.environment.pop("PYTHONPATH", None)

    def _set_up(self, folder: Path) -> None:
        """As after ``make setup``: the tests' own environment, with a coachsim that lets a reader go on reading."""
        own, here = Path(sys.prefix), self.folder / ".venv"
        (here / "bin").mkdir(parents=True)
        for path in own.iterdir():
            if path.name != "bin" and not path.name.startswith(".has-"):
                (here / path.name).symlink_to(path)
        for path in (own / "bin").iterdir():
            (here / "bin" / path.name).symlink_to(path)
        coachsim = here / "bin" / "coachsim"
        real = str(coachsim.resolve())
        coachsim.unlink()
        said = str(folder / "said.txt")
        script = COACHSIM.format(python=sys.executable, real=real, pid=str(self._pid), said=said, port=self.port)
        coachsim.write_text(script, encoding="utf-8")
        coachsim.chmod(0o755)
        moment = time.time()  # one for all: later than what they are made from, and none later than another
        for name in set(re.findall(r"\.has-\w+", (self.folder / "Makefile").read_text(encoding="utf-8"))):
            (here / name).touch()
            os.utime(here / name, (moment, moment))

    def _here(self, text: str) -> str:
        return text.replace("8800", self.port)

    def shell(self, text: str) -> str:
        """Runs commands as typed into a terminal; returns what they print. Whatever asks for a password gets one."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{self._here(text)}\nenv -0 > {self._environment}"],
            cwd=self.folder,
            env=self.environment,
            input=PASSWORD,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        entries = self._environment.read_text(encoding="utf-8").rstrip("\0").split("\0")
        self.environment = dict(entry.partition("=")[::2] for entry in entries)
        return done.stdout

    def python(self, block: Block, paper: str) -> str:
        """Runs it in one Python for the whole paper; returns what it prints."""
        code = "\n" * (block.line - 1) + self._here(block.text)
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
            patch.chdir(self.folder)
            for name, value in self.environment.items():
                if name.startswith("COACHSIM_"):
                    patch.setenv(name, value)
            exec(compile(code, paper, "exec"), self._names)
        return said.getvalue()

    def end(self) -> None:
        """Ends the server, if one runs, and lets go of what Python has."""
        self._names.clear()
        if self._pid.exists():
            number = int(self._pid.read_text())
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGTERM)
            until(lambda: not alive(number), "the server ends")


def printed(said: str, expected: str) -> bool:
    """Whether the lines of ``expected`` are in what was said, one after the other; … stands for anything in a line."""
    patterns = [re.escape(line.strip()).replace("…", ".*") for line in expected.strip("\n").split("\n")]
    lines = [line.strip() for line in said.split("\n")]
    starts = range(len(lines) - len(patterns) + 1)
    return any(all(map(re.fullmatch, patterns, lines[start : start + len(patterns)])) for start in starts)
