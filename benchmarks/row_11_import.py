"""Row 11: importing coachsim, and asking its command line for help, take a small part of what importing pandas takes.

Each run is a new Python with nothing but that to do; what an empty Python takes is in all of them, and is said beside.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from benchmarks.harness import interleaved, line, ms, ratio

HELP = "from coachsim.cli import main; main(['--help'])"


def run(code: str) -> None:
    """Runs it in a new Python."""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    codes = ("import coachsim", HELP, "import pandas", "pass")
    ours, asked, pandas, empty = interleaved(*(partial(run, code) for code in codes), rounds=15)
    note = f"; an empty Python {ms(empty)}"
    print(line("11: import coachsim", ms(ours), f"import pandas {ms(pandas)}", ratio(ours, pandas), 0.2, note))
    print(line("11b: coachsim --help", ms(asked), f"import pandas {ms(pandas)}", ratio(asked, pandas), 0.5, note))


if __name__ == "__main__":
    main()
