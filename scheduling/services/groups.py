"""Changes of groups; pausing one holds all of its tasks."""

from __future__ import annotations

from datetime import datetime

from scheduling import clock
from scheduling.models import Group, Task
from scheduling.services import accounted, admission, liverows, repair
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction

#: What people edit; ``paused`` is changed by its verbs alone.
EDITABLE = ("key", "name", "description")
#: Tasks of a group that are handled in one transaction.
BATCH = 200


def save(group: Group, *, actor: Actor) -> Group:
    """Stores a new or changed group. Raises ValidationError keyed by field."""
    group.full_clean()
    group.save(update_fields=EDITABLE if group.pk else None)
    return group


def delete(group: Group, *, actor: Actor) -> None:
    """Removes a group without tasks; one that has some raises ProtectedError."""
    group.delete()


def pause(group_id: int, *, actor: Actor) -> int:
    """No task of the group gets scheduled occurrences; what is queued by schedule waits. Returns the tasks held."""
    return _set_paused(group_id, True)


def resume(group_id: int, *, actor: Actor) -> int:
    """The group's tasks go on from now; nothing is made up for. Tasks paused by themselves stay paused."""
    return _set_paused(group_id, False)


def _set_paused(group_id: int, paused: bool) -> int:
    now = clock.refresh()
    # First the mark, then the tasks batch by batch: a task edited in between reads the mark and agrees with it.
    if paused:
        for ids in _batches(group_id):
            _mend_lost(ids, now)
        Group.objects.filter(pk=group_id).update(paused=True)
    else:  # one that is not paused is left as it is, so that nothing that came due of it is forgotten
        Group.objects.filter(pk=group_id, paused=True).update(paused=False, resumed_at=now)
    batches = _batches(group_id)
    for ids in batches:
        in_transaction(lambda ids=ids: _apply(ids))  # type: ignore[misc]
    return sum(map(len, batches))


def _batches(group_id: int) -> list[list[int]]:
    rows = Task.objects.present().filter(group_id=group_id).order_by("pk")
    task_ids = list(rows.values_list("pk", flat=True))
    return [task_ids[start : start + BATCH] for start in range(0, len(task_ids), BATCH)]


def _mend_lost(task_ids: list[int], now: datetime) -> None:
    """Once the group is marked, nobody can tell any more what came due of tasks whose live rows were lost."""
    times = liverows.times(task_ids)
    for task_id in accounted.lost([task_id for task_id in task_ids if times.get(task_id) is None], now):
        repair.mend(task_id, now)


def _apply(task_ids: list[int]) -> None:
    liverows.lock_many(task_ids, skip_locked=False)
    now = clock.refresh()
    moves = {}
    for task_id in task_ids:
        admission.settle(task_id, now)
    tasks = Task.objects.present().select_related("group", "calendar").filter(pk__in=task_ids)
    at_rest = [task.pk for task in tasks if task.is_at_rest]
    for task in tasks:
        moves[task.pk] = task.next_time(now)
    admission.hold(at_rest)
    admission.release([pk for pk in moves if pk not in set(at_rest)], now)
    liverows.move(moves)
