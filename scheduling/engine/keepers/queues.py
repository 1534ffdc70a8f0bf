"""Looks which queues are paused."""

from __future__ import annotations

from datetime import datetime

from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.services import queues


class Queues(Keeper):
    every_seconds = 1.0

    def keep(self, node: NodeState, now: datetime) -> None:
        node.paused_queues = queues.paused()
