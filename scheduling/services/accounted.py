"""Up to which moment each instant of a task has been decided upon. From there a live row that was lost goes on.

A live row says when its task is due next, and so that nothing before is left to decide. When somebody has removed
the row, or its time, that has to be found out from what is kept: the executions, and when the task last changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import connection
from django.db.models import DateTimeField, OuterRef, Subquery
from django.db.models.functions import Coalesce

from scheduling.exceptions import InvalidTrigger
from scheduling.models import NEVER, Execution, Task, TaskVersion
from scheduling.services.plans import Plan, plans
from scheduling.sql import unions

#: Tasks whose newest executions are asked for in one statement.
TOGETHER = 100
#: What a version is only about, if it left the task's next time as it was.
UNTIMED = ("dependencies", "dependency_mode")


def settled_until(task_ids: Iterable[int]) -> dict[int, datetime]:
    """Until when all is settled of each of those tasks, whatever executions there are.

    Until it was last changed, its calendar was, or its group was resumed: what had come due was decided first, and
    what holds now was not in force. Or until the last instant whose execution retention has removed.
    """
    versions = TaskVersion.objects.filter(task=OuterRef("pk")).exclude(changes__has_any_keys=UNTIMED)
    rows = Task.objects.filter(pk__in=list(task_ids)).annotate(
        # A task that has no versions was not made by a service: then its own word is taken.
        changed_at=Coalesce(
            Subquery(versions.order_by("-version").values("at")[:1]),
            "updated_at",
            output_field=DateTimeField(),
        )
    )
    return {
        task_id: max(at for at in moments if at is not None)
        for task_id, *moments in rows.values_list(
            "pk", "changed_at", "pruned_until", "calendar__updated_at", "group__resumed_at"
        )
    }


def next_times(known: Mapping[int, Plan], now: datetime) -> tuple[dict[int, datetime | None], dict[int, str]]:
    """What the live rows of those tasks should show, by their schedules alone; and why some have no answer.

    The first instant that is not accounted for, which may lie before ``now``. Few statements however many tasks.
    """
    found: dict[int, datetime | None] = {}
    broken: dict[int, str] = {}
    settled = settled_until(known)
    came_due: dict[int, datetime] = {}  # task → the last instant that has come since then
    for task_id, plan in known.items():
        try:
            trigger = plan.times
            last = trigger.latest(now, settled[task_id])
            if last is None:
                # A change that was waited for may be later than the caller's present.
                found[task_id] = trigger.next_after(max(now, settled[task_id]))
            else:
                came_due[task_id] = last
        except Exception as error:  # noqa: BLE001  a third party's trigger must not stop the others
            broken[task_id] = words(error)
    told = _told(settled, came_due)
    if came_due:  # once more: of what retention has removed meanwhile, that is noted by now
        settled |= settled_until(came_due)
    for task_id in came_due:
        since = max(settled[task_id], told.get(task_id, settled[task_id]))
        try:
            found[task_id] = known[task_id].times.next_after(since)
        except Exception as error:  # noqa: BLE001  as above
            broken[task_id] = words(error)
    return found, broken


def words(error: Exception) -> str:
    """What is wrong with a schedule, for ``schedule_error``."""
    said = str(error) if isinstance(error, InvalidTrigger) else f"{type(error).__name__}: {error}"
    return said[:500]


def _told(settled: Mapping[int, datetime], came_due: Mapping[int, datetime]) -> dict[int, datetime]:
    """Up to which instant the executions of those tasks tell of their schedules, as far as that is asked for.

    Along the index of occurrences, down from what came due last: runs that were asked for later are not walked through.
    """
    # One filter after the other: the values come in this order.
    rows = (
        Execution.objects.filter(task_id=0).filter(scheduled_for__gt=NEVER).filter(scheduled_for__lte=NEVER)
    )
    walk = unions.Walk(rows.filter(slot="").order_by("-scheduled_for").values("id")[:1], "occurrence")
    value = connection.ops.adapt_datetimefield_value
    wanted = [(task_id, value(settled[task_id]), value(last), "") for task_id, last in came_due.items()]
    ids: list[int] = []
    for start in range(0, len(wanted), TOGETHER):
        ids += [id for (id,) in unions.rows_for(walk, wanted[start : start + TOGETHER])]
    found = Execution.objects.filter(pk__in=ids).values_list("task_id", "scheduled_for", "covers_until")
    return {task_id: until or at for task_id, at, until in found}  # a missed one stands for all until then


def lost(task_ids: Iterable[int], now: datetime) -> dict[int, datetime]:
    """Of tasks whose live rows are gone or have no time: those that have come due nevertheless, and when first.

    There is none among those for which that is right: they are at rest, have ended, or wait for the end of a run.
    """
    ids = list(task_ids)
    if not ids:
        return {}
    rows = Task.objects.present().select_related("group").filter(pk__in=ids, follows_end=False)
    wanted = [task.pk for task in rows if not (task.is_at_rest or task.has_run_enough)]
    if not wanted:
        return {}
    found, _broken = next_times(plans.read(wanted), now)
    return {task_id: at for task_id, at in found.items() if at is not None and at <= now}
