"""Counts what has ended, for the charts: the running quarter of an hour often, older ones once."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime, timedelta

from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.services import tallies

#: Of the time, counting takes no more than one part in this many: the tick waits for it.
SHARE = 20
#: Quarters of the past that are counted in one turn, at most, and for how long.
MOST = 20
MOST_SECONDS = 0.05
#: How often what was never counted, or too early, is looked for.
LOOK_AGAIN = timedelta(hours=1)


class Tallies(Keeper):
    """Whichever node comes first counts; the others find it done."""

    every_seconds = 5.0

    def __init__(self) -> None:
        self._rest_until = 0.0  # monotonic
        self._past: deque[datetime] = deque()
        self._looked: datetime | None = None

    def keep(self, node: NodeState, now: datetime) -> None:
        began = time.monotonic()
        if began < self._rest_until:
            return
        for quarter in tallies.stale(now):
            tallies.count(quarter, now)
        self._count_past(now, began)
        spent = time.monotonic() - began
        self._rest_until = began + spent * SHARE

    def _count_past(self, now: datetime, began: float) -> None:
        if self._looked is None or now - self._looked >= LOOK_AGAIN:
            self._looked = now
            self._past = deque(tallies.uncounted(now))
            tallies.forget_old(now)
        for _turn in range(MOST):
            if not self._past or time.monotonic() - began > MOST_SECONDS:
                return
            tallies.count(self._past[0], now)
            self._past.popleft()
