"""A fitted attention beside its log: the share read within so much presence, as it was and as the model has it."""

from __future__ import annotations

from typing import Any, cast

from coachsim.charts import theme, words
from coachsim.charts.quick import alt
from coachsim.charts.words import Width

TITLE = "Does the fitted attention describe the log?"
_CAPTION = (
    "Lines: the share read (or confirmed) within so much time that the agent was there, in the log. Bands: the same"
    " sends to the same people, read again {replays} by the model. A line that leaves its band for long is something"
    " that the model does not have."
)
_TICKS = (2, 5, 15, 60, 300, 900, 3_600, 14_400)
_SAYS = {2: "2 s", 5: "5 s", 15: "15 s", 60: "1 min", 300: "5 min", 900: "15 min", 3_600: "1 h", 14_400: "4 h"}
_DASHES: tuple[list[int], ...] = ([1, 0], [7, 3], [2, 3])


def goodness(
    data: Any,
    *,
    replays: int | None = None,
    dark: bool = False,
    width: Width = 640,
    height: int = 280,
    headings: bool = True,
    title: str = TITLE,
) -> alt.LayerChart:
    """What ``coachsim.fitting.goodness(log, fitted)`` gave: a line and a band for each kind.

    ``replays`` is for the caption. The text alternative says how far each line is from the middle of its band at most.
    """
    found = theme.rows(data)
    kinds = list(dict.fromkeys(row["what"] for row in found))
    if not kinds:
        return words.nothing(title, "There was too little to compare.", width=width, headings=headings, dark=dark)
    says = _CAPTION.format(replays="many times" if replays is None else f"{replays} times")
    labels = {what: f"{what} ({_deliveries(found, what):,})" for what in kinds}
    described = [f"{what}: at most {_apart(found, what):.1f} percentage points from the model" for what in kinds]
    chart = _drawn([_row(row, labels) for row in found], list(labels.values()), dark=dark)
    return cast(
        alt.LayerChart,
        words.headed(
            chart,
            title,
            says,
            width=width,
            headings=headings,
            description=f"{title} {words.listed(described)}.",
            dark=dark,
            height=height,
        ),
    )


def _deliveries(rows: list[dict[str, Any]], what: str) -> int:
    return next(int(row["deliveries"]) for row in rows if row["what"] == what)


def _apart(rows: list[dict[str, Any]], what: str) -> float:
    return max(100.0 * abs(float(row["observed"]) - (row["expected"] or 0.0)) for row in rows if row["what"] == what)


def _row(row: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    modelled = "none of it" if row["expected"] is None else words.percent(row["expected"])
    return {
        "what": labels[row["what"]],
        "seconds": row["seconds"],
        "observed": row["observed"],
        "low": row["low"],
        "high": row["high"],
        "within": words.duration(row["seconds"]),
        "log": words.percent(row["observed"]),
        "model": modelled,
    }


def _drawn(rows: list[dict[str, Any]], kinds: list[str], *, dark: bool) -> Any:
    colours = theme.palette(dark=dark)
    shades = [colours.accent, colours.on_break, colours.logged_in][: len(kinds)]
    key = alt.Legend(columns=1, labelLimit=420, symbolSize=300, symbolType="stroke")
    shade = alt.Color("what:N", title=None, scale=alt.Scale(domain=kinds, range=shades), legend=key)
    dashes = alt.Scale(domain=kinds, range=list(_DASHES[: len(kinds)]))
    dash = alt.StrokeDash("what:N", title=None, scale=dashes, legend=key)
    ticks = alt.Axis(values=list(_TICKS), labelExpr=f"({_SAYS})[datum.value]", grid=False, labelFlush=True)
    logs = alt.Scale(type="log", domain=[_TICKS[0], _TICKS[-1]], nice=False)
    across = alt.X("seconds:Q", title="time that the agent was there", scale=logs, axis=ticks)
    axis = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], domain=False)
    share = alt.Y("observed:Q", title="share", scale=alt.Scale(domain=[0, 1]), axis=axis)
    told = [
        alt.Tooltip("what:N", title="of"),
        alt.Tooltip("within:N", title="within"),
        alt.Tooltip("log:N", title="in the log"),
        alt.Tooltip("model:N", title="by the model"),
    ]
    # Bands of a scale's colours would take the strokes out of the legend, so each has its own.
    bands = [
        alt.Chart(theme.values([row for row in rows if row["what"] == what]))
        .mark_area(opacity=0.28, color=colour)
        .encode(x=across, y=alt.Y("low:Q", title="share"), y2="high:Q")
        for what, colour in zip(kinds, shades, strict=True)
    ]
    base = alt.Chart(theme.values(rows)).encode(x=across, color=shade)
    lines = base.mark_line(strokeWidth=2).encode(y=share, strokeDash=dash)
    hints = base.mark_point(opacity=0, size=220).encode(y=share, tooltip=told)
    return alt.layer(*bands, lines, hints)
