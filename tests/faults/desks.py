"""Trouble behind the front door, with the coaching page: it must not reach the agents."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.faults.site import SENDERS, Site
from tests.processes import alive, descendants, kernels_of, running
from tests.server.desks import KERNEL, PAGE
from tests.serving import until

_RENDER_S = 120.0


def voila_killed(site: Site, number: int) -> float:
    """Voila is killed: messages go on at once, its kernels end by themselves, and it is started again."""
    with _desk(site), site.served.browser(SENDERS[0]) as browser:
        _open(browser)
        (voila,) = running(site.served.process.pid, "desk_child")
        kernels = kernels_of(site.served.process.pid)
        assert kernels
        os.kill(voila, signal.SIGKILL)
        killed = time.monotonic()
        site.load.acknowledged(20)
        seconds = site.recovered(killed)
        site.load.resume()
        until(lambda: not any(alive(pid) for pid in kernels), "the kernels have ended with Voila")
        site.served.wait_for(r"(?s)the desk is ready.*the desk is ready")
        _open(browser)
    return seconds


def kernel_hangs(site: Site, number: int) -> float:
    """A kernel stands still with its page open: everybody else goes on, others open the page; then it is closed."""
    with _desk(site), site.served.browser(SENDERS[0]) as one, site.served.browser(SENDERS[1]) as other:
        kernel = _open(one)
        (hung,) = kernels_of(site.served.process.pid)
        os.kill(hung, signal.SIGSTOP)
        site.load.acknowledged(20)
        _open(other)
        closed = time.monotonic()
        assert one.post(f"/desk/voila/api/shutdown/{kernel}", timeout=_RENDER_S).is_success
        until(lambda: not alive(hung), "the kernel that hangs is ended when its page is closed")
        seconds = site.recovered(closed)
        site.load.resume()
        os.kill(kernels_of(site.served.process.pid)[0], signal.SIGSTOP)  # and one hangs when the server is stopped
    return seconds


def _open(browser: httpx.Client) -> str:
    """Opens the coaching page; returns its kernel."""
    answer = browser.get(PAGE, timeout=_RENDER_S)
    found = KERNEL.search(answer.content)
    assert answer.status_code == 200 and found is not None, f"{answer.status_code}: {answer.text[:500]}"
    return found[1].decode()


@contextmanager
def _desk(site: Site) -> Iterator[None]:
    """The server has a desk for a while: without one, the many restarts of the other faults are quicker."""
    site.stop()
    site.start(desk=True)
    site.load.acknowledged(20)
    yield
    below = descendants(site.served.process.pid)
    site.stop()
    until(lambda: not any(alive(pid) for pid in below), "all of the desk has ended with the server")
    site.start()
