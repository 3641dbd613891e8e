"""httpx without its command line, for what runs in a page's kernel.

Where click and rich are installed, httpx loads both for a command that no kernel runs: 5 MB for each visitor. It goes
without where they are missing, and here its command line is.
"""

from __future__ import annotations

import sys
from typing import Any, cast

cast(dict[str, Any], sys.modules).setdefault("httpx._main", None)  # to Python: a module that is not there

import httpx as httpx  # noqa: E402
