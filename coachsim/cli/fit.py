"""``coachsim fit``: the attention learned from a log, as a table and a section of a scenario; or a whole scenario."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

import coachsim
from coachsim.cli import experiments
from coachsim.errors import CoachsimWarning


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``coachsim fit`` takes."""
    parser.add_argument("log", metavar="LOG", help="a log file, a data folder, or a server's address")
    parser.add_argument("--by-team", action="store_true", help="also each team's own, where there is enough of it")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="also write the section [attention] of a scenario (TOML)"
    )
    parser.add_argument(
        "--scenario",
        type=Path,
        metavar="FILE",
        help="also write the floor as a scenario (TOML), its roster beside it (CSV): shifts, breaks, messages",
    )
    parser.add_argument("--day", metavar="DAY", help="the day of that scenario, YYYY-MM-DD; by default the newest")
    parser.set_defaults(wrong_use=parser.error)


def fit(arguments: argparse.Namespace) -> None:
    """Runs ``coachsim fit``."""
    out, scenario = arguments.out, arguments.scenario
    for option, path in (("--out", out), ("--scenario", scenario)):
        if path is not None and path.suffix != ".toml":
            arguments.wrong_use(f"{option} writes .toml, not {path.name}")
        experiments.check_free(path)
    if arguments.day is not None and scenario is None:
        arguments.wrong_use("--day is the day of a scenario: give --scenario too")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", CoachsimWarning)
        log = coachsim.open_log(arguments.log)
    for one in said:
        print(one.message, file=sys.stderr)
    with log:
        learned = None if scenario is None else _learned(log, arguments.day)
        # A log too thin for the attention of its people may still tell of their shifts.
        fitted = None
        if learned is None or out is not None or arguments.by_team:
            fitted = coachsim.fit(log, by="team" if arguments.by_team else None)
    if fitted is not None:
        print(as_text(fitted))
        for name, team in (fitted.teams or {}).items():
            print(f"\n{name}\n{as_text(team)}")
    if out is not None and fitted is not None:
        section = fitted.to_toml()
        experiments.put(out, lambda path: _write(section, path))
        print(f"\nWritten to {out}.")
    if learned is not None:
        path, csv = learned.save(scenario)
        print(f"{learned.scenario.description}\nWritten to {path}, its roster to {csv}.")


def _learned(log: Any, day: str | None) -> Any:
    from coachsim.fitting import scenario_of

    return scenario_of(log, day=day)


def as_text(fitted: Any) -> str:
    """What was learned (a ``Fitted``) for people: what it stands on, and a line for each number."""
    rows = [("", "", "95 % interval", "deliveries", ""), *map(_cells, fitted.parameters)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"{fitted.stands_on[0].upper()}{fitted.stands_on[1:]}."]
    for name, *numbers, basis in rows:
        padded = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *padded, basis]).rstrip())
    return "\n".join(lines)


def _cells(one: Any) -> tuple[str, ...]:
    low, high = (_number(end) for end in (one.low, one.high))
    interval = "" if one.high is None else f"up to {high}" if one.low is None else f"{low} to {high}"
    basis = "" if one.basis == "the log" else one.basis
    return (one.name, _number(one.value), interval, f"{one.evidence:,}", basis)


def _number(value: float | None) -> str:
    """With three digits that count, and as many before the point as there are."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}" if value >= 0.001 else f"{value:.4f}"


def _write(section: str, path: Path) -> None:
    path.write_text(section, encoding="utf-8")
