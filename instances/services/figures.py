"""How large instances are and were, as pages and programs show it. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import F, Max, OuterRef, Subquery

from instances.models import DatabaseSize, Instance, InstanceDatabase, InstanceSize


@dataclass(frozen=True, slots=True)
class Day:
    """One day of an instance. ``total_bytes`` None: not collected, or no database told its size."""

    date: date
    total_bytes: int | None
    databases: int | None = None
    #: Databases that did not tell their size.
    unknown: int = 0
    #: None: no collection of the whole instance.
    collected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """One database of the latest collection, and its part of the total: 0 to 1, None when it is unknown."""

    row: DatabaseSize
    share: float | None
    #: The key of its InstanceDatabase; None when it has none.
    database_id: int | None


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest collection of an instance: its day and its largest databases."""

    date: date
    total_bytes: int | None
    databases: int
    unknown: int
    shares: list[Share]


def days(instance: Instance, *, until: date, most: int) -> list[Day]:
    """One entry for each of at most ``most`` days, from the first one collected; gaps stay gaps."""
    rows = InstanceSize.objects.filter(instance=instance, date__gt=until - timedelta(days=most))
    return _without_holes([_day(row) for row in rows], until)


def _day(row: InstanceSize) -> Day:
    return Day(row.date, row.total_bytes, row.database_count, row.unknown_count, row.collected_at)


def database_days(instance: Instance, database: str, *, until: date, most: int) -> list[Day]:
    """The same of one database."""
    rows = DatabaseSize.objects.filter(instance=instance, database=database)
    found = rows.filter(date__gt=until - timedelta(days=most)).values_list("date", "total_bytes")
    return _without_holes([Day(day, total) for day, total in found], until)


def _without_holes(collected: list[Day], until: date) -> list[Day]:
    found = {day.date: day for day in collected}
    if not found:
        return []
    first, last = min(found), max(until, *found)
    dates = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [found.get(day, Day(day, None)) for day in dates]


def recent(ids: Iterable[int], *, until: date, most: int) -> dict[int, list[int | None]]:
    """The totals of the last ``most`` days of each instance, oldest first; None where there is none."""
    rows = InstanceSize.objects.filter(instance_id__in=list(ids), date__gt=until - timedelta(days=most))
    found: dict[int, list[int | None]] = {}
    for pk, day, total in rows.values_list("instance_id", "date", "total_bytes"):
        age = (until - day).days
        if 0 <= age < most:
            found.setdefault(pk, [None] * most)[most - 1 - age] = total
    return found


def latest(instance: Instance, *, most: int, among: Sequence[Day] = ()) -> Latest | None:
    """The newest collection, and the ``most`` largest databases that it saw; None when there was none.

    ``among``: the last days of the instance, when they have been read already.
    """
    newest = next((day for day in reversed(among) if day.collected_at), None)
    if newest is None:
        row = InstanceSize.objects.filter(instance=instance).order_by("-date").first()
        newest = _day(row) if row else None
    if newest is None or newest.collected_at is None:
        return None
    rows = DatabaseSize.objects.filter(instance=instance, date=newest.date)
    # A database that an earlier collection of the day saw, and this one did not, is gone.
    rows = rows.filter(collected_at=newest.collected_at)
    known = InstanceDatabase.objects.filter(instance=OuterRef("instance"), name=OuterRef("database"))
    rows = rows.annotate(database_id=Subquery(known.values("pk")[:1]))
    largest = rows.order_by(F("total_bytes").desc(nulls_last=True), "database")[:most]
    total = newest.total_bytes
    shares = [
        Share(
            row, row.total_bytes / total if total and row.total_bytes is not None else None, row.database_id
        )
        for row in largest
    ]
    return Latest(newest.date, total, newest.databases or 0, newest.unknown, shares)


def newest_totals(ids: Iterable[int]) -> dict[int, tuple[date, int | None]]:
    """The day and the total of the newest collection of each instance, however old."""
    rows = InstanceSize.objects.filter(instance_id__in=list(ids)).order_by()
    newest = dict(rows.values_list("instance_id").annotate(day=Max("date")))
    by_day = InstanceSize.objects.filter(
        instance_id__in=list(newest), date__in=set(newest.values())
    ).values_list("instance_id", "date", "total_bytes")
    return {pk: (day, total) for pk, day, total in by_day if newest[pk] == day}
