"""What comes with coachsim besides its code: the dashboards, and a sample floor with its scenarios.

A wheel has these folders inside the package; in a checkout they lie beside it, where people look for them.
"""

from __future__ import annotations

from pathlib import Path

from coachsim.errors import CoachsimError

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder of this name, ``dashboards`` or ``data``. Raises ``CoachsimError`` where it is missing."""
    for place in (_PACKAGE / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise CoachsimError(f"This coachsim has lost its folder {name}, which it comes with. Install it again.")


def scenarios() -> dict[str, Path]:
    """The scenarios that come with coachsim, by name: that of the file, without its ending."""
    return {path.stem: path for path in sorted((folder("data") / "scenarios").glob("*.toml"))}


def scenario(given: Path | str) -> Path:
    """The file that is meant: a name like ``weekday`` means the bundled scenario, anything else is a path.

    A file that is there goes before a bundled one of the same name; that a path leads to a file is not checked.
    """
    path = Path(given)
    return path if path.is_file() else scenarios().get(str(given), path)
