"""Charts of who had not read what: unread and lost by team and hour, by state at the send; how far a message got.

Each takes what the function of ``coachsim.analysis`` with that subject gives. ``width`` is in pixels, or "container"
for a page, where the headings stand beside the chart and ``headings`` is False. Every chart's ``description`` says its
figures in words, and its ``caption`` here (``CAPTIONS``) what they are.
"""

from __future__ import annotations

from typing import Any, Literal, cast

from coachsim.charts import theme, words
from coachsim.charts.quick import alt
from coachsim.charts.words import Width
from coachsim.wording import STATES

What = Literal["unread", "lost"]
CAPTIONS = {
    "unread": "Of the messages sent to a team's agents in an hour, the share that was not read: by the night's"
    " clear-down, or so far on the open day.",
    "lost": "Of the messages sent to a team's agents in an hour, the share that became unreadable before it was read:"
    " at its expiry, or at the night's clear-down.",
    "state": "Of the messages sent to agents who were in a state at that moment, the share not read: lost, or still"
    " unread on the open day.",
    "reach": "Everyone the message went to is in exactly one of the parts: confirmed, read, notified and not read, or"
    " not notified: not logged in, with a page open, since it was sent.",
}
TITLES = {
    "unread": "Unread by team and hour of sending",
    "lost": "Lost by team and hour of sending",
    "state": "Unread by state at the send",
    "reach": "How far the message got",
}
_MOST_TEAMS = 40
_ROW = 36
_ALL = "all hours"
_LEAST_TOP = 0.05
"""The top of the colour scale is at least this share, so that next to nothing looks like next to nothing."""
_ENOUGH = 5
"""The scale reaches to the largest share of so many sent: one of one must not make everything else pale."""
_DEEP = {False: "#083b44", True: "#b9e6ed"}
"""Further than the accent: for what was confirmed."""
_PARTS = {
    "acknowledged": "confirmed",
    "read": "read",
    "notified_unread": "notified, not read",
    "not_logged_in": "not notified",
}


def by_team_and_hour(
    data: Any,
    what: What = "unread",
    *,
    first_hour: int = 0,
    dark: bool = False,
    width: Width = 640,
    headings: bool = True,
) -> alt.LayerChart:
    """A share for each team and hour of sending, as a field of colours with the share and its counts in each.

    ``data`` is ``unread_rates(log, by=["team", "hour"])``. ``first_hour`` is the hour with which the floor's day
    begins. Of more than forty teams, those with the largest share.
    """
    counted = _with_totals(theme.rows(data), what)
    title, caption = TITLES[what], CAPTIONS[what]
    if not counted:
        return words.nothing(title, "Nothing was sent.", width=width, headings=headings, dark=dark)
    totals = {row["team"]: row for row in counted if row["hour"] is None}
    order = sorted(totals, key=lambda team: (-totals[team]["share"], team))[:_MOST_TEAMS]
    if len(totals) > _MOST_TEAMS:
        caption += f" Of {len(totals):,} teams, the {_MOST_TEAMS} with the largest share."
    else:
        order.sort()
    used = sorted({row["hour"] for row in counted if row["hour"] is not None}, key=lambda h: (h - first_hour) % 24)
    rows = [_cell(row, what) for row in counted if row["team"] in order]
    description = f"{title}. " + words.listed(
        [f"{team}: {words.share(totals[team]['part'], totals[team]['sent'])}" for team in order]
    )
    chart = _field(rows, order, [*(_clock(hour) for hour in used), _ALL], what, dark=dark)
    return cast(
        alt.LayerChart,
        words.headed(
            chart,
            title,
            caption,
            width=width,
            headings=headings,
            description=f"{description}.",
            dark=dark,
            height=max(2, len(order)) * _ROW,
        ),
    )


def _with_totals(rows: list[dict[str, Any]], what: What) -> list[dict[str, Any]]:
    """Each cell's share; and each team's of all hours, whose ``hour`` is None (teams do not overlap, nor do hours)."""
    cells = [{"team": row["team"], "hour": row["hour"], "part": row[what], "sent": row["sent"]} for row in rows]
    totals: dict[str, dict[str, Any]] = {}
    for cell in cells:
        total = totals.setdefault(cell["team"], {"team": cell["team"], "hour": None, "part": 0, "sent": 0})
        total["part"] += cell["part"]
        total["sent"] += cell["sent"]
    return [row | {"share": row["part"] / row["sent"]} for row in [*cells, *totals.values()] if row["sent"]]


def _cell(row: dict[str, Any], what: str) -> dict[str, Any]:
    hour = _ALL if row["hour"] is None else _clock(row["hour"])
    counts = words.of(row["part"], row["sent"])
    written = {"percent": words.percent(row["share"]), "counts": counts, "told": f"{counts} {what}"}
    return {"team": row["team"], "hour": hour, "share": row["share"], "sent": row["sent"], **written}


def _clock(hour: int) -> str:
    return f"{hour:02d}"


def _field(rows: list[dict[str, Any]], teams: list[str], hours: list[str], what: str, *, dark: bool) -> Any:
    colours = theme.palette(dark=dark)
    top = max([_LEAST_TOP, *(row["share"] for row in rows if row["sent"] >= _ENOUGH)])
    full = colours.accent if what == "unread" else colours.lost
    scale = alt.Scale(domain=[0, top], range=[colours.line, full], interpolate="lab", clamp=True)
    base = alt.Chart(theme.values(rows)).encode(
        x=alt.X(
            "hour:N",
            sort=None,
            title=None,
            scale=alt.Scale(domain=hours, paddingInner=0.05),
            axis=alt.Axis(orient="top", domain=False, ticks=False, labelAngle=0, labelOverlap=True),
        ),
        y=alt.Y(
            "team:N",
            title=None,
            scale=alt.Scale(domain=teams, paddingInner=0.08),
            axis=alt.Axis(domain=False, ticks=False, labelLimit=140),
        ),
        tooltip=[
            alt.Tooltip("team:N"),
            alt.Tooltip("hour:N", title="sent in the hour from"),
            alt.Tooltip("percent:N", title=what),
            alt.Tooltip("told:N", title="counts"),
        ],
    )
    key = alt.Legend(format=".0%", orient="bottom", gradientLength=160, gradientThickness=8, tickCount=3, title=what)
    squares = base.mark_rect(cornerRadius=3).encode(color=alt.Color("share:Q", scale=scale, legend=key))
    # What has no room in a narrow window is left to the tooltip and the table.
    ink = alt.condition(
        f"datum.share > {top * (0.5 if dark else 0.55)}",
        alt.value("#06242a" if dark else "#fff"),
        alt.value(colours.ink),
    )
    large = base.mark_text(
        dy=alt.expr("bandwidth('x') < 50 ? 0 : -7"),
        fontSize=alt.expr("bandwidth('x') < 36 ? 10 : 12"),
        opacity=alt.expr("bandwidth('x') < 25 ? 0 : 1"),
    ).encode(text="percent:N", color=ink)
    small = base.mark_text(dy=8, fontSize=10, opacity=alt.expr("bandwidth('x') < 50 ? 0 : 1")).encode(
        text="counts:N", color=ink
    )
    return alt.layer(squares, large, small)


def by_state(data: Any, *, dark: bool = False, width: Width = 640, headings: bool = True) -> alt.LayerChart:
    """The share not read by the agents' state at the send: what was lost, and on an open day what is still unread.

    ``data`` is ``lost(log, by="state_at_send")``.
    """
    found = {row["state_at_send"]: row for row in theme.rows(data) if row["sent"]}
    title, caption = TITLES["state"], CAPTIONS["state"]
    if not found:
        return words.nothing(title, "Nothing was sent.", width=width, headings=headings, dark=dark)
    order = [state for state in STATES if state in found]
    rows = [part for state in order for part in _state_parts(found[state])]
    ends = [
        {"state": STATES[state], "unread_rate": row["unread_rate"], "says": words.share(row["unread"], row["sent"])}
        for state in order
        for row in [found[state]]
    ]
    colours = theme.palette(dark=dark)
    top = max(_LEAST_TOP, *(row["unread_rate"] for row in ends))
    scale = alt.Scale(domain=[0, min(1.0, top) * 1.4], nice=False)
    ticks = [tick for tick in (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0) if tick <= min(1.0, top * 1.05)]
    across = alt.X(
        "rate:Q",
        stack=True,
        title=None,
        scale=scale,
        axis=alt.Axis(format=".0%", values=ticks[:1] + ticks[-3:], domain=False),
    )
    down = alt.Y(
        "state:N",
        sort=[STATES[state] for state in order],
        title=None,
        scale=alt.Scale(paddingInner=0.35, paddingOuter=0.15),
        axis=alt.Axis(domain=False, ticks=False),
    )
    told = [
        alt.Tooltip("state:N", title="at the send"),
        alt.Tooltip("part:N", title="not read"),
        alt.Tooltip("says:N", title="of those sent"),
        alt.Tooltip("of_those:N", title="of these"),
    ]
    parts = ["lost", "still unread"]
    bars = (
        alt.Chart(theme.values(rows))
        .mark_bar(stroke=colours.card, strokeWidth=1)
        .encode(
            x=across,
            y=down,
            color=alt.Color(
                "part:N", title=None, scale=alt.Scale(domain=parts, range=[colours.lost, colours.notified])
            ),
            order=alt.Order("order:Q"),
            tooltip=told,
        )
    )
    labels = (
        alt.Chart(theme.values(ends))
        .mark_text(align="left", dx=6, color=colours.ink)
        .encode(x=alt.X("unread_rate:Q", scale=scale), y=down, text="says:N")
    )
    description = f"{title}. " + "; ".join(f"{row['state']}: {row['says']}" for row in ends) + "."
    chart = words.headed(
        alt.layer(bars, labels),
        title,
        caption,
        width=width,
        headings=headings,
        description=description,
        dark=dark,
        height=40 * len(order),
    )
    return cast(alt.LayerChart, chart)


def _state_parts(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Two parts of a bar that exclude each other: lost, and not read but still readable."""
    about = f"{row['lost_not_notified']:,} never notified, {row['lost_expired']:,} at their expiry"
    parts = (("lost", row["lost"], about), ("still unread", row["unread"] - row["lost"], "–"))
    return [
        {
            "state": STATES[row["state_at_send"]],
            "part": part,
            "order": place,
            "rate": number / row["sent"],
            "says": words.share(number, row["sent"]),
            "of_those": said,
        }
        for place, (part, number, said) in enumerate(parts)
    ]


def reach(data: Any, *, dark: bool = False, width: Width = 640, headings: bool = True) -> alt.LayerChart:
    """How far one message got: a bar of the four parts that everyone it went to is in exactly one of.

    ``data`` is ``reach(log, message_id)``.
    """
    title, caption = TITLES["reach"], CAPTIONS["reach"]
    found = next(iter(theme.rows(data)), None)
    if found is None or not found["sent"]:
        return words.nothing(title, "It went to nobody.", width=width, headings=headings, dark=dark)
    colours = theme.palette(dark=dark)
    shades = [_DEEP[dark], colours.accent, colours.notified, colours.waiting]
    names = {part: f"{says}: {found[part]:,}" for part, says in _PARTS.items()}
    rows = [
        {
            "part": names[part],
            "order": place,
            "count": found[part],
            "says": words.share(found[part], found["sent"]),
        }
        for place, part in enumerate(_PARTS)
    ]
    bar = (
        alt.Chart(theme.values(rows))
        .mark_bar(stroke=colours.card, strokeWidth=1.5, cornerRadius=3)
        .encode(
            x=alt.X(
                "count:Q", stack=True, title=None, axis=None, scale=alt.Scale(domain=[0, found["sent"]], nice=False)
            ),
            color=alt.Color(
                "part:N",
                title=None,
                scale=alt.Scale(domain=list(names.values()), range=shades),
                legend=alt.Legend(orient="bottom", columns=2, symbolType="square", labelLimit=300),
            ),
            order=alt.Order("order:Q"),
            tooltip=[alt.Tooltip("part:N", title="part"), alt.Tooltip("says:N", title="of those sent")],
        )
    )
    said = "; ".join(f"{says} {words.of(found[part], found['sent'])}" for part, says in _PARTS.items())
    chart = words.headed(
        alt.layer(bar),
        title,
        caption,
        width=width,
        headings=headings,
        description=f"{title}: {said}.",
        dark=dark,
        height=22,
    )
    return cast(alt.LayerChart, chart)
