"""docs/stress-des.md: all twenty items are there, and what it says of inputs and measures is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from coachsim.scenario import Attention, Break, Policy, Scenario, UnplannedBreaks
from coachsim.tally import MEASURES

ITEMS = ["1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4", "2.5", "3.1", "3.2", "3.3", "3.4"]
ITEMS += ["4.1", "4.2", "4.3", "5.1", "5.2", "5.3", "5.4", "6.1"]
MODELS = {"attention": Attention, "policy": Policy, "breaks": Break, "unplanned_breaks": UnplannedBreaks}


@pytest.fixture(scope="module")
def text(repository: Path) -> str:
    return (repository / "docs" / "stress-des.md").read_text(encoding="utf-8")


def test_it_has_the_twenty_items_in_order_each_with_something_to_say(text: str):
    parts = re.split(r"^### (\d\.\d) .+$", text, flags=re.MULTILINE)
    assert parts[1::2] == ITEMS
    assert all(len(said.strip()) > 60 for said in parts[2::2])
    for component in ("2.5.1", "2.5.2", "2.5.3", "2.5.4", "2.5.5"):
        assert f"**{component} " in text


@pytest.mark.parametrize(("name", "model"), MODELS.items())
def test_it_names_every_input_of_attention_policy_and_breaks_with_its_default(text: str, name: str, model: BaseModel):
    for field, info in model.model_fields.items():
        default = "–" if info.default is PydanticUndefined else info.default
        assert f"| `{name}.{field}` | {default} | " in text
    assert f"| `absence` | {Scenario.model_fields['absence'].default} | " in text


def test_it_names_no_input_that_there_is_not(text: str):
    for name, field in re.findall(r"`(attention|policy|breaks|unplanned_breaks)\.(\w+)`", text):
        assert field in MODELS[name].model_fields


def test_each_default_says_where_it_comes_from(text: str):
    rows = [line.split("|") for line in text.partition("### 3.3")[2].splitlines() if line.startswith("| `")]
    assert len(rows) > 20
    sources = [row[4].strip() for row in rows]
    assert all(source.startswith(("assumption", "the scenario", "the product's own setting")) for source in sources)


def test_it_defines_every_measure(text: str):
    outputs = text.partition("### 1.2")[2].partition("### 1.3")[0]
    for measure in MEASURES:
        assert f"`{measure}`" in outputs


def test_it_says_what_each_bundled_scenario_is_for(text: str, repository: Path):
    for path in (repository / "data" / "scenarios").glob("*.toml"):
        assert f"`{path.stem}`" in text.partition("### 1.3")[2].partition("## 2")[0]


def test_every_file_that_it_points_to_exists(text: str, repository: Path):
    links = re.findall(r"\]\(([^)]+)\)", text)
    named = re.findall(r"`((?:data|tests|docs)/[\w/.]+)`", text)
    assert links and named
    assert all((repository / "docs" / link).exists() for link in links)
    assert all((repository / name).exists() for name in named)
