"""The papers (README.md, docs/ and others) as the tests read them: blocks of code, and commands in a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_PART = re.compile(r"^## +([^\n]+)$|^( *)```([^\n`]*)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"`((?:(?:\.venv/bin/)?coachsim(?:-admin)?|make) [^`]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: the section (##) it stands in, what follows its three backticks, and the line it begins on."""

    section: str
    language: str
    text: str
    line: int


def papers(repository: Path) -> list[str]:
    """Every paper for people, by its path in the repository."""
    paths = [*repository.glob("*.md"), repository / "data" / "README.md", *(repository / "docs").rglob("*.md")]
    return sorted(path.relative_to(repository).as_posix() for path in paths)


def blocks(text: str) -> list[Block]:
    """The blocks of a paper, in order; indented ones (in lists) without their indentation."""
    found, section = [], ""
    for part in _PART.finditer(text):
        if part[1]:
            section = part[1]
        else:
            inner = re.sub(rf"^{part[2]}", "", part[4], flags=re.MULTILINE)
            found.append(Block(section, part[3], inner, text.count("\n", 0, part.start(4)) + 1))
    return found


def commands(text: str) -> list[str]:
    """The commands of coachsim and make that stand within sentences, as far as they are said."""
    sentences = _PART.sub(lambda part: part[1] or "", text)
    return [" ".join(command.split()) for command in _COMMAND.findall(sentences)]
