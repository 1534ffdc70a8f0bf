"""Reads ahead what soon comes due, so that at the full hour the tick has only to admit it."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime, timedelta

from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.exceptions import InvalidTrigger
from scheduling.services import liverows
from scheduling.services.plans import KEPT, plans

#: How far ahead.
REACH = timedelta(seconds=20)
#: How long in one go, for which nothing else is begun, and how many tasks between two looks at the time.
MOST_SECONDS = 0.1
TASKS = 250


class Ahead(Keeper):
    """Fills the memory of plans. What it reads is used only while its version stands, so it may read too early."""

    every_seconds = 0.5

    def __init__(self) -> None:
        self._wanted: list[int] = []

    def keep(self, node: NodeState, now: datetime) -> None:
        if not node.idle_ticks:
            return
        end = time.monotonic() + MOST_SECONDS
        self._wanted = self._wanted or plans.unknown(liverows.due_within(now, now + REACH, KEPT))
        while self._wanted and time.monotonic() < end:
            some, self._wanted = self._wanted[:TASKS], self._wanted[TASKS:]
            for plan in plans.read(some).values():
                with suppress(InvalidTrigger):  # told when it comes due
                    _ = plan.times
