"""The look of every chart: the pages' colours in light and dark, and rows as a chart takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from coachsim.charts.quick import alt

Row = Mapping[str, Any]
FONT = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'
_C = TypeVar("_C", bound=alt.TopLevelMixin)


@dataclass(frozen=True, slots=True)
class Palette:
    """The pages' colours. ``accent`` is what it is about, ``baseline`` what it is compared with."""

    card: str
    ink: str
    soft: str
    line: str
    edge: str
    accent: str
    baseline: str
    logged_in: str
    on_break: str
    logged_out: str
    notified: str
    waiting: str
    lost: str


LIGHT = Palette(
    card="#ffffff",
    ink="#1b2430",
    soft="#5a6675",
    line="#e6eaee",
    edge="#ccd4dc",
    accent="#0f5e6b",
    baseline="#8a94a6",
    logged_in="#1f8a4c",
    on_break="#b7791f",
    logged_out="#8a95a3",
    notified="#7fb6c2",
    waiting="#dbe2e9",
    lost="#d9534a",
)
DARK = Palette(
    card="#1a2129",
    ink="#e8edf2",
    soft="#a9b5c3",
    line="#28323d",
    edge="#3a4654",
    accent="#6cc1cf",
    baseline="#8f9cab",
    logged_in="#4cc27f",
    on_break="#e0a94a",
    logged_out="#8a97a6",
    notified="#3c7f8c",
    waiting="#323d49",
    lost="#e5736a",
)


def palette(*, dark: bool = False) -> Palette:
    """The colours for a light or a dark page."""
    return DARK if dark else LIGHT


def config(*, dark: bool = False) -> dict[str, Any]:
    """Vega-Lite's ``config`` for the pages' look."""
    colours = palette(dark=dark)
    text = {"labelColor": colours.soft, "titleColor": colours.soft, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": text
        | {
            "domainColor": colours.edge,
            "gridColor": colours.line,
            "tickColor": colours.edge,
            "titleFontWeight": "normal",
            "labelPadding": 6,
            "titlePadding": 10,
        },
        "legend": text | {"titleFontWeight": "normal", "symbolStrokeWidth": 2, "orient": "top"},
        "header": text,
        "title": {"color": colours.ink, "fontSize": 14, "fontWeight": 600, "anchor": "start", "offset": 12},
        "text": {"color": colours.ink, "fontSize": 12},
        "rule": {"color": colours.edge},
        "line": {"strokeWidth": 2.5, "strokeCap": "round"},
        "range": {"category": [colours.accent, colours.baseline, colours.on_break, colours.logged_in, colours.lost]},
    }


def styled(chart: _C, *, dark: bool = False, data: Mapping[str, list[dict[str, Any]]] | None = None) -> _C:
    """The same chart in the pages' look; the outermost chart alone can have it.

    ``data`` are the rows of its ``named`` data. A chart that is drawn while a slider moves has its rows in this way:
    Altair copies and checks those that it is given earlier again and again.
    """
    dressed = cast(Any, chart).copy(deep=False)
    dressed.config = alt.Config(**config(dark=dark))
    if data is not None:
        dressed.datasets = dict(data)
    return cast(_C, dressed)


def rows(data: Any) -> list[dict[str, Any]]:
    """What a chart draws as a list of dicts: from dicts, or from a DataFrame with its missing values as None."""
    if hasattr(data, "to_json"):
        found: list[dict[str, Any]] = json.loads(data.to_json(orient="records", date_format="iso"))
        return found
    return [dict(row) for row in cast(Iterable[Row], data)]


def named(name: str) -> alt.NamedData:
    """Data whose rows ``styled`` is given."""
    return alt.NamedData(name=name)


def values(data: Any) -> alt.InlineData:
    """``rows`` as a chart's data, which then stand in its specification."""
    return alt.InlineData(values=rows(data))
