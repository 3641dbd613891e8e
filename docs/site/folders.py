"""A link to a folder of the repository, which a code host would list, stays as its words: the site has no such page."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Hooks into Sphinx."""
    app.connect("doctree-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(app: Sphinx, document: nodes.document) -> None:
    for link in list(document.findall(pending_xref)):
        if link["reftype"] == "myst":
            _, path = app.env.relfn2path(link["reftarget"], app.env.docname)
            if Path(path).is_dir():
                link.replace_self(link.children)
