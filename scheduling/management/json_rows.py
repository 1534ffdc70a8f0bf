"""Rows as the commands print them: the names are those of the API (docs: commands)."""

from __future__ import annotations

import json
from typing import Any

from scheduling.models import Attempt, Execution, Task


def execution_row(execution: Execution) -> dict[str, Any]:
    seconds = None if execution.run_ms is None else execution.run_ms / 1000
    return {
        "id": execution.pk,
        "task": execution.task_key,
        "function": execution.function,
        "origin": execution.origin,
        "scheduled_for": execution.scheduled_for,
        "state": execution.state,
        "reason": execution.reason,
        "detail": execution.detail,
        "queue": execution.queue,
        "node": str(execution.node_id) if execution.node_id else None,
        "attempt": execution.attempt,
        "queued_at": execution.queued_at,
        "started_at": execution.started_at,
        "finished_at": execution.finished_at,
        "duration_seconds": seconds,
        "error": execution.message or None,
    }


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """An earlier attempt, superseded by another."""
    return {
        "attempt": attempt.attempt,
        "state": attempt.state,
        "reason": attempt.reason,
        "detail": attempt.detail,
        "node": str(attempt.node_id) if attempt.node_id else None,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at,
        "duration_seconds": None if attempt.run_ms is None else attempt.run_ms / 1000,
        "exit_code": attempt.exit_code,
        "cpu_seconds": None if attempt.cpu_ms is None else attempt.cpu_ms / 1000,
        "peak_memory_bytes": attempt.peak_memory_bytes,
        "error_class": attempt.error_class,
        "error": attempt.message,
        "traceback": attempt.traceback,
        "late_state": attempt.late_state,
        "late_at": attempt.late_at,
    }


def task_row(task: Task, next_time: Any) -> dict[str, Any]:
    return {
        "key": task.key,
        **task.definition(),
        "paused": task.paused,
        "version": task.version,
        "next_run_time": next_time,
    }


def line(row: dict[str, Any]) -> str:
    """One JSON object on one line; moments are ISO 8601 in UTC."""
    return json.dumps(row, ensure_ascii=False, default=lambda value: value.isoformat())
