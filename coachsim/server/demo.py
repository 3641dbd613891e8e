"""The demo floor (``coachsim serve --demo``): accounts with shown passwords, and agents who are already at work."""

from __future__ import annotations

import asyncio
import secrets
import zlib
from dataclasses import dataclass

from coachsim.errors import CoachsimError
from coachsim.floor import Floor
from coachsim.host import FloorHost
from coachsim.models import Agent, AgentState
from coachsim.server.accounts import Account, Accounts, hash_password

ACTOR = "demo"
_REASONS = ("lunch", "coffee", "training", "coaching", "")
_AGENT_ACCOUNTS = 4


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account that the start page offers, with the password of this start."""

    account: Account
    password: str
    says: str


async def set_up(host: FloorHost, accounts: Accounts) -> list[DemoAccount]:
    """Makes the demo's accounts (passwords anew at each start) and puts most agents to work."""
    agents = sorted(
        (row.agent for row in host.floor.agents.values() if row.agent.active), key=lambda agent: agent.agent_id
    )
    if not agents:
        raise CoachsimError("The demo floor has no agents. Give it a roster: coachsim serve --demo --roster CSV.")
    wanted = _accounts(agents)
    for account, _ in wanted:
        if not accounts.added_by(account.name, ACTOR):
            raise CoachsimError(
                f"There is a real account {account.name!r} in this folder, and a demo would change its password. Choose"
                " another folder with --data."
            )
    made = []
    for account, says in wanted:
        password = secrets.token_urlsafe(9)
        hashed = await asyncio.to_thread(hash_password, password)
        if accounts.get(account.name) is None:
            accounts.add(account, hashed, actor=ACTOR)
        else:
            accounts.change(
                account.name,
                actor=ACTOR,
                roles=account.roles,
                teams=account.teams,
                agent_id=account.agent_id,
                disabled=False,
            )
            accounts.set_password(account.name, hashed, actor=ACTOR)
        made.append(DemoAccount(account, password, says))
    with_page = {account.agent_id for account, _ in wanted}
    await asyncio.gather(*[_put_to_work(host, agent) for agent in agents if agent.agent_id not in with_page])
    return made


def _accounts(agents: list[Agent]) -> list[tuple[Account, str]]:
    teams = sorted({agent.team for agent in agents})
    half = frozenset(teams[len(teams) // 2 :])
    found = [
        (Account("supervisor", frozenset({"supervisor"}), None), "Supervisor of all teams: the coaching page"),
        (Account("supervisor2", frozenset({"supervisor"}), half), f"Supervisor of {', '.join(sorted(half))} only"),
        (Account("analyst", frozenset({"analyst"}), None), "Analyst: reads the log through the API"),
        (Account("admin", frozenset({"admin"})), "Admin: roster and clear-down"),
    ]
    for agent in agents[:_AGENT_ACCOUNTS]:
        account = Account(agent.agent_id, frozenset({"agent"}), agent_id=agent.agent_id)
        found.append((account, f"{agent.name}, agent in {agent.team}"))
    return found


async def _put_to_work(host: FloorHost, agent: Agent) -> None:
    """About 70 % logged in, 15 % on a break, 15 % out; the same ones at every start."""
    draw = zlib.crc32(agent.agent_id.encode())
    share = draw % 100
    if share >= 85 or host.floor.agents[agent.agent_id].state is not AgentState.LOGGED_OUT:
        return
    await host.do(Floor.set_state, agent.agent_id, AgentState.LOGGED_IN, actor=ACTOR)
    if share >= 70:
        reason = _REASONS[draw // 100 % len(_REASONS)] or None
        await host.do(Floor.set_state, agent.agent_id, AgentState.BREAK, reason=reason, actor=ACTOR)
