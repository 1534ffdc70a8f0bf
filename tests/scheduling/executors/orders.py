"""Orders for executors, and what comes back."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from scheduling.executors.base import Outcome, RunOrder

AT = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


def new_order(number: int = 1, **more: Any) -> RunOrder:
    given = {
        "execution_id": number,
        "attempt": 1,
        "task_id": 1,
        "task_key": "nightly",
        "function": "it",
        "parameters": {},
        "scheduled_for": AT,
        "origin": "schedule",
        "deadline_at": None,
        "timeout_seconds": None,
        "idempotency_key": f"key-{number}",
        "executor": "process",
        "node_id": UUID(int=1),
    }
    return RunOrder(**given | more)


class Returned:
    """What ``done`` was called with."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[int, Outcome]] = []
        self.threads: list[str] = []  # by name

    def __call__(self, order: RunOrder, outcome: Outcome) -> None:
        self.threads.append(threading.current_thread().name)
        self.outcomes.append((order.execution_id, outcome))

    def wait(self, count: int, seconds: float = 30) -> list[tuple[int, Outcome]]:
        end = time.monotonic() + seconds
        while len(self.outcomes) < count:
            assert time.monotonic() < end, f"only {len(self.outcomes)} of {count} came back"
            time.sleep(0.002)
        return self.outcomes
