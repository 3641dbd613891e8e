"""The desk as a process of its own, under another user where there can be one, and the two finding each other again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import coachsim
from tests.processes import alive, command_of, descendants, environment_of
from tests.server.desks import KERNEL, PAGE
from tests.server.test_sign_in import cli
from tests.serving import Served, add_everybody, serve, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]
OTHER = 64_321  # a user id that nobody has


class Someone:
    """Who runs the desk: another user where the test is root, else the test's own."""

    def __init__(self) -> None:
        self.user: int | None = None
        self.python = sys.executable
        self.environment: dict[str, str] = {}
        if os.getuid() == 0:
            # This Python may lie where nobody else can go; then the system's runs with the same packages.
            systems = f"/usr/bin/python3.{sys.version_info.minor}"
            packages = os.pathsep.join([str(Path(coachsim.__file__).parent.parent), sysconfig.get_path("purelib")])
            paths = {"PYTHONPATH": packages, "JUPYTER_PATH": str(Path(sys.prefix, "share", "jupyter"))}
            for python, environment in ((sys.executable, {}), (systems, paths)):
                if self._can(python, environment):
                    self.user, self.python, self.environment = OTHER, python, environment
                    break

    def _can(self, python: str, environment: dict[str, str]) -> bool:
        command = [python, "-c", "import coachsim.server.desk_child"]
        as_other = {"user": OTHER, "group": OTHER, "extra_groups": []}
        try:
            return (
                subprocess.run(command, cwd="/", env=os.environ | environment, check=False, **as_other).returncode == 0
            )
        except OSError:
            return False

    @property
    def options(self) -> dict[str, Any]:
        """For ``subprocess``."""
        return {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}


@pytest.fixture(scope="module")
def someone() -> Someone:
    """Found out once: it takes seconds."""
    return Someone()


class Apart:
    """A running ``coachsim desk``."""

    def __init__(self, process: subprocess.Popen[bytes], file: Path, said: Path) -> None:
        self.process = process
        self.file = file
        self.said = said


@contextmanager
def desk(run: Path, home: Path, front: str, someone: Someone) -> Iterator[Apart]:
    """Starts a desk and ends it whatever happens."""
    file, said = run / "desk.json", run.parent / "desk-said.txt"
    command = [someone.python, "-m", "coachsim.cli", "desk", "--desk-file", str(file), "--front", front]
    environment = os.environ | someone.environment | {"HOME": str(home), "COACHSIM_TOKEN": "of whoever started it"}
    with said.open("ab") as output:
        command += ["--data", str(home)]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd="/", env=environment, **someone.options)
        try:
            yield Apart(process, file, said)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users may pass through; pytest's own are for one user."""
    folder = Path(tempfile.mkdtemp(prefix="coachsim-apart-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def folders(place: Path, someone: Someone) -> tuple[Path, Path, Path]:
    """The floor's folder, and the desk's run and home folders."""
    data, run, home = (place / name for name in ("floor", "run", "home"))
    data.mkdir(mode=0o700)
    for folder in (run, home):
        folder.mkdir(mode=0o750)
        if someone.user is not None:
            os.chown(folder, someone.user, someone.user)
    add_everybody(data)
    return data, run, home


def works(served: Served) -> bool:
    """Whether the page's frame comes with a kernel."""
    with served.browser("sup") as browser:
        answer = browser.get(PAGE)
        return answer.status_code == 200 and KERNEL.search(answer.content) is not None


def test_the_desk_runs_under_another_user_and_either_side_starts_again_by_itself(folders, someone):
    data, run, home = folders
    user = someone.user
    options = ("--desk-file", str(run / "desk.json"))
    with serve(data, *options, desk=True) as served:
        with served.browser("sup") as browser:
            assert browser.get(PAGE).status_code == 503
        port = served.url.rpartition(":")[2]
        with desk(run, home, served.url, someone) as apart:
            served.wait_for("the desk is ready")
            assert works(served)
            assert "coachsim_desk_up 1.0" in served.get("/metrics").text
            # The kernel that was started is of the desk's user, and knows nothing but its own ticket.
            kernels = descendants(apart.process.pid)
            assert len(kernels) >= 2
            for pid in kernels:
                if user is not None:
                    assert set(psutil.Process(pid).uids()) == {user}
                told = environment_of(pid)
                assert told and "COACHSIM_TOKEN" not in told
                assert json.loads(apart.file.read_bytes())["secret"] not in str(told)
            if user is not None:
                # What the floor keeps is not for the desk, and the file is for the desk's group only.
                for name in ("log.duckdb", "accounts.sqlite", "server.json", "cookie_secret"):
                    command = ["cat", data / name]
                    read = subprocess.run(command, check=False, capture_output=True, **someone.options)
                    assert b"Permission denied" in read.stderr, name
            assert apart.file.stat().st_mode & 0o777 == 0o640
            second = cli(data, "desk", "--desk-file", str(apart.file))
            assert (second.returncode, "Another desk is running" in second.stderr) == (1, True)

            # Voila alone dies: the desk starts it again, with a new port and a new file.
            before = apart.file.read_bytes()
            voila = next(pid for pid in descendants(apart.process.pid) if "desk_child" in command_of(pid))
            os.kill(voila, 9)
            until(lambda: content(apart.file) not in (b"", before), "a new file", 120)
            until(lambda: works(served), "the page is there again", 120)

            # The front door is killed and comes back: the desk has gone on meanwhile.
            served.kill()
            with serve(data, *options, "--port", port, desk=True) as again:
                again.wait_for("the desk is ready")
                assert apart.process.poll() is None
                assert works(again)

                # The desk is killed: its file stays and counts for nothing; messages go on; its kernels are gone.
                below = descendants(apart.process.pid)
                apart.process.kill()
                apart.process.wait(60)
                assert apart.file.exists()
                again.wait_for("the desk has stopped; waiting for it")
                assert "coachsim_desk_up 0.0" in again.get("/metrics").text
                with again.browser("sup") as browser:
                    assert browser.get(PAGE).status_code == 503
                    message = {"audience": {"everyone": True}, "body": "Hello", "request_id": "1"}
                    assert browser.post("/api/messages", json=message).status_code == 201
                until(lambda: not any(alive(pid) for pid in below), "Voila and its kernels are gone")
                with desk(run, home, again.url, someone) as anew:
                    until(lambda: works(again), "the new desk is found", 120)
                    anew.process.terminate()
                    assert anew.process.wait(60) == 0
                    assert not anew.file.exists()


def content(file: Path) -> bytes:
    """What is in the file; nothing if it is not there."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""


def test_a_file_that_cannot_be_read_or_written_is_said_in_a_sentence(folders, someone):
    data, run, _ = folders
    (run / "desk.json").mkdir()
    with serve(data, "--desk-file", str(run / "desk.json"), desk=True) as served:
        served.wait_for(r"the desk cannot be found: .*desk\.json cannot be read: Is a directory")
        assert served.get("/login").status_code == 200
    if someone.user is not None:
        command = [someone.python, "-m", "coachsim.cli", "desk", "--desk-file", str(data / "desk.json")]
        environment = os.environ | someone.environment | {"COACHSIM_DATA": "/tmp"}
        done = subprocess.run(
            command, cwd="/", env=environment, capture_output=True, text=True, check=False, **someone.options
        )
        assert done.returncode == 1
        assert "cannot be written to" in done.stderr
        assert done.stderr.count("\n") == 1


def test_options_of_the_desk_that_contradict_are_wrong_use(tmp_path: Path):
    done = cli(tmp_path, "serve", "--no-desk", "--desk-file", "desk.json")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert cli(tmp_path, "desk").returncode == 2
