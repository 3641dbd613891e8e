"""Fixtures of the server's tests: one server for a module's tests that leave it as it was, or one of a test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.server.desks import Door, open_door
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


@pytest.fixture
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    """A server with a desk; a parameter is the seconds after which a kernel without a page is ended."""
    # A page that is still being made has no one connected either: on a busy machine that takes a while.
    async with open_door(tmp_path, orphan_after=getattr(request, "param", 90.0)) as opened:
        yield opened
