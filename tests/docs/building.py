"""The documentation site built as ``make docs`` does, and its pages read: what they load, where they lead."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
#: What ``make docs`` says to Sphinx; test_site.py compares.
STRICT = ("--quiet", "--fresh-env", "--fail-on-warning", "--keep-going")
#: A browser asks for these by itself; any other address waits until somebody follows it.
_LOADED = {
    ("script", "src"), ("img", "src"), ("img", "srcset"), ("source", "src"), ("source", "srcset"), ("iframe", "src"),
    ("object", "data"), ("embed", "src"), ("video", "src"), ("video", "poster"), ("audio", "src"), ("track", "src"),
    ("image", "href"), ("use", "href"), ("form", "action"), ("base", "href"),
}  # fmt: skip


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Builds the pages under ``source`` into ``site``, with the settings of this repository's site."""
    command = [sys.executable, "-m", "sphinx", *STRICT, "-c", str(REPOSITORY / "docs"), str(source), str(site)]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)


class Page(HTMLParser):
    """An HTML file: ``loads`` are the addresses that a browser asks for with it, ``leads_to`` those of its links.

    ``ids`` are the places in it that a link can name, ``text`` is what there is to read.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads_to: list[str] = []
        self.ids: set[str] = set()
        self.styles = ""
        self.scripts = ""
        self._inside: list[str] = []
        self._text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join("".join(self._text).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Takes what an element says."""
        given = {name: value or "" for name, value in attributes}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        self.loads += [value for name, value in given.items() if (tag, name) in _LOADED]
        self.styles += given.get("style", "") + "\n"
        if tag == "link":
            # Where else the site's pages are (next, index …) is for following; the rest is fetched.
            fetched = given.get("rel") not in ("next", "prev", "index", "search", "author", "copyright")
            (self.loads if fetched else self.leads_to).append(given.get("href", ""))
        elif tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.leads_to.append(given["content"].partition("url=")[2])
        elif tag in ("a", "area") and "href" in given:
            self.leads_to.append(given["href"])
        if tag in ("style", "script"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leaves a script or a style sheet."""
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        """Takes text, or what is inside of a script or a style sheet."""
        if not self._inside:
            self._text.append(data)
        elif self._inside[-1] == "style":
            self.styles += data
        else:
            self.scripts += data
