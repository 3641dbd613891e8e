"""Widgets are shown with the arguments of their own ``__init__``: what traitlets says of a class helps nobody."""

from __future__ import annotations

import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature
from traitlets import HasTraits


def setup(app: Sphinx) -> dict[str, bool]:
    """Hooks into Sphinx."""
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _signature(app: Sphinx, what: str, name: str, shown: Any, *more: object) -> tuple[str, str] | None:
    if what != "class" or not issubclass(shown, HasTraits):
        return None
    own = inspect.signature(shown.__init__)
    without_self = own.replace(parameters=list(own.parameters.values())[1:], return_annotation=own.empty)
    return stringify_signature(without_self, unqualified_typehints=True), ""
