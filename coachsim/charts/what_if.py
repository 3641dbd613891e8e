"""Charts of a comparison: how fast two variants are read, how far apart they are, and whose messages are lost.

``A`` is what it is compared with, ``B`` the variant. Shares are from 0 to 1; ``low`` and ``high`` bound an interval and
may be None, where there are too few days for one. Rows may come in any order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from coachsim.charts import theme
from coachsim.charts.quick import alt

_SHARE = ".0%"
_POINTS = "format(100 * datum.value, '+.2~f')"
_HOUR = 60
_BAR = 15
_MOST_TEAMS = 40


def read_curves(
    data: Any, *, labels: Mapping[str, str] | None = None, dark: bool = False, height: int = 280, legend: bool = True
) -> alt.LayerChart:
    """The share read by so long after the send, with its interval as a band.

    Rows have ``variant`` (A or B), ``minutes``, ``read``, ``low`` and ``high``; ``labels`` say what A and B are.
    """
    rows = theme.rows(data)
    colours = theme.palette(dark=dark)
    names = {"A": "A", "B": "B"} | dict(labels or {})
    named = [row | {"variant": names[row["variant"]]} for row in rows]
    scale = alt.Scale(domain=[names["A"], names["B"]], range=[colours.baseline, colours.accent])
    colour = alt.Color("variant:N", scale=scale, title=None, legend=alt.Legend() if legend else None)
    base = alt.Chart(theme.named("curves")).encode(x=_since_send(rows))
    share = alt.Y(
        "read:Q", title="read", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=_SHARE, tickCount=5, domain=False)
    )
    band = base.mark_area(opacity=0.2).encode(
        y=alt.Y("low:Q", title="read", scale=alt.Scale(domain=[0, 1])), y2="high:Q", color=colour
    )
    lines = base.mark_line(clip=True).encode(y=share, color=colour)
    # Invisible, and wide enough to be found with a pointer: what the curves say at that time.
    told = [
        alt.Tooltip("minutes:Q", title="minutes since the send"),
        *(alt.Tooltip(f"{name}:Q", title=names[name], format=".1%") for name in ("A", "B")),
    ]
    times = [
        {"minutes": minutes} | {row["variant"]: row["read"] for row in rows if row["minutes"] == minutes}
        for minutes in sorted({row["minutes"] for row in rows})
    ]
    hints = (
        alt.Chart(theme.named("times")).mark_rule(opacity=0, strokeWidth=9).encode(x=_since_send(rows), tooltip=told)
    )
    chart = alt.layer(band, lines, hints).properties(
        width="container", height=height, description=f"Share read after the send: {names['A']} and {names['B']}."
    )
    return theme.styled(cast(alt.LayerChart, chart), dark=dark, data={"curves": named, "times": times})


def differences(data: Any, *, dark: bool = False, height: int = 280) -> alt.LayerChart:
    """How much more of B than of A was read by so long after the send, day by day on the same people.

    Rows have ``minutes``, ``difference``, ``low`` and ``high``.
    """
    rows = theme.rows(data)
    colours = theme.palette(dark=dark)
    says = "B minus A, percentage points"
    known = [row[name] for row in rows for name in ("difference", "low", "high") if row[name] is not None]
    scale = alt.Scale(domain=[min([-0.01, *known]), max([0.01, *known])], nice=True)
    points = alt.Axis(labelExpr=_POINTS, tickCount=5, domain=False)
    base = alt.Chart(theme.named("differences")).encode(x=_since_send(rows))
    band = base.mark_area(opacity=0.2, color=colours.accent).encode(
        y=alt.Y("low:Q", title=says, axis=points, scale=scale), y2="high:Q"
    )
    line = base.mark_line(color=colours.accent).encode(y=alt.Y("difference:Q", title=says, axis=points, scale=scale))
    zero = alt.Chart(theme.named("zero")).mark_rule(color=colours.soft, strokeDash=[4, 3]).encode(y="at:Q")
    told = [
        alt.Tooltip("minutes:Q", title="minutes since the send"),
        alt.Tooltip("difference:Q", title="B minus A", format="+.1%"),
        alt.Tooltip("low:Q", title="from", format="+.1%"),
        alt.Tooltip("high:Q", title="to", format="+.1%"),
    ]
    hints = base.mark_rule(opacity=0, strokeWidth=9).encode(tooltip=told)
    chart = alt.layer(zero, band, line, hints).properties(
        width="container", height=height, description="Share read after the send: B minus A."
    )
    return theme.styled(cast(alt.LayerChart, chart), dark=dark, data={"differences": rows, "zero": [{"at": 0}]})


def missed_by_team(
    data: Any, *, labels: Mapping[str, str] | None = None, dark: bool = False, legend: bool = True
) -> alt.LayerChart:
    """The share of each team's deliveries that was lost, A beside B, the team that lost most first.

    Rows have ``variant``, ``team``, ``lost_rate``, ``low``, ``high``, ``lost`` and ``sent``. Of more than forty teams,
    those that lost most.
    """
    rows = [row for row in theme.rows(data) if row["lost_rate"] is not None]
    colours = theme.palette(dark=dark)
    names = {"A": "A", "B": "B"} | dict(labels or {})
    worst = {team: max(row["lost_rate"] for row in rows if row["team"] == team) for team in {r["team"] for r in rows}}
    order = sorted(worst, key=lambda team: (-worst[team], team))[:_MOST_TEAMS]
    named = [row | {"variant": names[row["variant"]]} for row in rows if row["team"] in order]
    both = alt.Scale(domain=[names["A"], names["B"]], range=[colours.baseline, colours.accent])
    base = alt.Chart(theme.named("teams")).encode(
        y=alt.Y(
            "team:N",
            sort=order,
            title=None,
            scale=alt.Scale(paddingInner=0.3, paddingOuter=0.1),
            axis=alt.Axis(domain=False, ticks=False),
        ),
        yOffset=alt.YOffset("variant:N", sort=[names["A"], names["B"]], bandPosition=0.5),
    )
    told = [
        alt.Tooltip("team:N"),
        alt.Tooltip("variant:N", title="variant"),
        alt.Tooltip("lost_rate:Q", title="lost", format=".1%"),
        alt.Tooltip("lost:Q", title="lost on all days", format=","),
        alt.Tooltip("sent:Q", title="of", format=","),
    ]
    most = max((row["high"] or row["lost_rate"] for row in named), default=0.0) or 1.0
    # Given, not found by the chart: without rows, or without intervals, it would complain of an infinite extent.
    scale = alt.Scale(domain=[0, most], nice=True)
    axis = alt.Axis(format=".1%" if most < 0.05 else ".0%", tickCount=5, domain=False)
    lost = alt.X("lost_rate:Q", title="lost", axis=axis, scale=scale)
    bars = base.mark_bar(cornerRadiusEnd=2).encode(
        x=lost,
        color=alt.Color("variant:N", scale=both, title=None, legend=alt.Legend() if legend else None),
        tooltip=told,
    )
    spread = base.mark_rule(color=colours.ink, strokeWidth=1.2).encode(x=alt.X("low:Q", title="lost"), x2="high:Q")
    chart = alt.layer(bars, spread).properties(
        width="container",
        height=max(2 * _BAR, 2 * _BAR * len(order)),
        description=f"Share lost by team: {names['A']} and {names['B']}.",
    )
    return theme.styled(cast(alt.LayerChart, chart), dark=dark, data={"teams": named})


def _since_send(rows: list[dict[str, Any]]) -> alt.X:
    last = max((row["minutes"] for row in rows), default=_HOUR)
    step = next((step for step in (5, 10, 15, 30, 60, 120, 240) if last / step <= 8), 240)
    hours = last > 4 * _HOUR
    shown = f"datum.value / {_HOUR} + ' h'" if hours else "datum.value + (datum.value ? ' min' : '')"
    axis = alt.Axis(values=list(range(0, int(last) + 1, step)), labelExpr=shown, grid=False, labelFlush=True)
    return alt.X("minutes:Q", title=None, scale=alt.Scale(domain=[0, last or _HOUR], nice=False), axis=axis)
