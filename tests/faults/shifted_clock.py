"""coachsim with a wall clock that a file moves: ``python shifted_clock.py FILE serve …``.

The file holds how far the wall clock is ahead of the machine's, in ns, and is read at every look; the clocks that
nobody can set go on as they are. So a server in a process of its own sees what it would see if somebody set the clock
of its machine.
"""

from __future__ import annotations

import mmap
import struct
import sys
import time
from pathlib import Path

_AHEAD = struct.Struct("q")


class ShiftedClock:
    """The file, as the one who moves the clock has it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(_AHEAD.pack(0))

    @property
    def program(self) -> tuple[str, str]:
        """What Python runs to start a server by this clock; ``serve`` takes it."""
        return __file__, str(self.path)

    @property
    def ahead(self) -> int:
        """How far the server's clock is ahead of the machine's, in µs."""
        return int(_AHEAD.unpack(self.path.read_bytes())[0]) // 1_000

    def set(self, ahead: int) -> None:
        """Sets the server's clock so many µs ahead of the machine's."""
        with self.path.open("r+b") as file:
            file.write(_AHEAD.pack(ahead * 1_000))

    def wall(self) -> int:
        """What the server's clock shows, in µs since the Unix epoch."""
        return time.time_ns() // 1_000 + self.ahead


def _shift(path: Path) -> None:
    with path.open("rb") as file:
        ahead = mmap.mmap(file.fileno(), _AHEAD.size, access=mmap.ACCESS_READ)
    real = time.time_ns

    def time_ns() -> int:
        return real() + int(_AHEAD.unpack(ahead)[0])

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


if __name__ == "__main__":
    _shift(Path(sys.argv[1]))
    from coachsim.cli import main

    sys.exit(main(sys.argv[2:]))
