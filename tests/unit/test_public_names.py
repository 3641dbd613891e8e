"""What ``import coachsim`` and ``coachsim.analysis`` offer: the tables in their docstrings, and their examples."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import coachsim
from coachsim import analysis
from coachsim.pages.page import Page
from coachsim.remote import RemoteClient
from tests.unit.analysis_logs import PaperFloor, log_of

# What an example may take as there: all that coachsim gives, and a server's token.
KNOWN = {name: getattr(coachsim, name) for name in coachsim.__all__} | {"RemoteClient": RemoteClient, "token": "secret"}
WITH_A_LOG_OF_THEIR_OWN = ("fit", "scenario_of")  # test_fitting.py and test_scenario_of.py run theirs
FLAGS = doctest.REPORT_NDIFF | doctest.NORMALIZE_WHITESPACE


def test_the_docstring_lists_exactly_the_public_names() -> None:
    assert coachsim.__doc__
    listed = re.findall(r"^``(\w+)``", coachsim.__doc__, re.MULTILINE)
    assert sorted(listed) == sorted(coachsim.__all__)


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a log in data/live."""
    floor = PaperFloor()
    floor.night()
    (tmp_path / "data" / "live").mkdir(parents=True)
    with log_of(tmp_path / "data" / "live", floor.events):
        pass
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", coachsim.__all__)
async def test_every_public_name_has_an_example_that_gives_what_it_says(name: str, folder: Path) -> None:
    assert name in dir(coachsim)
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(coachsim, name), name, globs=dict(KNOWN))
    assert example.examples
    if name in WITH_A_LOG_OF_THEIR_OWN:
        return
    assert doctest.DocTestRunner(optionflags=FLAGS).run(example).failed == 0
    for made in example.globs.values():
        if isinstance(made, Page) and made not in KNOWN.values():
            await made.close_page()
            made.close()


def test_the_docstring_of_analysis_lists_exactly_its_questions() -> None:
    assert analysis.__doc__
    assert sorted(re.findall(r"^``(\w+)``", analysis.__doc__, re.MULTILINE)) == sorted(analysis.__all__)
    assert all(getattr(analysis, name).__doc__ for name in analysis.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = coachsim.nothing
