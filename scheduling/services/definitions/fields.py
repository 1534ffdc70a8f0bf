"""From an entry to a task: the names that may be used, the types they take, and the words for what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models
from django.utils.translation import gettext as _

from scheduling import registry
from scheduling.exceptions import InvalidTrigger, UnknownFunction
from scheduling.models import Calendar, Group, Pool, Task
from scheduling.models.addresses import AddressListField
from scheduling.services import tasks
from scheduling.services.definitions.reading import Entry, Problem
from scheduling.triggers import moments, timeline
from scheduling.triggers.inputs import quoted
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
NAMES = (*FIELDS, *ALIASES, "coalesce", "after")
NEEDED = ("key", "function", "trigger", "trigger_params")
MOMENTS = ("start_at", "end_at")
REFERENCES = {"group", "pool", "calendar", "owner"}
#: Fields of JSON that hold a list; the others hold a mapping.
LISTS = {"no_retry_on"}
#: Names that a message about an unknown one chooses from.
MOST_SUGGESTIONS = 200


@dataclass(frozen=True, slots=True)
class References:
    """What entries may name, by the field that names it: read once for a whole file."""

    known: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, entries: list[Entry], made: Iterable[Group | Pool | Calendar] = ()) -> References:
        """``made``: groups, pools and calendars that exist on a dry run only."""
        groups = {group.key: group for group in Group.objects.all()}
        pools = {pool.key: pool for pool in Pool.objects.all()}
        calendars = {calendar.key: calendar for calendar in Calendar.objects.all()}
        groups |= {each.key: each for each in made if isinstance(each, Group)}
        calendars |= {each.key: each for each in made if isinstance(each, Calendar)}
        pools |= {each.key: each for each in made if isinstance(each, Pool)}
        names = {str(entry.values["owner"]) for entry in entries if entry.values.get("owner")}
        users = get_user_model()._default_manager.filter(username__in=names)
        owners = {user.get_username(): user for user in users}
        return cls({"group": groups, "pool": pools, "calendar": calendars, "owner": owners})

    def get(self, name: str, value: object) -> Any:
        """What the field names; raises ValidationError that names the known."""
        if value is None:
            return None
        known = self.known[name]
        if isinstance(value, str) and value in known:
            return known[value]
        text = _("There is no %(what)s %(value)r.") % {"what": name, "value": value}
        raise ValidationError(text + did_you_mean(str(value), _usernames() if name == "owner" else known))


def _usernames() -> list[str]:
    """For a message only, so not necessarily all."""
    users = get_user_model()._default_manager.order_by("username")
    return [user.get_username() for user in users[:MOST_SUGGESTIONS]]


def normalise(entry: Entry, problems: list[Problem]) -> bool:
    """Gives the entry our own field names. False, and problems, when a name is unknown or stands twice."""
    before = len(problems)
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for name, value in entry.values.items():
        line = entry.lines[name]
        field = "misfire_policy" if name == "coalesce" else ALIASES.get(name, name)
        if name not in NAMES:
            message = _("This is not known.") + did_you_mean(name, NAMES)
            problems.append(entry.problem(name, message))
        elif field in values:
            problems.append(entry.problem(name, _("The same was said by another name above.")))
        elif name == "coalesce" and not isinstance(value, bool):
            problems.append(entry.problem(name, _("true or false is needed.")))
        else:
            values[field] = COALESCE[value] if name == "coalesce" else value
            lines[field] = line
    entry.values, entry.lines = values, lines
    return len(problems) == before


def build(entry: Entry, references: References, now: datetime, problems: list[Problem]) -> Task:
    """The task that the entry means; what it leaves out has the default. Every fault becomes a problem at its line."""
    task = Task()
    faults = [entry.problem(name, _("This is needed.")) for name in NEEDED if name not in entry.values]
    for name, value in entry.values.items():
        if name == "after":
            continue  # it is about other tasks, too: definitions/after.py
        try:
            setattr(task, name, value_of(name, value, references))
        except ValidationError as error:
            faults += [entry.problem(name, message) for message in error.messages]
    task.name = task.name or task.key
    if not faults:
        _take_function_defaults(task, entry)
        for name in MOMENTS:
            if name in entry.values:
                faults += set_moment(task, name, entry)
    tasks.prepare_new(task, now)
    problems += faults or _check(task, entry)
    return task


def _check(task: Task, entry: Entry) -> list[Problem]:
    errors: dict[str, list[str]] = {}
    try:
        # What it refers to was looked up for the whole file; the rest is said by clean, with the allowed values.
        task.clean_fields(exclude=REFERENCES | {"trigger"})
    except ValidationError as error:
        errors |= error.message_dict
    try:
        task.clean()
    except ValidationError as error:
        errors |= {name: texts for name, texts in error.message_dict.items() if name not in errors}
    return [
        entry.problem(name, message + _allowed(name, entry.values.get(name)))
        for name, messages in errors.items()
        for message in messages
    ]


def _allowed(name: str, value: object) -> str:
    """What a field of few values takes, where Django's message does not say it."""
    field: Any = Task._meta.get_field(name) if name != NON_FIELD_ERRORS else None
    choices = field.choices if field is not None and name != "trigger" else None
    allowed = [str(choice) for choice, _label in choices or ()]
    return did_you_mean(str(value), allowed) if allowed and value not in allowed else ""


def value_of(name: str, value: Any, references: References) -> Any:
    if name in REFERENCES:
        return references.get(name, value)
    if name in MOMENTS:
        return value  # once the zone is known
    field = Task._meta.get_field(name)
    needed = _type_fault(field, value)
    if needed:
        text = _("%(value)s is not allowed here: %(needed)s is needed.")
        raise ValidationError(text % {"value": quoted(value), "needed": needed})
    return "" if value is None and isinstance(field, models.TextField) else value


def _type_fault(field: Any, value: Any) -> str:
    """What is needed instead; empty when the value's type will do."""
    if value is None:
        return "" if field.null or isinstance(field, models.TextField) else _("a value")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(field, models.BooleanField):
        return "" if isinstance(value, bool) else _("true or false")
    if isinstance(field, AddressListField):
        return "" if isinstance(value, list) else _("a list of mail addresses")
    if field.name in LISTS:
        return "" if isinstance(value, list) else _("a list")
    if isinstance(field, models.JSONField):
        return "" if isinstance(value, dict) else _("a mapping (key: value)")
    if isinstance(field, models.FloatField):
        return "" if is_number else _("a number")
    if isinstance(field, models.IntegerField):
        return "" if is_number and isinstance(value, int) else _("a whole number")
    return "" if isinstance(value, str) else _("text (in quotes)")


def set_moment(task: Task, name: str, entry: Entry) -> list[Problem]:
    """A start or end; without an offset it is in the task's zone."""
    try:
        moment: datetime | None = moments.bound(name, entry.values[name], timeline(task.time_zone))
    except InvalidTrigger as error:
        return [entry.problem(field, text) for field, texts in error.errors.items() for text in texts]
    setattr(task, name, moment)
    return []


#: The fields of a task that a function has a say in.
DECLARED = ("timeout_seconds", "executor", "queue", "retries")


def _take_function_defaults(task: Task, entry: Entry) -> None:
    """What the function declares, where the file says nothing."""
    for name, value in function_defaults(task.function).items():
        if name not in entry.values:
            setattr(task, name, value)


def function_defaults(name: str) -> dict[str, Any]:
    """``DECLARED`` with what the function says of it; empty when it is not registered here."""
    try:
        defaults = registry.get(name).defaults
    except UnknownFunction:
        return {}
    seconds = None if defaults.timeout_seconds is None else max(1, round(defaults.timeout_seconds))
    said = (seconds, defaults.executor, defaults.queue, defaults.retries)
    return dict(zip(DECLARED, said, strict=True))
