"""Changes of pools: made under the lock under which claims count."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import Max
from django.utils.translation import gettext as _

from scheduling.models import Pool, Task
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction

#: What people edit; the token bucket belongs to the claims.
EDITABLE = ("key", "name", "capacity", "tokens_per_minute", "paused")


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


def delete(pool: Pool, *, actor: Actor) -> None:
    """Removes a pool without tasks; one that has some raises ProtectedError."""
    pool.delete()
