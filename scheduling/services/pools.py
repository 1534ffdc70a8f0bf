"""Changes of pools: made under the lock under which claims count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db.models import Count, Max, Q, Sum
from django.utils.translation import gettext as _

from scheduling.exceptions import Refused
from scheduling.models import Execution, Pool, State, Task
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction

#: What people edit; the token bucket belongs to the claims.
EDITABLE = ("key", "name", "capacity", "tokens_per_minute", "paused")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a pool holds now."""

    used: int = 0  # seats, by the weights of what runs
    running: int = 0
    queued: int = 0


def usage(pool_ids: Iterable[int]) -> dict[int, Usage]:
    """What each of the pools holds now, in one query along the index of what runs and is queued."""
    rows = (
        Execution.objects.filter(
            Q(state=State.RUNNING) | Q(state=State.QUEUED), pool_id__in=list(pool_ids), pool_id__gt=0
        )
        .order_by()
        .values_list("pool_id", "state")
        .annotate(number=Count("id"), weight=Sum("weight"))
    )
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for pool_id, state, number, weight in rows:
        found.setdefault(pool_id, {})[state] = (number, weight)
    usages = {}
    for pool_id, by_state in found.items():
        running, used = by_state.get(State.RUNNING, (0, 0))
        usages[pool_id] = Usage(used, running, by_state.get(State.QUEUED, (0, 0))[0])
    return usages


def check(pool: Pool) -> None:
    """Raises ValidationError when a task of the pool weighs more than it holds: it could never start."""
    heaviest = (
        Task.objects.present().filter(pool_id=pool.pk).aggregate(weight=Max("weight"))["weight"]
        if pool.pk
        else None
    )
    if heaviest and pool.capacity is not None and pool.capacity < heaviest:
        text = _("A task of this pool weighs %(weight)d: the capacity must be at least that.")
        raise ValidationError({"capacity": [text % {"weight": heaviest}]})


def save(pool: Pool, *, actor: Actor) -> Pool:
    """Stores a new or changed pool. Raises ValidationError keyed by field."""

    def work() -> None:
        if pool.pk:
            list(Pool.objects.select_for_update().filter(pk=pool.pk))
        pool.full_clean()
        check(pool)
        pool.save(update_fields=EDITABLE if pool.pk else None)

    in_transaction(work)
    return pool


def pause(pool_id: int, *, actor: Actor) -> Pool:
    """Nothing of the pool starts, whoever asked for it; what runs goes on. Raises Refused when it is gone."""
    return _set_paused(pool_id, True)


def resume(pool_id: int, *, actor: Actor) -> Pool:
    """Lets what is queued start again, as far as the pool has room. Raises Refused when it is gone."""
    return _set_paused(pool_id, False)


def _set_paused(pool_id: int, paused: bool) -> Pool:
    def work() -> Pool:
        pool = Pool.objects.select_for_update().filter(pk=pool_id).first()
        if pool is None:
            raise Refused("pool_deleted", _("The pool has been deleted."))
        pool.paused = paused
        pool.save(update_fields=["paused"])
        return pool

    return in_transaction(work)


def delete(pool: Pool, *, actor: Actor) -> None:
    """Removes a pool without tasks; one that has some raises ProtectedError."""
    pool.delete()
