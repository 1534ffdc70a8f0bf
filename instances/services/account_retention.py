"""Removes old changes of accounts, and accounts that were dropped long ago, in small steps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import QuerySet

from instances.models import AccountChange, Instance, InstanceAccount
from scheduling.context import current_run
from scheduling.sql.transactions import in_transaction

#: Rows removed in one transaction.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Removed:
    changes: int
    accounts: int

    def as_result(self) -> dict[str, int]:
        return asdict(self)


def cleanup(*, now: datetime, keep_days: int) -> Removed:
    """Changes, and accounts that are gone since, longer ago than so many days. Accounts that exist stay, with their
    rights: only what changed once is forgotten.
    """
    before = now - timedelta(days=keep_days)
    return Removed(
        changes=_remove(AccountChange.objects.filter(at__lt=before).order_by("at"), _delete_changes),
        accounts=_remove(_gone(before).order_by("pk"), partial(_delete_accounts, before)),
    )


def _gone(before: datetime) -> QuerySet[InstanceAccount]:
    return InstanceAccount.objects.filter(active=False, dropped_at__lt=before)


def _remove(old: QuerySet[Any], delete: Any) -> int:
    """How many there were. Raises ``RunCancelled`` between two steps."""
    count = 0
    while keys := list(old.values_list("pk", flat=True)[:BATCH]):
        current_run().check_cancelled()
        in_transaction(partial(delete, keys))
        count += len(keys)
    return count


def _delete_changes(keys: list[int]) -> None:
    AccountChange.objects.filter(pk__in=keys).delete()


def _delete_accounts(before: datetime, keys: list[int]) -> None:
    # A collection that finds one of them again holds its instance's row: it comes before or after, not between.
    instances = set(InstanceAccount.objects.filter(pk__in=keys).values_list("instance", flat=True))
    list(Instance.objects.select_for_update().filter(pk__in=instances).order_by("pk").values_list("pk"))
    _gone(before).filter(pk__in=keys).delete()
