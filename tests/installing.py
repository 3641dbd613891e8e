"""coachsim as others have it: a wheel, installed with what it asks for and nothing else, and no source tree near it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def build(repository: Path, folder: Path, target: str = "wheel") -> Path:
    """Builds the wheel (or ``target`` "sdist") of a source tree into an empty folder; returns its path."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=repository, check=True, capture_output=True, timeout=60)
    (built,) = folder.glob("coachsim-*")
    return built


def install(wheel: Path, folder: Path, dependencies: Iterable[str]) -> Path:
    """Makes a virtual environment with the wheel in it; returns its Python.

    Nothing is fetched. ``dependencies`` and what they need in turn are lent by the environment of the tests: files of
    theirs are linked, so that a package which nobody asks for is not there, and neither is this source tree.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    for each in closure(dependencies):
        for file in each.files or []:
            _link(Path(str(each.locate_file("."))), file, packages)
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        command += ["--disable-pip-version-check", "--no-index"]
    else:  # an environment that uv has made
        command = ["uv", "pip", "install", "--quiet", "--python", str(python), "--offline", "--no-index"]
    # Both look whether every dependency is there, in a version that the wheel says it can use.
    subprocess.run([*command, str(wheel)], check=True, timeout=120)
    return python


def closure(wanted: Iterable[str]) -> Iterator[metadata.Distribution]:
    """The distributions that requirements come to here, each once."""
    waiting, seen = [Requirement(each) for each in wanted], set()
    while waiting:
        one = waiting.pop()
        extras = ("", *sorted(one.extras))
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(one.name)
        if (name, extras) in seen:
            continue
        found = metadata.distribution(name)
        if not any(name == other for other, _ in seen):
            yield found
        seen.add((name, extras))
        for need in map(Requirement, found.requires or []):
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
                need.marker = None
                waiting.append(need)


def _link(source: Path, file: metadata.PackagePath, packages: Path) -> None:
    """Links a file of a package: by its package's folder, or, where it lies in the environment's ``share``, alone."""
    first, *rest = file.parts
    if first != "..":
        if first != "__pycache__" and not (packages / first).exists():
            (packages / first).symlink_to(source / first)
    elif "share" in rest or "etc" in rest:
        there = packages / file
        there.parent.resolve().mkdir(parents=True, exist_ok=True)
        there.symlink_to((source / file).resolve())
