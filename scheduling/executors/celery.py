"""Marks tasks whose runs Celery's workers do. Nodes hand their ids over; nothing of it runs in a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scheduling.exceptions import ExecutorClosed
from scheduling.executors.base import Done, Executor, RunOrder


class CeleryExecutor(Executor):
    """Has no seat in a node: workers claim their runs themselves (``engine.celery``)."""

    is_remote = True
    can_kill = True

    def start(self, run: Any, done: Done, leave: Callable[[], None] | None = None) -> None:
        """Nothing to get ready."""

    def submit(self, order: RunOrder) -> None:
        raise ExecutorClosed

    def cancel(self, execution_id: int, attempt: int, reason: str, detail: str = "") -> bool:
        return False

    def running(self) -> tuple[RunOrder, ...]:
        return ()

    def shutdown(self, wait_seconds: float) -> tuple[RunOrder, ...]:
        return ()
