"""Charts of how long reading took: Kaplan-Meier curves with their medians, of groups or of one message.

They take what ``analysis.read_curve`` and ``analysis.time_to_read`` give, with the same ``by``, ``since``, days and
teams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from coachsim.charts import theme, words
from coachsim.charts.quick import alt
from coachsim.charts.words import Width
from coachsim.wording import STATES

TITLE = "Time to read"
_CAPTION = (
    "The share read within so long after the {since}. What was never read counts as 'longer than until it was lost'"
    " (Kaplan-Meier), so nothing is left out. A dot marks the median: half are read by then."
)
_MESSAGE_CAPTION = "The share of those it went to who had read it by so long after the send."
MOST = 6
"""How many groups are drawn: more lines than colours that can be told apart say nothing."""
_MOST_POINTS = 200
_SHADES = {
    False: ("#0f5e6b", "#b7791f", "#6b4fa0", "#1b2430", "#d9534a", "#5b9bd5"),
    True: ("#6cc1cf", "#e0a94a", "#b39ddb", "#e8edf2", "#e5736a", "#5b9bd5"),
}
_DASHES: tuple[list[int], ...] = ([1, 0], [7, 3], [2, 3], [10, 3, 2, 3], [5, 2], [4, 4])
_ALL = "all"


def curves(
    data: Any,
    medians: Any,
    by: str | None = None,
    *,
    since: str = "sent",
    until_s: int = 3_600,
    dark: bool = False,
    width: Width = 640,
    height: int = 260,
    headings: bool = True,
    title: str = TITLE,
) -> alt.LayerChart:
    """The share read by so long after the send (or the notice), a line for each group, with its median.

    ``data`` is ``read_curve(log, by=by, …)``, ``medians`` is ``time_to_read(log, by=by, …)``, ``by`` one key or None.
    ``until_s`` is how many seconds are drawn. Of more than six groups, the six of which most was not read.
    """
    says = _CAPTION.format(since="send" if since == "sent" else "notice")
    groups = [_group(row, by) for row in theme.rows(medians) if row["sent"]]
    shown = sorted(groups, key=lambda one: (-one["unread"] / one["sent"], one["name"]))[:MOST]
    if len(groups) > MOST:
        says += f" Of {len(groups):,} groups, the {MOST} of which the largest share was not read."
    places = list(STATES)
    shown.sort(key=lambda one: (places.index(one["name"]) if one["name"] in STATES else 0, str(one["name"])))
    steps = _steps(theme.rows(data), by, {one["name"] for one in shown}, until_s)
    if not shown or not steps:
        lacking = "Nothing was sent." if not groups else "Nobody was notified."
        return words.nothing(title, lacking, width=width, headings=headings, dark=dark)
    labels = {one["name"]: f"{one['label']} · median {words.duration(one['median_s'])}" for one in shown}
    rows = [row | {"group": labels[row["name"]]} for row in steps]
    shades = _state_shades(dark) if by == "state_at_send" else {}
    colours = {labels[name]: shades.get(str(name), _SHADES[dark][place]) for place, name in enumerate(labels)}
    chart = _drawn(rows, _medians(shown, labels, until_s), colours, until_s, dark=dark)
    described = [f"{one['label']}: {_in_words(one)}" for one in shown]
    return cast(
        alt.LayerChart,
        words.headed(
            chart,
            title,
            says,
            width=width,
            headings=headings,
            description=f"{title}. {words.listed(described)}.",
            dark=dark,
            height=height,
        ),
    )


def message(
    data: Any, sent: int, *, until_s: int = 3_600, dark: bool = False, width: Width = 640, height: int = 160
) -> alt.LayerChart:
    """How one message was read, of the ``sent`` agents it went to; ``data`` is ``read_curve(log, message_id)``.

    Without headings. The counted share, also where some lost it unread: this is what happened, not an estimate.
    """
    found = theme.rows(data)
    steps = [row | {"read_rate": row["read"] / sent, "low": None, "high": None, "at_risk": sent} for row in found]
    drawn = _steps(steps, None, {_ALL}, until_s)
    title = "Read after the send"
    if not drawn:
        return words.nothing(title, "It went to nobody.", width=width, headings=False, dark=dark)
    rows = [row | {"group": title} for row in drawn]
    chart = _drawn(rows, [], {title: theme.palette(dark=dark).accent}, until_s, dark=dark)
    half = next((row["seconds"] for row in steps if row["read_rate"] >= 0.5), None)
    says = f"{title}. {words.of(steps[-1]['read'], sent)} read, half of them all within {words.duration(half)}."
    if half is None:
        says = f"{title}. {words.of(steps[-1]['read'], sent)} read, never half of them all."
    made = words.headed(
        chart, title, _MESSAGE_CAPTION, width=width, headings=False, description=says, dark=dark, height=height
    )
    return cast(alt.LayerChart, made)


def _state_shades(dark: bool) -> dict[str, str]:
    colours = theme.palette(dark=dark)
    return dict(zip(STATES, (colours.logged_in, colours.on_break, colours.logged_out), strict=True))


def _group(row: dict[str, Any], by: str | None) -> dict[str, Any]:
    name = _ALL if by is None else row[by]
    return row | {"name": name, "label": STATES.get(str(name), str(name))}


def _in_words(one: dict[str, Any]) -> str:
    bounds = ""
    if one["median_s"] is not None and one["median_low_s"] is not None:
        high = one["median_high_s"]
        end = "no upper bound" if high is None else words.duration(high)
        bounds = f" (95 % interval from {words.duration(one['median_low_s'])} to {end})"
    return f"median {words.duration(one['median_s'])}{bounds}, {words.of(one['read'], one['sent'])} read"


def _steps(rows: list[dict[str, Any]], by: str | None, names: set[Any], until_s: int) -> list[dict[str, Any]]:
    """What is drawn of the steps: within the time shown, and no more points than a screen has places for."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        name = _ALL if by is None else row[by]
        if name in names:
            found.setdefault(name, []).append(row)
    drawn = []
    for name, steps in found.items():
        within = [row for row in steps if row["seconds"] <= until_s]
        last, begun = within[-1], within[0]["at_risk"]
        kept = [*within[:: max(1, len(within) // _MOST_POINTS)], last]
        # Beyond its last step a curve is known only if all had been read by then.
        if steps[-1]["seconds"] > until_s or last["read_rate"] >= 1:
            kept.append(last | {"seconds": until_s})
        drawn += [
            {
                "name": name,
                "minutes": row["seconds"] / 60,
                "share": row["read_rate"],
                "low": row["low"],
                "high": row["high"],
                "after": words.duration(row["seconds"]),
                "counts": f"{words.of(row['read'], begun)} read",
                "percent": words.percent(row["read_rate"]),
            }
            for row in kept
        ]
    return drawn


def _medians(shown: list[dict[str, Any]], labels: dict[Any, str], until_s: int) -> list[dict[str, Any]]:
    return [
        {
            "group": labels[one["name"]],
            "minutes": one["median_s"] / 60,
            "share": 0.5,
            "says": _in_words(one),
        }
        for one in shown
        if one["median_s"] is not None and one["median_s"] <= until_s
    ]


def _drawn(
    rows: list[dict[str, Any]], medians: list[dict[str, Any]], shades: Mapping[str, str], until_s: int, *, dark: bool
) -> Any:
    colours = theme.palette(dark=dark)
    groups = list(shades)
    key = None if len(groups) == 1 else alt.Legend(columns=2, labelLimit=320, symbolSize=300, symbolType="stroke")
    shade = alt.Color("group:N", title=None, scale=alt.Scale(domain=groups, range=list(shades.values())), legend=key)
    dash = alt.StrokeDash(
        "group:N", title=None, scale=alt.Scale(domain=groups, range=list(_DASHES[: len(groups)])), legend=key
    )
    share_axis = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], domain=False)
    share = alt.Y("share:Q", title="read", scale=alt.Scale(domain=[0, 1]), axis=share_axis)
    across = _time_axis(until_s)
    told = [
        alt.Tooltip("group:N", title="of"),
        alt.Tooltip("after:N", title="within"),
        alt.Tooltip("percent:N", title="read, estimated"),
        alt.Tooltip("counts:N", title="counts"),
    ]
    base = alt.Chart(theme.values(rows)).encode(x=across, color=shade)
    lines = base.mark_line(interpolate="step-after", clip=True).encode(y=share, strokeDash=dash)
    hints = base.mark_point(opacity=0, size=220, clip=True).encode(y=share, tooltip=told)
    layers: list[Any] = [lines, hints]
    if len(groups) == 1:
        band = base.mark_area(interpolate="step-after", opacity=0.18, clip=True)
        layers.insert(0, band.encode(y=alt.Y("low:Q", title="read"), y2="high:Q"))
    dots = (
        alt.Chart(theme.values(medians))
        .mark_point(filled=True, size=70, opacity=1, stroke=colours.card, strokeWidth=1.5)
        .encode(
            x=across,
            y=share,
            color=shade,
            tooltip=[alt.Tooltip("group:N", title="of"), alt.Tooltip("says:N", title="median")],
        )
    )
    return alt.layer(*layers, *([dots] if medians else []))


def _time_axis(until_s: int) -> alt.X:
    last = until_s / 60
    step = next((step for step in (1, 2, 5, 10, 15, 30, 60, 120, 240) if last / step <= 8), 240)
    says = "datum.value / 60 + ' h'" if last > 240 else "datum.value + (datum.value ? ' min' : '')"
    axis = alt.Axis(values=list(range(0, int(last) + 1, step)), labelExpr=says, grid=False, labelFlush=True)
    return alt.X("minutes:Q", title=None, scale=alt.Scale(domain=[0, last], nice=False), axis=axis)
