"""What is wrong with a page fails the build of the site, with a sentence that says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.building import build

LINKS = "[There](other.md#a-part), [a file](../data/some.csv), [a folder](../data/)."
GOOD = {
    "docs/index.md": f"# Start\n\n```{{toctree}}\nother\n```\n\n{LINKS}\n",
    "docs/other.md": "# Other\n\n## A part\n\nText.\n",
    "data/some.csv": "1,2\n",
}


def made(folder: Path, **changed: str) -> Path:
    """A small source tree; ``other`` or ``index`` replaces the text of that page."""
    files = GOOD | {f"docs/{name}.md": text for name, text in changed.items()}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_pages_in_order_are_built(tmp_path: Path) -> None:
    done = build(made(tmp_path / "source"), tmp_path / "site")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "site" / "docs" / "other.html").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# Other\n\n## A part\n\n[Gone](gone.md)\n", "gone.md"),
        ("# Other\n\n## A part\n\n[Gone](../data/gone.csv)\n", "gone.csv"),
        ("# Other\n\n## A part\n\n[Gone](../gone/)\n", "gone/"),
        ("# Other\n\n## A part\n\n[Nowhere](index.md#nowhere)\n", "nowhere"),
        ("# Other\n\n## A part\n\n[Nowhere](#nowhere)\n", "nowhere"),
        ("# Other\n\n## Another part\n\nText.\n", "a-part"),
        ("# Other\n\n## A part\n\n![Picture](gone.png)\n", "gone.png"),
        ("# Other\n\n## A part\n\n```{eval-rst}\n.. autofunction:: coachsim.gone\n```\n", "AttributeError: gone"),
    ],
    ids=["page", "file", "folder", "anchor", "anchor of its own", "anchor renamed", "picture", "function"],
)
def test_what_leads_nowhere_fails_the_build(tmp_path: Path, text: str, says: str) -> None:
    done = build(made(tmp_path / "source", other=text), tmp_path / "site")
    assert done.returncode == 1
    assert says in done.stderr


def test_a_page_that_is_missing_or_in_no_contents_fails_the_build(tmp_path: Path) -> None:
    index = "# Start\n\n```{toctree}\nother\ngone\n```\n"
    done = build(made(tmp_path / "source", index=index, lost="# Lost\n"), tmp_path / "site")
    assert done.returncode == 1
    assert "docs/gone" in done.stderr
    assert "lost.md" in done.stderr
