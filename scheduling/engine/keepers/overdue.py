"""Says which runs are past their deadline, and stops claiming while they hold more than half of the seats."""

from __future__ import annotations

import logging
from datetime import datetime

from scheduling.context import TIMEOUT
from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.models import Node
from scheduling.services import executions, nodes

logger = logging.getLogger(__name__)


class Overdue(Keeper):
    """A thread cannot be killed: an overdue run keeps its seat and ends timed_out when it returns."""

    every_seconds = 1.0

    def __init__(self) -> None:
        self._told: set[tuple[int, int]] = set()
        self._choked = False

    def keep(self, node: NodeState, now: datetime) -> None:
        overdue = {order.key for order in node.runs.overdue(now)}
        fresh = overdue - self._told
        executions.mark_overdue(fresh)
        for key in fresh:
            node.runs.cancel(key, TIMEOUT, "it ran longer than its timeout allows")
        self._told = overdue
        choked = len(overdue) > node.runs.seats / 2
        if choked != self._choked:
            self._choked = choked
            node.claiming = node.claiming and not choked if choked else not node.draining
            detail = f"claims nothing: {len(overdue)} overdue runs hold its seats" if choked else ""
            logger.log(logging.ERROR if choked else logging.INFO, detail or "claims again")
            nodes.set_state(
                node.node_id, Node.State.DRAINING if node.draining else Node.State.ACTIVE, now, detail
            )
