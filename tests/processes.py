"""The processes under a server: found, and whether they still run (Linux)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> set[int]:
    """The processes below a process."""
    found: set[int] = set()
    with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found |= {int(child)} | descendants(int(child))
    return found


def running(pid: int, what: str) -> list[int]:
    """Those below a process that have ``what`` in their command line."""
    found = []
    for each in descendants(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            if what in Path(f"/proc/{each}/cmdline").read_text():
                found.append(each)
    return found


def kernels_of(pid: int) -> list[int]:
    """The kernels under a server."""
    return running(pid, "ipykernel_launcher")


def alive(pid: int) -> bool:
    """Whether a process runs, and is not only waiting to be noticed as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def listens_at(pid: int) -> set[str]:
    """The TCP addresses at which a process listens, as Linux writes them."""
    inodes = {Path(link).readlink().name for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {address for _, address, _, state, *rest in rows if state == "0A" and f"socket:[{rest[5]}]" in inodes}
