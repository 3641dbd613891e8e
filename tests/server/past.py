"""A floor with days behind it: what a test needs for which nights have to have passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coachsim.days import Schedule, to_micros
from coachsim.floor import Floor
from coachsim.log import LOG_FILE, LogWriter
from coachsim.models import Agent, Audience, Draft


def two_closed_days(data: Path, people: Sequence[Agent]) -> None:
    """Writes settings and a log into the folder: the first agent read on the first day and was made inactive on it."""
    data.mkdir(parents=True, exist_ok=True)
    clear_down = f"{datetime.now(UTC) - timedelta(hours=12):%H:%M}"  # no night falls while the test runs
    settings = f'site = "leeds"\ntime_zone = "UTC"\nclear_down = "{clear_down}"\n'
    (data / "settings.toml").write_text(settings, encoding="utf-8")
    floor = Floor(Schedule("UTC", clear_down))
    now = to_micros(datetime.now(UTC) - timedelta(days=2))
    first, second, *_ = (agent.agent_id for agent in people)
    events = [*floor.open_day(now), *floor.set_agents(now, people, actor="roster")]
    events += floor.connect(now, first, actor=first)
    events += floor.set_state(now, first, "logged_in", actor=first)
    draft = Draft(audience=Audience(agents=(first, second)), body="Hello", request_id="1")
    events += floor.send(now, draft, actor="sup")
    events += floor.open_inbox(now, first, actor=first)
    events += floor.set_agents(now, [replace(people[0], active=False), *people[1:]], actor="roster")
    events += floor.tick(to_micros(datetime.now(UTC) - timedelta(days=1) + timedelta(seconds=1)))
    with LogWriter.open(data / LOG_FILE) as writer:
        writer.append(events).result(10)
