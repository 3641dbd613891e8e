"""The processes under a server: found, and whether they still run; whatever ends while it is looked at is not there."""

from __future__ import annotations

import psutil


def descendants(pid: int) -> set[int]:
    """The processes below a process."""
    try:
        return {each.pid for each in psutil.Process(pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def command_of(pid: int) -> str:
    """The command line of a process; empty if it has ended."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return ""


def environment_of(pid: int) -> dict[str, str]:
    """The variables that a process was started with; none if it has ended."""
    try:
        return psutil.Process(pid).environ()
    except psutil.NoSuchProcess:
        return {}


def running(pid: int, what: str) -> list[int]:
    """Those below a process that have ``what`` in their command line."""
    return [each for each in descendants(pid) if what in command_of(each)]


def kernels_of(pid: int) -> list[int]:
    """The kernels under a server."""
    return running(pid, "ipykernel_launcher")


def alive(pid: int) -> bool:
    """Whether a process runs, and is not only waiting to be noticed as ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def listens_at(pid: int) -> set[tuple[str, int]]:
    """The TCP addresses, with their ports, at which a process listens."""
    found = psutil.Process(pid).net_connections("tcp")
    return {tuple(each.laddr) for each in found if each.status == psutil.CONN_LISTEN}
