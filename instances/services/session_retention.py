"""Removes old sessions with their records, and the lines that say who ran which statement, in small steps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import QuerySet

from instances.models import StatementRun, SyncSession
from scheduling.context import current_run
from scheduling.sql.transactions import in_transaction

#: Sessions removed in one transaction: each may have a record for every instance.
SESSIONS = 10
STATEMENTS = 500


@dataclass(frozen=True, slots=True)
class Removed:
    sessions: int
    statements: int

    def as_result(self) -> dict[str, int]:
        return asdict(self)


def cleanup(*, now: datetime, keep_days: int) -> Removed:
    """Sessions that ended, and statements that were run, longer ago than so many days. Running sessions stay."""
    before = now - timedelta(days=keep_days)
    return Removed(
        sessions=_remove(SyncSession.objects.filter(finished_at__lt=before), SESSIONS),
        statements=_remove(StatementRun.objects.filter(at__lt=before), STATEMENTS),
    )


def _remove(old: QuerySet[Any], most: int) -> int:
    count = 0
    while keys := list(old.order_by("pk").values_list("pk", flat=True)[:most]):
        current_run().progress(count)
        in_transaction(partial(old.model._default_manager.filter(pk__in=keys).delete))
        count += len(keys)
    return count
