"""Which scenarios the what-if page offers: the TOML files of its folders, by the name that each gives itself."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coachsim import bundled

VARIABLE = "COACHSIM_SCENARIOS"
"""The environment variable in which a server names its folders to the pages, as ``PATH`` names its own."""
FIRST = "weekday.toml"


@dataclass(frozen=True, slots=True)
class Offer:
    """One scenario file; ``name`` is its own, or the file's where that cannot be read."""

    path: Path
    name: str


def folders(given: Path | str | None = None) -> list[Path]:
    """Where to look: the folder given, else those that the server names, and that of the bundled ones."""
    if given is not None:
        return [Path(given)]
    named = [Path(each) for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
    return [*named, bundled.folder("data") / "scenarios"]


def offers(where: Sequence[Path]) -> list[Offer]:
    """The scenarios there, each file once: the ordinary weekday first, then by name."""
    paths = {path.resolve(): path for folder in where for path in sorted(folder.glob("*.toml"))}
    found = [Offer(path, _name(path)) for path in paths]
    return sorted(found, key=lambda offer: (offer.path.name != FIRST, offer.name.casefold(), offer.path))


def _name(path: Path) -> str:
    try:
        name = tomllib.loads(path.read_text(encoding="utf-8")).get("name")
    except (OSError, ValueError, RecursionError):
        name = None  # what is wrong with it is said when it is chosen
    return name if isinstance(name, str) and name.strip() else path.name
