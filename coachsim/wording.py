"""What people call things, on every page and in every sentence: the states of agents, and a filter in one line.

The names of the API and the log (``logged_in``, ``acknowledged_at``) are for programs; these are what people read.
"""

from __future__ import annotations

from coachsim.models import Filter

STATES = {"logged_in": "logged in", "break": "on a break", "logged_out": "logged out"}
"""Each agent state in words, in the order in which pages have them."""
KINDS = {"campaign": "Campaign", "list": "List", "team": "Team", "queue": "Queue", "state": "State"}
"""Each kind of choice in a filter, in the order in which pages have them."""


def filter_text(chosen: Filter) -> str:
    """What a filter asks for: 'Team: Blue, Green · State: on a break'. A group is called by its own name."""
    return " · ".join(
        f"{KINDS[kind]}: {', '.join(STATES[value] if kind == 'state' else value for value in values)}"
        for kind, values in chosen.given.items()
    )
