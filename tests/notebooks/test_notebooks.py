"""Every notebook of notebooks/ runs from top to bottom in a kernel of its own, and shows what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("[0-9]*.ipynb"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(path: Path) -> dict[str, list[Any]]:
    """The outputs of each cell, by the cell's name."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(FOLDER)}}).execute()
    return {cell["id"]: cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code"}


@pytest.fixture(scope="module")
def outputs() -> dict[str, dict[str, list[Any]]]:
    """Runs each notebook once."""
    return {path.name: run(path) for path in NOTEBOOKS}


@pytest.mark.parametrize("name", [path.name for path in NOTEBOOKS])
def test_it_runs_and_complains_of_nothing(outputs, name: str) -> None:
    said = [one for cell in outputs[name].values() for one in cell]
    assert said
    assert [one for one in said if one["output_type"] == "error" or one.get("name") == "stderr"] == []


def test_the_practice_floor_shows_its_page_and_half_of_them_have_read(outputs) -> None:
    cells = outputs["01_practice_floor.ipynb"]
    (page,) = cells["page"]
    assert "application/vnd.jupyter.widget-view+json" in page["data"]
    (said,) = cells["wait"]
    read, recipients = (int(word) for word in said["data"]["text/plain"].strip("'").split() if word.isdigit())
    assert recipients > 20
    assert read >= recipients / 2
    (table,) = cells["deliveries"]
    assert table["data"]["text/plain"].count("read") >= recipients / 2
