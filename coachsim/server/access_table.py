"""Prints the table of who may do what, as Markdown: ``python -m coachsim.server.access_table``."""

from __future__ import annotations

from collections.abc import Iterator

from coachsim.server.access import DESK, LOCAL, OWN_PAGES, TABLE, DeskAddress, Endpoint, OwnPage
from coachsim.server.accounts import ROLES

YES, PRACTICE, HERE = "yes", "practice", "from here"
SEES = {"teams": "own teams", "own": "own list and state", "all": "everything", "none": "nothing of the floor"}
_COLUMNS = ("address", *ROLES, "not signed in", "sees")


def rows() -> Iterator[tuple[str, ...]]:
    """One row for each address: ``yes``, ``practice`` (on a practice floor only) or nothing for each role."""
    for endpoint in TABLE:
        yield _of_endpoint(endpoint)
    for page in OWN_PAGES:
        yield _of_own_page(page)
    for address in DESK:
        yield _of_desk(address)


def _of_endpoint(line: Endpoint) -> tuple[str, ...]:
    sees = SEES[line.scope]
    if "telephony" in line.roles and line.scope == "own":
        sees += "; telephony: any agent's state"
    if LOCAL in line.roles:
        also = "also " if line.roles - {LOCAL} else ""
        sees += f"; {also}this machine's command line"
    cells = _cells(line.roles, line.roles | line.in_practice)
    return (f"{line.method} {line.path}", *cells, HERE if line.near else "", sees)


def _of_own_page(page: OwnPage) -> tuple[str, ...]:
    roles = frozenset(ROLES) if page.roles is None else page.roles
    path = page.path.removesuffix("?").replace("(.*)", "…").replace("\\", "")
    path = path.replace("(favicon.ico)", "favicon.ico")
    cells = _cells(roles, roles | page.in_practice)
    return (f"{page.methods} {path}", *cells, YES if page.roles is None else "", page.only)


def _of_desk(address: DeskAddress) -> tuple[str, ...]:
    cells = _cells(address.roles(practice=False), address.roles(practice=True))
    sees = "the kernel of this sign-in only" if "{kernel}" in address.path else ""
    return (f"{address.methods} /desk/{address.path}", *cells, "", sees)


def _cells(live: frozenset[str], practice: frozenset[str]) -> list[str]:
    return [YES if role in live else PRACTICE if role in practice else "" for role in ROLES]


def table() -> str:
    """The whole table."""
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *((f"`{row[0]}`".replace("|", r"\|"), *row[1:]) for row in rows())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
