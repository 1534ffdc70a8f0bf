"""Which databases an instance has: first seen, dropped, back again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from instances.models import Instance, InstanceDatabase

BATCH = 500


def note(instance: Instance, names: Iterable[str], *, whole: bool, now: datetime) -> None:
    """Writes down which databases a reading showed. ``whole``: those that it did not show are not there.

    Call it in the transaction that keeps the reading.
    """
    shown = set(names)
    rows = InstanceDatabase.objects.filter(instance=instance)
    stored = {row.name: row for row in rows}
    fresh = [
        InstanceDatabase(instance=instance, name=name, first_seen_at=now, last_seen_at=now)
        for name in sorted(shown - stored.keys())
    ]
    back = [row.pk for name, row in stored.items() if name in shown and not row.active]
    there = [row.pk for name, row in stored.items() if name in shown and row.active]
    gone = [row.pk for name, row in stored.items() if name not in shown and row.active]
    InstanceDatabase.objects.bulk_create(fresh, batch_size=BATCH)
    rows.filter(pk__in=there).update(last_seen_at=now)
    rows.filter(pk__in=back).update(active=True, last_seen_at=now, dropped_at=None, returned_at=now)
    if whole:
        rows.filter(pk__in=gone).update(active=False, dropped_at=now)
