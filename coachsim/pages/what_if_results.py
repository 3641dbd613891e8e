"""What the what-if page says of two tallies: cards, curves, who is missed, and the same as a CSV file.

A is the baseline, B the variant, both on the same seeds. No widgets: everything here is plain data, ready for JSON.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from coachsim.intervals import Estimate, band, mean_interval, paired_interval
from coachsim.tally import GRID_MIN, GRID_S, Floats, Tally

Json = dict[str, Any]
WITHIN_S = 3_600
MOST_AGENTS = 25
"""How many agents the page lists; the CSV file has all."""
NONE = "–"


@dataclass(frozen=True, slots=True)
class Unit:
    """How a number is written: times ``factor``, with ``digits`` after the point, then ``says``."""

    factor: float
    digits: int
    says: str
    points: str
    """The unit of a difference."""

    def value(self, number: float) -> str:
        """A number with its unit."""
        return f"{number * self.factor:,.{self.digits}f} {self.says}"

    def difference(self, estimate: Estimate) -> str:
        """A difference with its sign, and half its interval where it has one."""
        assert estimate.value is not None
        half = estimate.half_width
        around = None if half is None else f"{half * self.factor:,.{self.digits}f}"
        # Plus nought, as minus nought has a sign of its own.
        said = f"{round(estimate.value * self.factor, self.digits) + 0.0:+,.{self.digits}f}".replace("-", "−")
        if not float(said[1:].replace(",", "")) and not (half and around and float(around)):
            return "no change"
        return said if around is None else f"{said} ± {around}"


def share_unit(*shares: float | None) -> Unit:
    """Per cent, with a digit more where the shares are small."""
    largest = max((abs(share) for share in shares if share is not None), default=1.0)
    return Unit(100, 1 if largest >= 0.001 else 2, "%", "points")


def time_unit(*seconds: float | None) -> Unit:
    """Seconds, minutes or hours: what suits the longest of these times."""
    longest = max((one for one in seconds if one is not None), default=0.0)
    if longest < 100:
        return Unit(1, 1 if longest < 10 else 0, "s", "s")
    if longest < 100 * 60:
        return Unit(1 / 60, 1, "min", "min")
    return Unit(1 / 3600, 1, "h", "h")


# --- the cards ---


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of each day: its name, its values for A and B, whether more is better, and whether it is a share."""

    key: str
    label: str
    a: Floats
    b: Floats
    more_is_better: bool
    share: bool
    lacking: str
    """Said where no day has a value."""

    def estimates(self) -> tuple[Estimate, Estimate, Estimate]:
        """A, B, and B minus A on the same days."""
        return mean_interval(self.a), mean_interval(self.b), paired_interval(self.b, self.a)


def figures(a: Tally, b: Tally) -> list[Figure]:
    """The four numbers of the page's cards."""
    few = "not read by enough on any day"
    return [
        Figure("read_in_hour", "Read within an hour", _read_within(a), _read_within(b), True, True, "nothing was sent"),
        Figure("median_read_s", "Median time to read", *_both("median_read_s", a, b), False, False, few),
        Figure("p90_read_s", "90 % read within", *_both("p90_read_s", a, b), False, False, few),
        Figure("lost_rate", "Lost unread", *_both("lost_rate", a, b), False, True, "nothing was sent"),
    ]


def _both(measure: str, a: Tally, b: Tally) -> tuple[Floats, Floats]:
    return a.values(measure), b.values(measure)


def _read_within(tally: Tally) -> Floats:
    return _shares(tally.curve[:, GRID_S.index(WITHIN_S)], tally.totals.sent)


def _shares(parts: Any, wholes: Any) -> Floats:
    shares: Floats = np.full(np.shape(parts), np.nan)
    np.divide(parts, wholes, out=shares, where=np.asarray(wholes) > 0)
    return shares


def cards(a: Tally, b: Tally) -> list[Json]:
    """Each figure as the page writes it; ``verdict`` is better, worse, same (no clear difference) or none."""
    counted = {
        "read_in_hour": _of_a_day(b, b.curve[:, GRID_S.index(WITHIN_S)]),
        "lost_rate": _of_a_day(b, b.totals.lost),
    }
    return [_card(figure, counted.get(figure.key, "")) for figure in figures(a, b)]


def _card(figure: Figure, counted: str) -> Json:
    was, now, change = figure.estimates()
    unit = (share_unit if figure.share else time_unit)(was.value, now.value)
    notes = [counted] if counted else []
    if now.value is not None and now.left_out:
        notes.append(f"reached on {now.n:,} of {now.n + now.left_out:,} days")
    card = {
        "key": figure.key,
        "label": figure.label,
        "value": NONE if now.value is None else unit.value(now.value),
        "margin": "" if now.half_width is None else f"± {now.half_width * unit.factor:,.{unit.digits}f}",
        "was": f"A {unit.value(was.value)}" if was.value is not None else "A: not reached",
        "change": "",
        "unit": unit.points,
        "verdict": "none",
        "note": " · ".join(notes) if now.value is not None else figure.lacking,
    }
    if change.value is not None:
        card["change"] = unit.difference(change)
        card["verdict"] = _verdict(change, figure.more_is_better)
    return card


def _verdict(change: Estimate, more_is_better: bool) -> str:
    if change.low is None or change.high is None or change.low <= 0 <= change.high:
        return "same"
    return "better" if (change.low > 0) == more_is_better else "worse"


def _of_a_day(tally: Tally, parts: Any) -> str:
    if not len(tally.seeds):
        return ""
    mean = parts.mean()
    return f"{mean:,.{0 if mean >= 10 or not mean else 1}f} of {tally.totals.sent.mean():,.0f} a day"


# --- the curves ---


def curve_rows(a: Tally, b: Tally, minutes: int) -> list[Json]:
    """The share read by so long after the send, in the shape of ``charts.what_if.read_curves``."""
    rows = []
    points = _points(minutes)
    for variant, tally in (("A", a), ("B", b)):
        shares, low, high = band(_days_of_curve(tally, points)[tally.totals.sent > 0])
        rows += [
            {"variant": variant, "minutes": GRID_MIN[point], **_row("read", *numbers)}
            for point, *numbers in zip(points, shares, low, high, strict=True)
            if np.isfinite(numbers[0])
        ]
    return rows


def difference_rows(a: Tally, b: Tally, minutes: int) -> list[Json]:
    """How much more of B was read by so long after the send, in the shape of ``charts.what_if.differences``."""
    points = _points(minutes)
    both = (a.totals.sent > 0) & (b.totals.sent > 0)
    change, low, high = band((_days_of_curve(b, points) - _days_of_curve(a, points))[both])
    return [
        {"minutes": GRID_MIN[point], **_row("difference", *numbers, least=-1.0)}
        for point, *numbers in zip(points, change, low, high, strict=True)
        if np.isfinite(numbers[0])
    ]


def _points(minutes: int) -> list[int]:
    """Where a curve over so many minutes is drawn: on a screen, 140 places are enough."""
    within = [number for number, at in enumerate(GRID_S) if at <= minutes * 60]
    step = max(1, len(within) // 140)
    return [*within[:-1:step], within[-1]]


def _days_of_curve(tally: Tally, points: Sequence[int]) -> Floats:
    return _shares(tally.curve[:, points], tally.totals.sent[:, None] * np.ones(len(points)))


def _row(name: str, value: float, low: float, high: float, *, least: float = 0.0) -> Json:
    known = bool(np.isfinite(low) and np.isfinite(high))
    return {
        name: float(value),
        "low": max(least, float(low)) if known else None,
        "high": min(1.0, float(high)) if known else None,
    }


# --- who is missed ---


def team_rows(a: Tally, b: Tally) -> list[Json]:
    """Each team's share lost, in the shape of ``charts.what_if.missed_by_team``."""
    rows = []
    for variant, tally in (("A", a), ("B", b)):
        lost, sent = tally.of_teams.lost, tally.of_teams.sent
        for number, team in enumerate(tally.team_names):
            rate = mean_interval(_shares(lost[:, number], sent[:, number]))
            rows.append(
                {
                    "variant": variant,
                    "team": team,
                    "lost_rate": rate.value,
                    "low": None if rate.low is None else max(0.0, rate.low),
                    "high": None if rate.high is None else min(1.0, rate.high),
                    "lost": int(lost[:, number].sum()),
                    "sent": int(sent[:, number].sum()),
                }
            )
    return rows


def agent_rows(a: Tally, b: Tally, names: Mapping[str, str], *, most: int | None = MOST_AGENTS) -> list[Json]:
    """The agents whose deliveries are lost most often under B: of all days together, for A and B."""
    before = {agent: number for number, agent in enumerate(a.agents)}
    rows: list[Json] = []
    for number, agent in enumerate(b.agents):
        was = before.get(agent)
        row = {
            "agent_id": agent,
            "name": names.get(agent, agent),
            "team": b.teams[number],
            "b_lost": int(b.of_agents.lost[number]),
            "b_sent": int(b.of_agents.sent[number]),
            "a_lost": 0 if was is None else int(a.of_agents.lost[was]),
            "a_sent": 0 if was is None else int(a.of_agents.sent[was]),
        }
        if row["b_sent"] or row["a_sent"]:
            rows.append(row)
    rows.sort(key=lambda row: (-row["b_lost"] / max(1, row["b_sent"]), -row["b_lost"], row["agent_id"]))
    return rows[:most]


# --- in words, and as a file ---


def sentences(a: Tally, b: Tally) -> list[str]:
    """What the curves show, for who cannot see them."""
    said = []
    for name, tally in (("A", a), ("B", b)):
        if not tally.totals.sent.any():
            said.append(f"{name}: nothing was sent on any day.")
            continue
        shares = _days_of_curve(tally, [GRID_S.index(60 * at) for at in (5, 15, 60, 240)])
        parts = [
            f"{np.nanmean(share):.0%} within {says}"
            for share, says in zip(shares.T, ("5 minutes", "15 minutes", "an hour", "4 hours"), strict=True)
        ]
        said.append(f"{name}: read {', '.join(parts)}.")
    if not b.totals.read.any() and b.totals.sent.any():
        said.append("B: nobody read anything on any day.")
    return said


COLUMNS = ("part", "variant", "name", "minutes", "measure", "value", "low", "high", "days", "replications", "seed")


def results_csv(a: Tally, b: Tally, names: Mapping[str, str], *, about: Mapping[str, str]) -> str:
    """Everything on the page as one CSV file in a long format; ``about`` are rows that say what was compared.

    Shares are from 0 to 1, times in seconds; ``variant`` B-A is the difference of the same days.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    run = (len(b.seeds), b.seeds[0])

    def put(part: str, variant: str, name: str, minutes: Any, measure: str, *numbers: Any) -> None:
        writer.writerow([part, variant, name, minutes, measure, *("" if one is None else one for one in numbers), *run])

    for name, text in about.items():
        put("about", "", name, "", "text", text, "", "", "")
    for figure in figures(a, b):
        for variant, one in zip(("A", "B", "B-A"), figure.estimates(), strict=True):
            put("summary", variant, figure.label, "", figure.key, one.value, one.low, one.high, one.n)
    for row in curve_rows(a, b, 1_500):
        put("curve", row["variant"], "", row["minutes"], "read_share", row["read"], row["low"], row["high"], run[0])
    for row in difference_rows(a, b, 1_500):
        put("curve", "B-A", "", row["minutes"], "read_share", row["difference"], row["low"], row["high"], run[0])
    for row in team_rows(a, b):
        put("team", row["variant"], row["team"], "", "lost_rate", row["lost_rate"], row["low"], row["high"], run[0])
        put("team", row["variant"], row["team"], "", "lost", row["lost"], "", "", run[0])
        put("team", row["variant"], row["team"], "", "sent", row["sent"], "", "", run[0])
    for row in agent_rows(a, b, names, most=None):
        for variant in ("A", "B"):
            for measure in ("lost", "sent"):
                value = row[f"{variant.lower()}_{measure}"]
                put("agent", variant, row["agent_id"], "", measure, value, "", "", run[0])
    return written.getvalue()
