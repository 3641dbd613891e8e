"""Limits on signing in: after a few wrong passwords one has to wait. Kept in memory; a restart forgets it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from coachsim.errors import TooManyRequests

WINDOW_S = 300.0
PER_NAME_AND_ADDRESS = 5
PER_NAME = 25
PER_ADDRESS = 50
_MOST_KEYS = 50_000


class TooManyAttempts(TooManyRequests):
    """Too many wrong passwords in the last minutes."""

    code = "too_many_attempts"

    def __init__(self, seconds: float) -> None:
        wait = max(1, round(seconds))
        super().__init__(f"Too many failed sign-ins. Try again in {wait} seconds.", retry_after=wait)


class Throttle:
    """Counts failures for a name, an address, and the two together, over the last five minutes.

    A name is only held up for the address that fails, until very many addresses try it: so a stranger cannot lock a
    supervisor out with five guesses. A whole contact centre may come from one address, and some mistype: each person
    who has got in from there lately allows it one failure more.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()
        self._got_in: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()

    def check(self, name: str, address: str) -> None:
        """Raises ``TooManyAttempts`` where the next attempt has to wait."""
        for key, limit in _keys(name, address):
            recent = self._recent(key)
            if key[0] == "address":
                limit += self._people(address)
            if len(recent) >= limit:
                raise TooManyAttempts(recent[-limit] + WINDOW_S - self._clock())

    def failed(self, name: str, address: str) -> None:
        """One more failure."""
        for key, _ in _keys(name, address):
            self._failures[key] = [*self._recent(key), self._clock()]
            self._failures.move_to_end(key)
        while len(self._failures) > _MOST_KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """Forgets what this person mistyped from here."""
        name = name.casefold()
        self._failures.pop((name, address), None)
        people = self._got_in.setdefault(address, OrderedDict())
        people[name] = self._clock()
        people.move_to_end(name)
        self._got_in.move_to_end(address)
        while len(self._got_in) > _MOST_KEYS:
            self._got_in.popitem(last=False)

    def _people(self, address: str) -> int:
        """How many have got in from this address lately."""
        people, since = self._got_in.get(address, OrderedDict()), self._clock() - WINDOW_S
        while people and next(iter(people.values())) <= since:
            people.popitem(last=False)
        return len(people)

    def _recent(self, key: tuple[str, ...]) -> list[float]:
        since = self._clock() - WINDOW_S
        return [moment for moment in self._failures.get(key, ()) if moment > since]


def _keys(name: str, address: str) -> tuple[tuple[tuple[str, ...], int], ...]:
    name = name.casefold()
    return (
        ((name, address), PER_NAME_AND_ADDRESS),
        (("name", name, ""), PER_NAME),
        (("address", address, ""), PER_ADDRESS),
    )
