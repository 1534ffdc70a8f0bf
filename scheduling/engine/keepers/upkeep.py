"""Says when the database no longer cleans up what the scheduler writes: each claim then reads more that is over."""

from __future__ import annotations

from datetime import datetime

from scheduling import sql
from scheduling.engine.keepers.base import Keeper, warn
from scheduling.engine.state import NodeState


class Upkeep(Keeper):
    """Shown with the node, and in what health warns of, until it has passed."""

    every_seconds = 60.0

    def keep(self, node: NodeState, now: datetime) -> None:
        warn(node, "upkeep", sql.upkeep_trouble())
