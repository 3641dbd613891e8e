"""The page of the command line: what ``--help`` of each command says, taken from the commands as the site is made."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

from sphinx.application import Sphinx

from coachsim.cli.command import _parser

PAGE = "docs/reference/command-line"
_WIDTH = 96


def setup(app: Sphinx) -> dict[str, bool]:
    """Hooks into Sphinx."""
    app.connect("source-read", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _write(app: Sphinx, name: str, source: list[str]) -> None:
    if name == PAGE:
        source[0] += "\n" + page()


def page() -> str:
    """Every command as Markdown, with its help as it is printed."""
    parts = [f"## {command.prog}\n\n```text\n{_help(command)}```" for command in _commands(_parser())]
    return "\n\n".join(parts) + "\n"


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The commands under a parser that do something, in the order of its own help."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for below in group.choices.values():
            yield from _commands(below)


def _help(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = partial(argparse.HelpFormatter, width=_WIDTH)
    return parser.format_help()
