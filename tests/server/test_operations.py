"""docs/operations.md and its files, held to what they say: every command in it is run, every unit and table is true."""

from __future__ import annotations

import argparse
import ast
import configparser
import errno
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from coachsim import roster
from coachsim.cli.command import _parser
from tests.papers import blocks
from tests.processes import alive
from tests.serving import DEADLINE_S, PEOPLE, port_to_keep, until

PLACES = ("/var/", "/etc/", "/root/", "/usr/local/sbin", "/opt/", "/run/")
# What stands in for the machine's own programs: they would make users, wait for a network, or ask for another user.
SHIMS = {
    "useradd": ":",
    "chown": ":",
    "chgrp": ":",
    "git": ":",
    "make": 'test -f "$2/Makefile" && grep -q "^$(printf "%s" "$3" | sed "s/.venv/\\$(VENV)/"):" "$2/Makefile"',
    "journalctl": ":",
    "install": 'while [ $# -gt 1 ]; do shift; done; mkdir -p "$1"',
    "runuser": '[ "$1 $2 $3" = "-u coachsim --" ] || exit 1; shift 3; exec "$@"',
    "curl": f'exec {sys.executable} -c "import httpx, sys; print(httpx.get(sys.argv[1], timeout=60).text)" "$2"',
    "systemctl": f'exec {sys.executable} "$(dirname "$0")/systemd.py" "$@"',
}
SYSTEMD = """
import configparser, os, pathlib, shlex, signal, socket, subprocess, sys, time
units, run = pathlib.Path("@UNITS@"), pathlib.Path("@RUN@")
verb, names = sys.argv[1], [each for each in sys.argv[2:] if not each.startswith("-")]
for name in names:
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read_string((units / name).read_text())
    if name.endswith(".timer"):
        continue  # its time does not come here
    service, pid = unit["Service"], run / f"{name}.pid"
    command = shlex.split(service["ExecStart"])
    if verb in ("start", "enable") and service.get("Type") == "oneshot":
        subprocess.run(command, check=True)
    elif verb in ("start", "enable") and not pid.exists():
        if "RuntimeDirectory" in service:
            (run.parent / "run" / service["RuntimeDirectory"]).mkdir(parents=True, exist_ok=True)
        line, address = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), f"coachsim-test-{os.getpid()}-{name}"
        line.bind("\\0" + address)
        line.settimeout(0.1)
        with open(run / f"{name}.said", "ab") as said:
            told = os.environ | {"NOTIFY_SOCKET": "@" + address}
            process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True, env=told)
        pid.write_text(str(process.pid))
        ready = service.get("Type") != "notify"
        while not ready:
            assert process.poll() is None, (run / f"{name}.said").read_text()
            try:
                ready = line.recv(1000).startswith(b"READY=1")
            except TimeoutError:
                pass
    elif verb in ("stop", "disable") and pid.exists():
        number = int(pid.read_text())
        os.kill(number, signal.SIGTERM)
        process = pathlib.Path(f"/proc/{number}")
        try:
            while " Z " not in (process / "stat").read_text():
                time.sleep(0.05)
        except OSError:
            pass  # it is gone
        pid.unlink()
        (run / f"{name}.said").unlink()
    elif verb == "status":
        assert pathlib.Path(f"/proc/{pid.read_text()}").exists(), name
"""


@pytest.fixture(scope="module")
def doc() -> str:
    return (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def files() -> Path:
    return Path(__file__).parents[2] / "docs" / "operations"


class Machine:
    """A machine to operate: its folders in one of the test's, its systemd and its users played."""

    def __init__(self, root: Path, repository: Path) -> None:
        self.root = root
        self.port = port_to_keep()
        for place in (
            "var/lib",
            "var/backups",
            "etc/systemd/system",
            "usr/local/sbin",
            "opt",
            "run",
            "root",
            "systemd",
        ):
            (root / place).mkdir(parents=True)
        checkout = root / "opt" / "coachsim"
        (checkout / "docs" / "operations").mkdir(parents=True)
        (checkout / ".venv").symlink_to(sys.prefix)
        shutil.copy(repository / "Makefile", checkout)
        for file in (repository / "docs" / "operations").iterdir():
            copy = checkout / "docs" / "operations" / file.name
            copy.write_text(self.here(file.read_text(encoding="utf-8")), encoding="utf-8")
            copy.chmod(0o755)
        (root / "root" / "roster.csv").write_text(roster.write(PEOPLE), encoding="utf-8")
        self.programs = root / "shims"
        self.programs.mkdir()
        for name, what in SHIMS.items():
            (self.programs / name).write_text(f"#!/bin/sh\n{what}\n", encoding="utf-8")
            (self.programs / name).chmod(0o755)
        text = SYSTEMD.replace("@UNITS@", str(root / "etc/systemd/system")).replace("@RUN@", str(root / "systemd"))
        (self.programs / "systemd.py").write_text(text, encoding="utf-8")

    def here(self, text: str) -> str:
        """The text with this machine's folders and port."""
        text = re.sub(r"(?<![\w./])(" + "|".join(PLACES) + ")", rf"{self.root}\1", text)
        return text.replace("8800", str(self.port))

    def run(self, commands: str, typed: str = "") -> str:
        """Runs a block as root would; returns what it printed."""
        path = os.pathsep.join(map(str, (self.programs, self.root / "usr/local/sbin", os.environ["PATH"])))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.here(commands)],
            input=typed,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
            env=os.environ | {"PATH": path},
        )
        said = "".join(file.read_text() for file in (self.root / "systemd").glob("*.said"))
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}\n{said}"
        return done.stdout

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self, unit: str) -> None:
        pid = self.root / "systemd" / f"{unit}.pid"
        number = int(pid.read_text())
        os.kill(number, signal.SIGKILL)
        until(lambda: not alive(number), "it ends")

    def end(self) -> None:
        for pid in (self.root / "systemd").glob("*.pid"):
            try:
                os.kill(int(pid.read_text()), signal.SIGTERM)
            except ProcessLookupError:
                continue


@pytest.fixture
def machine(tmp_path: Path, repository: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "machine", repository)
    yield made
    made.end()


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_every_command_is_run_in_the_order_of_the_document(machine: Machine, doc: str):
    commands = [(block.section, block.text) for block in blocks(doc) if block.language == "sh"]
    assert [section for section, _ in commands] == [
        "Install", "Your own sign-on", "Is it well?", "Backup", "Restore", "Move to another machine",
        "Move to another machine", "Upgrade", "What to do when …",
    ]  # fmt: skip
    by_heading = dict(commands)
    leaving, arriving = (text for section, text in commands if section == "Move to another machine")
    data, backups = machine.root / "var/lib/coachsim", machine.root / "var/backups/coachsim"

    said = machine.run(by_heading["Install"])
    password = re.search(r"Password \(shown only now\): (\S+)", said)[1]
    assert "4 agents in the roster" in said
    machine.run(by_heading["Your own sign-on"])
    assert len((machine.root / "etc/coachsim/proxy-secret").read_text().strip()) == 64
    said = machine.run(by_heading["Is it well?"])
    assert '"status":"ok"' in said
    assert signs_in(machine, "kim", password)
    until(lambda: (machine.root / "run/coachsim-desk/desk.json").exists(), "the desk's unit has started it", 120)

    machine.run("coachsim-admin user add sup --role supervisor --teams all")
    machine.run("systemctl start coachsim-backup.service")
    assert len(list(backups.iterdir())) == 1
    said = machine.run(by_heading["Backup"])
    stamp = said.splitlines()[-1]
    assert (backups / stamp / "log.duckdb").exists()

    machine.kill("coachsim.service")
    log = data / "log.duckdb"
    log.write_bytes(log.read_bytes()[:20_000])
    (data / "archive").mkdir(exist_ok=True)
    restore = re.sub(r"20\d\d-\d\d-\d\dT\d{6}Z", stamp, by_heading["Restore"])
    assert stamp in restore
    (machine.root / "systemd" / "coachsim.service.said").unlink()
    (machine.root / "systemd" / "coachsim.service.pid").unlink()
    said = machine.run(restore)
    assert '"status":"ok"' in said
    assert (data / "archive").is_dir()
    assert "sup\t" in machine.run("coachsim-admin user list")
    assert signs_in(machine, "kim", password)

    (data / "attention.toml").write_text("[attention]\nfatigue = 0.2\n", encoding="utf-8")
    machine.run(leaving)
    with pytest.raises(httpx.TransportError):
        httpx.get(machine.url)
    lies_in_it = {path.relative_to(data) for path in data.rglob("*")}
    data.rename(machine.root / "the-old-machine")
    machine.run(arriving)
    assert lies_in_it <= {path.relative_to(data) for path in data.rglob("*")}
    assert signs_in(machine, "kim", password)
    machine.run("systemctl stop coachsim.service coachsim-desk.service")
    machine.run(by_heading["Upgrade"])
    assert httpx.get(machine.url + "/healthz", timeout=DEADLINE_S).json()["status"] == "ok"

    machine.run(by_heading["What to do when …"], typed="the new password\n")
    assert signs_in(machine, "kim", "the new password")
    assert not signs_in(machine, "kim", password)
    machine.run("systemctl stop coachsim.service coachsim-desk.service")


def signs_in(machine: Machine, name: str, password: str) -> bool:
    with httpx.Client(base_url=machine.url, timeout=DEADLINE_S) as client:
        token = client.get("/login").cookies["_xsrf"]
        return client.post("/login", data={"username": name, "password": password, "_xsrf": token}).status_code == 303


def test_every_file_is_named_and_every_named_file_is_there(doc: str, files: Path):
    assert set(re.findall(r"\]\(operations/([^)]+)\)", doc)) == {file.name for file in files.iterdir()}
    for link in re.findall(r"\]\((\.\./[^)#]+)", doc):
        assert (files.parent / link).exists(), link
    titles = {title.lower() for title in re.findall(r"^## (.+)$", doc, re.MULTILINE)}
    anchors = {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", doc)) <= anchors


def test_every_command_line_is_one_that_coachsim_takes(doc: str, files: Path):
    lines = re.findall(r"coachsim-admin ((?:user|token|roster|clear-down|log|backup)[^\n`…#<>|]*)", doc)
    lines += re.findall(r"^ExecStart=\S+/coachsim (.*)$", "\n".join(map(read, files.iterdir())), re.MULTILINE)
    assert len(lines) > 12
    for line in lines:
        try:
            _parser().parse_args(shlex.split(line))
        except SystemExit:
            pytest.fail(f"coachsim does not take: {line}")


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def units(files: Path) -> list[Path]:
    return [file for file in files.iterdir() if file.suffix in (".service", ".timer")]


def test_systemd_takes_the_units(files: Path, tmp_path: Path):
    for unit in units(files):
        text = read(unit).replace("/opt/coachsim/.venv", sys.prefix)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
        parsed = configparser.ConfigParser(interpolation=None, strict=False)
        parsed.read_string(text)
        assert parsed["Unit"]["Description"]
        if unit.name in ("coachsim.service", "coachsim-desk.service"):
            assert parsed["Service"]["User"] == unit.stem
            assert parsed["Service"]["Restart"] == "always"
            assert parsed["Service"]["NoNewPrivileges"] == "yes"
            assert parsed["Install"]["WantedBy"] == "multi-user.target"
    if shutil.which("systemd-analyze"):
        command = ["systemd-analyze", "verify", "--man=no", *(tmp_path / unit.name for unit in units(files))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        ours = [line for line in done.stderr.splitlines() if "coachsim" in line]
        assert ours == [], done.stderr


def test_every_log_line_is_explained(repository: Path, doc: str):
    lines = set(re.findall(r"^\| `([^`]+)` \| (?:INFO|WARNING|ERROR) \|", doc, re.MULTILINE))
    said = {shown(text) for file in (repository / "coachsim").rglob("*.py") for text in logged(file)}
    for text in said:
        assert any(same(text, line) for line in lines), f"docs/operations.md does not explain the log line: {text}"
    for line in lines:
        assert any(same(text, line) for text in said), f"docs/operations.md explains a line that nothing writes: {line}"


def logged(file: Path) -> Iterator[str]:
    """What the module writes to its log, as far as it stands in the source."""
    if "pages" in file.parts:  # those run in notebooks and kernels
        return
    tree = ast.parse(read(file))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "_logger"
        ):
            told = node.args[1 if node.func.attr == "log" else 0]  # there the level comes first
            if isinstance(told, ast.Name):  # a sentence made just before
                told = next(
                    each.value
                    for each in ast.walk(tree)
                    if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == told.id
                )
            for each in (told.body, told.orelse) if isinstance(told, ast.IfExp) else (told,):
                if isinstance(each, ast.JoinedStr):
                    yield "".join(part.value if isinstance(part, ast.Constant) else "%s" for part in each.values)
                else:
                    yield each.value


def shown(text: str) -> str:
    return re.sub(r"%[.\d]*[sdf]", "…", text)


def same(text: str, line: str) -> bool:
    """Whether the documented line is that text, or its beginning with an ellipsis for the rest."""
    return text == line or (line.endswith(" …") and text.startswith(line.removesuffix("…").rstrip()))


def test_every_sentence_to_search_for_is_one_that_coachsim_says(repository: Path, doc: str):
    section = doc.partition("## What to do when …")[2].partition("\n## ")[0]
    openings = re.findall(r"^\*\*… [^*]+\*\* \((.+?)\)\. ", section, re.MULTILINE | re.DOTALL)
    quoted = [text for opening in openings for text in re.findall(r"`([^`]+)`", opening) if "_" not in text]
    assert len(quoted) >= 9
    said = [os.strerror(errno.ENOSPC), "systemctl start", "Job for coachsim.service failed"]
    for file in (repository / "coachsim").rglob("*.py"):
        for each in ast.walk(ast.parse(read(file))):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                said.append(each.value)
            elif isinstance(each, ast.JoinedStr):
                said.append("".join(part.value if isinstance(part, ast.Constant) else "…" for part in each.values))
    for text in quoted:
        sought = text.replace("\n", " ").strip("… ")
        assert any(sought in each for each in said), f"nothing says: {text}"


def test_every_kind_of_fault_and_what_healthz_says_of_it_leads_to_what_to_do(repository: Path, doc: str):
    section = " ".join(doc.partition("## What to do when …")[2].partition("\n## ")[0].split())
    kinds = set()
    for name in ("host.py", "keeping.py", "server/site.py"):
        for call in ast.walk(ast.parse(read(repository / "coachsim" / name))):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            if call.func.attr not in ("report", "_set_fault") or not isinstance(call.args[0], ast.Constant):
                continue
            kind, said = call.args
            kinds.add(kind.value)
            assert f'kind="{kind.value}"' in section or f"or `{kind.value}`" in section, kind.value
            text = said.values[0] if isinstance(said, ast.JoinedStr) else said
            if isinstance(text, ast.Constant) and text.value is not None:
                beginning = re.split(r"[.:;]", text.value)[0]
                assert f"`{beginning}`" in section, beginning
    listed = re.search(r"`coachsim_fault\{kind\}` \| which: ([^;]+);", doc)[1]
    assert kinds == set(re.findall(r"`(\w+)`", listed))


def test_every_option_is_in_the_data_dictionary(repository: Path):
    text = read(repository / "data" / "README.md")
    section = text.partition("## Options of `coachsim serve` and `desk`")[2].partition("\n## ")[0]
    written = re.findall(r"^\| `(--[\w-]+)", section, re.MULTILINE)
    commands = next(each for each in _parser()._actions if isinstance(each, argparse._SubParsersAction)).choices
    there = {
        option for name in ("serve", "desk") for action in commands[name]._actions for option in action.option_strings
    }
    assert sorted(written) == sorted(there - {"-h", "--help"})
