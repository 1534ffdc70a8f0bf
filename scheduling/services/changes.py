"""Writes who changed a task, when, how and why, in the transaction that holds the change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from scheduling.models import Task, TaskVersion
from scheduling.services.actor import Actor

Verb = TaskVersion.Verb


def record(
    task: Task,
    verb: Verb,
    actor: Actor,
    now: datetime,
    *,
    changes: dict[str, Any],
    impact: dict[str, Any] | None = None,
) -> TaskVersion:
    """Writes who changed what, and what it does to the next days; the caller's transaction holds all together."""
    assert transaction.get_connection().in_atomic_block  # noqa: S101
    version = version_of(task, verb, actor, now, changes)
    version.impact = impact
    version.save(force_insert=True)
    return version


def version_of(task: Task, verb: Verb, actor: Actor, now: datetime, changes: dict[str, Any]) -> TaskVersion:
    return TaskVersion(
        task=task,
        version=task.version,
        verb=verb,
        source=actor.source,
        by_id=actor.user_id,
        at=now,
        reason=actor.reason[:500],
        definition=task.definition(),
        changes=changes,
    )
