"""What charts of the log say in words: shares with their counts, times, titles and captions, and 'there is nothing'."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Literal, cast

from coachsim.charts import theme
from coachsim.charts.quick import alt

Width = int | Literal["container"]
_CHARACTER = 6.2  # pixels of a caption's letter, on average
_NARROWEST = 320
_MOST_NAMED = 8


def of(part: float, whole: float) -> str:
    """A count with what it is of: '23 of 25'."""
    return f"{part:,.0f} of {whole:,.0f}"


def percent(share: float) -> str:
    """A share from 0 to 1 in per cent, with a digit more where it is small: '32 %', '0.4 %'."""
    digits = 1 if 0 < share < 0.0995 or 0.9 < share < 1 else 0
    return f"{100 * share:.{digits}f} %"


def share(part: float, whole: float) -> str:
    """A share in per cent with its counts: '8.0 % (2 of 25)'."""
    return f"{percent(part / whole)} ({of(part, whole)})" if whole else "nothing"


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it: '42 s', '3 min', '1 h 20 min'; None is 'not reached'."""
    if seconds is None:
        return "not reached"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 10:
        return f"{minutes:.1f} min".replace(".0 ", " ")
    if round(minutes) < 100:
        return f"{minutes:.0f} min"
    hours, rest = divmod(round(minutes), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def listed(parts: Sequence[str], *, most: int = _MOST_NAMED) -> str:
    """Sentences' parts, one after the other; of many only the first, with how many more there are."""
    shown = "; ".join(parts[:most])
    return f"{shown}; and {len(parts) - most:,} more" if len(parts) > most else shown


def headed(
    chart: Any, title: str, caption: str, *, width: Width, headings: bool, description: str, dark: bool, height: Any
) -> Any:
    """The chart with its size, look, text alternative, and with ``headings`` its title and caption above it.

    Without them they are in its ``usermeta`` all the same, for the page that writes them beside it.
    """
    colours = theme.palette(dark=dark)
    told: dict[str, Any] = {"width": width, "height": height, "description": description}
    told["usermeta"] = {"title": title, "caption": caption}
    if headings:
        columns = int(max(_NARROWEST, width if isinstance(width, int) else 0) / _CHARACTER)
        told["title"] = alt.TitleParams(
            title,
            subtitle=textwrap.wrap(caption, columns),
            subtitleColor=colours.soft,
            subtitleFontSize=12,
            subtitlePadding=6,
            frame="bounds",
        )
    return theme.styled(chart.properties(**told), dark=dark)


def nothing(title: str, says: str, *, width: Width, headings: bool, dark: bool) -> alt.LayerChart:
    """A chart of no rows: the sentence that says so."""
    colours = theme.palette(dark=dark)
    text = alt.Chart(theme.values([{"says": says}])).mark_text(color=colours.soft, fontSize=13)
    layered = alt.layer(text.encode(text="says:N"))
    chart = headed(layered, title, "", width=width, headings=headings, description=says, dark=dark, height=80)
    return cast(alt.LayerChart, chart)
