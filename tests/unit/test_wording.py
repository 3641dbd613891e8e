"""One thing has one name: the words for states are the same on every page, and nobody invents others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coachsim.models import GROUP_KINDS, AgentState, Filter
from coachsim.wording import KINDS, STATES, filter_text
from tests.papers import papers

PAGES = ("coachsim/pages", "coachsim/web")
WORD = r"['\"](.+?)['\"]"
TABLE = re.compile(f"logged_in: {WORD}, break: {WORD}, logged_out: {WORD}")


def sources(repository: Path) -> list[Path]:
    found = [path for folder in PAGES for path in (repository / folder).glob("*") if path.suffix in {".js", ".vue"}]
    assert len(found) > 15
    return found


def test_every_state_and_every_kind_of_choice_has_its_words() -> None:
    assert set(STATES) == set(AgentState)
    assert set(KINDS) == {*GROUP_KINDS, "state"}


def test_pages_call_a_state_what_charts_and_sentences_call_it(repository: Path) -> None:
    tables = {path.name: match for path in sources(repository) for match in TABLE.finditer(path.read_text("utf-8"))}
    assert tables.keys() == {"agent_grid.js", "coaching.vue", "message_card.vue", "main.js"}
    for name, table in tables.items():
        assert table.groups() == tuple(STATES.values()), name


@pytest.mark.parametrize(("name", "others"), [("Coach messages", ("My messages",)), ("Enter as ", ("Go in",))])
def test_the_start_page_and_the_papers_call_it_what_other_pages_do(
    repository: Path, name: str, others: tuple[str, ...]
) -> None:
    start = repository / "coachsim" / "server" / "templates" / "start.html"
    assert name in start.read_text(encoding="utf-8")
    for path in [start, *sources(repository), *(repository / paper for paper in papers(repository))]:
        text = path.read_text(encoding="utf-8")
        assert not [other for other in others if other in text], path


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (Filter(team=("Blue",)), "Team: Blue"),
        (Filter(state=("break",), team=("Blue", "Green")), "Team: Blue, Green · State: on a break"),
        (Filter(queue=("logged_in",), list=("a_b",)), "List: a_b · Queue: logged_in"),
    ],
)
def test_a_filter_is_said_in_one_line(chosen: Filter, said: str) -> None:
    assert filter_text(chosen) == said
