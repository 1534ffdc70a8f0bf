"""The versions of a task: what it was, what differs, and the way back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scheduling.exceptions import EditedMeanwhile, Refused
from scheduling.models import Calendar, Group, Pool, Task, TaskVersion
from scheduling.services import tasks
from scheduling.services.actor import Actor

#: What a rollback leaves as it is: whether the task runs at all is not part of how it runs.
KEPT = ("enabled",)
_TIMES = ("start_at", "end_at")


def rollback(task_id: int, version: int, *, actor: Actor, seen_version: int | None = None) -> Task:
    """Gives the task the definition that it had in ``version``, as a new version.

    Key, enabled and paused stay as they are. ``seen_version``: the version that the person has compared with;
    another one by now is refused. Raises ValidationError keyed by field, EditedMeanwhile, and Refused when the
    version is unknown, the task is gone or nothing differs.
    """
    verb = TaskVersion.Verb.ROLLBACK

    def apply(task: Task, _now: datetime) -> TaskVersion.Verb:
        if seen_version is not None and task.version != seen_version:
            raise EditedMeanwhile("edited_meanwhile", tasks.edited_meanwhile(task.version))
        definition = (
            TaskVersion.objects.filter(task_id=task_id, version=version)
            .values_list("definition", flat=True)
            .first()
        )
        if definition is None:
            text = _("There is no version %(version)d of this task.")
            raise Refused("version_unknown", text % {"version": version})
        before = task.definition()
        if task.built_in and definition.get("function", task.function) != task.function:
            raise ValidationError({"function": [_("This is fixed in a built-in task.")]})
        for name, value in definition.items():
            if name in Task.DEFINITION and name not in KEPT:
                setattr(task, name, _revive(name, value))
        if task.definition() == before:
            text = _("The task is as it was in version %(version)d already.")
            raise Refused("nothing_differs", text % {"version": version})
        return verb

    return tasks.change(task_id, apply, actor=actor, validate=True)


def difference(before: TaskVersion, after: TaskVersion) -> dict[str, list[Any]]:
    """What differs between two versions of a task, as field → [before, after], in plain JSON values."""
    first, second = before.definition, after.definition
    names = [*Task.DEFINITION, *sorted({*first, *second} - {*Task.DEFINITION})]
    return {
        name: [first.get(name), second.get(name)] for name in names if first.get(name) != second.get(name)
    }


def _revive(name: str, value: Any) -> Any:
    """A field's value from its JSON form. What it points to may be gone by now: then it is said, or let go of."""
    if value is None:
        return None
    if name in _TIMES:
        return datetime.fromisoformat(value)
    if name == "owner":  # nobody is kept from going back because a colleague has left
        users = get_user_model()._default_manager
        return users.filter(**{get_user_model().USERNAME_FIELD: value}).first()
    if name == "group":
        return _found(Group.objects.filter(key=value).first(), name, value)
    if name == "calendar":
        return _found(Calendar.objects.filter(key=value).first(), name, value)
    if name == "pool":
        return _found(Pool.objects.filter(key=value).first(), name, value)
    return value


def _found(row: Any, name: str, key: str) -> Any:
    if row is None:
        raise ValidationError({name: [_("“%(key)s” does not exist any more.") % {"key": key}]})
    return row
