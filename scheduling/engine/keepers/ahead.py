"""Reads ahead what soon comes due, so that at the full hour the tick has only to admit it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.exceptions import InvalidTrigger
from scheduling.services import liverows
from scheduling.services.plans import KEPT, plans

#: How far ahead, and how many tasks in one go: some forty milliseconds of work.
REACH = timedelta(seconds=20)
MOST = 1_000


class Ahead(Keeper):
    """Fills the memory of plans. What it reads is used only while its version stands, so it may read too early."""

    every_seconds = 1.0

    def keep(self, node: NodeState, now: datetime) -> None:
        if node.idle_ticks:
            unknown = plans.unknown(liverows.due_within(now, now + REACH, KEPT))[:MOST]
            for plan in plans.read(unknown).values() if unknown else ():
                with suppress(InvalidTrigger):  # told when it comes due
                    plans.trigger(plan)
