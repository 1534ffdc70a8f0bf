"""Removes old periods and old jumps in small steps, so that no other writer waits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

from django.db.models import QuerySet

from instances.models import DatabaseSizeAggregate, InstanceSizeAggregate, SizeAnomaly
from instances.services.periods import add_months
from scheduling.context import current_run
from scheduling.sql.transactions import in_transaction

BATCH = 1_000


def cleanup(keep_months: Mapping[str, int], *, today: date) -> dict[str, int]:
    """Removes periods that ended before the first of this month less ``keep_months``; gives how many of each kind."""
    removed = {}
    for period, months in keep_months.items():
        before = _first(today, months)
        old = {"period": period, "end__lt": before}
        removed[period] = sum(
            delete(rows.order_by("start"))
            for rows in (
                DatabaseSizeAggregate.objects.filter(**old),
                InstanceSizeAggregate.objects.filter(**old),
            )
        )
    return removed


def cleanup_jumps(keep_months: int, *, today: date) -> int:
    """Removes jumps of days before the first of this month less ``keep_months``; gives how many."""
    return delete(SizeAnomaly.objects.filter(date__lt=_first(today, keep_months)).order_by("date"))


def _first(today: date, months: int) -> date:
    """The first day that stays."""
    return add_months(today.replace(day=1), -months)


def delete(rows: QuerySet[Any]) -> int:
    """All of these rows, in their order, ``BATCH`` in a transaction; gives how many."""
    count = 0
    while keys := list(rows.values_list("pk", flat=True)[:BATCH]):
        current_run().check_cancelled()
        count += in_transaction(partial(_delete, rows, keys))
    return count


def _delete(rows: QuerySet[Any], keys: list[int]) -> int:
    count: int = rows.model._default_manager.filter(pk__in=keys).delete()[0]
    return count
