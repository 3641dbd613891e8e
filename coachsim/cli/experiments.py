"""``coachsim compare``: scenarios side by side, as a table for people and as a file for programs."""

from __future__ import annotations

import argparse
import sys
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coachsim
from coachsim.errors import CoachsimWarning, InvalidInput

_ENDINGS = (".csv", ".parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``coachsim compare`` takes."""
    about = "TOML files, or scenarios that come with coachsim, such as weekday; the first is the baseline"
    parser.add_argument("scenario", type=Path, nargs="+", metavar="SCENARIO", help=about)
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument("--replications", type=int, metavar="N", help="days of each scenario (100)")
    how_many.add_argument(
        "--half-width", type=float, metavar="X", help="as many days as the interval of each difference needs"
    )
    parser.add_argument("--measure", default="lost_rate", metavar="M", help="what --half-width is of (lost_rate)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the first day's; the others count on (1)")
    parser.add_argument("--cluster", metavar="ADDRESS", help="the scheduler of a Dask cluster that does the work")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write all of it to a .csv or .parquet file")
    parser.set_defaults(wrong_use=parser.error)


def compare(arguments: argparse.Namespace) -> None:
    """Runs ``coachsim compare``."""
    out: Path | None = arguments.out
    if out is not None and out.suffix not in _ENDINGS:
        arguments.wrong_use(f"--out writes .csv or .parquet, not {out.name}")
    _check(arguments)
    check_free(out)
    scenarios = [coachsim.Scenario.load(path) for path in arguments.scenario]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CoachsimWarning)  # the table says it
        table = coachsim.compare(
            scenarios,
            replications=arguments.replications,
            half_width=arguments.half_width,
            measure=arguments.measure,
            seed=arguments.seed,
            cluster=arguments.cluster,
            progress=sys.stderr.isatty(),
        )
    print(as_text(table))
    if out is not None:
        put(out, lambda path: _write(table, path, out.suffix))
        print(f"\nWritten to {out}.")


def _check(arguments: argparse.Namespace) -> None:
    """What ``compare`` would refuse of the options is wrong use of the command."""
    from coachsim.experiment.runs import wanted_of

    try:
        wanted_of(arguments.replications, arguments.half_width, arguments.measure, arguments.seed)
    except InvalidInput as error:
        option = f"--{error.field.replace('_', '-')}: " if error.field else ""
        arguments.wrong_use(option + error.message.rstrip("."))


def _write(table: Any, path: Path, ending: str) -> None:
    if ending == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)


def check_free(out: Path | None) -> None:
    """Raises ``InvalidInput`` where there is a file of that name already."""
    if out is not None and out.exists():
        raise _taken(out)


def put(out: Path, write: Callable[[Path], None]) -> None:
    """Gives ``out`` what ``write`` writes, whole or not at all; no file is overwritten (``InvalidInput``)."""
    from coachsim.log.file import discard, put_in_place

    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    try:
        write(unfinished)
        if not put_in_place(unfinished, out):
            raise _taken(out)
    finally:
        discard(unfinished)


def _taken(out: Path) -> InvalidInput:
    return InvalidInput(f"{out} exists already. Choose another name, or remove it first.", field="out")


# --- the table ---


def as_text(table: Any) -> str:
    """A comparison (the DataFrame) for people: a block for each measure, with a line for each variant."""
    first = table.iloc[0]
    seeds = f"seed {first.seed}" if first.replications == 1 else f"seeds {first.seed} to {table.attrs['seeds'][-1]}"
    days = "1 day" if first.replications == 1 else f"{first.replications:,} days"
    lines = [f"{days} of each scenario, {seeds}. In brackets: 95 % intervals."]
    if table.variant.nunique() > 1:
        lines.append(f"Differences are from {first.variant}, day by day with the same seed.")
    if table.attrs["interrupted"]:
        lines.append("Interrupted: there are fewer days than were asked for.")
    if table.attrs["half_width_reached"] is False:
        lines.append(f"The half-width {table.attrs['half_width']:g} of {table.attrs['half_width_of']} was not reached.")
    counts = {(row.variant, row.measure): row.value for row in table.itertuples()}
    cells = [_cells(row, counts, row.variant == first.variant) for row in table.itertuples()]
    widths = [max(len(cell[column]) for cell in cells) for column in range(5)]
    for measure in table.measure.unique():
        lines += ["", f"{measure}: {_says(measure)}"]
        for row, (name, *numbers, note) in zip(table.itertuples(), cells, strict=True):
            if row.measure == measure:
                padded = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
                lines.append(f"  {name.ljust(widths[0])}  {'  '.join(padded)}  {note}".rstrip())
    return "\n".join(lines)


def _cells(row: Any, counts: dict[tuple[str, str], float], baseline: bool) -> tuple[str, ...]:
    """Name, value, its interval, difference, its interval; and a note, which is not padded."""
    from coachsim.tally import MEASURES

    measure = MEASURES[row.measure]
    difference = ["", ""]
    if not baseline:
        its_interval = _interval(row.difference_low, row.difference_high, measure.unit, sign=True)
        difference = [_number(row.difference, measure.unit, sign=True), its_interval]
    notes = []
    if measure.parts is not None:
        part, whole = (counts[row.variant, name] for name in measure.parts)
        notes.append(f"{part:,.1f} of {whole:,.1f} a day")
    if row.left_out:
        why = "nothing was sent" if measure.unit == "share" else "it was not reached"
        notes.append(f"without {row.left_out:,} of {row.replications:,} days, on which {why}")
    value = (_number(row.value, measure.unit), _interval(row.low, row.high, measure.unit))
    return (row.variant, *value, *difference, "; ".join(notes))


def _says(measure: str) -> str:
    from coachsim.tally import MEASURES

    return MEASURES[measure].says


def _number(value: float, unit: str, *, sign: bool = False) -> str:
    if value != value:
        return "–"
    form = "+" if sign else ""
    if unit == "share":
        return f"{100 * value:{form}.2f} {'points' if sign else '%'}"
    return f"{value:{form},.2f}" + (" s" if unit == "seconds" else "")


def _interval(low: float, high: float, unit: str, *, sign: bool = False) -> str:
    if low != low:
        return "(–)"
    scale, form = (100 if unit == "share" else 1), "+" if sign else ""
    return f"({scale * low:{form},.2f} to {scale * high:{form},.2f})"
