"""Sizes by day, week, month and quarter, computed from the daily rows. Computing twice changes nothing.

Averages are rounded to whole bytes, halves up. The change is this average less that of the period before, which is
taken from its samples, and from its own row when those are gone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Max, Min, QuerySet, Sum

from instances.models import (
    DatabaseSize,
    DatabaseSizeAggregate,
    Instance,
    InstanceSize,
    InstanceSizeAggregate,
    SyncSession,
)
from instances.services import anomalies, limits, sessions, sizes, visits
from instances.services.periods import Span, due
from instances.services.sessions import RowCounts
from scheduling import clock
from scheduling.context import current_run
from scheduling.services.actor import SYSTEM, Actor
from scheduling.sql.transactions import in_transaction

logger = logging.getLogger(__name__)

BATCH = 500

#: What is compared and written; ``computed_at`` moves only with one of them.
VALUES = (
    "end", "samples", "first_date", "last_date", "first_bytes", "last_bytes", "min_bytes", "max_bytes",
    "average_bytes", "change_bytes", "change_percent", "growth_per_day_bytes", "final",
)  # fmt: skip
INSTANCE_VALUES = (*VALUES, "database_count", "average_database_bytes")


def run(
    instances: list[Instance],
    *,
    origin: str,
    spans: list[Span] | None = None,
    actor: Actor = SYSTEM,
    execution_id: int | None = None,
) -> SyncSession:
    """Computes the given periods, or those of a nightly run, for each instance; gives the session as it ended.

    Each instance is a transaction and a record of its own. Between two of them the run is asked whether it should end.
    """
    today = sizes.day_of(clock.now())
    chosen = due(today) if spans is None else spans
    category = SyncSession.Category.AGGREGATION
    session = sessions.create(category, origin, instances, actor=actor, execution_id=execution_id)
    records = session.records.select_related("instance").order_by("pk")
    ended = False
    try:
        for number, pk in enumerate(list(records.values_list("pk", flat=True))):
            current_run().progress(number, session.total)
            record = records.get(pk=pk)
            sessions.start(record)
            try:
                counts = compute(record.instance, chosen, now=clock.now())
                if spans is None:
                    anomalies.detect(record.instance, today, now=clock.now())
                    limits.refresh(record.instance, today, now=clock.now())
            except Exception as error:
                logger.exception("aggregation failed", extra={"instance": record.instance.name})
                sessions.fail(record, visits.sentence(error), visits.code(error))
            else:
                sessions.complete(record, counts)
        ended = True
    finally:
        sessions.finish(session, cancelled=not ended)
    return session


def compute(instance: Instance, spans: Iterable[Span], *, now: datetime) -> RowCounts:
    """Writes the rows of these periods. One that rests on more samples than are left stays as it is."""
    today = sizes.day_of(now)

    def write() -> RowCounts:
        total = RowCounts()
        for span in spans:
            total = total + _databases(instance, span, today, now) + _whole(instance, span, today, now)
        return total

    return in_transaction(write)


@dataclass(frozen=True, slots=True)
class Samples:
    """What the daily rows of one period say, for one database or one instance."""

    count: int
    total: int
    least: int
    most: int
    first_date: date
    last_date: date
    first_bytes: int
    last_bytes: int

    @property
    def average(self) -> int:
        return divide(self.total, self.count)


def divide(dividend: int, divisor: int) -> int:
    """Rounded to the nearest whole number, halves up."""
    return (2 * dividend + divisor) // (2 * divisor)


def _databases(instance: Instance, span: Span, today: date, now: datetime) -> RowCounts:
    rows = DatabaseSize.objects.filter(instance=instance, total_bytes__isnull=False)
    found = _samples(rows, span, by=("database",))
    before = {key: one.average for key, one in _samples(rows, span.previous(), by=("database",)).items()}
    stored = DatabaseSizeAggregate.objects.filter(instance=instance, period=span.period)
    for database, average in stored.filter(start=span.previous().start).values_list(
        "database", "average_bytes"
    ):
        before.setdefault((database,), average)
    existing = {row.database: row for row in stored.filter(start=span.start)}
    fresh, changed, unchanged = [], [], 0
    for (database,), samples in found.items():
        row = existing.get(database)
        values = _values(samples, before.get((database,)), span, today)
        if row is None:
            key = {"instance": instance, "database": database, "period": span.period, "start": span.start}
            fresh.append(DatabaseSizeAggregate(**key, **values, computed_at=now))
        elif _alter(row, values, now):
            changed.append(row)
        else:
            unchanged += 1
    DatabaseSizeAggregate.objects.bulk_create(fresh, batch_size=BATCH)
    DatabaseSizeAggregate.objects.bulk_update(changed, [*VALUES, "computed_at"], batch_size=100)
    return RowCounts(len(fresh), len(changed), unchanged)


def _whole(instance: Instance, span: Span, today: date, now: datetime) -> RowCounts:
    rows = InstanceSize.objects.filter(instance=instance, total_bytes__isnull=False)
    found = _samples(rows, span, by=()).get(())
    if found is None:
        return RowCounts()
    stored = InstanceSizeAggregate.objects.filter(instance=instance, period=span.period)
    earlier = _samples(rows, span.previous(), by=()).get(())
    before = earlier.average if earlier else None
    if before is None:
        before = stored.filter(start=span.previous().start).values_list("average_bytes", flat=True).first()
    within = rows.filter(date__range=(span.start, span.end))
    sums = within.aggregate(databases=Sum("database_count"), unknown=Sum("unknown_count"))
    known = sums["databases"] - sums["unknown"]
    values = _values(found, before, span, today) | {
        "database_count": within.order_by("-date").values_list("database_count", flat=True)[0],
        "average_database_bytes": divide(found.total, known) if known > 0 else None,
    }
    row = stored.filter(start=span.start).first()
    if row is None:
        InstanceSizeAggregate.objects.create(
            instance=instance, period=span.period, start=span.start, computed_at=now, **values
        )
        return RowCounts(created=1)
    if _alter(row, values, now):
        row.save(update_fields=[*INSTANCE_VALUES, "computed_at"])
        return RowCounts(updated=1)
    return RowCounts(unchanged=1)


def _samples(rows: QuerySet[Any], span: Span, *, by: tuple[str, ...]) -> dict[tuple[str, ...], Samples]:
    """By key; the arithmetic on whole bytes is the database's, the first and last bytes are two more rows each."""
    within = rows.filter(date__range=(span.start, span.end)).order_by()
    measures = {
        "count": Count("pk"), "total": Sum("total_bytes"), "least": Min("total_bytes"), "most": Max("total_bytes"),
        "first": Min("date"), "last": Max("date"),
    }  # fmt: skip
    if by:
        grouped = list(within.values(*by).annotate(**measures))
    else:
        grouped = [one for one in [within.aggregate(**measures)] if one["count"]]
    ends = {one[word] for one in grouped for word in ("first", "last")}
    at = {
        (*key, day): size
        for *key, day, size in within.filter(date__in=ends).values_list(*by, "date", "total_bytes")
    }
    found = {}
    for one in grouped:
        key = tuple(one[name] for name in by)
        found[key] = Samples(
            count=one["count"], total=int(one["total"]), least=one["least"], most=one["most"],
            first_date=one["first"], last_date=one["last"],
            first_bytes=at[(*key, one["first"])], last_bytes=at[(*key, one["last"])],
        )  # fmt: skip
    return found


def _values(samples: Samples, before: int | None, span: Span, today: date) -> dict[str, Any]:
    change = None if before is None else samples.average - before
    days = (samples.last_date - samples.first_date).days
    return {
        "end": span.end,
        "samples": samples.count,
        "first_date": samples.first_date,
        "last_date": samples.last_date,
        "first_bytes": samples.first_bytes,
        "last_bytes": samples.last_bytes,
        "min_bytes": samples.least,
        "max_bytes": samples.most,
        "average_bytes": samples.average,
        "change_bytes": change,
        # Of nothing, nothing is a percentage.
        "change_percent": None if change is None or not before else change / before * 100,
        "growth_per_day_bytes": divide(samples.last_bytes - samples.first_bytes, days) if days else None,
        "final": span.is_over(today),
    }


def _alter(row: Any, values: dict[str, Any], now: datetime) -> bool:
    """Whether the row is to be written; its values are then the new ones."""
    if row.samples > values["samples"] or all(getattr(row, name) == value for name, value in values.items()):
        return False
    for name, value in values.items():
        setattr(row, name, value)
    row.computed_at = now
    return True
