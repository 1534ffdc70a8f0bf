"""Says which runs are past their deadline, and stops claiming while they hold more than half of an executor's seats."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from scheduling.context import TIMEOUT
from scheduling.engine.keepers.base import Keeper, hold, warn
from scheduling.engine.state import NodeState
from scheduling.sentences import joined, of_nodes, of_runs
from scheduling.services import executions


class Overdue(Keeper):
    """A thread cannot be killed: an overdue run keeps its seat and ends timed_out when it returns."""

    every_seconds = 1.0

    def __init__(self) -> None:
        self._told: set[tuple[int, int]] = set()

    def keep(self, node: NodeState, now: datetime) -> None:
        late = node.runs.overdue(now)
        overdue = {order.key for order in late}
        fresh = overdue - self._told
        executions.mark_overdue(fresh)
        for key in fresh:
            node.runs.cancel(key, TIMEOUT, of_runs.OVER_TIME())
        self._told = overdue
        warn(node, "executors", node.runs.trouble())
        choked = joined(
            of_nodes.SEATS_HELD(number=number, executor=executor)
            for executor, number in sorted(Counter(order.executor for order in late).items())
            if number > node.runs.seats_of(executor) / 2
        )
        hold(node, "overdue", choked, now)
