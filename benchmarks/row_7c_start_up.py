"""Row 7c: a floor opens a log with a year of closed days about as fast as one with a single closed day.

Both logs have the same open day of 1,000 agents, nearly over, which is rebuilt from its events; what a start takes
should depend on that, not on how long the site has been in use. Opening includes the checks of the file, the rebuilt
floor and the first commit.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path

from benchmarks import big_log
from benchmarks.harness import interleaved, line, ms, peak_mb, ratio, start_peak
from coachsim.clock import PacedClock
from coachsim.host import FloorHost
from coachsim.log import LOG_FILE, Run
from coachsim.log.writer import LogWriter
from coachsim.settings import Settings

DAYS = 365


def main() -> None:
    settings = Settings(time_zone=big_log.TIME_ZONE)
    with tempfile.TemporaryDirectory() as folder:
        short, long = (Path(folder) / name for name in ("short", "long"))
        for data in (short, long):
            data.mkdir()
        rows = big_log.make(short / LOG_FILE, 1)
        of_a_day = _closed(short)
        many = big_log.make(long / LOG_FILE, DAYS * of_a_day)

        async def open_and_close(data: Path) -> None:
            host = await FloorHost.open(data, settings, clock=PacedClock, run=Run(kind="simulated"))
            await host.close()

        start_peak()
        year, one = interleaved(
            lambda: asyncio.run(open_and_close(long)), lambda: asyncio.run(open_and_close(short)), rounds=7
        )
        log = long / LOG_FILE
        size = log.stat().st_size / 1e6
        claim = f"7c: a floor's start on a year ({DAYS} closed days, {many:,} deliveries, {size:,.0f} MB)"
        longer = 1e3 * (statistics.median(year) - statistics.median(one))
        note = f"; {longer:,.0f} ms more for {DAYS - 1} days, peak {peak_mb():,.0f} MB"
        print(line(claim, ms(year), f"one closed day ({rows:,}) {ms(one)}", ratio(year, one), 2.0, note), flush=True)


def _closed(data: Path) -> int:
    with LogWriter.open(data / LOG_FILE) as writer:
        cursor = writer.cursor()
        ((count,),) = cursor.execute("SELECT count(*) FROM closed_deliveries").fetchall()
        cursor.close()
    return int(count)


if __name__ == "__main__":
    main()
