"""Changes of groups; pausing one holds all of its tasks."""

from __future__ import annotations

from scheduling import clock
from scheduling.models import Group, Task
from scheduling.services import admission, liverows
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
    # First the mark, then the tasks batch by batch: a task edited in between reads the mark and agrees with it.
    Group.objects.filter(pk=group_id).update(paused=paused)
    task_ids = list(
        Task.objects.present().filter(group_id=group_id).order_by("pk").values_list("pk", flat=True)
    )
    for start in range(0, len(task_ids), BATCH):
        in_transaction(lambda ids=task_ids[start : start + BATCH]: _apply(ids))  # type: ignore[misc]
    return len(task_ids)


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
