"""Tutorials and how-tos name what is on the screen. That their blocks run is held by tests/server/test_papers.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.building import REPOSITORY

PAGES = sorted(path for part in ("tutorials", "how-to") for path in (REPOSITORY / "docs" / part).glob("*.md"))
SCREENS = (
    *(REPOSITORY / "coachsim" / "pages").glob("*.vue"),
    *(REPOSITORY / "coachsim" / "pages").glob("*.js"),
    *(REPOSITORY / "coachsim" / "web").glob("*.*"),
    *(REPOSITORY / "coachsim" / "server" / "templates").glob("*.html"),
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_bold_type_is_for_what_is_on_the_screen(page: Path) -> None:
    """A page whose button gets another name is found here."""
    screens = "\n".join(path.read_text(encoding="utf-8") for path in SCREENS)
    for name in re.findall(r"\*\*(.+?)\*\*", " ".join(page.read_text(encoding="utf-8").split())):
        assert name in screens, f"{page.name} names {name!r}, which no screen shows"
