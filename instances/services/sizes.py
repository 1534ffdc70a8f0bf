"""Keeps what servers say about the sizes of their databases, one row a day."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings

from instances.dialects.readings import DatabaseSizeReading, SizesReading
from instances.models import DatabaseSize, Instance, InstanceSize
from instances.services import databases
from instances.services.sessions import RowCounts
from scheduling.sql.transactions import in_transaction
from scheduling.text import storable_characters

BATCH = 500
BYTES = ("total_bytes", "data_bytes", "index_bytes")
WRITTEN = (*BYTES, "reason", "collected_at")
DATABASE_CHARACTERS = 255


def day_of(moment: datetime) -> date:
    """The day to which a collection belongs: that of the zone in which tasks are written, so that "nightly at
    03:00" gives one row for each local day.
    """
    return moment.astimezone(ZoneInfo(settings.JOBSITE_TASK_TIME_ZONE)).date()


def save(instance: Instance, reading: SizesReading, *, now: datetime) -> RowCounts:
    """Writes one reading. Again on the same day it updates; a size that is unknown now does not wipe a known
    one.

    A database that is missing from the reading keeps its rows.
    """
    return in_transaction(lambda: _write(instance, reading, now))


def _write(instance: Instance, reading: SizesReading, now: datetime) -> RowCounts:
    day = day_of(now)
    stored = {row.database: row for row in DatabaseSize.objects.filter(instance=instance, date=day)}
    fresh, changed, unchanged = [], [], 0
    for one in reading.databases:
        name = storable_characters(one.name, DATABASE_CHARACTERS)
        row = stored.get(name)
        if row is None:
            row = DatabaseSize(instance=instance, database=name, date=day)
            fresh.append(row)
        elif row.total_bytes is not None and one.total_bytes is None:
            unchanged += 1
            continue
        elif _same(row, one):
            unchanged += 1
        else:
            changed.append(row)
        _fill(row, one, now)
    DatabaseSize.objects.bulk_create(fresh, batch_size=BATCH)
    DatabaseSize.objects.bulk_update(
        [row for row in stored.values() if row.collected_at == now], WRITTEN, batch_size=BATCH
    )
    _write_instance(instance, reading, day, now)
    names = [storable_characters(one.name, DATABASE_CHARACTERS) for one in reading.databases]
    databases.note(instance, names, whole=reading.complete, now=now)
    return RowCounts(created=len(fresh), updated=len(changed), unchanged=unchanged)


def _same(row: DatabaseSize, one: DatabaseSizeReading) -> bool:
    return all(getattr(row, name) == getattr(one, name) for name in BYTES) and row.reason == one.reason[:300]


def _fill(row: DatabaseSize, one: DatabaseSizeReading, now: datetime) -> None:
    for name in BYTES:
        setattr(row, name, getattr(one, name))
    row.reason = storable_characters(one.reason, 300)
    row.collected_at = now


def _write_instance(instance: Instance, reading: SizesReading, day: date, now: datetime) -> None:
    known = [one.total_bytes for one in reading.databases if one.total_bytes is not None]
    InstanceSize.objects.update_or_create(
        instance=instance,
        date=day,
        defaults={
            "total_bytes": sum(known) if known else None,
            "database_count": len(reading.databases),
            "unknown_count": len(reading.databases) - len(known),
            "collected_at": now,
        },
    )
