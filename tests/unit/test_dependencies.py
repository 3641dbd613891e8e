"""What pyproject.toml asks for is what is used: each import has its line there, each line an import or a reason."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Wanted, and imported nowhere in coachsim.
NOT_IMPORTED = {
    "ipykernel": "Voila starts it",
    "tzdata": "zoneinfo reads it",
}
# Imported by coachsim, and wanted only with an extra: what needs it says so.
WITH_AN_EXTRA = {"distributed": "cluster"}
# Run, not imported, by the Makefile, the tests, or whoever opens the notebooks.
TOOLS = {
    "furo": "the look of the documentation that a test makes",
    "hatchling": "builds the wheel that a test installs",
    "jupyterlab": "a test opens the coaching page in it",
    "mypy": "make check",
    "myst-parser": "reads the documentation's Markdown",
    "nbstripout": "make check",
    "pytest-cov": "a plugin of pytest",
    "pytest-timeout": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "ruff": "make check",
}
OURS = {"coachsim", "tests", "benchmarks"}


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, set[str]]:
    """The names of what is wanted: "" for coachsim itself, then by extra."""
    written = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": written["dependencies"], **written["optional-dependencies"]}
    return {extra: {canonicalize_name(Requirement(one).name) for one in group} for extra, group in groups.items()}


def imported(folder: Path) -> Iterator[str]:
    """The distributions that the modules in a folder import from, anywhere in them."""
    providers = packages_distributions()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in {name.split(".")[0] for name in names} - OURS - sys.stdlib_module_names:
                yield from map(canonicalize_name, providers.get(top, [top]))


def test_coachsim_asks_for_what_it_imports_and_for_nothing_else(repository: Path, project: dict[str, set[str]]) -> None:
    used = set(imported(repository / "coachsim"))
    assert used - WITH_AN_EXTRA.keys() == project[""] - NOT_IMPORTED.keys()
    assert used >= WITH_AN_EXTRA.keys()
    for name, extra in WITH_AN_EXTRA.items():
        assert name in project[extra]
    assert not used & NOT_IMPORTED.keys()


def test_the_tests_ask_for_what_they_import_and_for_nothing_else(
    repository: Path, project: dict[str, set[str]]
) -> None:
    used = {name for folder in ("tests", "benchmarks") for name in imported(repository / folder)}
    own = {name for name in used if not any(name in project[extra] for extra in ("", "test"))}
    assert own <= {"pydantic-core"}  # of pydantic, which has no other name for what it holds
    assert project["test"] - used == TOOLS.keys()
    assert not project["test"] & project[""]
