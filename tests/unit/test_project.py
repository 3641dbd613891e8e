"""The project as a whole: what is committed, what is packaged, and that the papers agree with the code."""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
import zipfile
from dataclasses import fields
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from coachsim import MessageLog, roster
from coachsim.log import LogWriter
from coachsim.settings import Settings
from tests.installing import build

# What a browser gets. Text for people may link to the outside; nothing here may load from it.
PAGES = ("coachsim/web", "coachsim/pages", "coachsim/server/static", "coachsim/server/templates", "dashboards")
PAGE_FILES = {".html", ".j2", ".css", ".js", ".mjs", ".vue", ".svg", ".ipynb"}
HARMLESS = re.compile(r"https?://(www\.w3\.org/|127\.0\.0\.1|localhost)")


def files_of_pages(repository: Path) -> list[Path]:
    found = [path for folder in PAGES for path in (repository / folder).rglob("*") if path.suffix in PAGE_FILES]
    return [path for path in found if ".ipynb_checkpoints" not in path.parts]


def test_pages_load_nothing_from_outside(repository: Path) -> None:
    files = files_of_pages(repository)
    assert {path.suffix for path in files} >= {".html", ".css", ".js", ".vue"}
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for address in re.findall(r"https?://\S*|(?:src|href)=[\"']//\S*|url\([\"']?//\S*", line):
                assert HARMLESS.match(address), f"{path.relative_to(repository)}, line {number}: {address}"


def test_notebooks_are_committed_without_outputs(repository: Path) -> None:
    for path in (path for folder in ("dashboards", "notebooks") for path in (repository / folder).rglob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if ".ipynb_checkpoints" not in path.parts:
                assert not cell.get("outputs") and cell.get("execution_count") is None, path.name


def pinned(repository: Path) -> dict[str, str]:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line), f"not a name and an exact version: {line!r}"
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert len(pins) == len(lines)
    return pins


def test_constraints_are_exact_versions_of_everything_that_gets_installed(repository: Path) -> None:
    pins = pinned(repository)
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [wanted for group in project["optional-dependencies"].values() for wanted in group]
    waiting, seen = [Requirement(wanted) for wanted in [*project["dependencies"], *extras]], set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        assert name in pins, f"{name} has no exact version in constraints.txt"
        assert wanted.specifier.contains(pins[name], prereleases=True), f"{name}=={pins[name]} does not fit {wanted}"
        if (name, *sorted(wanted.extras)) in seen:
            continue
        seen.add((name, *sorted(wanted.extras)))
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of an extra that is not installed here
            continue
        for need in map(Requirement, needs):
            if need.marker is None or any(need.marker.evaluate({"extra": each}) for each in ("", *wanted.extras)):
                waiting.append(need)


def test_the_wheel_has_the_pages_and_everything_else_that_is_no_python(repository: Path, tmp_path: Path) -> None:
    packed = packed_in(build(repository, tmp_path))
    there = {
        path.relative_to(repository).as_posix()
        for path in (repository / "coachsim").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    beside = [repository / "data" / "README.md", repository / "data" / "roster.csv"]
    beside += [*(repository / "dashboards").glob("*.ipynb"), *(repository / "data" / "scenarios").glob("*.toml")]
    assert packed == there | {f"coachsim/{path.relative_to(repository).as_posix()}" for path in beside}
    assert {"coachsim/log/schema.sql", "coachsim/py.typed", "coachsim/web/site.css"} <= packed
    assert {"coachsim/dashboards/coaching.ipynb", "coachsim/data/scenarios/weekday.toml"} <= packed
    assert {Path(name).suffix for name in packed} >= {".py", ".sql", ".html", ".css", ".js", ".vue"}


def test_a_wheel_can_be_built_from_the_source_archive_and_is_the_same(repository: Path, tmp_path: Path) -> None:
    with tarfile.open(build(repository, tmp_path / "archive", "sdist")) as archive:
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4 on
        archive.extractall(tmp_path / "source", **safe)
    (source,) = (tmp_path / "source").iterdir()
    ours, others = build(repository, tmp_path / "ours"), build(source, tmp_path / "others")
    assert packed_in(ours) == packed_in(others)
    for name in (
        "Makefile",
        "constraints.txt",
        "tests/unit/test_project.py",
        "docs/operations/nginx.conf",
        "notebooks",
    ):
        assert (source / name).exists(), name


def packed_in(wheel: Path) -> set[str]:
    """The files of the package in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if name.startswith("coachsim/")}


@pytest.mark.parametrize("paper", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_papers_link_only_to_files_that_exist(repository: Path, paper: str) -> None:
    text = (repository / paper).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert link.startswith("http") or (repository / link).exists(), f"{paper} links to {link}"


def test_contributing_names_files_that_exist(repository: Path) -> None:
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/*]+\.(?:py|sql|toml|yaml))`", text)
    assert len(named) > 40
    for name in named:
        name = name.replace("NAME", "*")
        assert any(repository.glob(name)) or any(
            any((repository / folder).rglob(name)) for folder in ("coachsim", "tests", "data")
        ), f"CONTRIBUTING.md names {name}"


def test_the_data_dictionary_has_every_column_setting_and_table(repository: Path, tmp_path: Path) -> None:
    text = (repository / "data" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", text, re.MULTILINE))
    assert set(roster.COLUMNS) <= rows.keys()
    for field in fields(Settings):
        assert field.name in rows
    defaults = Settings(time_zone="UTC")
    for name in ("site", "floor_name", "clear_down", "disconnect_after_s", "toast_seconds"):
        assert f"| `{json.dumps(getattr(defaults, name))}` |" in rows[name]
    LogWriter.open(tmp_path / "log.duckdb").close()
    with MessageLog.open(tmp_path / "log.duckdb") as log:
        for table in ("deliveries", "messages", "state_changes", "agents", "agent_versions", "days", "run", "audit"):
            assert re.findall(r"`(\w+)`", rows[table]) == list(log.sql(f"FROM {table}").columns), table
