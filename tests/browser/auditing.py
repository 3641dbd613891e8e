"""What axe-core finds on a page as it stands, in its light and in its dark look, against WCAG 2.2, levels A and AA."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

Look = Literal["light", "dark"]
LOOKS: tuple[Look, ...] = ("light", "dark")
OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations", "incomplete"],
}
TWO_FRAMES = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


@dataclass(frozen=True)
class Seen:
    """One state of a page in one look: how many rules hold, and on how many elements axe cannot decide."""

    state: str
    look: Look
    passed: int
    undecided: int


class Audit:
    """The states that a test has looked at, and what broke a rule in them."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.violations: list[str] = []
        self._axe = Axe()

    async def look_at(self, page: Page, state: str, drawn: Callable[[Look], Awaitable[object]] | None = None) -> None:
        """Runs axe on ``page`` in both looks; ``drawn`` waits for what a page does about a change of its look.

        Motion is off, so that no colour is caught half-way to another.
        """
        for look in LOOKS:
            await page.emulate_media(color_scheme=look, reduced_motion="reduce")
            await page.evaluate(TWO_FRAMES)
            if drawn is not None:
                await drawn(look)
            found = (await self._axe.run(page, options=OPTIONS)).response
            undecided = sum(len(rule["nodes"]) for rule in found["incomplete"])
            self.seen.append(Seen(state, look, len(found["passes"]), undecided))
            self.violations += [
                f"{state} ({look}): {_sentence(rule, node)}" for rule in found["violations"] for node in rule["nodes"]
            ]


def _sentence(rule: dict[str, Any], node: dict[str, Any]) -> str:
    why = " ".join(node["failureSummary"].split())
    return f"{rule['id']} on {' '.join(map(str, node['target']))}: {why}"
