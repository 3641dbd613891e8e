"""The pages of notebooks and dashboards: widgets over a ``FloorClient``. Importing this loads none of them."""

from __future__ import annotations

from pathlib import Path

#: The folder to put on ``JUPYTER_PATH``, so that ``voila --template=coachsim`` finds the pages' template.
VOILA_TEMPLATE_PATH = Path(__file__).parent / "voila_template"
