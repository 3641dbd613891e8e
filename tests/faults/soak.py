"""Faults done to a site one after the other, and a line of a table for each kind."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.checks import Findings, look
from tests.faults.faults import Fault
from tests.faults.site import Site

HEADER = ("fault", "times", "acknowledged", "lost", "twice", "state = replay", "pages caught up", "slowest recovery")


@dataclass(slots=True)
class Row:
    """What became of one kind of fault."""

    fault: Fault
    findings: Findings = field(default_factory=Findings)
    times: int = 0
    acknowledged: int = 0
    slowest_s: float = 0.0

    @property
    def words(self) -> list[str]:
        """What was wrong; empty where all was well."""
        return self.findings.words

    def cells(self) -> tuple[str, ...]:
        """The line of the table."""
        found = self.findings
        return (
            self.fault.name,
            f"{self.times}",
            f"{self.acknowledged:,}",
            f"{found.lost}",
            f"{found.twice}",
            f"{found.replays} of {found.looks}",
            f"{found.pages_current} of {found.pages}",
            f"{self.slowest_s:.1f} s" + ("  FAILED" if self.words else ""),
        )


class Soak:
    """A site that bears one fault after the other; a new one where it did not bear one. ``close`` ends it."""

    def __init__(self, folder: Path, *, agents: int, seed: int) -> None:
        self._folder = folder
        self._agents = agents
        self._seed = seed
        self._sites = 0
        self._site: Site | None = None

    def bear(self, fault: Fault, times: Iterable[int]) -> Row:
        """Does the fault to the site under load so many times, and looks at everything after each."""
        row = Row(fault)
        for number in times:
            try:
                site = self._ready()
                before = site.load.ledger.acknowledged
                site.load.acknowledged(site.chance.randint(20, 80))
                row.slowest_s = max(row.slowest_s, fault.does(site, number))
                site.gather()
                look(site, row.findings)
                row.times += 1
                row.acknowledged += site.load.ledger.acknowledged - before
                site.load.resume()
            except Exception:
                said = traceback.format_exc().strip()
                row.words.append(f"time {number + 1}, in {self._folder}/{self._sites}: {said}")
            if row.words:
                self.close()
                break
        return row

    def _ready(self) -> Site:
        if self._site is None:
            self._sites += 1
            site = Site(self._folder / f"{self._sites}", agents=self._agents, seed=self._seed + self._sites)
            self._site = site.__enter__()
        return self._site

    def close(self) -> None:
        """Ends the server and the load."""
        if self._site is not None:
            site, self._site = self._site, None
            site.__exit__()
