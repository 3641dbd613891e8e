"""The documentation site in a browser: it asks no other host, its search finds, and it fits every window and look."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.auditing import Audit
from tests.browser.conftest import PageLog
from tests.browser.marks import IN_A_BROWSER
from tests.browser.narrow import DESKTOP_AT_200_PERCENT, PHONE, TABLET
from tests.docs.building import REPOSITORY, build

pytestmark = [*IN_A_BROWSER, pytest.mark.timeout(500)]
# One of each kind: the start, a tutorial with blocks, wide tables, signatures, the API.
KINDS = ("docs/index", "docs/tutorials/analyst", "data/README", "docs/reference/coachsim", "docs/reference/api")


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(REPOSITORY, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, page_log: PageLog) -> AsyncIterator[Page]:
    """A window that complains of nothing and asks no other host, else its test fails."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB")
    page_log.watch(context)
    yield await context.new_page()
    await context.close()


async def test_every_page_opens_without_another_host(page: Page, page_log: PageLog, site: Path, address: str) -> None:
    names = [path.relative_to(site).as_posix() for path in site.rglob("*.html")]
    names.remove("index.html")  # leads elsewhere, as the next test sees
    assert len(names) > 30
    for name in names:
        await page.goto(f"{address}/{name}", wait_until="load")
    assert {request.partition(address)[1] for request in page_log.requests} == {address}


async def test_the_folder_leads_to_its_first_page_also_without_a_server(page: Page, site: Path) -> None:
    await page.goto((site / "index.html").as_uri())
    await page.wait_for_url("**/docs/index.html")
    await page.get_by_role("link", name="your first message, seen being read", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Supervisor")


async def test_the_search_finds_a_word_and_leads_to_it(page: Page, address: str) -> None:
    await page.goto(f"{address}/docs/index.html")
    box = page.get_by_role("textbox", name="Search")
    await box.fill("pseudonym")
    await box.press("Enter")
    found = page.locator("#search-results").get_by_role("link", name=re.compile("Keep, archive and delete days"))
    await found.first.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Keep, archive and delete days")


@pytest.mark.parametrize("name", KINDS)
async def test_pages_fit_small_windows_and_hold_to_wcag_in_both_looks(
    page: Page, address: str, name: str, record_property: Callable[[str, object], None]
) -> None:
    await page.goto(f"{address}/{name}.html")
    audit = Audit()
    await audit.look_at(page, f"documentation: {name}")
    record_property("axe", [[one.state, one.look, one.passed, one.undecided] for one in audit.seen])
    assert audit.violations == []
    for width, height in (PHONE, DESKTOP_AT_200_PERCENT, TABLET):
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width  # tables and blocks scroll alone
