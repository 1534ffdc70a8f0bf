"""What was found out a moment ago is believed for a while, so that a hundred open pages cost no more than a few."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Found = TypeVar("Found")

#: Believed for this many times as long as it took to find out: finding out takes a twentieth of the time at most.
TIMES = 20.0
#: Different things that are remembered at the same time.
MOST = 64


class Belief(Generic[Found]):
    """Remembers in this process alone; threads may share it."""

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[float, Found]] = {}  # key → (believed until, monotonic; what)

    def get(self, key: Hashable, find: Callable[[], Found]) -> Found:
        began = time.monotonic()
        known = self._found.get(key)
        if known is not None and began < known[0]:
            return known[1]
        found = find()
        now = time.monotonic()
        if len(self._found) >= MOST:
            self._found.clear()
        self._found[key] = (now + TIMES * (now - began), found)
        return found
