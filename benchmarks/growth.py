"""How the rows about load grow with the floor, from 100 agents to 5,000: ``docs/growth.csv``, and its picture.

``python -m benchmarks.growth`` measures, which takes some minutes, and draws; with numbers of agents as arguments it
measures floors of these sizes; with ``draw`` it draws what was measured.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import altair as alt

from benchmarks import row_5_fan_out, row_6_reads, row_9_memory
from coachsim.charts import offline, theme

SIZES = (100, 500, 1_000, 2_500, 5_000)
ROUNDS = 3
LEAST_STREAMS = 1_000
"""With fewer, the memory of their streams is lost in what a process takes anyway."""
DOCS = Path(__file__).parents[1] / "docs"
COLUMNS = ("measure", "unit", "agents", "ours", "reference")
Row = dict[str, Any]


def measured(agents: int) -> Iterator[Row]:
    """The rows at one size: medians of interleaved runs, of ours and of the reference."""

    def row(measure: str, unit: str, ours: float, reference: float) -> Row:
        return dict(zip(COLUMNS, (measure, unit, agents, round(ours, 3), round(reference, 3)), strict=True))

    def timed(measure: str, ours: list[float], reference: list[float]) -> Row:
        return row(measure, "ms", 1e3 * statistics.median(ours), 1e3 * statistics.median(reference))

    found = row_5_fan_out.measure(agents, ROUNDS)
    yield timed("5: a message to every page, to the last byte", found["sent"], found["bare_sent"])
    yield timed("5b: the reports of its toasts", found["told"], found["bare_told"])
    yield timed("6: a durable read of every agent, at the log", *row_6_reads.at_the_log(agents, ROUNDS))
    yield timed("6b: a report of reading from every page", *row_6_reads.over_http(agents, ROUNDS))
    kept = row_9_memory.measure(agents)
    if agents >= LEAST_STREAMS:
        yield row("9: memory of a stream", "KB", kept["stream"], kept["bare_stream"])
    yield row("9: memory of a coaching page's kernel", "MB", kept["kernel"], kept["bare_kernel"])


def picture(rows: list[Row]) -> alt.VConcatChart:
    """A small chart of each measure, ours in the accent and its reference in grey."""
    colours = theme.LIGHT
    charts = []
    for measure in dict.fromkeys(row["measure"] for row in rows):
        those = [row for row in rows if row["measure"] == measure]
        shown = [
            {"agents": int(row["agents"]), "value": float(row[whose]), "whose": whose}
            for row in those
            for whose in ("ours", "reference")
        ]
        base = alt.Chart(theme.values(shown)).encode(
            x=alt.X("agents:Q", title="agents", axis=alt.Axis(grid=False, tickCount=5, format=",d")),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=4, domain=False, format=",~f")),
            color=alt.Color(
                "whose:N",
                title=None,
                scale=alt.Scale(domain=["ours", "reference"], range=[colours.accent, colours.baseline]),
            ),
        )
        title = f"{measure} ({those[0]['unit']})"
        lines = base.mark_line() + base.mark_point(filled=True, size=40, opacity=1)
        charts.append(lines.properties(width=330, height=150, title=title))
    rows_of_two = [alt.hconcat(*charts[place : place + 2], spacing=40) for place in range(0, len(charts), 2)]
    whole = alt.vconcat(*rows_of_two, spacing=24).properties(background=colours.card, padding=20)
    return theme.styled(cast(alt.VConcatChart, whole))


def main(arguments: list[str]) -> None:
    """Measures unless told to draw only, and draws."""
    file = DOCS / "growth.csv"
    if arguments != ["draw"]:
        rows = []
        for agents in map(int, arguments or SIZES):
            for row in measured(agents):
                print(*row.values(), sep="  ", flush=True)
                rows.append(row)
        rows.sort(key=lambda row: (row["measure"], row["agents"]))
        with file.open("w", encoding="utf-8", newline="") as writing:
            writer = csv.DictWriter(writing, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    with file.open(encoding="utf-8", newline="") as reading:
        svg = offline.svg(picture(list(csv.DictReader(reading))))
    (DOCS / "growth.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
