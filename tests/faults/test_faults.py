"""Every kind of fault, done to a real server under load; ``make soak`` does them many times."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.faults import FAULTS, Fault
from tests.faults.soak import Soak

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]
KILLS = 2


@pytest.fixture(scope="module")
def soak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soak]:
    soak = Soak(tmp_path_factory.mktemp("soak"), agents=8, seed=1)
    yield soak
    soak.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_nothing_is_lost_or_twice_and_every_page_catches_up(soak: Soak, fault: Fault) -> None:
    row = soak.bear(fault, range(KILLS if fault is FAULTS[0] else 1))
    assert not row.words, "\n".join(row.words)
    assert row.acknowledged > 0
