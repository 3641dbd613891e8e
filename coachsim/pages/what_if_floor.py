"""The floor of the server as a scenario, as far as its visitor may see it: learned from its log when it is chosen."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from coachsim.errors import Forbidden, NotEnoughEvidence, NotSignedIn
from coachsim.pages.message_log_source import Index, LogSource, told
from coachsim.pages.what_if_scenarios import ASSUMED, Opened

if TYPE_CHECKING:
    from coachsim.fitting import Learned
    from coachsim.scenario import Policy

WAIT = (
    "Learning from the log of this floor: its shifts, its breaks, and how its people read. That can take half a minute."
)
SILENT = (
    "Nothing has been sent to these agents yet, so there is nothing to read or to miss. Choose another scenario, or"
    " come back when something has been sent."
)
MOST_DAYS, MOST_DELIVERIES = 14, 40_000
"""So many days are learned from, or as many as have so many deliveries: to learn from all takes minutes."""
_EARLIER = "nothing has been sent today yet, so this is the last day on which something was: "
_SEES_THE_LOG = {"supervisor", "analyst"}


async def opened() -> Opened:
    """The floor on its newest day on which anything was sent, within the visitor's teams.

    Raises ``NotEnoughEvidence``, ``NotSignedIn``, ``Forbidden`` and what else asking a server raises.
    """
    from coachsim.remote import RemoteClient

    try:
        async with RemoteClient.from_env() as client:
            me = await client.me()
            if not _SEES_THE_LOG & set(me["roles"]):
                raise Forbidden(
                    "Today's floor is learned from the message log, which supervisors and analysts may read. Choose"
                    " another scenario, or ask one of them for a file: they can save theirs on this page."
                )
            floor = await client.floor()
    except NotSignedIn as error:
        raise told(error) from error
    learned = await asyncio.to_thread(_learned, float(floor["toast_seconds"]))
    teams = _of_teams(me["teams"])
    earlier = "" if learned.day == floor["day"] else _EARLIER if teams else _EARLIER.capitalize()
    about = f"{teams}{earlier if learned.scenario.messages else ''}{learned.scenario.description}"
    attention = f"How people notice and read, learned from {learned.fitted.stands_on}." if learned.fitted else ASSUMED
    return Opened(learned.scenario, learned.agents, about, attention, learned.roster_csv, SILENT)


def _of_teams(teams: Any) -> str:
    """What a visitor has to know who does not see all."""
    if not isinstance(teams, list):
        return ""
    named = " and ".join(filter(None, [", ".join(teams[:-1]), *teams[-1:]]))
    return f"Only your {'team' if len(teams) == 1 else 'teams'} {named}: "


def _learned(toast_seconds: float) -> Learned:
    from coachsim.fitting import scenario_of

    source = LogSource(os.environ["COACHSIM_URL"])
    try:
        first, last = _days(source.index())
        log = source.log(first, last)
        sent_on = log.sql("SELECT DISTINCT day FROM messages ORDER BY day")["day"].tolist()
        day = sent_on[-1] if sent_on else None
        return scenario_of(log, day=day, days=MOST_DAYS, policy=_policy(toast_seconds))
    finally:
        source.close()


def _policy(toast_seconds: float) -> Policy:
    from coachsim.scenario import Policy

    return Policy.model_validate({"toast_seconds": toast_seconds})


def _days(index: Index) -> tuple[str, str]:
    """The first and the last day to learn from."""
    if not index.days:
        raise NotEnoughEvidence("The log has no day yet: nothing has happened on this floor.")
    first, deliveries = index.days[-1], 0
    for day in reversed(index.days[-MOST_DAYS:]):
        deliveries += day.deliveries or 0
        if deliveries > MOST_DELIVERIES:
            break
        first = day
    return first.label, index.days[-1].label
