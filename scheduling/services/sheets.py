"""What tasks and executions look like in a CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobsite.exports import BATCH, Sheet
from scheduling.masking import masked_text
from scheduling.models import Execution
from scheduling.services import history

#: What only the page of one execution shows.
UNSEEN = ("parameters", "result", "message", "traceback")

TASKS = Sheet(
    "tasks",
    ("key",),
    {
        "key": "key", "name": "name", "category": "category", "group": "group.key", "owner": "owner.username",
        "function": "function", "parameters": "parameters", "trigger": "trigger", "trigger_params": "trigger_params",
        "time_zone": "time_zone", "executor": "executor", "queue": "queue", "priority": "priority",
        "enabled": "enabled", "paused": "paused", "built_in": "built_in", "schedule_error": "schedule_error",
        "version": "version", "created_at": "created_at", "updated_at": "updated_at",
    },
    ("group", "owner"),
)  # fmt: skip
EXECUTIONS = Sheet(
    "executions",
    ("-id",),
    {
        "id": "id", "task": "task_key", "function": "function", "origin": "origin", "state": "state",
        "reason": "reason", "detail": lambda row: masked_text(row.detail), "scheduled_for": "scheduled_for",
        "queue": "queue", "node": "node_id", "attempt": "attempt", "queued_at": "queued_at",
        "started_at": "started_at", "finished_at": "finished_at", "run_ms": "run_ms", "error_class": "error_class",
    },
)  # fmt: skip


def executions(wanted: history.Wanted) -> Iterator[list[Any]]:
    """Those that are wanted, newest first, some at a time, along the same short walks as the list."""
    wanted, before = wanted.resolved(), None
    while True:
        page = history.page(wanted, before=before, size=BATCH)
        rows = Execution.objects.defer(*UNSEEN).in_bulk(page.ids)
        yield [rows[id] for id in page.ids if id in rows]
        before = page.searched_to if page.searched_to is not None else (page.ids[-1] if page.ids else None)
        if not page.older or before is None:
            return
