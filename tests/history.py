"""A live floor with a past: the log of a folder in which days of a scenario were lived, for a server to go on with."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from coachsim.days import Schedule
from coachsim.log import LOG_FILE, LogWriter, Run
from coachsim.plan import plan
from coachsim.scenario import Scenario
from coachsim.simulation import play
from tests.unit.days_of import scenario

FLOOR = "Leeds floor"
PEOPLE = {"tau_s": 6.0, "open_sigma": 0.6, "bell_sigma": 0.7, "bell_never": 0.1}


def live_past(folder: Path, *, days: int = 4, **values: Any) -> Scenario:
    """Writes the last ``days`` days of a floor into ``folder``; today has begun, and nobody is in yet.

    The floor is in UTC, and its clear-down is twelve hours away from now, so that no test sees one. Everybody's shift
    of six hours begins two hours after it, and a message goes to everyone every half hour of it. Returns the scenario
    of those days, with ``values`` added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    clear_down, start, end = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (12, 14, 20))
    today = Schedule("UTC", clear_down).day_at(time.time_ns() // 1_000)
    made = scenario(
        **{"floor": {"agents": 24, "teams": 2}, "attention": PEOPLE, **values},
        date=date.fromisoformat(today.label) - timedelta(days=days),
        time_zone="UTC",
        clear_down=clear_down,
        shifts=[{"start": start, "length_h": 6.0}],
        messages=[{"key": "tip", "body": "Smile.", "every_min": 30, "start": start, "until": end}],
    )
    (folder / "settings.toml").write_text(
        f'floor_name = "{FLOOR}"\ntime_zone = "UTC"\nclear_down = "{clear_down}"\ntoast_seconds = 11\n',
        encoding="utf-8",
    )
    with LogWriter.open(folder / LOG_FILE, Run(kind="live", time_zone="UTC", floor_name=FLOOR)) as writer:
        writer.append(play(plan(made, 1), days)).result(60)
    return made
