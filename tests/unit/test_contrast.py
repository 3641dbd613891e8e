"""The colours of all pages and charts, pair by pair: text 4.5:1 on its ground, and what has to be made out 3:1.

axe-core judges what it sees of a page. It leaves out text in charts, what lies under something, and edges and dots.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from coachsim.charts import theme

PACKAGE = Path(__file__).parents[2] / "coachsim"
TEXT, SHAPE = 4.5, 3.0
DESK = {
    TEXT: [
        *((text, ground) for text in ("ink", "soft") for ground in ("card", "ground", "hover", "tint")),
        ("accent", "card"),
        ("accent", "tint"),
        ("accent", "hover"),
        ("alert", "card"),
        ("alert", "alert-tint"),
        ("warn", "warn-tint"),
    ],
    SHAPE: [("edge", "card"), ("edge", "ground"), ("accent", "card")],
}
COACHING = {
    TEXT: [("on-accent", "accent"), ("good", "card"), ("faint", "card"), ("faint", "band"), ("faint", "hover")],
    SHAPE: [(state, ground) for state in ("in", "break", "out") for ground in ("card", "tint", "hover")],
}
WHAT_IF = {
    TEXT: [("on-accent", "accent"), ("good", "card"), ("alert", "card"), ("faint", "card")],
    SHAPE: [("base", "card")],
}
SITE = {
    TEXT: [
        *((text, ground) for text in ("text", "muted") for ground in ("page", "card", "sunken", "accent-soft")),
        ("link", "card"),
        ("link", "accent-soft"),
        ("on-accent", "accent"),
        ("on-alarm", "alarm"),
        ("alarm-text", "alarm-soft"),
        ("alarm-text", "card"),
        ("warn-text", "warn-soft"),
        ("good-text", "card"),
        ("good-text", "accent-soft"),
        *(("toast-muted", ground) for ground in ("toast", "toast-urgent")),
    ],
    SHAPE: [
        ("edge", "card"),
        ("ring", "card"),
        ("ring", "page"),
        *((state, "card") for state in ("in", "break", "out")),
    ],
}
CHARTS = {
    TEXT: [("ink", "card"), ("soft", "card")],
    SHAPE: [(mark, "card") for mark in ("accent", "baseline", "logged_in", "on_break", "logged_out", "lost")],
}


def tokens(path: str) -> dict[str, dict[str, str]]:
    """The colours that a style sheet names, by look. The dark ones stand in the first rule for dark windows."""
    light, _, dark = (PACKAGE / path).read_text(encoding="utf-8").partition("@media (prefers-color-scheme: dark)")
    named = {"light": dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{3,6}|var\(--[\w-]+\))", light))}
    named["dark"] = named["light"] | dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{3,6})", dark))
    return named


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 has it."""
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Between 1 and 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def too_weak(named: dict[str, str], wanted: dict[float, list[tuple[str, str]]]) -> list[str]:
    """The pairs that miss what is wanted of them."""

    def colour(name: str) -> str:
        value = named[name]
        return colour(value[6:-1]) if value.startswith("var(") else value

    pairs = [(least, front, ground) for least, pairs in wanted.items() for front, ground in pairs]
    found = [(least, front, ground, contrast(colour(front), colour(ground))) for least, front, ground in pairs]
    return [
        f"{front} on {ground}: {is_now:.2f}, not {least}" for least, front, ground, is_now in found if is_now < least
    ]


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("pages/coaching.css", [DESK, COACHING]),
        ("pages/message_log.css", [DESK]),
        ("pages/what_if.css", [DESK, WHAT_IF]),
        ("web/tokens.css", [SITE]),
    ],
)
def test_colours_of_the_pages_can_be_told_apart(path: str, wanted: list, look: str) -> None:
    named = tokens(path)[look]
    assert [weak for pairs in wanted for weak in too_weak(named, pairs)] == []


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_colours_of_the_charts_can_be_told_apart(colours: theme.Palette) -> None:
    assert too_weak(asdict(colours), CHARTS) == []


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.005)
