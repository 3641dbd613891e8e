"""Every command and every block of code in the papers is run as it stands, or named here with the reason why not."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coachsim.cli.command import _parser
from tests.papers import blocks, commands, papers
from tests.server.past import live_past, two_closed_days
from tests.server.reader import Reader, printed
from tests.serving import PEOPLE

REPOSITORY = Path(__file__).parents[2]
PAPERS = papers(REPOSITORY)
# Papers whose commands another test runs.
ELSEWHERE = {"docs/operations.md": "tests/server/test_operations.py, on a machine with systemd and users"}
# Commands that are not run, wherever they stand.
LEFT_OUT = {
    "make test": "runs this very test",
    "make lab": "opens JupyterLab and stays; tests/browser/test_jupyterlab.py opens it, tests/notebooks runs notebooks",
}


def a_floor(reader: Reader) -> None:
    reader.shell("coachsim roster load data/roster.csv")


def an_archive(reader: Reader) -> None:
    """And an agent a017 who was made inactive the day before."""
    two_closed_days(reader.folder / "data" / "live", [replace(PEOPLE[0], agent_id="a017"), *PEOPLE[1:]])
    reader.shell("coachsim log archive")


def a_past(reader: Reader) -> None:
    live_past(reader.folder / "data" / "live")


# What a paper takes for granted that its reader has.
GIVEN: dict[str, Callable[[Reader], None]] = {
    "data/README.md": an_archive,
    "docs/scenario-of-a-log.md": a_past,
    "docs/security.md": a_floor,
}
RUN = {"sh", "python"}
WITH_CODE = [
    paper
    for paper in PAPERS
    if paper not in ELSEWHERE
    and any(block.language in RUN for block in blocks((REPOSITORY / paper).read_text("utf-8")))
]


def read(paper: str) -> str:
    return (REPOSITORY / paper).read_text(encoding="utf-8")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))


@pytest.fixture
def reader(tmp_path: Path, repository: Path) -> Iterator[Reader]:
    made = Reader(tmp_path, repository)
    yield made
    made.end()


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("paper", WITH_CODE)
def test_every_block_is_run_in_the_order_of_the_paper(paper: str, reader: Reader) -> None:
    if paper in GIVEN:
        GIVEN[paper](reader)
    put_into_git(reader.folder)
    said = ""
    for block in blocks(read(paper)):
        if block.language == "sh":
            said = reader.shell("\n".join(line for line in block.text.split("\n") if not left_out(line)))
        elif block.language == "python":
            said = reader.python(block, paper)
        elif block.language == "text":
            assert printed(said, block.text), f"{paper}, line {block.line}: not what is printed, which is\n{said}"
    left = git(reader.folder, "status", "--porcelain", "--untracked-files=all")
    assert left == "", f"{paper} leaves in its reader's clone what git does not ignore:\n{left}"


def put_into_git(folder: Path) -> None:
    """Makes the reader's folder the clone that it would be."""
    shutil.copy2(REPOSITORY / ".gitignore", folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")


def git(folder: Path, *command: str) -> str:
    done = subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    # What has been added is as it was in the clone.
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith("A "))


def left_out(line: str) -> bool:
    return any(re.search(rf"\b{command}\b", line) for command in LEFT_OUT)


def test_every_block_is_of_a_kind_that_is_run_or_read() -> None:
    for paper in PAPERS:
        for block in blocks(read(paper)):
            drawing = block.language == "" and "──" in block.text
            part_of_the_site = block.language.startswith("{")  # what Sphinx puts in there
            known = block.language in RUN | {"text"} or drawing or part_of_the_site
            assert known, f"{paper}, line {block.line}: nothing runs a block of {block.language or 'no language'}"


def test_what_is_left_out_or_given_is_there() -> None:
    everything = "\n".join(map(read, PAPERS))
    for command in LEFT_OUT:
        assert command in everything
        assert command.removeprefix("make ") in targets()
    assert GIVEN.keys() <= set(WITH_CODE)
    assert ELSEWHERE.keys() <= set(PAPERS)


def test_what_is_printed_is_compared_line_by_line() -> None:
    said = "first\nserving at 127.0.0.1:9\n  last\n"
    assert printed(said, "serving at …\nlast\n")
    assert not printed(said, "first\nlast\n")
    assert not printed(said, "serving\n")
    assert not printed(said, "last\nanother\n")


@pytest.mark.parametrize("paper", PAPERS)
def test_every_command_in_a_sentence_is_one_there_is(paper: str) -> None:
    for command in commands(read(paper)):
        program, *words = shlex.split(command)
        if program == "make":
            assert words[0] in targets(), f"{paper}: {command}"
        else:
            there(_parser(), words, f"{paper}: {command}")


def there(parser: argparse.ArgumentParser, words: list[str], where: str) -> None:
    """Fails unless the words are a command of the parser, as far as they go, with options that it has."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if groups and words and not words[0].startswith("-"):
        assert words[0] in groups[0].choices, where
        there(groups[0].choices[words[0]], words[1:], where)
        return
    options = {option for action in parser._actions for option in action.option_strings}
    assert {word for word in words if word.startswith("--")} <= options, where
