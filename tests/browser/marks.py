"""What all tests in a real browser have in common: one browser, so one event loop, for the whole session."""

import pytest

IN_A_BROWSER = (pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session"))
