"""The documentation site as it is built: it is whole, every link leads somewhere, and it loads nothing from outside."""

from __future__ import annotations

import importlib
import posixpath
import re
from functools import cache
from pathlib import Path
from pydoc import locate
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from sphinx.util.inventory import InventoryFile

import coachsim
from coachsim import errors
from tests.docs.building import REPOSITORY, STRICT, Page, build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
# Names of formats, not places to load from.
NAMES = ("http://www.w3.org/",)
ADDRESS = re.compile(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}[^\s\"'()<>]*", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(REPOSITORY, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    """Every HTML file of the site, by its path in it."""
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


def test_make_docs_is_as_strict_as_here() -> None:
    recipe = (REPOSITORY / "Makefile").read_text(encoding="utf-8").partition("\ndocs:")[2].partition("\n\n")[0]
    assert " ".join(STRICT) in recipe


def test_every_paper_is_a_page(pages: dict[str, Page]) -> None:
    papers = [*REPOSITORY.glob("*.md"), REPOSITORY / "data" / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
    assert len(papers) > 25
    for paper in papers:
        assert paper.relative_to(REPOSITORY).with_suffix(".html").as_posix() in pages


def test_every_link_leads_to_something(site: Path, pages: dict[str, Page]) -> None:
    followed = 0
    for name, page in pages.items():
        for address in [*page.leads_to, *page.loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or address in ("", "#"):
                continue
            followed += 1
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(parts.path)))
            target = target if parts.path else name
            assert (site / target).is_file(), f"{name} leads to {address}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{name} leads to {address}"
    assert followed > 1_000


def test_pages_load_nothing_from_another_host(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        for address in page.loads:
            parts = urlsplit(address)
            assert not parts.netloc and parts.scheme in ("", "data"), f"{name} loads {address}"
        for written in (page.styles, page.scripts):
            assert outside(written) == [], name


def test_style_sheets_scripts_and_pictures_load_nothing_from_another_host(site: Path) -> None:
    files = [
        path for path in site.rglob("*") if path.suffix in (".css", ".js", ".svg") and "_downloads" not in path.parts
    ]
    assert {path.suffix for path in files} == {".css", ".js", ".svg"}
    for path in files:
        # What a comment says is for people, and the index of the search is text of the pages.
        text = re.sub(r"/\*.*?\*/|^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        if path.name != "searchindex.js":
            assert outside(text) == [], path.relative_to(site)


def outside(text: str) -> list[str]:
    """The addresses of other hosts in a script or a style sheet."""
    return [found for found in ADDRESS.findall(text) if not found.startswith(NAMES)]


@pytest.mark.parametrize("name", ["coachsim", "coachsim.analysis", "coachsim.fitting"])
def test_whatever_users_import_is_in_the_reference(site: Path, name: str) -> None:
    there = documented(site)
    module = importlib.import_module(name)
    for public in module.__all__:
        called = [each for each in there if each.rpartition(".")[2] == public]
        assert any(locate(each) is getattr(module, public) for each in called), f"{name}.{public}"


@cache
def documented(site: Path) -> set[str]:
    """The names of all Python objects that the site describes."""
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    return {name for kind, entries in inventory.data.items() if kind.startswith("py:") for name in entries}


def test_the_page_of_the_api_has_every_code(pages: dict[str, Page]) -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CoachsimError)
    ]
    assert len(kinds) > 30
    for kind in kinds:
        assert f" {kind.code} {kind.http_status} " in pages["docs/reference/api.html"].text


def test_the_page_of_the_api_has_every_operation_field_and_shape(pages: dict[str, Page]) -> None:
    described = yaml.safe_load(Path(coachsim.__file__).with_name("server").joinpath("api.yaml").read_text("utf-8"))
    text = pages["docs/reference/api.html"].text
    operations = 0
    for path, item in described["paths"].items():
        for method, operation in item.items():
            operations += 1
            own = section(text, f"{method.upper()} {path}")
            assert " ".join(operation["summary"].replace("`", "").split()) in own
            for named in [*operation["responses"], *operation["x-roles"]]:
                assert named in own
    assert operations > 30
    for name, schema in described["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert f" {field} " in section(text, name), f"{name}.{field}"


def section(text: str, heading: str) -> str:
    """What a page says under a heading, up to the next one. Each heading has a sign that links to it."""
    _, found, after = text.partition(f" {heading}¶ ")
    assert found, heading
    return after.partition("¶")[0]


def test_the_page_of_the_command_line_has_every_command(pages: dict[str, Page]) -> None:
    text = pages["docs/reference/command-line.html"].text
    for command in (
        "serve",
        "desk",
        "user add",
        "token",
        "roster load",
        "compare",
        "fit",
        "log export",
        "log pseudonym",
    ):
        assert section(text, f"coachsim {command}").startswith(f"usage: coachsim {command} [-h]")


def test_the_index_of_the_search_is_part_of_the_site(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    for word in ("supervisor", "pseudonym", "unread_r", "systemd"):
        assert word in index.lower()
