"""Charts of the tables that ``compare`` and ``sweep`` give: each variant's value, or difference, with its interval."""

from __future__ import annotations

from typing import Any, cast

import altair as alt

from coachsim.charts import theme
from coachsim.tally import MEASURES, checked_measure

_FORMATS = {"share": ".1%", "seconds": ",.0f", "minutes": ",.1f", "deliveries": ",.0f", "messages": ",.1f"}
_MOST_S = 300
"""Seconds above which a time is told in minutes."""
_OF = ("value", "low", "high")


def intervals(
    table: Any,
    x: str,
    measure: str,
    *,
    colour: str | None = None,
    difference: bool = False,
    title: str | None = None,
    dark: bool = False,
    width: int = 560,
    height: int = 240,
) -> alt.LayerChart:
    """A measure over ``x`` (a column of the table), a point and its 95 % interval for each value, in the table's order.

    ``colour`` is another column, a line for each of its values. With ``difference``, how far each is from the baseline,
    day by day on the same people. ``title`` is what the x axis says. Raises ``InvalidInput`` for no such measure.
    """
    unit, says = MEASURES[checked_measure(measure)].unit, MEASURES[measure].says
    names = [f"difference{end}" for end in ("", "_low", "_high")] if difference else list(_OF)
    found = [row for row in theme.rows(table) if row["measure"] == measure]
    factor = 1.0
    if unit == "seconds" and max((abs(row[name] or 0) for row in found for name in names), default=0) > _MOST_S:
        unit, says, factor = "minutes", says.replace("seconds", "minutes", 1), 1 / 60
    rows = [_row(row, x, colour, names, factor) for row in found]
    # A line only leads through what is in order: names are not.
    in_order = all(isinstance(row["x"], int | float) for row in rows)
    colours = theme.palette(dark=dark)
    scale = alt.Scale(zero=False, nice=False, padding=12)
    across = (
        alt.X("x:Q", title=title or x, scale=scale, axis=alt.Axis(grid=False))
        if in_order
        else alt.X("x:N", title=title or x, sort=None, axis=alt.Axis(labelAngle=0))
    )
    says += ", difference" if difference else ""
    form = alt.Axis(format=("+" if difference else "") + _FORMATS[unit], tickCount=5, domain=False)
    up = alt.Y("value:Q", title=None, scale=alt.Scale(zero=difference), axis=form)
    shade: Any = (
        alt.value(colours.accent)
        if colour is None
        else alt.Color("colour:N", title=colour, sort=None, legend=alt.Legend(orient="top"))
    )
    told = [
        alt.Tooltip("x:Q" if in_order else "x:N", title=x),
        *([alt.Tooltip("colour:N", title=colour)] if colour else []),
        *(alt.Tooltip(f"{name}:Q", format=_FORMATS[unit]) for name in _OF),
    ]
    base = alt.Chart(theme.values(rows)).encode(x=across, color=shade, tooltip=told)
    spread = base.mark_rule(strokeWidth=2, opacity=0.5).encode(y=alt.Y("low:Q", title=None), y2="high:Q")
    points = base.mark_point(filled=True, size=50, opacity=1).encode(y=up)
    layers = [spread, points]
    if in_order or colour is not None:
        layers.insert(0, base.mark_line(strokeWidth=1.5, opacity=0.6).encode(y=up))
    chart = alt.layer(*layers).properties(width=width, height=height, title=says, description=f"{says}, by {x}.")
    return theme.styled(cast(alt.LayerChart, chart), dark=dark)


def _row(row: theme.Row, x: str, colour: str | None, names: list[str], factor: float) -> dict[str, Any]:
    numbers = (None if row[name] is None else factor * row[name] for name in names)
    shown = {"x": row[x], **dict(zip(_OF, numbers, strict=True))}
    return shown if colour is None else shown | {"colour": str(row[colour])}
