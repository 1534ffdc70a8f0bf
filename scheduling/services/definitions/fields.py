"""From an entry to a task: the names that may be used, the types they take, and the words for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _

from scheduling import registry
from scheduling.exceptions import InvalidTrigger, UnknownFunction
from scheduling.models import Group, Pool, Task
from scheduling.services.definitions.reading import Entry, Problem
from scheduling.triggers import moments, timeline
from scheduling.words import did_you_mean

#: Other names for our fields, as files of earlier systems have them.
ALIASES = {
    "id": "key",
    "trigger_type": "trigger",
    "timezone": "time_zone",
    "misfire_grace_time": "misfire_grace_seconds",
    "max_instances": "max_concurrent",
    "timeout": "timeout_seconds",
}
COALESCE = {True: Task.Misfire.RUN_LATEST.value, False: Task.Misfire.RUN_ALL.value}
FIELDS = ("key", *Task.DEFINITION, "built_in")
NAMES = (*FIELDS, *ALIASES, "coalesce")
NEEDED = ("key", "function", "trigger", "trigger_params")
MOMENTS = ("start_at", "end_at")


@dataclass(frozen=True, slots=True)
class References:
    """What entries may name: read once for a whole file."""

    groups: Mapping[str, Group]
    pools: Mapping[str, Pool]
    owners: Mapping[str, Any]

    @classmethod
    def read(cls, entries: list[Entry]) -> References:
        names = {str(entry.values.get("owner")) for entry in entries if entry.values.get("owner")}
        users = get_user_model().objects.filter(username__in=names)
        return cls(
            {group.key: group for group in Group.objects.all()},
            {pool.key: pool for pool in Pool.objects.all()},
            {user.get_username(): user for user in users},
        )


def normalise(entry: Entry, problems: list[Problem]) -> bool:
    """Gives the entry our own field names. False, and problems, when a name is unknown or stands twice."""
    before = len(problems)
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    key = str(entry.values.get("key", entry.values.get("id", "")))
    for name, value in entry.values.items():
        line = entry.lines[name]
        field = "misfire_policy" if name == "coalesce" else ALIASES.get(name, name)
        if name not in NAMES:
            message = _("This is not known.") + did_you_mean(name, NAMES)
            problems.append(Problem(line, key, name, message))
        elif field in values:
            problems.append(Problem(line, key, name, _("The same was said by another name above.")))
        elif name == "coalesce" and not isinstance(value, bool):
            problems.append(Problem(line, key, name, _("true or false is needed.")))
        else:
            values[field] = COALESCE[value] if name == "coalesce" else value
            lines[field] = line
    entry.values, entry.lines = values, lines
    return len(problems) == before


def fill(task: Task, entry: Entry, references: References, problems: list[Problem], *, is_new: bool) -> None:
    """Sets the entry's values on the task and checks the whole; every fault becomes a problem at its line."""
    faults: list[Problem] = []
    for name in NEEDED if is_new else ("key",):
        if name not in entry.values:
            faults.append(entry.problem(name, _("This is needed.")))
    for name, value in entry.values.items():
        try:
            setattr(task, name, _value(name, value, task, references))
        except ValidationError as error:
            faults += [entry.problem(name, message) for message in error.messages]
    if is_new and not task.name:
        task.name = task.key
    if is_new and not faults:
        _take_function_defaults(task, entry)
    if not faults:
        for name in MOMENTS:
            if name in entry.values:
                faults += _set_moment(task, name, entry)
    problems += faults or _check(task, entry)


def _check(task: Task, entry: Entry) -> list[Problem]:
    errors: dict[str, list[str]] = {}
    for check in (task.clean_fields, task.clean):
        try:
            check()
        except ValidationError as error:
            for field, messages in error.message_dict.items():
                errors.setdefault(field, []).extend(messages)
    return [entry.problem(field, message) for field, messages in errors.items() for message in messages]


def _value(name: str, value: Any, task: Task, references: References) -> Any:
    if name in ("group", "pool", "owner"):
        known: Mapping[str, Any] = getattr(references, f"{name}s")
        if value is None:
            return None
        if not isinstance(value, str) or value not in known:
            text = _("There is no %(what)s %(value)r.") % {"what": name, "value": value}
            raise ValidationError(text + did_you_mean(str(value), sorted(known)))
        return known[value]
    if name in MOMENTS:
        return value  # once the zone is known
    field = Task._meta.get_field(name)
    needed = _type_fault(field, value)
    if needed:
        text = _("%(value)r is not allowed here: %(needed)s is needed.")
        raise ValidationError(text % {"value": value, "needed": needed})
    return "" if value is None and isinstance(field, models.TextField) else value


def _type_fault(field: Any, value: Any) -> str:
    """What is needed instead; empty when the value's type will do."""
    if value is None:
        return "" if field.null or isinstance(field, models.TextField) else _("a value")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(field, models.BooleanField):
        return "" if isinstance(value, bool) else _("true or false")
    if isinstance(field, models.JSONField):
        return "" if isinstance(value, dict) else _("a mapping (key: value)")
    if isinstance(field, models.FloatField):
        return "" if is_number else _("a number")
    if isinstance(field, models.IntegerField):
        return "" if is_number and isinstance(value, int) else _("a whole number")
    return "" if isinstance(value, str) else _("text (in quotes)")


def _set_moment(task: Task, name: str, entry: Entry) -> list[Problem]:
    """A start or end; without an offset it is in the task's zone."""
    try:
        moment: datetime | None = moments.bound(name, entry.values[name], timeline(task.time_zone))
    except InvalidTrigger as error:
        return [entry.problem(field, text) for field, texts in error.errors.items() for text in texts]
    setattr(task, name, moment)
    return []


def _take_function_defaults(task: Task, entry: Entry) -> None:
    """What the function declares, where the file says nothing."""
    try:
        defaults = registry.get(task.function).defaults
    except UnknownFunction:
        return  # told by the check
    for name in ("timeout_seconds", "executor", "queue", "retries"):
        if name not in entry.values:
            value = getattr(defaults, name)
            setattr(task, name, int(value) if name == "timeout_seconds" and value is not None else value)
