"""Changes of tasks. Each writes the task, its version, its live row and what follows from it in one transaction.

The live row is locked first, so that a change and the scheduler's decision about the same task come one after
the other: what was due before the change is decided under the old definition, nothing fires because of the
change, and the first occurrence under the new one is later than it (P3, P7).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.exceptions import EditedMeanwhile, InvalidTrigger, Refused
from scheduling.models import Calendar, Execution, Pool, Reason, Task, TaskVersion
from scheduling.models.task import known_field
from scheduling.sentences import of_runs
from scheduling.services import (
    accounted,
    admission,
    chains,
    dependencies,
    impact,
    liverows,
    permits,
    requests,
)
from scheduling.services.actor import Actor
from scheduling.services.changes import record, version_of
from scheduling.sql.transactions import in_transaction

Verb = TaskVersion.Verb


def create(task: Task, *, actor: Actor, allow_past: bool = False) -> Task:
    """Stores a new task and gives it its first time. Raises ValidationError keyed by field.

    ``allow_past``: a schedule without a future time is stored, ended, instead of refused.
    """

    def work() -> Task:
        now = clock.refresh()
        prepare_new(task, now)
        permits.check(task.function, actor=actor)
        _hold_calendar(task)
        _hold_pool(task)
        task.full_clean()
        next_time = _first_time(task, now, allow_past)
        task.save(force_insert=True)
        record(task, Verb.CREATE, actor, now, changes={})
        liverows.create(task.pk, next_time)
        return task

    try:
        return in_transaction(work)
    except BaseException:
        task.pk = None  # a repeated or corrected attempt must insert, not update
        raise


def prepare_new(task: Task, now: datetime) -> None:
    """Sets what a new task gets from the moment of its creation."""
    task.version = 1
    task.created_at = task.updated_at = now
    task.anchor_at = task.start_at or now
    task.deleted_at = None
    task.run_count = 0
    task.follows_end = task.waits_for_end


def edit(task: Task, *, actor: Actor, allow_past: bool = False) -> Task:
    """Stores the changed fields of ``task``, which was read before. Nothing changed: nothing is written.

    Raises ValidationError keyed by field, EditedMeanwhile if somebody else was faster, Refused if it is gone.
    """
    verb = Verb.EDIT

    def apply(stored: Task, now: datetime) -> Verb:
        if stored.version != task.version:
            raise EditedMeanwhile("edited_meanwhile", edited_meanwhile(stored.version))
        _spare_built_in(stored, task)
        for name in (*Task.DEFINITION, "key", "built_in"):
            setattr(stored, name, getattr(task, name))
        return verb

    return change(task.pk, apply, actor=actor, validate=True, allow_past=allow_past)


def _spare_built_in(stored: Task, task: Task) -> None:
    """What a built-in task is and does stays: its own program counts on it."""
    if not stored.built_in:
        return
    text = _("This is fixed in a built-in task.")
    faults = {name: [text] for name in ("key", "function") if getattr(stored, name) != getattr(task, name)}
    if faults:
        raise ValidationError(faults)


def clone(task_id: int, key: str, *, actor: Actor, name: str = "") -> Task:
    """Stores a copy under another key, disabled, so that nothing runs twice unasked. No built-in task itself.

    Raises ValidationError keyed by field, Refused if the task is gone.
    """
    task = (
        Task.objects.present().select_related("group", "pool", "owner", "calendar").filter(pk=task_id).first()
    )
    if task is None:
        raise gone()
    copied = Task(**{field: getattr(task, field) for field in Task.DEFINITION})
    copied.key, copied.enabled = key, False
    copied.name = name or _("%(name)s (copy)") % {"name": task.name[:180]}
    return create(copied, actor=actor, allow_past=True)


def copied_key(key: str) -> str:
    """A free key for a copy: with "-copy", or "-copy-2" and so on."""
    return free_key(key[:88] + "-copy")


def free_key(key: str) -> str:
    """The key itself, or with "-2" and so on."""
    wanted = [key[:97], *(f"{key[:97]}-{number}" for number in range(2, 100))]
    taken = set(Task.objects.filter(key__in=wanted).values_list("key", flat=True))
    return next((name for name in wanted if name not in taken), wanted[-1])


def edit_many(edited: list[Task], *, actor: Actor) -> list[Task]:
    """Stores changes of many tasks that the caller has checked, in one transaction and few statements.

    A schedule without a future time is stored, ended. Returns those left alone because somebody was faster.
    """

    def work() -> list[Task]:
        ids = [task.pk for task in edited]
        times = liverows.lock_many(ids, skip_locked=False)
        now = clock.refresh()
        lost = accounted.lost([task_id for task_id in ids if times.get(task_id) is None], now)
        for task_id in ids:
            if task_id not in times or task_id in lost or ((at := times[task_id]) is not None and at <= now):
                admission.settle(task_id, now)
        rows = Task.objects.present().select_for_update().filter(pk__in=ids)
        stored = {task.pk: task for task in rows.prefetch_related("group", "pool", "owner", "calendar")}
        late: list[Task] = []
        versions: list[TaskVersion] = []
        moves: dict[int, datetime | None] = {}
        waiting, most = impact.waiting_of(ids), max(1, impact.STORED_MOST // max(1, len(ids)))
        for given in edited:
            before = stored.get(given.pk)
            if before is None or before.version != given.version:
                late.append(given)
                continue
            task = copy(given)  # the transaction may be repeated
            changes = difference(before, task)
            task.run_count, task.pruned_until = before.run_count, before.pruned_until
            if not changes.keys().isdisjoint(Task.SCHEDULE):
                task.anchor_at, task.run_count = task.start_at or now, 0
                task.follows_end = task.waits_for_end
            moves[task.pk] = task.next_time(now)
            task.version, task.updated_at, task.schedule_error = before.version + 1, now, ""
            task.save(force_update=True)
            version = version_of(task, Verb.EDIT, actor, now, changes)
            version.impact = _impact(before, task, changes, now, most=most, waiting=waiting)
            versions.append(version)
            _follow_up(before, task, actor, now)
        TaskVersion.objects.bulk_create(versions)
        liverows.move(moves)
        return late

    return in_transaction(work)


def edited_meanwhile(version: int) -> str:
    """What somebody is told who edits an old version."""
    text = _("The task was changed by somebody else (version %(version)d). Look at it again, then repeat.")
    return text % {"version": version}


def enable(task_id: int, *, actor: Actor) -> Task:
    """Lets the schedule go on from now; nothing is made up for, nothing fires by itself."""
    return change(task_id, _setter("enabled", True, Verb.ENABLE), actor=actor)


def disable(task_id: int, *, actor: Actor) -> Task:
    """Stops the schedule and cancels what is queued or waits; what runs goes on."""
    return change(task_id, _setter("enabled", False, Verb.DISABLE), actor=actor)


def pause(task_id: int, *, actor: Actor) -> Task:
    """Stops the schedule; queued scheduled runs wait until the task is resumed, runs asked for by hand go on."""
    return change(task_id, _setter("paused", True, Verb.PAUSE), actor=actor)


def resume(task_id: int, *, actor: Actor) -> Task:
    """Lets the schedule and the held runs go on from now; nothing is made up for."""
    return change(task_id, _setter("paused", False, Verb.RESUME), actor=actor)


def delete(task_id: int, *, actor: Actor, break_dependents: bool = False) -> Task:
    """Takes the task out of every list and frees its key; its history stays. Built-in tasks are refused.

    So is one that others run after, naming them, unless ``break_dependents``: then they run after it no more.
    """

    def apply(task: Task, now: datetime) -> Verb:
        if task.built_in:
            raise Refused("built_in", _("A built-in task cannot be deleted, only disabled."))
        if not break_dependents:
            dependencies.refuse_if_needed(task_id)
        task.deleted_at = now
        task.group = task.pool = task.calendar = None  # they may be deleted too, some day
        suffix = f"~{task.pk}"
        task.key = task.key[: 100 - len(suffix)] + suffix
        return Verb.DELETE

    return change(task_id, apply, actor=actor)


def run_now(task_id: int, **request: Any) -> Execution:
    """Asks for one run at once; see ``requests.run_now``."""
    return requests.run_now(task_id, **request)


def _setter(name: str, value: bool, verb: Verb) -> Callable[[Task, datetime], Verb]:
    def apply(task: Task, now: datetime) -> Verb:
        setattr(task, name, value)
        return verb

    return apply


def change(
    task_id: int,
    apply: Callable[[Task, datetime], Verb],
    *,
    actor: Actor,
    validate: bool = False,
    allow_past: bool = False,
) -> Task:
    """One change of one task, by the order that keeps every promise: lock, settle, apply, check, write, move."""

    def work() -> Task:
        liverows.lock(task_id)
        # Read under the lock: whatever was admitted while this waited for it lies before the change.
        now = clock.refresh()
        before = _locked(task_id)
        admission.settle(task_id, now)
        task = _locked(task_id)
        verb = apply(task, now)
        changes = difference(before, task)
        if not changes:
            return task
        if validate:
            permits.check(before.function, task.function, actor=actor)
        rescheduled = not changes.keys().isdisjoint(Task.SCHEDULE)
        if rescheduled:
            task.anchor_at, task.run_count = task.start_at or now, 0
            task.follows_end = task.waits_for_end
        _hold_calendar(task)
        if validate:
            _hold_pool(task)
            task.full_clean()
        next_time = _first_time(task, now, allow_past or not rescheduled)
        task.version += 1
        task.updated_at = now
        task.schedule_error = ""
        task.save()
        record(task, verb, actor, now, changes=changes, impact=_impact(before, task, changes, now))
        _follow_up(before, task, actor, now)
        liverows.move({task_id: next_time})
        return task

    return in_transaction(work)


def _hold_pool(task: Task) -> None:
    """Locks the task's pool, so that its capacity does not sink below the task's weight meanwhile."""
    if task.pool_id is not None:
        task.pool = Pool.objects.select_for_update().filter(pk=task.pool_id).first()


def _hold_calendar(task: Task) -> None:
    """Locks the task's calendar, so that an edit of it comes wholly before the task's new times or wholly after."""
    if task.calendar_id is not None:
        task.calendar = Calendar.objects.select_for_update().filter(pk=task.calendar_id).first()


def _locked(task_id: int) -> Task:
    # Without its relations: MariaDB has no FOR UPDATE OF, and a group is not to be locked here.
    task = Task.objects.present().select_for_update().filter(pk=task_id).first()
    if task is None:
        raise gone()
    return task


def gone() -> Refused:
    return Refused("task_deleted", _("The task has been deleted."))


def _first_time(task: Task, now: datetime, allow_past: bool) -> datetime | None:
    """The first time after ``now``, or None while the task is at rest."""
    if not allow_past:
        check_future(task, now)
    return task.next_time(now)


def check_future(task: Task, now: datetime) -> None:
    """Raises ValidationError, at the field to blame, when the schedule has no time after ``now``."""
    try:
        trigger = task.build_trigger()
        if not trigger.timed or trigger.next_after(now) is not None:
            return
    except InvalidTrigger as error:  # also parts of a combination that never meet
        raise ValidationError({known_field(name): texts for name, texts in error.errors.items()}) from error
    field = "end_at" if task.end_at is not None and task.end_at <= now else "trigger_params"
    text = _("The schedule has no time after now (%(now)s).")
    raise ValidationError({field: [text % {"now": now.isoformat(timespec="seconds")}]})


def _follow_up(before: Task, task: Task, actor: Actor, now: datetime) -> None:
    """What a change means for executions that exist already. Running ones always go on."""
    if task.deleted_at:
        dependencies.cut(before, actor=actor, now=now)
        admission.withdraw([task.pk], now, Reason.TASK_DELETED, of_runs.TASK_DELETED())
    elif before.enabled and not task.enabled:
        ended = admission.withdraw([task.pk], now, Reason.TASK_DISABLED, of_runs.TASK_DISABLED())
        chains.react(ended, now)
    elif not _is_held(before) and _is_held(task):
        admission.hold([task.pk])
    elif _is_held(before) and not _is_held(task):
        admission.release([task.pk], now)


def _is_held(task: Task) -> bool:
    """Whether it is paused: by itself, or with its group, which it may enter and leave."""
    return task.paused or (task.group is not None and task.group.paused)


def difference(before: Task, after: Task) -> dict[str, list[Any]]:
    """What differs, as field → [before, after], in plain JSON values."""
    first, second = before.definition(), after.definition()
    for name in ("key", "paused", "built_in"):
        first[name], second[name] = getattr(before, name), getattr(after, name)
    return {name: [first[name], value] for name, value in second.items() if first[name] != value}


#: Changes that make occurrences come, go or move.
_TIMED = {*Task.SCHEDULE, "key", "max_runs", "enabled", "paused"}


def _impact(
    before: Task,
    task: Task,
    changes: dict[str, Any],
    now: datetime,
    *,
    most: int = impact.STORED_MOST,
    waiting: dict[int, tuple[int, int]] | None = None,
) -> dict[str, Any] | None:
    """What the change does to the next days, to be kept with it; None when it does not concern them.

    ``most``: occurrences that are looked at; the tasks of a file share what one task has.
    """
    if task.deleted_at is None and changes.keys().isdisjoint(_TIMED):
        return None
    try:
        found = impact.of_change(before, task, days=impact.STORED_DAYS, now=now, most=most, waiting=waiting)
    except InvalidTrigger:  # an unchecked change of a task whose schedule is broken
        return None
    return found.as_json()
