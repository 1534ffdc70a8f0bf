"""Schedules that count from the end of the run before: when nothing of a task is active, its next time is known."""

from __future__ import annotations

from datetime import datetime

from django_apscheduler.models import DjangoJob

from scheduling.exceptions import InvalidTrigger
from scheduling.models import Execution, State, Task
from scheduling.services import accounted, liverows
from scheduling.services.repair import AT_REST
from scheduling.sql.prepared import Prepared
from scheduling.sql.transactions import in_transaction

#: Tasks looked at in one go.
BATCH = 500
#: Not runs: they ended before they began, and nothing is counted from them.
NEVER_RAN = (State.SKIPPED, State.MISSED)


def follow(now: datetime) -> int:
    """Gives those that have no next time, and nothing active, the one that follows from their last run's end.

    Returns how many. Costs one query along a narrow index while there are no such tasks.
    """
    # Sorted here: a database that sorted might go through all tasks in the order of their ids.
    ids = sorted(id for (id,) in FOLLOWING.rows())
    moved = 0
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        rows = DjangoJob.objects.filter(pk__in=[str(id) for id in batch], next_run_time=None)
        still = {int(id) for id in rows.values_list("pk", flat=True)}
        if still:
            active = Execution.objects.active().filter(task_id__in=still)
            still -= set(active.values_list("task_id", flat=True))
        for task_id in sorted(still):
            moved += in_transaction(lambda task_id=task_id: _follow(task_id, now))  # type: ignore[misc]
    return moved


FOLLOWING = Prepared(
    lambda: Task.objects.present().filter(follows_end=True).exclude(AT_REST).order_by().values_list("pk")
)


def _follow(task_id: int, now: datetime) -> bool:
    """The same for one task, under its live row's lock, if nobody else holds it."""
    held = liverows.lock_many([task_id], skip_locked=True)
    if task_id not in held or held[task_id] is not None:
        return False
    task = Task.objects.present().select_related("group", "calendar").filter(pk=task_id).first()
    if task is None or task.is_at_rest or task.has_run_enough or not task.follows_end:
        return False
    runs = Execution.objects.filter(task_id=task_id)
    if runs.active().exists():
        return False
    ended: datetime | None = (
        runs.exclude(state__in=NEVER_RAN).order_by("-id").values_list("finished_at", flat=True).first()
    )
    settled = accounted.settled_until([task_id])[task_id]
    since = settled  # without any run its live row was lost before the first one, which is due as it was
    if ended is not None:
        # From here on the schedule's steps are counted; one that has passed meanwhile is due at once.
        task.anchor_at, since = ended, max(ended, settled)
    try:
        next_time = task.build_trigger().next_after(since)
    except InvalidTrigger as error:
        Task.objects.filter(pk=task_id).update(schedule_error=str(error)[:500])
        return False
    if next_time is None:
        return False
    liverows.move({task_id: next_time})
    return True
