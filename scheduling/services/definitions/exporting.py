"""Tasks as YAML that loads back to the same tasks. What equals the default is left out, so that files stay short."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from scheduling.models import Calendar, Group, Pool, Task
from scheduling.services.calendars import EDITABLE
from scheduling.services.definitions import after as following
from scheduling.services.definitions.fields import function_defaults

#: Written always, whatever their value.
ALWAYS = ("name", "function", "trigger", "trigger_params", "time_zone", "enabled")
#: What a function may declare for its tasks.
DECLARED = ("timeout_seconds", "executor", "queue", "retries")


def export(tasks: Iterable[Task]) -> str:
    """The YAML text for those tasks, and for the groups, pools and calendars they name."""
    rows = list(tasks)
    groups = {task.group.key: task.group for task in rows if task.group}
    pools = {task.pool.key: task.pool for task in rows if task.pool}
    calendars = {task.calendar.key: task.calendar for task in rows if task.calendar}
    content: dict[str, Any] = {}
    if groups:
        content["groups"] = [_group(groups[key]) for key in sorted(groups)]
    if pools:
        content["pools"] = [_pool(pools[key]) for key in sorted(pools)]
    if calendars:
        content["calendars"] = [_calendar(calendars[key]) for key in sorted(calendars)]
    after = following.of(rows)
    content["tasks"] = [_task(task, after[task.key]) for task in rows]
    text: str = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=110)
    return text


def _group(group: Group) -> dict[str, Any]:
    return {"key": group.key, "name": group.name, "description": group.description}


def _pool(pool: Pool) -> dict[str, Any]:
    rate = {"tokens_per_minute": pool.tokens_per_minute} if pool.tokens_per_minute else {}
    return {"key": pool.key, "name": pool.name, "capacity": pool.capacity, **rate}


def _calendar(calendar: Calendar) -> dict[str, Any]:
    values = {name: getattr(calendar, name) for name in EDITABLE}
    return {name: value for name, value in values.items() if value or name in ("key", "name")}


def _task(task: Task, after: following.After) -> dict[str, Any]:
    values = task.definition()
    declared = function_defaults(task.function)
    # A function that is missing here may have a say where the file is loaded: then nothing is left to it.
    always = ALWAYS if declared else (*ALWAYS, *DECLARED)
    entry: dict[str, Any] = {"key": task.key}
    for name in Task.DEFINITION:
        default = declared[name] if name in declared else _default(name)
        if name in always or values[name] != default:
            entry[name] = values[name]
    if after.ends:
        entry["after"] = after.as_yaml()
    if task.built_in:
        entry["built_in"] = True
    return entry


def _default(name: str) -> Any:
    field: Any = Task._meta.get_field(name)
    return None if field.is_relation else field.get_default()
