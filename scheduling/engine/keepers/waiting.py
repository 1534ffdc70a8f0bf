"""Lets executions go on that wait: for their time, for a retry, for a run of the same task to end."""

from __future__ import annotations

from datetime import datetime

from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.services import admission


class Waiting(Keeper):
    """The sweep that also catches a finish that ran beside an admission and did not see it.

    Goes round the waiting tasks in the order of their ids, some each time, so that many that cannot go on
    never keep the others from it.
    """

    every_seconds = 1.0

    def __init__(self) -> None:
        self._after = 0

    def keep(self, node: NodeState, now: datetime) -> None:
        task_ids = admission.tasks_waiting(now, after=self._after)
        if not task_ids and self._after:
            self._after = 0
            task_ids = admission.tasks_waiting(now)
        node.some_wait = bool(task_ids)
        if task_ids:
            self._after = task_ids[-1] if len(task_ids) == admission.BATCH else 0
            admission.promote(now, task_ids)
