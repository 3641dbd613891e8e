"""What every test may use. Fixtures of one kind of test lie beside those tests."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import shutil
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# The machine may be busy with other tests: how long an example takes says nothing about the code.
settings.register_profile("coachsim", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("coachsim")


def pytest_configure() -> None:
    """A floor without a time zone has the machine's. In this one it is eleven: no night comes while the tests run."""
    east = 11 - datetime.now(UTC).hour
    os.environ["TZ"] = f"Etc/GMT{-east:+}"  # these names count hours west of Greenwich


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds pyproject.toml."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def chromium() -> dict[str, object]:
    """Arguments for Playwright's ``chromium.launch``: the system's Chromium if there is one, and nothing but the page.

    Without the background switches, Chromium looks for its maker's hosts at every start.
    """
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    arguments = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    if os.getuid() == 0:
        arguments.append("--no-sandbox")  # Chromium's sandbox refuses to run as root
    return {"headless": True, "args": arguments, **({"executable_path": found} if found else {})}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own server or data folder must not be what a test talks to."""
    for name in ("COACHSIM_URL", "COACHSIM_DATA", "COACHSIM_TOKEN", "HTTP_X_COACH_TICKET"):
        monkeypatch.delenv(name, raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in tests/browser has the mark ``browser``, whoever forgets it; and whatever waits, ends."""
    for item in items:
        if "browser" in item.path.parent.parts:
            item.add_marker(pytest.mark.browser)
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = _in_time(item.obj, 0.8 * _timeout(item))


def _timeout(item: pytest.Item) -> float:
    """Seconds, after which pytest-timeout ends the process."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0] if mark else item.config.getini("timeout"))


def _in_time(
    test: Callable[..., Coroutine[Any, Any, None]], seconds: float
) -> Callable[..., Coroutine[Any, Any, None]]:
    """The same test, which fails where it stands if it waits in vain: the time-out would only end the process."""

    @functools.wraps(test)
    async def run(**given: Any) -> None:
        async with asyncio.timeout(seconds):
            await test(**given)

    return run


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What axe-core was shown, state by state: tests/browser/test_accessibility.py records it."""
    looks = [
        tuple(look)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, seen in report.user_properties
        if name == "axe"
        for look in seen
    ]
    if not looks:
        return
    terminalreporter.section("axe-core: WCAG 2.2, levels A and AA")
    for state, look, passed, undecided in looks:
        aside = f", {undecided} elements undecided" if undecided else ""
        terminalreporter.line(f"{state} ({look}): {passed} rules hold{aside}")
    states = len({state for state, *_ in looks})
    terminalreporter.line(f"{states} states, {len(looks)} looks; a violation fails its test.")
