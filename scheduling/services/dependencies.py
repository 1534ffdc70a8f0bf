"""Which task runs after which: edited here, refused when it would go round in a circle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.exceptions import Refused
from scheduling.models import Dependency, Task, TaskVersion
from scheduling.services import changes, liverows
from scheduling.services.actor import Actor
from scheduling.sql.transactions import in_transaction

#: Tasks that one task may wait for.
MOST = 50

Graph = dict[int, set[int]]  # task → the tasks it runs after
After = dict[int, str]  # upstream task → the end of it that is waited for


def of(task_id: int) -> list[Dependency]:
    """What the task runs after."""
    return list(
        Dependency.objects.filter(task_id=task_id).select_related("upstream").order_by("upstream__key")
    )


def dependents(task_id: int) -> list[Dependency]:
    """What runs after the task, and so would not any more without it."""
    rows = Dependency.objects.filter(upstream_id=task_id, task__deleted_at=None)
    return list(rows.select_related("task").order_by("task__key"))


def around(task_id: int) -> tuple[list[Dependency], list[Dependency]]:
    """Both in one query: what the task runs after, and what runs after it."""
    rows = Dependency.objects.filter(Q(task_id=task_id) | Q(upstream_id=task_id, task__deleted_at=None))
    found = list(rows.select_related("task", "upstream"))
    return (
        sorted((row for row in found if row.task_id == task_id), key=lambda row: row.upstream.key),
        sorted((row for row in found if row.upstream_id == task_id), key=lambda row: row.task.key),
    )


def save(
    task_id: int, after: Mapping[int, str], *, actor: Actor, mode: str | None = None
) -> list[Dependency]:
    """Sets what the task runs after: upstream task → success, failure or end; an empty one takes all away.

    ``mode``: all or any of them; None leaves it as it is. In effect for every upstream run that ends from then
    on. Writes a version. Raises ValidationError at ``dependencies`` or ``dependency_mode``, and Refused.
    """
    wanted = {int(upstream): str(on) for upstream, on in after.items()}
    return _set(task_id, lambda _had: wanted, wanted, actor, mode)


def add(
    task_id: int, upstream_id: int, *, actor: Actor, on: str = "success", mode: str | None = None
) -> list[Dependency]:
    """One more, or another end of one that is there; otherwise as ``save``."""
    return _set(task_id, lambda had: had | {upstream_id: on}, [upstream_id], actor, mode)


def remove(task_id: int, upstream_id: int, *, actor: Actor) -> list[Dependency]:
    """One less. Raises Refused when the task does not run after that one."""

    def without(had: After) -> After:
        if upstream_id not in had:
            raise Refused("no_dependency", _("It does not run after that task."))
        return {upstream: on for upstream, on in had.items() if upstream != upstream_id}

    return _set(task_id, without, [], actor, None)


def set_mode(task_id: int, mode: str, *, actor: Actor) -> list[Dependency]:
    """Whether it runs after all or any of them."""
    return _set(task_id, dict, [], actor, mode)


def _set(
    task_id: int, change: Callable[[After], After], new: Iterable[int], actor: Actor, mode: str | None
) -> list[Dependency]:
    """``change`` gets what the task runs after and gives what it shall; ``new``: the tasks that may come to it."""

    def work() -> list[Dependency]:
        # All of them, so that two edits that would close a circle together come one after the other.
        liverows.lock_many([task_id, *new], skip_locked=False)
        now = clock.refresh()
        task = Task.objects.present().select_for_update().filter(pk=task_id).first()
        if task is None:
            raise Refused("task_deleted", _("The task has been deleted."))
        rows = of(task_id)
        wanted = change({row.upstream_id: row.on for row in rows})
        _check(task, wanted, mode)
        before, mode_before = _shown(rows), task.dependency_mode
        Dependency.objects.filter(task_id=task_id).delete()
        Dependency.objects.bulk_create(
            [Dependency(task_id=task_id, upstream_id=upstream, on=on) for upstream, on in wanted.items()]
        )
        made = of(task_id)
        changed: dict[str, list[Any]] = {}
        if before != _shown(made):
            changed["dependencies"] = [before, _shown(made)]
        if mode is not None and mode != mode_before:
            task.dependency_mode = mode
            changed["dependency_mode"] = [mode_before, mode]
        if changed:
            _write(task, changed, actor, now)
        return made

    return in_transaction(work)


def _check(task: Task, wanted: Mapping[int, str], mode: str | None) -> None:
    if mode is not None and mode not in Task.DependencyMode.values:
        allowed = ", ".join(Task.DependencyMode.values)
        raise ValidationError({"dependency_mode": [_("Allowed are: %s.") % allowed]})
    faults = []
    if len(wanted) > MOST:
        faults.append(_("At most %d tasks can be waited for.") % MOST)
    known = dict(Task.objects.present().filter(pk__in=wanted).values_list("pk", "key"))
    for upstream, on in wanted.items():
        if upstream not in known:
            faults.append(_("There is no task with the number %d.") % upstream)
        if on not in Dependency.On.values:
            faults.append(
                _("%(on)r is no end of a task; allowed are: %(allowed)s.")
                % {"on": on, "allowed": ", ".join(Dependency.On.values)}
            )
    if not faults and (path := circle(task.pk, wanted)):
        faults.append(_("It would go round in a circle: %s.") % " → ".join(keys(path)))
    if faults:
        raise ValidationError({"dependencies": faults})


def circle(task_id: int, after: Iterable[int]) -> list[int]:
    """The path that leads from the task through one of ``after`` back to it; empty when none does."""
    known = graph()
    known[task_id] = set(after)
    # In the direction in which they run: upstream first.
    return path_back(task_id, known)[::-1]


def path_back(start: Any, known: Mapping[Any, set[Any]]) -> list[Any]:
    """From ``start`` over what it runs after back to itself, by ids or by keys; empty when no way leads there."""
    path, seen = [start], {start}
    ahead = [iter(sorted(known.get(start, ())))]
    while ahead:
        for upstream in ahead[-1]:
            if upstream == start:
                return [*path, start]
            if upstream not in seen:
                seen.add(upstream)
                path.append(upstream)
                ahead.append(iter(sorted(known.get(upstream, ()))))
                break
        else:
            ahead.pop()
            path.pop()
    return []


def graph() -> Graph:
    """All dependencies between tasks that are there."""
    rows = Dependency.objects.filter(task__deleted_at=None).values_list("task_id", "upstream_id")
    known: Graph = {}
    for task_id, upstream in rows:
        known.setdefault(task_id, set()).add(upstream)
    return known


def ancestors(task_id: int, known: Graph) -> set[int]:
    """The task itself and everything it runs after, directly or not."""
    found, look = {task_id}, [task_id]
    while look:
        new = known.get(look.pop(), set()) - found
        found |= new
        look += new
    return found


def keys(task_ids: Iterable[int]) -> list[str]:
    """Their keys, in that order."""
    ids = list(task_ids)
    known = dict(Task.objects.filter(pk__in=ids).values_list("pk", "key"))
    return [known.get(id, f"#{id}") for id in ids]


def refuse_if_needed(task_id: int) -> None:
    """Raises Refused, which names them, when tasks run after this one."""
    broken = dependents(task_id)
    if broken:
        names = ", ".join(each.task.key for each in broken[:10]) + (", …" if len(broken) > 10 else "")
        text = _("Tasks run after this one and would not any more: %s.") % names
        raise Refused("has_dependents", text)


def cut(deleted: Task, *, actor: Actor, now: datetime) -> None:
    """Takes a task that is being deleted out of all dependencies; a version of each that ran after it says so.

    ``deleted``: as it was, with its key.
    """
    Dependency.objects.filter(task_id=deleted.pk).delete()
    waiting = [row.task_id for row in dependents(deleted.pk)]
    for task in Task.objects.present().select_for_update().filter(pk__in=waiting).order_by("pk"):
        rows = of(task.pk)
        for row in rows:
            if row.upstream_id == deleted.pk:
                row.upstream = deleted
        left = [row for row in rows if row.upstream_id != deleted.pk]
        _write(task, {"dependencies": [_shown(rows), _shown(left)]}, actor, now)
    Dependency.objects.filter(upstream_id=deleted.pk).delete()


def _write(task: Task, changed: dict[str, list[Any]], actor: Actor, now: datetime) -> None:
    """A version of the locked task."""
    task.version += 1
    task.updated_at = now
    task.save(update_fields=["version", "updated_at", "dependency_mode"])
    changes.record(task, TaskVersion.Verb.EDIT, actor, now, changes=changed)


def _shown(rows: Iterable[Dependency]) -> list[str]:
    """For a version: what a person reads."""
    return [f"{row.upstream.key} ({row.on})" for row in rows]
