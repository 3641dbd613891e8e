"""A full disk: a small file system that is filled where one can be mounted, else a limit on the size of files."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.site import SENDERS, Site
from tests.serving import PASSWORD, until

_SPARE = 24 << 20


def full(site: Site, number: int) -> float:
    """The disk is full for a while: nothing is taken, all are told so, and afterwards what was asked goes through.

    Every other time it is a limit on the size of the server's files, which needs no rights.
    """
    if number % 2 == 0 and os.geteuid() == 0 and _can_mount(site.folder):
        with _small_file_system(site):
            return _filled(site, killed=number % 4 == 2)
    return _limited(site)


def _limited(site: Site) -> float:
    beside = site.log.with_name(site.log.name + ".wal")
    room = site.chance.randint(0, 4_000)
    process = site.served.process.pid
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    limit = (beside.stat().st_size if beside.exists() else 0) + room
    resource.prlimit(process, resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        _bear(site)
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)
    return site.recovered(time.monotonic())


def _filled(site: Site, *, killed: bool) -> float:
    ballast = site.data / "ballast"
    _fill(ballast)
    _bear(site)
    if killed:
        site.kill()
        assert "free space" in site.refused()
    ballast.unlink()
    emptied = time.monotonic()
    if killed:
        site.start()
    return site.recovered(emptied)


def _bear(site: Site) -> None:
    """What has to be so while the disk is full."""
    until(site.faults, "the server says that its disk is full")
    with site.served.client(SENDERS[0], token=site.tokens[SENDERS[0]]) as client:
        message = {"audience": {"everyone": True}, "body": "Does it fit?", "request_id": f"full-{time.monotonic_ns()}"}
        answer = client.post("/api/messages", json=message)
        assert answer.status_code == 503 and "free space" in answer.json()["error"]["message"], answer.text
        assert client.get("/api/messages").status_code == 200, "what is there can be read all the same"
    with site.served.browser() as browser:
        answer = browser.post("/login", data={"username": SENDERS[0], "password": PASSWORD})
    assert answer.status_code in (303, 503), f"a sign-in on a full disk: {answer.status_code} {answer.text}"


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


def _can_mount(folder: Path) -> bool:
    trial = folder / "trial"
    trial.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(trial)], capture_output=True)
    if done.returncode == 0:
        subprocess.run(["umount", str(trial)], check=True)
    return done.returncode == 0


@contextmanager
def _small_file_system(site: Site) -> Iterator[None]:
    """The floor's folder lies on a file system of its own for a while; the server is started again for both moves."""
    aside = site.folder / "aside"

    def moved(*commands: list[str]) -> None:
        site.stop()
        shutil.copytree(site.data, aside)
        for command in commands:
            subprocess.run(command, check=True)
        shutil.copytree(aside, site.data, dirs_exist_ok=True)
        shutil.rmtree(aside)
        site.start()

    size = sum(path.stat().st_size for path in site.data.rglob("*") if path.is_file()) + _SPARE
    moved(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(site.data)])
    try:
        site.load.acknowledged(20)
        yield
        moved(["umount", str(site.data)])
    finally:
        if os.path.ismount(site.data):
            subprocess.run(["umount", "--lazy", str(site.data)], check=True)
