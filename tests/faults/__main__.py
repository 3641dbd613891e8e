"""``make soak``: every wrong that a site may do to a server, done to a real one under load, as a table."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from tests.faults.faults import FAULTS
from tests.faults.soak import HEADER, Soak

_KILLS, _TIMES = 50, 4
_WIDTHS = (34, 5, 12, 4, 5, 14, 15, 16)


def main(argv: list[str] | None = None) -> int:
    """Runs the soak; 0 if everything held, else 1, and the floors are kept to be looked at."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=_KILLS, help=f"how often the server is killed ({_KILLS})")
    parser.add_argument("--times", type=int, default=_TIMES, help=f"how often each other fault is done ({_TIMES})")
    parser.add_argument("--agents", type=int, default=24, help="agents at work (24)")
    parser.add_argument("--only", default="", help="faults with this in their name")
    parser.add_argument("--seed", type=int, default=1, help="another draw of what people do and when a fault comes (1)")
    parser.add_argument("--folder", type=Path, help="where the floors lie: a disk to try (a temporary folder)")
    told = parser.parse_args(argv)
    faults = [fault for fault in FAULTS if told.only.lower() in fault.name.lower()]
    if not faults:
        parser.error(f"no fault is called {told.only!r}; there are {', '.join(fault.name for fault in FAULTS)}")
    held = True
    folder = Path(tempfile.mkdtemp(prefix="coachsim-soak-", dir=told.folder))
    soak = Soak(folder, agents=told.agents, seed=told.seed)
    _print(HEADER)
    try:
        for fault in faults:
            times = told.kills if fault is FAULTS[0] else told.times
            row = soak.bear(fault, tqdm(range(times), desc=fault.name, leave=False, disable=None))
            _print(row.cells())
            for sentence in row.words:
                print(f"  {sentence}", file=sys.stderr, flush=True)
            held = held and not row.words
    finally:
        soak.close()
    if held:
        shutil.rmtree(folder)
        return 0
    print(f"The floors that did not hold are kept in {folder}.", file=sys.stderr)
    return 1


def _print(cells: tuple[str, ...]) -> None:
    first, *others = zip(cells, _WIDTHS, strict=True)
    print(first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others), sep="  ", flush=True)


if __name__ == "__main__":
    sys.exit(main())
