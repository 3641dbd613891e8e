"""A floor with days behind it: what a test needs for which nights have to have passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from coachsim.days import Schedule, to_micros
from coachsim.floor import Floor
from coachsim.log import LOG_FILE, LogWriter, Run
from coachsim.models import Agent, Audience, Draft
from coachsim.plan import plan
from coachsim.scenario import Scenario
from coachsim.simulation import play
from tests.unit.days_of import scenario

FLOOR = "Leeds floor"
PEOPLE = {"tau_s": 6.0, "open_sigma": 0.6, "bell_sigma": 0.7, "bell_never": 0.1}


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
        writer.append(events).result(60)


def live_past(folder: Path, *, days: int = 4) -> Scenario:
    """Writes the last ``days`` days of a floor into ``folder``; today has begun, and nobody is in yet.

    The floor is in UTC, and its clear-down is twelve hours away from now, so that no test sees one. Everybody's shift
    of six hours begins two hours after it, and a message goes to everyone every half hour of it. Returns the scenario
    of those days.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    clear_down, start, end = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (12, 14, 20))
    today = Schedule("UTC", clear_down).day_at(to_micros(now))
    made = scenario(
        floor={"agents": 24, "teams": 2},
        attention=PEOPLE,
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
