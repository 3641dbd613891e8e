"""Altair without a wait: ``from coachsim.charts.quick import alt``.

Altair brings jsonschema, which brings ``rfc3987_syntax`` where that is installed (Jupyter's server wants it). That one
builds a grammar when it is imported, 3 s of a page's start, for a check of international addresses that no chart needs.
So jsonschema is told once that it is not there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SLOW = "rfc3987_syntax"


@contextmanager
def _left_out(name: str) -> Iterator[None]:
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # what the import system takes for 'not there'
    try:
        yield
    finally:
        del sys.modules[name]


with _left_out(_SLOW):
    import altair as alt

__all__ = ["alt"]
