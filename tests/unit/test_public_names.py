"""What ``import coachsim`` and ``coachsim.analysis`` offer: the tables in their docstrings are their ``__all__``."""

from __future__ import annotations

import re

import pytest

import coachsim
from coachsim import analysis


def test_the_docstring_lists_exactly_the_public_names() -> None:
    assert coachsim.__doc__
    listed = re.findall(r"^``(\w+)``", coachsim.__doc__, re.MULTILINE)
    assert sorted(listed) == sorted(coachsim.__all__)


@pytest.mark.parametrize("name", coachsim.__all__)
def test_every_public_name_loads_and_is_documented(name: str) -> None:
    assert getattr(coachsim, name).__doc__
    assert name in dir(coachsim)


def test_the_docstring_of_analysis_lists_exactly_its_questions() -> None:
    assert analysis.__doc__
    assert sorted(re.findall(r"^``(\w+)``", analysis.__doc__, re.MULTILINE)) == sorted(analysis.__all__)
    assert all(getattr(analysis, name).__doc__ for name in analysis.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = coachsim.nothing
