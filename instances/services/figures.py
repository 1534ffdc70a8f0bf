"""How large instances are and were, as pages and programs show it. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import F, Max

from instances.models import DatabaseSize, Instance, InstanceSize


@dataclass(frozen=True, slots=True)
class Day:
    """One day of an instance. ``total_bytes`` None: not collected, or no database told its size."""

    date: date
    total_bytes: int | None
    databases: int | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """One database of the latest collection, and its part of the total: 0 to 1, None when it is unknown."""

    row: DatabaseSize
    share: float | None


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
    return _without_holes([Day(row.date, row.total_bytes, row.database_count) for row in rows], until)


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


def latest(instance: Instance, *, most: int) -> Latest | None:
    """The newest collection, and the ``most`` largest databases that it saw; None when there was none."""
    newest = InstanceSize.objects.filter(instance=instance).order_by("-date").first()
    if newest is None:
        return None
    rows = DatabaseSize.objects.filter(instance=instance, date=newest.date)
    # A database that an earlier collection of the day saw, and this one did not, is gone.
    rows = rows.filter(collected_at=newest.collected_at)
    largest = rows.order_by(F("total_bytes").desc(nulls_last=True), "database")[:most]
    total = newest.total_bytes
    shares = [
        Share(row, row.total_bytes / total if total and row.total_bytes is not None else None)
        for row in largest
    ]
    return Latest(newest.date, total, newest.database_count, newest.unknown_count, shares)


def newest_totals(ids: Iterable[int]) -> dict[int, tuple[date, int | None]]:
    """The day and the total of the newest collection of each instance, however old."""
    rows = InstanceSize.objects.filter(instance_id__in=list(ids)).order_by()
    newest = dict(rows.values_list("instance_id").annotate(day=Max("date")))
    by_day = InstanceSize.objects.filter(
        instance_id__in=list(newest), date__in=set(newest.values())
    ).values_list("instance_id", "date", "total_bytes")
    return {pk: (day, total) for pk, day, total in by_day if newest[pk] == day}
