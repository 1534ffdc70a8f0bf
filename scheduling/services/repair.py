"""Compares the two places that say when a task runs next, and mends what differs (pain 25)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from datetime import datetime

from django.db.models import Q
from django_apscheduler.models import DjangoJob

from scheduling.models import Task
from scheduling.services import accounted, liverows
from scheduling.services.plans import plans
from scheduling.sql.transactions import in_transaction

#: Tasks without a next time that are looked at in one call; the others come later.
LOOKED_AT = 5_000

AT_REST = Q(enabled=False) | Q(paused=True) | Q(group__paused=True)


def mend_live_rows(now: datetime, ended: set[tuple[int, int]] | None = None) -> dict[str, int]:
    """Makes missing live rows, stops those of tasks at rest, starts those that should go on. Returns counts by kind.

    What came due while a row was missing or stood still is due now: the next tick decides about it (P3).
    ``ended`` remembers, from call to call, the (task, version) that have no next time and need no second look.
    """
    ended = set() if ended is None else ended
    mended: Counter[str] = Counter()
    found = differences(ended)
    still = sorted(found["still"])[:LOOKED_AT]
    over = _over(still, now)
    ended |= over
    found["still"] = set(still) - {task_id for task_id, _version in over}
    for kind in ("missing", "restless", "still"):
        for task_id in sorted(found[kind]):
            if mend(task_id, now):
                mended[kind] += 1
            elif kind == "still":
                ended |= set(Task.objects.filter(pk=task_id).values_list("id", "version"))
    for task_id in found["deleted"]:
        liverows.delete(task_id)
        mended["deleted"] += 1
    return dict(mended)


def _over(task_ids: list[int], now: datetime) -> set[tuple[int, int]]:
    """Those whose schedule has ended, as (task, version): asked without a lock, since that is what most are."""
    over = set()
    for start in range(0, len(task_ids), 500):
        known = plans.read(task_ids[start : start + 500])
        found, _broken = accounted.next_times(known, now)
        over |= {(task_id, known[task_id].version) for task_id, at in found.items() if at is None}
    return over


def differences(ended: Set[tuple[int, int]] = frozenset()) -> dict[str, set[int]]:
    """Tasks whose live row is not as it should be, by kind: missing, restless (they are at rest), still, deleted.

    ``still`` has no next time, which is right for those in ``ended``, as (task, version).
    """
    present = dict(Task.objects.present().values_list("id", "version"))
    at_rest = set(Task.objects.present().filter(AT_REST).values_list("id", flat=True))
    live = {int(id): at for id, at in DjangoJob.objects.values_list("id", "next_run_time") if id.isdecimal()}
    missing = present.keys() - live.keys()
    restless = {id for id in at_rest if live.get(id) is not None}
    deleted = live.keys() - present.keys()
    deleted = set(Task.objects.exclude(deleted_at=None).filter(pk__in=deleted).values_list("id", flat=True))
    still = {
        id for id, at in live.items()
        if at is None and id in present and id not in at_rest and (id, present[id]) not in ended
    }  # fmt: skip
    if still:  # those that wait for the end of a run are services/following.py's
        still -= set(Task.objects.filter(follows_end=True).values_list("id", flat=True))
    return {"missing": missing, "restless": restless, "still": still, "deleted": deleted}


def mend(task_id: int, now: datetime) -> bool:
    """Sets one task's live row to its first time that is not accounted for; whether that changed anything."""
    return in_transaction(lambda: _mend(task_id, now))


def _mend(task_id: int, now: datetime) -> bool:
    """The same, under the row's lock."""
    existed = DjangoJob.objects.filter(pk=str(task_id)).exists()
    stored = liverows.lock(task_id)
    task = Task.objects.present().select_related("group", "calendar").filter(pk=task_id).first()
    if task is None:
        return False
    if task.is_at_rest or task.has_run_enough:
        if stored is not None:
            liverows.move({task_id: None})
        return stored is not None or not existed
    # Somebody was faster, or it is for services/following.py to find its time.
    if stored is not None or task.follows_end:
        return not existed
    found, broken = accounted.next_times(plans.read([task_id]), now)
    error, next_time = broken.get(task_id, ""), found.get(task_id)
    if error or (next_time is not None and task.schedule_error):
        Task.objects.filter(pk=task_id).update(schedule_error=error)
    if next_time is not None:
        liverows.move({task_id: next_time})
    return next_time is not None or not existed


def strangers() -> list[str]:
    """Ids of live rows that belong to no task, not even a deleted one: jobs that others keep in the same table."""
    ids = set(DjangoJob.objects.filter(next_run_time__isnull=False).values_list("id", flat=True))
    numbers = {int(id) for id in ids if id.isdecimal()}
    known = (
        set(Task.objects.filter(pk__in=numbers).values_list("id", flat=True))
        if len(numbers) < 500
        else set(Task.objects.values_list("id", flat=True))
    )
    return sorted(id for id in ids if not id.isdecimal() or int(id) not in known)
