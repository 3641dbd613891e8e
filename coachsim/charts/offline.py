"""Ways to show a chart without the network: as a widget with a script of this machine's own, as SVG, as PNG.

Run as a module, it makes the script, so that the first page does not have to wait for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert

from coachsim.charts.quick import alt
from coachsim.errors import CoachsimError

# Nothing from anywhere: a specification that asks for a file fails instead of fetching it.
_NOWHERE: list[str] = []
_MAKE = """
import sys
from coachsim.charts.quick import alt
alt.JupyterChart.enable_offline(True)
sys.stdout.buffer.write(alt.JupyterChart._esm.encode())
"""
_LONGEST_S = 120.0


def widget(chart: alt.TopLevelSpec | None, *, script: str | None = None) -> alt.JupyterChart:
    """The chart as a widget; ``widget.chart = …`` draws another one in its place.

    ``script`` is what ``widget_script()`` gave, where that was called before, in a thread.
    """
    kind = type("OfflineChart", (alt.JupyterChart,), {"_esm": script or widget_script()})
    made: alt.JupyterChart = kind(chart, embed_options={"actions": False, "renderer": "svg"})
    return made


def widget_script() -> str:
    """The script of chart widgets, 0.9 MB. Making it takes seconds, so it is kept in a file for later.

    It is made in a process of its own: vl-convert stops every thread of the process that it works in.
    """
    name = f"chart-{version('altair')}-{version('vl-convert-python')}.js"
    places = _caches()
    for place in places:
        with suppress(OSError):  # not made yet
            return (place / name).read_text(encoding="utf-8")
    try:
        done = subprocess.run([sys.executable, "-c", _MAKE], capture_output=True, check=True, timeout=_LONGEST_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise CoachsimError("The script that draws charts could not be made. Reload the page to try again.") from error
    _keep(places[0] / name, done.stdout)
    return done.stdout.decode()


def svg(chart: alt.TopLevelSpec) -> str:
    """The chart as an SVG picture."""
    return vl_convert.vegalite_to_svg(_specification(chart), allowed_base_urls=_NOWHERE)


def png(chart: alt.TopLevelSpec, *, scale: float = 2.0) -> bytes:
    """The chart as a PNG picture, ``scale`` pixels for each of the chart's."""
    return vl_convert.vegalite_to_png(_specification(chart), scale=scale, allowed_base_urls=_NOWHERE)


def _specification(chart: alt.TopLevelSpec) -> dict[str, Any]:
    found: dict[str, Any] = chart.to_dict()
    return found


def _caches() -> list[Path]:
    """Where the script may be: ``COACHSIM_CACHE``, which a server sets for its pages, and the user's own cache."""
    given = os.environ.get("COACHSIM_CACHE")
    own = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coachsim"
    return [Path(given), own] if given else [own]


def _keep(path: Path, content: bytes) -> None:
    """Writes the file whole or not at all. One that cannot be written is only made again the next time."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as writing:
            writing.write(content)
        os.replace(writing.name, path)


if __name__ == "__main__":
    widget_script()
