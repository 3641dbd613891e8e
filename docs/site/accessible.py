"""What the theme leaves out for people with a keyboard or a screen reader: levels of headings, and a way to scroll."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

_LAST = 900
# What is wider than a small window scrolls by itself, so the focus has to get there.
_SCROLLS = {"<pre>": '<pre tabindex="0">', '<div class="table-wrapper ': '<div tabindex="0" class="table-wrapper '}


def setup(app: Sphinx) -> dict[str, bool]:
    """Hooks into Sphinx, after the theme."""
    app.connect("html-page-context", _page, priority=_LAST)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _page(app: Sphinx, name: str, template: str, context: dict[str, Any], document: object) -> None:
    for given, better in _SCROLLS.items():
        context["body"] = context.get("body", "").replace(given, better)
    tree = context["furo_navigation_tree"]
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')
