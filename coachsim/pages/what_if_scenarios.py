"""Which scenarios the what-if page offers: the TOML files of its folders, by name, and the floor of its server."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coachsim import bundled

if TYPE_CHECKING:
    from coachsim.models import Agent
    from coachsim.scenario import Scenario

VARIABLE = "COACHSIM_SCENARIOS"
"""The environment variable in which a server names its folders to the pages, as ``PATH`` names its own."""
FIRST = "weekday.toml"
TODAY = "Today's floor"
"""What the floor of the server is called among the scenarios."""
ASSUMED = (
    "How people notice and read. These numbers are assumptions, not measurements, until they are fitted to a log of"
    " your own floor."
)

SILENT = (
    "This scenario sends no message, so there is nothing to read or to miss. Choose another, or add a message to its"
    " file."
)


@dataclass(frozen=True, slots=True)
class Offer:
    """A scenario to choose: a file, under its own name or the file's where that cannot be read.

    Without a ``path`` it is the floor of the server.
    """

    path: Path | None
    name: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A scenario with the ``agents`` of its floor. ``about`` says what it stands on, ``attention`` what its numbers of
    that do, ``silent`` what to do where it sends nothing; ``roster`` is a roster file that it needs and that is nowhere
    yet."""

    scenario: Scenario
    agents: tuple[Agent, ...]
    about: str
    attention: str = ASSUMED
    roster: str | None = None
    silent: str = SILENT


def folders(given: Path | str | None = None) -> list[Path]:
    """Where to look: the folder given, else those that the server names, and that of the bundled ones."""
    if given is not None:
        return [Path(given)]
    named = [Path(each) for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
    return [*named, bundled.folder("data") / "scenarios"]


def connected() -> bool:
    """Whether this is the kernel of a page of a server, which knows whose it is."""
    return bool(os.environ.get("COACHSIM_URL") and os.environ.get("HTTP_X_COACH_TICKET"))


def opened(given: Scenario | Path) -> Opened:
    """A scenario, or the one in a file, with the agents of its floor. Raises ``ScenarioError``, ``RosterError``."""
    from coachsim.plan import floor_of
    from coachsim.scenario import Scenario

    scenario = given if isinstance(given, Scenario) else Scenario.load(given)
    return Opened(scenario, tuple(floor_of(scenario)), scenario.description)


def offers(where: Sequence[Path]) -> list[Offer]:
    """The scenarios there, each file once: the ordinary weekday first, then by name; last the floor of the server."""
    paths = {path.resolve(): path for folder in where for path in sorted(folder.glob("*.toml"))}
    names = {path: _name(path) for path in paths}
    ordered = sorted(paths, key=lambda path: (path.name != FIRST, names[path].casefold(), path))
    found = [Offer(path, names[path]) for path in ordered]
    # It comes last: the first is opened by itself, and this one takes a while.
    return [*found, Offer(None, TODAY)] if connected() else found


def _name(path: Path) -> str:
    try:
        name = tomllib.loads(path.read_text(encoding="utf-8")).get("name")
    except (OSError, ValueError, RecursionError):
        name = None  # what is wrong with it is said when it is chosen
    return name if isinstance(name, str) and name.strip() else path.name
