"""Gives tasks that wait for the end of a run their next time."""

from __future__ import annotations

from datetime import datetime

from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.services import following


class Following(Keeper):
    """A run that ended is noticed within a second, whichever way it ended and on whichever node."""

    every_seconds = 1.0

    def keep(self, node: NodeState, now: datetime) -> None:
        following.follow(now)
