"""The days that the benchmarks play: floors of any size with the same day."""

from __future__ import annotations

from coachsim.plan import Plan, plan
from coachsim.scenario import Scenario


def day(agents: int, *, messages: int = 250, per_message: int = 45) -> Plan:
    """A day of 250 messages, each to a team of about 45, in which most agents work and take three breaks."""
    pauses = [("short break", 80, 12), ("lunch", 210, 40), ("short break", 380, 12)]
    scenario = Scenario.from_dict(
        {
            "name": f"{agents} agents",
            "floor": {"agents": agents, "teams": max(1, agents // per_message)},
            "shifts": [{"start": "08:00"}, {"start": "09:00"}, {"start": "12:00"}],
            "breaks": [
                {"reason": reason, "after_min": after, "length_min": length, "waves": 3, "wave_gap_min": 30}
                for reason, after, length in pauses
            ],
            "messages": [
                {
                    "key": "s",
                    "body": "Please read the new wording before your next call.",
                    "to": "a team",
                    "every_min": 600 / messages,
                    "start": "08:30",
                    "until": "18:30",
                    "ack_required": True,
                }
            ],
        }
    )
    return plan(scenario, 1)
