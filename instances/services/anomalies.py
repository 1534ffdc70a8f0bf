"""Finds jumps in size beyond what is usual for a database, by statistics that a single jump does not bend.

The usual growth a day is the median over the days before; its spread is the median of the distances from it, scaled so
that for a normal distribution it is the standard deviation. A jump is told when it is further from the median than
``FACTOR`` spreads, ``LEAST_SHARE`` of the size and ``LEAST_BYTES``.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median

from instances.models import DatabaseSize, Instance, SizeAnomaly
from scheduling.sql.transactions import in_transaction

#: Days that tell what is usual, and how many differences it takes.
WINDOW_DAYS = 90
LEAST_SAMPLES = 7
#: Days that are looked at again each night: a sample may come late.
RECENT_DAYS = 7

FACTOR = 6.0
#: Makes the median distance comparable with a standard deviation.
SCALE = 1.4826
LEAST_SHARE = 0.05
LEAST_BYTES = 16 * 1024 * 1024

Sample = tuple[date, int]


@dataclass(frozen=True, slots=True)
class Jump:
    before: Sample
    after: Sample
    daily_bytes: int
    usual_bytes: int
    tolerance_bytes: int


def jumps(samples: list[Sample], since: date) -> list[Jump]:
    """The jumps at or after ``since``; ``samples`` by day, oldest first. After a gap the growth is spread over it."""
    found = []
    daily: list[float] = []
    for before, after in pairwise(samples):
        growth = (after[1] - before[1]) / (after[0] - before[0]).days
        if after[0] >= since and len(daily) >= LEAST_SAMPLES:
            usual = median(daily)
            spread = SCALE * median(abs(one - usual) for one in daily)
            tolerance = max(FACTOR * spread, LEAST_SHARE * before[1], LEAST_BYTES)
            if abs(growth - usual) > tolerance:
                found.append(Jump(before, after, round(growth), round(usual), round(tolerance)))
                continue  # what is not usual does not tell what is
        daily.append(growth)
    return found


def detect(instance: Instance, today: date, *, now: datetime) -> int:
    """Writes the anomalies of the last days anew; gives how many there are."""
    since = today - timedelta(days=RECENT_DAYS)
    rows = DatabaseSize.objects.filter(
        instance=instance, date__range=(since - timedelta(days=WINDOW_DAYS), today), total_bytes__isnull=False
    )
    samples: dict[str, list[Sample]] = defaultdict(list)
    for database, day, size in rows.order_by("database", "date").values_list(
        "database", "date", "total_bytes"
    ):
        assert size is not None  # noqa: S101 (for mypy; the query asks for known ones)
        samples[database].append((day, size))
    found = {
        (database, jump.after[0]): jump for database, days in samples.items() for jump in jumps(days, since)
    }
    return in_transaction(lambda: _write(instance, since, found, now))


def _write(instance: Instance, since: date, found: dict[tuple[str, date], Jump], now: datetime) -> int:
    stored = SizeAnomaly.objects.filter(instance=instance, date__gte=since)
    known = {(row.database, row.date): row.pk for row in stored}
    stored.filter(pk__in=[pk for key, pk in known.items() if key not in found]).delete()
    fresh = [
        SizeAnomaly(
            instance=instance, database=database, date=day, before_date=jump.before[0],
            before_bytes=jump.before[1], after_bytes=jump.after[1], daily_bytes=jump.daily_bytes,
            usual_bytes=jump.usual_bytes, tolerance_bytes=jump.tolerance_bytes, found_at=now,
        )
        for (database, day), jump in found.items()
        if (database, day) not in known
    ]  # fmt: skip
    SizeAnomaly.objects.bulk_create(fresh, batch_size=500)
    return len(found)
