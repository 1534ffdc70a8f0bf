from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.db import connections

from scheduling import registry
from scheduling.executors.base import RunOrder
from scheduling.registry import Registry, task

AT = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_connection_left_open(django_db_blocker: Any) -> None:
    """A run looks after the thread's open connections: tests without a database begin with none."""
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.fixture
def order() -> Callable[..., RunOrder]:
    def make(function: str = "it", parameters: Any = None, **changes: Any) -> RunOrder:
        values: dict[str, Any] = {
            "execution_id": 7,
            "attempt": 2,
            "task_id": 1,
            "task_key": "nightly",
            "function": function,
            "parameters": {} if parameters is None else parameters,
            "scheduled_for": AT,
            "origin": "schedule",
            "deadline_at": None,
            "timeout_seconds": None,
            "idempotency_key": "key-7",
            "executor": "thread",
            "node_id": UUID(int=1),
        }
        return RunOrder(**{**values, **changes})

    return make


@pytest.fixture
def function() -> Iterator[Callable[..., Any]]:
    """Registers what it is given under the name ``it``."""
    with registry.use(Registry()):
        yield task("It", function="it")
