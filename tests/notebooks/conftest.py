"""The log that the analysts' notebooks are run on: five simulated days of a small floor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coachsim import Scenario, simulate

SAMPLE: dict[str, Any] = {
    "name": "Sample floor",
    "date": "2026-03-25",  # the clocks in London change on the fifth day
    "absence": 0.1,
    "floor": {"agents": 30, "teams": 3},
    "shifts": [{"start": "08:00", "share": 3}, {"start": "12:00", "share": 2}, {"start": "22:00"}],
    "breaks": [
        {"reason": "lunch", "after_min": 200, "length_min": 40, "waves": 2, "wave_gap_min": 45},
        {"reason": "tidying up", "after_min": 440, "length_min": 60},  # until the end of a shift of eight hours
    ],
    "messages": [
        {"key": "tip", "body": "Ask one open question first.", "start": "08:30", "every_min": 60, "until": "19:00"},
        {"key": "offer", "body": "The offer ends in half an hour.", "at": "11:45", "expires_after_min": 30},
        {"key": "outage", "body": "The card machine is down.", "at": "13:10", "priority": "urgent"},
    ],
}


def make(path: Path, days: int, **changes: Any) -> Path:
    """So many days of the sample floor, as a log file."""
    simulate(Scenario.from_dict(SAMPLE | changes), seed=1, days=days, out=path).close()
    return path


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days, with messages that were read, expired, cleared away, and never seen."""
    return make(tmp_path_factory.mktemp("sample") / "sample.duckdb", days=5)


@pytest.fixture(scope="session")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day on which people came and went, and nothing was sent."""
    return make(tmp_path_factory.mktemp("silent") / "silent.duckdb", days=1, messages=[])
