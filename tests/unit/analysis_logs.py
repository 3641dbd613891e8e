"""Logs for the tests of ``coachsim.analysis``: a dozen deliveries made by commands to a floor, worked out on paper."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coachsim.events import Event
from coachsim.log import LogWriter, MessageLog, Run, open_log
from coachsim.models import Agent, Audience, Priority
from tests.unit.floors import BREAK, HOUR, IN, MINUTE, OUT, TEN, Desk, team

SECOND = 1_000_000
EVERYONE = Audience(everyone=True)
MOVED = Agent("a1", "Ann", "Green", campaigns=("Renewals",), lists=("Warm",), queues=("Sales",))


@contextmanager
def log_of(folder: Path, events: list[Event]) -> Iterator[MessageLog]:
    """The events as a log, open for reading."""
    path = folder / "log.duckdb"
    with LogWriter.open(path, Run(kind="simulated", time_zone="Europe/London")) as writer:
        writer.append(events).result(60)
    with open_log(path) as log:
        yield log


class PaperFloor(Desk):
    """Monday 2026-03-02 in London (at UTC), from 10:00. Ann (a1) moves from Blue to Green at 11:30.

    =======  =====  =====  ==========  ========  ========  =======================  ======
    message  agent  team   state then  sent      notified  read                     lost
    =======  =====  =====  ==========  ========  ========  =======================  ======
    first    a1     Blue   in          10:00     10:00     10:00:20, acked 10:01
    (ack)    a2     Blue   in                    10:00     10:05
             a3     Green  out                   10:30     11:00:40
             a4     Green  out                                                      03:00
    second   a1     Blue   in          10:10     10:10     10:10:30
    (urgent) a2     Blue   break                                                    10:40
    third    a2     Blue   in          11:00     11:00     12:02
             a3     Green  in                    11:00     11:00:40
    fourth   a1     Green  in          12:00     12:00                              03:00
             a2     Blue   in                    12:00     12:02
             a3     Green  in                    12:00                              03:00
             a4     Green  out                                                      03:00
    =======  =====  =====  ==========  ========  ========  =======================  ======
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_in("a1", "a2")
        self.first = self.send(audience=EVERYONE, ack_required=True)
        self.at(0, 20)
        self.read("a1")
        self.at(1)
        self.ack("a1", self.first)
        self.at(5)
        self.read("a2")
        self.at(10)
        self.state("a2", BREAK, "tea")
        self.second = self.send(audience=team("Blue"), priority=Priority.URGENT, expires_at=TEN + 40 * MINUTE)
        self.at(10, 30)
        self.read("a1")
        self.at(30)
        self.log_in("a3")
        self.at(50)
        self.state("a2", IN)
        self.at(60)
        self.third = self.send("a2", "a3")
        self.at(60, 40)
        self.read("a3")
        self.at(90)
        self.roster(MOVED)
        self.at(120)
        self.fourth = self.send(audience=EVERYONE)
        self.at(122)
        self.read("a2")
        self.at(180)
        for agent_id in ("a1", "a2", "a3"):
            self.state(agent_id, OUT)

    def at(self, minutes: int, seconds: int = 0) -> None:
        """Goes on to so long after 10:00 of the first day."""
        self.until(TEN + minutes * MINUTE + seconds * SECOND)

    def roster(self, *agents: Agent) -> None:
        self._do(lambda at: self.floor.set_agents(at, agents, actor="admin"))

    def night(self) -> None:
        """Goes on to 03:00 of Tuesday: everything unread is lost."""
        self.until(TEN + 17 * HOUR)

    def next_morning(self) -> int:
        """On Tuesday, a fifth message to a1 and a2 at 10:00, read by a1 a minute later; the log ends at 10:30."""
        self.until(TEN + 24 * HOUR)
        self.log_in("a1")
        fifth = self.send("a1", "a2")
        self.wait()
        self.read("a1")
        self.wait(29 * MINUTE)
        self.log_in("a4")
        return fifth
