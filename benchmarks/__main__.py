"""Runs every benchmark in a process of its own and prints one table. Names as arguments choose some."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.harness import HEADER


def main(wanted: list[str]) -> int:
    """Runs those whose name contains one of ``wanted``, or all; the exit code is 1 if one could not run."""
    files = sorted(Path(__file__).parent.glob("row_*.py"))
    chosen = [path.stem for path in files if not wanted or any(word in path.stem for word in wanted)]
    if not chosen:
        there = ", ".join(path.stem for path in files)
        print(f"No benchmark has that in its name. There are {there}.", file=sys.stderr)
        return 2
    print(HEADER, flush=True)
    failed = False
    for name in chosen:
        failed |= bool(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
