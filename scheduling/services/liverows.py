"""Live schedule entries: one narrow, hot row of django-apscheduler's own table for each task.

``id`` is the task's id as text, ``next_run_time`` its nominal next time, NULL while it has none. A row is
locked before anything is decided about its task, by everybody, so that decisions about a task come one after
another on every database.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache

from django.db.models import DateTimeField
from django_apscheduler.models import DjangoJob

from scheduling import sql
from scheduling.sql.prepared import Param, Prepared


def refuse() -> None:
    """What a foreign scheduler would call, were it to load a live row as a job of its own."""
    raise RuntimeError("This row is a live schedule entry of Jobsite. Only its own scheduler may act on it.")


@cache
def guard() -> bytes:
    """The constant job state of every live row: valid for APScheduler, never read by us, harmless if run."""
    from apscheduler.triggers.date import DateTrigger

    state = {
        "version": 1,
        "id": "jobsite",
        "func": f"{__name__}:refuse",
        "trigger": DateTrigger(datetime(1970, 1, 1, tzinfo=UTC), UTC),
        "executor": "default",
        "args": (),
        "kwargs": {},
        "name": "jobsite",
        "misfire_grace_time": 1,
        "coalesce": True,
        "max_instances": 1,
        "next_run_time": None,
    }
    return pickle.dumps(state, protocol=4)


def create(task_id: int, next_time: datetime | None) -> None:
    DjangoJob.objects.create(id=str(task_id), next_run_time=next_time, job_state=guard())


def create_many(next_times: Iterable[tuple[int, datetime | None]]) -> None:
    DjangoJob.objects.bulk_create(
        [DjangoJob(id=str(task_id), next_run_time=at, job_state=guard()) for task_id, at in next_times],
        batch_size=500,
    )


def lock(task_id: int) -> datetime | None:
    """Locks one task's live row until the transaction ends, waiting for it; returns its next time.

    A row that is missing is made, at rest: the keeper or the caller sets its time.
    """
    rows = DjangoJob.objects.select_for_update().filter(pk=str(task_id))
    found: list[datetime | None] = list(rows.values_list("next_run_time", flat=True))
    if found:
        return found[0]
    create(task_id, None)
    return None


def lock_many(task_ids: Iterable[int], *, skip_locked: bool) -> dict[int, datetime | None]:
    """Locks those live rows, in the order of their ids; with ``skip_locked``, only those nobody else holds."""
    rows = DjangoJob.objects.select_for_update(skip_locked=skip_locked).filter(
        pk__in=[str(task_id) for task_id in task_ids]
    )
    return {int(id): at for id, at in rows.order_by("pk").values_list("pk", "next_run_time")}


def times(task_ids: Iterable[int]) -> dict[int, datetime | None]:
    """The next times in those live rows, unlocked."""
    ids = [str(task_id) for task_id in task_ids]
    return {int(id): at for id, at in DjangoJob.objects.filter(pk__in=ids).values_list("pk", "next_run_time")}


def lock_due(now: datetime, limit: int, strangers: Iterable[str] = ()) -> list[tuple[str, datetime]]:
    """Locks the live rows that are due and that nobody else holds, the longest due first, at most ``limit``."""
    return [(id, at) for id, at in DUE.rows(limit, tuple(sorted(strangers)), now=now)]


DUE = Prepared(
    lambda limit, strangers: (
        DjangoJob.objects.select_for_update(skip_locked=True)
        .filter(next_run_time__lte=Param("now", DateTimeField()))
        .exclude(pk__in=strangers)
        .order_by("next_run_time")
        .values_list("pk", "next_run_time")[:limit]
    )
)


def earliest(strangers: Iterable[str] = ()) -> datetime | None:
    """The earliest next time of all; None when nothing is scheduled. One step in an index."""
    first = EARLIEST.rows(tuple(sorted(strangers)))
    return first[0][0] if first else None


EARLIEST = Prepared(
    lambda strangers: (
        DjangoJob.objects.filter(next_run_time__isnull=False)
        .exclude(pk__in=strangers)
        .order_by("next_run_time")
        .values_list("next_run_time")[:1]
    )
)


def due_within(start: datetime, end: datetime, limit: int) -> list[int]:
    """The tasks that come due after ``start`` and no later than ``end``, the first ones first, unlocked."""
    return [int(id) for (id,) in DUE_WITHIN.rows(limit, start=start, end=end) if id.isdecimal()]


DUE_WITHIN = Prepared(
    lambda limit: (
        DjangoJob.objects.filter(
            next_run_time__gt=Param("start", DateTimeField()),
            next_run_time__lte=Param("end", DateTimeField()),
        )
        .order_by("next_run_time")
        .values_list("pk")[:limit]
    )
)


def next_time(task_id: int) -> datetime | None:
    """One task's next time; None when it has none."""
    row: datetime | None = (
        DjangoJob.objects.filter(pk=str(task_id)).values_list("next_run_time", flat=True).first()
    )
    return row


def move(next_times: dict[int, datetime | None]) -> None:
    """Sets next times; the caller holds the rows' locks."""
    sql.move_live_rows([(str(task_id), at) for task_id, at in next_times.items()])


def delete(task_id: int) -> None:
    DjangoJob.objects.filter(pk=str(task_id)).delete()
