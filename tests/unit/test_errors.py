"""What an error says: what was wrong, and what to do about it, in words that are right wherever it is raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

import coachsim.errors
from coachsim.errors import CoachsimError, UnknownAgent
from tests.unit.test_architecture import modules, source

KINDS = {name for name, kind in vars(coachsim.errors).items() if isinstance(kind, type)} | {"MethodNotAllowed"}
# What names something that there is not, or that is no longer what it was, and would leave the reader at that.
BARE = re.compile(r"There is no |\S+ is no |The \S+ has been closed|\S+ has been made inactive|.*\bis missing\b")


def text(part: ast.expr) -> str:
    """A message as it stands in the code, with … for what is filled in."""
    match part:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(text(value) for value in values)
        case ast.BinOp(left=left, right=right):
            return text(left) + text(right)
    return "…"


def messages(module: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(source(module)[1]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in KINDS | {"cls"} and node.args:
                yield node.lineno, text(node.args[0])


@pytest.mark.parametrize("module", modules())
def test_what_there_is_not_is_followed_by_what_to_do(module: str) -> None:
    for line, message in messages(module):
        if BARE.match(message):
            assert re.search(r"[.;:] \S.*\.$|…$", message), (
                f"{module}, line {line}: {message!r} does not say what to do"
            )


def test_the_messages_are_found() -> None:
    found = [message for module in modules() for _, message in messages(module)]
    assert len(found) > 200
    assert sum(BARE.match(message) is not None for message in found) > 25


def test_an_unknown_agent_is_called_by_the_id_that_was_given() -> None:
    error = UnknownAgent.named("o'brien", field="audience")
    assert isinstance(error, CoachsimError)
    assert error.message == """There is no agent "o'brien" on the roster, or not for you to see. Check the id."""
    assert (error.field, error.code) == ("audience", "unknown_agent")
