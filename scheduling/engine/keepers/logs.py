"""Stores what running tasks say and how far they are."""

from __future__ import annotations

from datetime import datetime

from scheduling import context
from scheduling.engine.keepers.base import Keeper
from scheduling.engine.state import NodeState
from scheduling.services import executions
from scheduling.sql.transactions import in_transaction

#: The tick waits no longer than this for a group of results that is just being stored.
LONGEST_WAIT_SECONDS = 0.05


class Logs(Keeper):
    every_seconds = 0.5

    def __init__(self) -> None:
        self._progress: dict[tuple[int, int], context.Progress] = {}

    def keep(self, node: NodeState, now: datetime) -> None:
        # While results are stored beside the tick, the last words of their runs are with them: the next turn will do.
        if node.runs.logs_in_hand.acquire(timeout=LONGEST_WAIT_SECONDS):
            try:
                self._store(node)
            finally:
                node.runs.logs_in_hand.release()

    def _store(self, node: NodeState) -> None:
        logs = node.runs.logs()
        made = {run.key: run.progress_made for run in context.active_runs() if run.progress_made is not None}
        news = {key: progress for key, progress in made.items() if self._progress.get(key) != progress}
        if logs or news:

            def work() -> None:
                for key, drained in logs.items():
                    executions.store_log(key, drained)
                for key, progress in news.items():
                    executions.store_progress(key, progress)

            in_transaction(work)
            node.runs.logs_stored(logs)
        self._progress = made
