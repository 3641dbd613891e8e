"""The faults. Each is done to a site under load, says whether the server bore it as it should, and ends.

A fault returns how many seconds the site took to recover, from the moment at which its cause was gone.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults import clocks, desks, disks
from tests.faults.site import SENDERS, Site

_HOLDER = """
import sys
from coachsim.log import LogWriter
with LogWriter.open(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
_LONG = "\N{GRINNING FACE}" * 950  # 11 kB on the line


@dataclass(frozen=True, slots=True)
class Fault:
    """``does`` is given the site and which time this is (0, 1, …)."""

    name: str
    does: Callable[[Site, int], float]


def kill(site: Site, number: int) -> float:
    """The server is killed at any moment, and started again."""
    site.kill()
    killed = time.monotonic()
    site.start()
    return site.recovered(killed)


def second_process(site: Site, number: int) -> float:
    """Another server is started on the folder; then another process has the log when the server is to come back."""
    assert "in use by another process" in site.refused()
    site.load.acknowledged(10)
    site.kill()
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(site.log)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        assert "in use by another process" in site.refused()
        holder.stdin.close()
    gone = time.monotonic()
    site.start()
    return site.recovered(gone)


def truncated(site: Site, number: int) -> float:
    """The end of the log is gone when the server is to start: it is refused and left alone. Then it is put back."""
    if number % 2:
        site.kill()
    else:
        site.stop()
    whole = site.log.read_bytes()
    beside = {path: path.read_bytes() for path in site.data.glob(site.log.name + ".*")}
    cut = whole[: int(len(whole) * site.chance.uniform(0.0, 0.999))]
    site.log.write_bytes(cut)
    assert "backup" in site.refused()
    assert site.log.read_bytes() == cut, "the damaged log was changed"
    assert {path: path.read_bytes() for path in beside} == beside
    site.log.write_bytes(whole)
    mended = time.monotonic()
    site.start()
    return site.recovered(mended)


def deaf_page(site: Site, number: int) -> float:
    """A browser stops reading its stream. It is dropped, the others go on; then it reads again."""
    deaf = site.chance.choice(list(site.load.pages))
    site.load.stop_reading(deaf)
    # Not how many there are: another page's may be on its way back.
    dropped = site.metric("coachsim_streams_dropped_total")
    for _ in range(400):
        site.load.send(SENDERS[-1], {"agents": [deaf]}, _LONG)
        if site.metric("coachsim_streams_dropped_total") > dropped:
            break
    else:
        raise AssertionError("the stream that nobody reads was kept")
    site.load.acknowledged(20)
    heard = time.monotonic()
    site.load.go_on_reading(deaf)
    return site.recovered(heard)


FAULTS = (
    Fault("kill -9", kill),
    Fault("disk full", disks.full),
    Fault("log held by another process", second_process),
    Fault("log cut short", truncated),
    Fault("clock set across the clear-down", clocks.set_across_the_night),
    Fault("Voila killed", desks.voila_killed),
    Fault("kernel hangs", desks.kernel_hangs),
    Fault("browser stops reading", deaf_page),
)
