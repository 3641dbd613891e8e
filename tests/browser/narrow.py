"""Whether a page fits a small window. A window at 200 % zoom is laid out as one of half its width and height."""

from __future__ import annotations

import asyncio
import time

from playwright.async_api import Page

from tests.serving import DEADLINE_S

PHONE = (320, 640)
TABLET = (1024, 768)
TABLET_AT_200_PERCENT = (512, 384)
DESKTOP_AT_200_PERCENT = (640, 450)

# Nothing is wider than the window but tables and charts, which scroll by themselves; and no control is cut off.
MISFITS = """() => {
  const called = (node) => `${node.tagName}.${node.className} ${node.textContent.trim().slice(0, 30)}`;
  const all = [...document.querySelectorAll('*')].filter((node) => node.checkVisibility() && !node.closest('svg'));
  const x = (node) => getComputedStyle(node).overflowX;
  const scrolls = (node) => node === document.documentElement || /auto|scroll/.test(x(node));
  const sideways = all.filter((node) => scrolls(node) && node.scrollWidth > node.clientWidth + 1
    && (node.matches('html, body') || !node.querySelector('table, svg.marks')));
  const isCut = (node) => {
    const { left, right, width } = node.getBoundingClientRect();
    if (width <= 1) return false;
    for (let around = node.parentElement; around; around = around.parentElement) {
      const box = around.getBoundingClientRect();
      if (scrolls(around)) break;
      if (/hidden|clip/.test(x(around)) && (left < box.left - 1 || right > box.right + 1)) return true;
    }
    return (left < -1 || right > innerWidth + 1) && !node.closest('table');
  };
  const controls = 'button, input, select, textarea, a[href], summary, [role=columnheader]';
  const cut = all.filter((node) => node.matches(controls) && isCut(node));
  return [
    ...sideways.map((node) => `scrolls sideways: ${called(node)}`),
    ...cut.map((node) => `cut off: ${called(node)}`),
  ];
}"""


async def fits(page: Page, *sizes: tuple[int, int]) -> None:
    """Holds in each of these windows; the page then has its own size again."""
    usual = page.viewport_size
    assert usual is not None
    for width, height in sizes:
        await page.set_viewport_size({"width": width, "height": height})
        end = time.monotonic() + DEADLINE_S
        while misfits := await page.evaluate(MISFITS):  # charts and lists follow their place in the next frames
            assert time.monotonic() < end, f"at {width} × {height}: {misfits}"
            await asyncio.sleep(0.05)
    await page.set_viewport_size(usual)
