"""How much one caller may ask of the server: requests a second, bytes in a body, open streams, open files.

The limits are far above what pages and people do. They are there so that one script that runs wild, or one stranger,
does not slow the floor down for all the others.
"""

from __future__ import annotations

import logging
import math
import resource
import time
from collections import OrderedDict
from collections.abc import Callable

from coachsim.errors import TooManyRequests

BURST_S = 10
"""So many seconds' worth of requests may come at once, after as long a silence."""
MOST_ROSTER = 10 << 20
MOST_JSON = 1 << 20  # a message to 15,000 agents whose ids are as long as can be
MOST_FORM = 64 << 10
MOST_READ = 64 << 20
"""Of a body that is too large so much is read and thrown away, so that the caller gets to see why it was refused."""
FILES_BESIDE = 500
"""Open files that are no agents' streams: requests under way, supervisors, the desk, the log."""
_MOST_KEYS = 50_000
_logger = logging.getLogger(__name__)


class Rates:
    """Counts the requests of each account, and of each address that is not signed in.

    ``per_second`` requests a second are taken for good, and ``BURST_S`` times as many at once. In memory; one number
    for each caller: the moment at which nothing of what they asked counts any more.
    """

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._each = 1 / per_second
        self._clock = clock
        self._forgotten_at: OrderedDict[str, float] = OrderedDict()

    def count(self, caller: str) -> None:
        """One more request; raises ``TooManyRequests`` (and does not count it) where it is one too many."""
        moment = self._clock()
        forgotten_at = max(moment, self._forgotten_at.get(caller, moment)) + self._each
        if (over := forgotten_at - moment - BURST_S) > 1e-9:
            wait = math.ceil(over)
            raise TooManyRequests(
                f"Too many requests in a short time. Try again in {wait} {'second' if wait == 1 else 'seconds'}.",
                retry_after=wait,
            )
        self._forgotten_at[caller] = forgotten_at
        self._forgotten_at.move_to_end(caller)
        if len(self._forgotten_at) > _MOST_KEYS:
            self._forgotten_at.popitem(last=False)


def most_bytes(path: str) -> int:
    """How long the body of a request to this address may be."""
    if path == "/api/roster":
        return MOST_ROSTER
    return MOST_JSON if path.startswith("/api/") else MOST_FORM


def allow_open_files(agents: int) -> None:
    """Lets this process open enough files for a page or two of each agent; says so where the system does not."""
    wanted = agents + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2 * wanted if hard == resource.RLIM_INFINITY else min(2 * wanted, hard)
    if most > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if max(most, soft) < wanted:
        _logger.warning(
            "The system allows this server %d open files, too few for a page of each of %d agents. Allow %d or more:"
            " LimitNOFILE= in a systemd unit, or 'ulimit -n' before the start.",
            hard,
            agents,
            wanted,
        )
