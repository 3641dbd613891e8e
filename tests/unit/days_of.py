"""Small scenarios for tests: certain and exact unless a test says otherwise, so that every moment can be worked out."""

from __future__ import annotations

from typing import Any

from coachsim.days import HOUR, MINUTE
from coachsim.models import Agent
from coachsim.scenario import Scenario

# Attention without chance: toasts noticed, the dialog open 20 s later; bells after 10 min; acknowledged after 5 s.
CERTAIN = {
    "tau_s": 1e-6,
    "fatigue": 0.0,
    "open_median_s": 20.0,
    "open_sigma": 0.0,
    "occupancy": 0.0,
    "bell_median_s": 600.0,
    "bell_sigma": 0.0,
    "bell_never": 0.0,
    "ack_median_s": 5.0,
    "ack_sigma": 0.0,
    "ack_never": 0.0,
}
MISSED = CERTAIN | {"tau_s": 1e6, "fatigue": 1.0}
EXACT = {"start_spread_min": 0.0, "length_spread_min": 0.0}
LUNCH = {"reason": "lunch", "after_min": 120, "length_min": 30, "after_spread_min": 0.0, "length_spread_min": 0.0}
# 2026-03-02, a Monday in winter: London is at UTC.
MIDNIGHT = 1_772_409_600_000_000


def at(hours: int, minutes: int = 0, seconds: float = 0) -> int:
    """A time of day of Monday 2026-03-02 in London; 27 hours is 03:00 of Tuesday."""
    return MIDNIGHT + hours * HOUR + minutes * MINUTE + round(seconds * 1_000_000)


def people(count: int, *, team: str = "Blue") -> list[Agent]:
    """Agents a01, a02 …"""
    return [Agent(f"a{n + 1:02}", f"Agent {n + 1}", team) for n in range(count)]


def scenario(**values: Any) -> Scenario:
    """A scenario of one exact shift, 09:00 to 17:00, where all come, and of no chance; ``values`` replace or add."""
    given: dict[str, Any] = {
        "name": "A test's day",
        "absence": 0.0,
        "shifts": [{"start": "09:00", **EXACT}],
        "unplanned_breaks": {"per_hour": 0.0},
        **values,
    }
    given["attention"] = CERTAIN | values.get("attention", {})
    return Scenario.from_dict(given)


def message(when: str = "10:00", **values: Any) -> dict[str, Any]:
    """A message to everyone at ``when``."""
    return {"key": f"m{when}", "body": "Hello", "at": when, **values}
