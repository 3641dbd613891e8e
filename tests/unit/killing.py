"""Kills: a process of its own does some work on each of several folders, and is killed at a change to its files."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

_PROGRAM = """
import os, signal, sys
from pathlib import Path
import duckdb, pyarrow.parquet  # before the processes part, so that each begins at once
from coachsim.log import LogWriter
{imports}
CHANGES = {{"os.mkdir", "os.rename", "os.rmdir", "os.remove", "shutil.rmtree", "open"}}

def work(folder, at):
    left = at
    def count(event, arguments):
        nonlocal left
        if event in CHANGES and "archive" in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    with LogWriter.open(folder / "log.duckdb") as writer:
        sys.addaudithook(count)
{work}
for folder in sorted(Path(sys.argv[1]).iterdir(), key=lambda path: int(path.name)):
    child = os.fork()
    if child == 0:
        work(folder, int(folder.name))
        os._exit(0)
    print(folder.name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def killed_at_changes(folders: Path, imports: str, work: str) -> dict[str, str]:
    """Does ``work`` (code that has ``writer`` and ``folder``) on each of ``folders``, whose names are numbers.

    In the folder named N the process is killed at its N-th change to the archive. The answer has how each ended: "-9"
    for a kill, "0" where there were fewer changes.
    """
    program = _PROGRAM.format(imports=imports, work=textwrap.indent(work.strip(), " " * 8))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(folders)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())
