"""What was found out a moment ago is believed for a while, so that a hundred open pages cost no more than a few."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

Found = TypeVar("Found")

#: Believed for this many times as long as it took to find out: finding out takes a twentieth of the time at most …
TIMES = 20.0
#: … but for so many seconds at most, however long it took.
LONGEST = 5.0
#: So many seconds more while somebody finds out anew.
GRACE = 5.0
#: Different things that are remembered at the same time.
MOST = 64


@dataclass(frozen=True, slots=True)
class _Known(Generic[Found]):
    began: float  # when the finding out began, monotonic
    until: float
    what: Found


class Belief(Generic[Found]):
    """Remembers in this process alone; threads may share it.

    One thread at a time finds a thing out. Meanwhile the others make do with what was known before; where nothing was,
    they wait for what the one finds.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, _Known[Found]] = {}
        self._finding: dict[Hashable, Lock] = {}

    def get(self, key: Hashable, find: Callable[[], Found], *, afresh: bool = False) -> Found:
        """``afresh``: for who has just changed something: nothing that was known before will do."""
        if afresh:
            return self._find(key, find)
        now = time.monotonic()
        known = self._known.get(key)
        if known is not None and now < known.until:
            return known.what
        finding = self._finding.setdefault(key, Lock())
        if not finding.acquire(blocking=False):
            if known is not None and now < known.until + GRACE:
                return known.what
            finding.acquire()
        try:
            known = self._known.get(key)
            if known is not None and time.monotonic() < known.until:
                return known.what  # found while this thread waited
            return self._find(key, find)
        finally:
            finding.release()

    def _find(self, key: Hashable, find: Callable[[], Found]) -> Found:
        began = time.monotonic()
        found = find()
        now = time.monotonic()
        if len(self._known) >= MOST and key not in self._known:
            self._known.clear()
            self._finding.clear()
        known = self._known.get(key)
        if known is None or known.began <= began:  # who began later has seen more
            self._known[key] = _Known(began, now + min(TIMES * (now - began), LONGEST), found)
        return found
