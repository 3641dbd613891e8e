"""The roster: agents from a CSV file, with every fault named by its line and column, and back to one.

The header is ``agent_id,name,team,campaigns,lists,queues,active``; several values in one cell are separated by ``;``.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from coachsim.errors import RosterError
from coachsim.models import Agent, is_blank

COLUMNS = ("agent_id", "name", "team", "campaigns", "lists", "queues", "active")
MAX_NAME = 100
_AGENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_LINE_END = re.compile(r"\r\n|\r|\n")
_SHOWN = 3
# No cell may hold a line break, so a quoted one that runs on for longer than this has lost its closing quote.
_LONGEST_RECORD = 20


def read(roster: str | bytes) -> list[Agent]:
    """The agents of a roster, in the file's order.

    Bytes are UTF-8, with or without a byte-order mark. Cells are trimmed and brought to Unicode's composed form, so
    that a team typed on two machines is one team; one of which nothing can be seen is empty. ``TRUE``, as spreadsheets
    write it, is ``true``; blank lines and rows of empty cells are skipped. Raises ``RosterError`` with all faults.
    """
    if isinstance(roster, bytes) and roster.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _error(["line 1, column 1: the file is UTF-16. Save it as CSV in UTF-8."])
    # What is not UTF-8 becomes lone surrogates here, and a fault of its own cell below.
    text = roster.decode("utf-8", "surrogateescape") if isinstance(roster, bytes) else roster
    faults: list[str] = []
    rows = _rows(text.removeprefix("\ufeff"), faults)
    header = next(rows, None)
    if header is None:
        raise _error(faults or [f"line 1, column 1: the file is empty. It starts with the header {','.join(COLUMNS)}."])
    if fault := _header_fault(*header):
        raise _error([*faults, fault])
    lines_of: dict[str, int] = {}
    agents = [_Row(line, cells, faults, lines_of).agent() for line, cells in rows]
    if faults:
        raise _error(faults)
    return [agent for agent in agents if agent is not None]


def load(path: str | Path) -> list[Agent]:
    """The agents of the roster file ``path``; ``RosterError`` where it cannot be read or has faults."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RosterError(f"The roster {path} cannot be read: {error.strerror}.", []) from error
    except ValueError as error:  # a null character in the path
        raise RosterError(f"The roster {str(path)!r} cannot be read: {error}.", []) from error
    try:
        return read(content)
    except RosterError as error:
        raise _error(error.faults, str(path)) from None


def write(agents: Iterable[Agent]) -> str:
    """The agents as a roster that ``read`` gives back unchanged; ``RosterError`` for what could not be given back.

    Cells are written as they are, also one like ``=2+3``: escaping it for spreadsheets would change the name on the
    way back. Names come from the site's own admins; whoever opens the file in a spreadsheet imports it as text.
    """
    agents = list(agents)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for agent in agents:
        groups = (";".join(values) for values in (agent.campaigns, agent.lists, agent.queues))
        writer.writerow([agent.agent_id, agent.name, agent.team, *groups, "true" if agent.active else "false"])
    text = out.getvalue()
    for number, (given, back) in enumerate(zip(agents, read(text), strict=True)):
        if given != back:
            raise _error([f"line {number + 2}, column 1: {given.agent_id} could not be read back as it is here."])
    return text


def _rows(text: str, faults: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the number of the line it starts on. Goes on after a row that is no CSV."""
    lines = _LINE.findall(text)
    start = 0
    while start < len(lines):
        record = csv.reader(lines[start : start + _LONGEST_RECORD], strict=True)
        used = 1
        try:
            cells = next(record, [])
            used = max(1, record.line_num)
        except csv.Error as error:
            at_end = "unexpected end" in str(error)
            what = "a quoted cell is not closed" if at_end else f"this is not CSV ({error})"
            faults.append(
                f'line {start + 1}, column 1: {what}. Write a quote inside a cell twice, as in "the ""A"" team".'
            )
        else:
            if any(cell.strip() for cell in cells):
                yield start + 1, cells
        start += used


def _header_fault(line: int, cells: list[str]) -> str | None:
    if tuple(cells) == COLUMNS:
        return None
    wanted = f"The header is {','.join(COLUMNS)}."
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(cells) == 1 and separator in cells[0]:
            return f"line {line}, column 1: the cells are separated by {name}; use commas. {wanted}"
    for number, column in enumerate(COLUMNS):
        found = cells[number] if number < len(cells) else None
        if found != column:
            instead = "missing" if found is None else _shown(found)
            return f"line {line}, column {number + 1}: {column} belongs here and is {instead}. {wanted}"
    return f"line {line}, column {len(COLUMNS) + 1}: {_shown(cells[len(COLUMNS)])} is one too many. {wanted}"


class _Row:
    """One row on its way to an agent. It shares with the others the list of faults, and which line has which id."""

    def __init__(self, line: int, cells: list[str], faults: list[str], lines_of: dict[str, int]) -> None:
        self._line = line
        self._cells = cells
        self._faults = faults
        self._lines_of = lines_of

    def agent(self) -> Agent | None:
        """The agent, or None where there was a fault."""
        before = len(self._faults)
        if len(self._cells) != len(COLUMNS):
            missing = COLUMNS[len(self._cells) :]
            column = missing[0] if missing else str(len(COLUMNS) + 1)
            self.fault(column, f"the row has {len(self._cells)} cells; it needs {len(COLUMNS)}. Check its commas.")
            return None
        agent = Agent(
            agent_id=self._agent_id(),
            name=self._required("name"),
            team=self._required("team"),
            campaigns=self._list("campaigns"),
            lists=self._list("lists"),
            queues=self._list("queues"),
            active=self._active(),
        )
        return agent if len(self._faults) == before else None

    def fault(self, column: str, sentence: str) -> None:
        """Adds a fault of this row, on the line where the column's cell starts."""
        earlier = self._cells[: COLUMNS.index(column)] if column in COLUMNS else []
        line = self._line + sum(len(_LINE_END.findall(cell)) for cell in earlier)
        self._faults.append(f"line {line}, column {column}: {sentence}")

    def _cell(self, column: str) -> str:
        cell = self._cells[COLUMNS.index(column)]
        for char in cell:
            if "\udc80" <= char <= "\udcff":
                self.fault(column, f"byte 0x{ord(char) - 0xDC00:02X} is not UTF-8. Save the file as CSV in UTF-8.")
                return cell
            if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
                self.fault(column, f"there is a control character or line break, U+{ord(char):04X}. Remove it.")
                return cell
        return _trimmed(unicodedata.normalize("NFC", cell))

    def _agent_id(self) -> str:
        faults = len(self._faults)
        agent_id = self._cell("agent_id")
        if len(self._faults) > faults:
            return agent_id
        if not _AGENT_ID.fullmatch(agent_id):
            what = f"{_shown(agent_id)} is no agent_id" if agent_id else "the agent_id is missing"
            self.fault("agent_id", f"{what}. Use 1 to 64 of A-Z, a-z, 0-9, _ and -.")
        elif self._lines_of.setdefault(agent_id, self._line) != self._line:
            self.fault(
                "agent_id", f"{agent_id} is on line {self._lines_of[agent_id]} already. Give each agent one row."
            )
        return agent_id

    def _required(self, column: str) -> str:
        value = self._cell(column)
        if not value:
            self.fault(column, f"the {column} is missing.")
        self._check_length(column, value)
        return value

    def _list(self, column: str) -> tuple[str, ...]:
        values = [_trimmed(value) for value in self._cell(column).split(";")]
        for value in values:
            self._check_length(column, value)
        return tuple(dict.fromkeys(filter(None, values)))

    def _active(self) -> bool:
        faults = len(self._faults)
        value = self._cell("active")
        if len(self._faults) == faults and value.lower() not in ("true", "false", ""):
            self.fault("active", f"{_shown(value)} is neither true nor false. Leave it empty for true.")
        return value.lower() != "false"

    def _check_length(self, column: str, value: str) -> None:
        if len(value) > MAX_NAME:
            self.fault(column, f"{_shown(value)} has {len(value):,} characters; {MAX_NAME} is the most. Shorten it.")


def _trimmed(value: str) -> str:
    """Without the blanks around it; nothing at all where nothing of it can be seen."""
    return "" if is_blank(value) else value.strip()


def _shown(value: str) -> str:
    short = value if len(value) <= 30 else value[:29] + "…"
    return repr(short.encode("utf-8", "replace").decode())


def _error(faults: list[str], what: str = "The roster") -> RosterError:
    count = "a fault" if len(faults) == 1 else f"{len(faults):,} faults"
    more = f" … and {len(faults) - _SHOWN:,} more." if len(faults) > _SHOWN else ""
    return RosterError(f"{what} has {count}, so nothing was changed: {' '.join(faults[:_SHOWN])}{more}", faults)
