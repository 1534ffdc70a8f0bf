"""Counts, quarter of an hour by quarter of an hour, how executions ended. Counting again gives the same rows.

Each count reads one short range of the index by ``finished_at``, so charts never read history.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Min

from scheduling.models import Execution, State, Tally
from scheduling.services.durations import bucket_of
from scheduling.sql.transactions import in_transaction

QUARTER = timedelta(minutes=15)
#: The running quarter and the one before are counted again when their numbers are older than this.
FRESH = timedelta(seconds=25)
#: What ended longer ago than this is counted once; results that were held back by an outage arrive before.
SETTLED = timedelta(hours=24)
#: How far back what was never counted is looked for, and how long tallies are kept.
REACH = timedelta(days=30)
KEPT = timedelta(days=400)
#: Those whose durations are counted: they ended by themselves.
RAN = (State.SUCCEEDED, State.FAILED, State.TIMED_OUT)


def quarter_of(at: datetime) -> datetime:
    """The beginning of the quarter of an hour in which ``at`` lies."""
    at = at.astimezone(UTC)
    return at.replace(minute=at.minute - at.minute % 15, second=0, microsecond=0)


def count(quarter: datetime, now: datetime) -> None:
    """Counts one quarter and replaces what was counted before."""
    rows = (
        Execution.objects.filter(finished_at__gte=quarter, finished_at__lt=quarter + QUARTER)
        .order_by()
        .annotate(bucket=bucket_of("run_ms"))
        .values_list("outcome", "bucket")
        .annotate(number=Count("id"))
    )
    numbers: dict[str, int] = defaultdict(int)
    durations: dict[str, dict[str, int]] = defaultdict(dict)
    for state, bucket, number in rows:
        numbers[state] += number
        if bucket is not None and state in RAN:
            durations[state][str(bucket)] = number
    found = [
        Tally(quarter=quarter, state=state, number=number, durations=durations[state])
        for state, number in numbers.items()
        if state in State.values
    ]

    def work() -> None:
        mark, _made = Tally.objects.select_for_update().get_or_create(quarter=quarter, state="")
        Tally.objects.filter(quarter=quarter).exclude(pk=mark.pk).delete()
        Tally.objects.bulk_create(found)
        Tally.objects.filter(pk=mark.pk).update(number=sum(numbers.values()), counted_at=now)

    in_transaction(work)


def stale(now: datetime) -> list[datetime]:
    """The running quarter and the last one, where nobody has counted them lately; the older one first."""
    current = quarter_of(now)
    counted = dict(
        Tally.objects.filter(quarter__gte=current - QUARTER, state="").values_list("quarter", "counted_at")
    )
    wanted = []
    for quarter in (current - QUARTER, current):
        at = counted.get(quarter)
        # A quarter that was last counted a while after its end is complete.
        if at is None or (now - at > FRESH and at < quarter + QUARTER + FRESH):
            wanted.append(quarter)
    return wanted


def uncounted(now: datetime) -> list[datetime]:
    """Quarters within reach that were never counted, or before late results had arrived; the newest first."""
    first = Execution.objects.filter(finished_at__gte=now - REACH).aggregate(at=Min("finished_at"))["at"]
    if first is None:
        return []
    counted = dict(
        Tally.objects.filter(quarter__gte=now - REACH, state="").values_list("quarter", "counted_at")
    )
    wanted = []
    quarter = quarter_of(now) - 2 * QUARTER
    while quarter >= quarter_of(first):
        at = counted.get(quarter)
        complete = at is not None and at >= min(quarter + QUARTER + SETTLED, now - timedelta(hours=1))
        if not complete:
            wanted.append(quarter)
        quarter -= QUARTER
    return wanted


def catch_up(now: datetime) -> int:
    """Counts all that is uncounted, at once; returns the number of quarters."""
    wanted = [*uncounted(now), *stale(now)]
    for quarter in wanted:
        count(quarter, now)
    return len(wanted)


def forget_old(now: datetime) -> None:
    """Removes tallies that nobody looks at any more."""
    Tally.objects.filter(quarter__lt=now - KEPT).delete()
