"""A person with a keyboard alone: real key presses, and at each stop the focus can be seen."""

from __future__ import annotations

from playwright.async_api import Locator, Page

# The element that has the focus shows it with an outline, and some part of it lies on top, inside the window.
SHOWN = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return '';
  const name = at.getAttribute('aria-label') || at.innerText || at.labels?.[0]?.innerText || at.id || at.tagName;
  const style = getComputedStyle(at);
  if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) return `${name}: no outline`;
  const box = at.getBoundingClientRect();
  for (let x = 1; x < 8; x++) for (let y = 1; y < 8; y++) {
    const top = document.elementFromPoint(box.left + box.width * x / 8, box.top + box.height * y / 8);
    if (top && (at.contains(top) || top.contains(at) && top.matches('label, summary'))) return '';
  }
  return `${name}: hidden by something, or outside the window`;
}"""


async def shown(page: Page) -> None:
    """The focus can be seen where it is."""
    assert await page.evaluate(SHOWN) == ""


async def press(page: Page, *keys: str) -> None:
    """Presses keys, one after the other, and looks where the focus is."""
    for key in keys:
        await page.keyboard.press(key)
    await shown(page)


async def has_focus(target: Locator) -> bool:
    """Whether it has the focus now."""
    return bool(await target.evaluate_all("(found) => found.length === 1 && found[0] === document.activeElement"))


async def tab_to(target: Locator, key: str = "Tab", most: int = 60) -> None:
    """Presses Tab until ``target`` has the focus. On the way the focus is somewhere, and seen, at each stop."""
    page = target.page
    for _ in range(most):
        await page.keyboard.press(key)
        await shown(page)
        if await has_focus(target):
            return
    raise AssertionError(f"{most} times {key} did not lead to {target}")


async def round_trip(page: Page, inside: str = "body", most: int = 150) -> int:
    """Presses Tab until the focus comes back to its next stop, and gives the number of stops: nothing holds it.

    ``inside`` is a selector of what it must not leave, but for the browser's own controls.
    """
    await press(page, "Tab")
    await page.evaluate("() => { window.began = document.activeElement; }")
    for stops in range(1, most):
        await page.keyboard.press("Tab")
        await shown(page)
        assert await page.evaluate(
            "(inside) => document.activeElement === document.body || document.activeElement.closest(inside) !== null",
            inside,
        )
        if await page.evaluate("() => document.activeElement === window.began"):
            return stops
    raise AssertionError(f"the focus did not come round in {most} stops")
