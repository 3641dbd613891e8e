"""Charts of how much reaches each agent, and of when agents are there: messages on a day, states through the day."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

from coachsim.charts import theme, words
from coachsim.charts.quick import alt
from coachsim.charts.words import Width
from coachsim.wording import STATES

TITLES = {"load": "Messages for an agent on a day", "presence": "Who was there, by hour of the day"}
CAPTIONS = {
    "load": "How many messages an agent got on a day on which they got any: each agent and day counts once.",
    "presence": "Of the agents' time in each hour of the floor's clocks, the share logged in, on a break and logged"
    " out; active agents only.",
}
_MOST_BARS = 30


def load(
    data: Any, *, dark: bool = False, width: Width = 640, height: int = 200, headings: bool = True
) -> alt.LayerChart:
    """On how many agents' days there were one, two, three … messages, and how many on average.

    ``data`` is ``load(log, by=["agent_id", "day"])``. Of very many messages, several numbers share a bar.
    """
    title, caption = TITLES["load"], CAPTIONS["load"]
    given = data["sent"] if hasattr(data, "to_json") else [row["sent"] for row in theme.rows(data)]
    counts = Counter(int(number) for number in given)
    days = sum(counts.values())
    if not days:
        return words.nothing(title, "Nobody got a message.", width=width, headings=headings, dark=dark)
    most, mean = max(counts), sum(number * times for number, times in counts.items()) / days
    rows = _bars(counts, days)
    colours = theme.palette(dark=dark)
    base = alt.Chart(theme.values(rows))
    bars = base.mark_bar(color=colours.accent, cornerRadiusEnd=2).encode(
        x=alt.X(
            "messages:N",
            sort=[row["messages"] for row in rows],
            title="messages on a day",
            scale=alt.Scale(paddingInner=0.15),
            axis=alt.Axis(labelAngle=0, ticks=False, labelOverlap=True),
        ),
        y=alt.Y(
            "times:Q",
            title="agents' days",
            scale=alt.Scale(domain=[0, max(row["times"] for row in rows)], nice=True),
            axis=alt.Axis(tickCount=4, format=",.0f", domain=False),
        ),
        tooltip=[alt.Tooltip("messages:N", title="messages"), alt.Tooltip("says:N", title="agents' days")],
    )
    description = f"{title}. {mean:.1f} on average, {most:,} at most, over {days:,} agents' days with any."
    chart = words.headed(
        alt.layer(bars),
        title,
        f"{caption} {mean:.1f} on average, {most:,} at most.",
        width=width,
        headings=headings,
        description=description,
        dark=dark,
        height=height,
    )
    return cast(alt.LayerChart, chart)


def _bars(counts: Counter[int], days: int) -> list[dict[str, Any]]:
    least, most = min(counts), max(counts)
    step = -(-(most - least + 1) // _MOST_BARS)
    rows = []
    for first in range(least, most + 1, step):
        last = min(first + step - 1, most)
        times = sum(counts[number] for number in range(first, last + 1))
        name = f"{first:,}" if first == last else f"{first:,}–{last:,}"
        rows.append({"messages": name, "times": times, "says": words.share(times, days)})
    return rows


def presence(
    data: Any,
    *,
    first_hour: int = 0,
    dark: bool = False,
    width: Width = 640,
    height: int = 200,
    headings: bool = True,
) -> alt.LayerChart:
    """The share of the agents' time logged in, on a break and logged out, hour by hour, as stacked bars.

    ``data`` is ``presence(log, by="hour")``; ``first_hour`` is the hour with which the floor's day begins.
    """
    title, caption = TITLES["presence"], CAPTIONS["presence"]
    found = sorted(theme.rows(data), key=lambda row: (row["hour"] - first_hour) % 24)
    if not found:
        return words.nothing(title, "No time has passed.", width=width, headings=headings, dark=dark)
    colours = theme.palette(dark=dark)
    rows = [part for row in found for part in _hour_parts(row)]
    shades = [colours.logged_in, colours.on_break, colours.waiting]
    chart = alt.layer(
        alt.Chart(theme.values(rows))
        .mark_bar(stroke=colours.card, strokeWidth=1)
        .encode(
            x=alt.X(
                "hour:N",
                sort=[f"{row['hour']:02d}" for row in found],
                title=None,
                scale=alt.Scale(paddingInner=0.08),
                axis=alt.Axis(labelAngle=0, ticks=False, labelOverlap=True),
            ),
            y=alt.Y(
                "rate:Q",
                stack=True,
                title="of the agents' time",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], domain=False),
            ),
            color=alt.Color(
                "state:N",
                title=None,
                scale=alt.Scale(domain=list(STATES.values()), range=shades),
                legend=alt.Legend(symbolType="square"),
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("hour:N", title="hour from"),
                alt.Tooltip("state:N"),
                alt.Tooltip("says:N", title="agents' hours"),
                alt.Tooltip("begun:N", title="began then"),
            ],
        )
    )
    peak = max(found, key=lambda row: row["logged_in_rate"])
    logged_in = sum(row["logged_in_h"] for row in found)
    on_break = sum(row["break_h"] for row in found)
    whole = sum(sum(row[f"{state}_h"] for state in STATES) for row in found)
    description = (
        f"{title}. Logged in {words.share(logged_in, whole)} agents' hours, on a break {words.share(on_break, whole)};"
        f" most were logged in from {peak['hour']:02d}:00, {words.percent(peak['logged_in_rate'])}."
    )
    made = words.headed(
        chart,
        title,
        caption,
        width=width,
        headings=headings,
        description=description,
        dark=dark,
        height=height,
    )
    return cast(alt.LayerChart, made)


def _hour_parts(row: dict[str, Any]) -> list[dict[str, Any]]:
    hours = sum(row[f"{state}_h"] for state in STATES)
    begun = {"logged_in": f"{row['log_ins']:,} log-ins", "break": f"{row['breaks']:,} breaks", "logged_out": "–"}
    return [
        {
            "hour": f"{row['hour']:02d}",
            "state": says,
            "order": place,
            "rate": row[f"{state}_rate"],
            "says": f"{row[f'{state}_h']:,.1f} of {hours:,.1f} ({words.percent(row[f'{state}_rate'])})",
            "begun": begun[state],
        }
        for place, (state, says) in enumerate(STATES.items())
    ]
