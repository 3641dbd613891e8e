"""Of what there is, the few that are spelt most like what somebody asked for and there is not."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from difflib import SequenceMatcher

_HANDFUL = 5


def nearest(unknown: Collection[str], there: Collection[str]) -> str:
    """For a sentence: 'is Blue', 'are Blue and Red', or 'are Blue, Green, Red, Teal, White and 7 more'.

    Both have at least one name.
    """

    def alike(name: str) -> float:
        return max(SequenceMatcher(None, name.casefold(), other.casefold()).ratio() for other in unknown)

    shown = sorted(heapq.nlargest(_HANDFUL, sorted(there), key=alike))
    left = len(there) - len(shown)
    *first, last = [*shown, f"{left:,} more"] if left else shown
    return f"are {', '.join(first)} and {last}" if first else f"is {last}"
