"""Notebooks run from top to bottom in a kernel of their own, and what their cells came to."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("[0-9]*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"
Cells = dict[str, list[Any]]


def read(name: str) -> nbformat.NotebookNode:
    """A notebook as it is in the repository."""
    return nbformat.read(FOLDER / name, as_version=4)


def asks_a_log(name: str) -> bool:
    """Whether the notebook opens a log, which has to be given to it; the others bring what they need."""
    return any("open_log(" in cell["source"] for cell in read(name).cells if cell["cell_type"] == "code")


def run(name: str, **environment: str) -> Cells:
    """The outputs of each cell, by the cell's name; ``environment`` is set for the kernel alone."""
    notebook = read(name)
    client = NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(FOLDER)}})
    client.execute(env=os.environ | environment)
    return {cell["id"]: cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code"}


def complaints(cells: Cells) -> list[Any]:
    """Errors, and whatever else was said on standard error."""
    said = [one for outputs in cells.values() for one in outputs]
    return [one for one in said if one["output_type"] == "error" or one.get("name") == "stderr"]


def text(cells: Cells, name: str) -> str:
    """What the cell's last line came to, as text."""
    return cells[name][-1]["data"]["text/plain"]


def numbers(line: str) -> list[float]:
    """The numbers in a line of text, minus signs included."""
    return [float(number.replace(",", "")) for number in re.findall(r"-?\d[\d,]*\.?\d*", line)]
