"""Fixtures of the server's tests: one server for a module's tests that leave it as it was, or one of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Served, add_everybody, serve


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A floor's folder with an account of each kind."""
    folder = tmp_path / "floor"
    add_everybody(folder)
    return folder


@pytest.fixture
def served(data: Path) -> Iterator[Served]:
    """A server of the test's own."""
    with serve(data) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for all tests of a module."""
    folder = tmp_path_factory.mktemp("floor")
    add_everybody(folder)
    with serve(folder) as running:
        yield running
