"""``after:`` in a file: what a task runs after. The order of the entries does not matter, nor which exist already.

after: [extract, load]                            all of them, when they have succeeded
after: {tasks: {extract: end, load: failure}, mode: any}
after: {tasks: [extract, load], on: end}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from django.utils.translation import gettext as _

from scheduling.models import Dependency, Task
from scheduling.services import dependencies
from scheduling.services.definitions.reading import Entry, Problem
from scheduling.triggers.inputs import quoted
from scheduling.words import did_you_mean

KEYS = ("tasks", "on", "mode")


@dataclass(frozen=True, slots=True)
class After:
    """The ends that a task waits for, by the keys of their tasks."""

    ends: dict[str, str] = field(default_factory=dict)
    mode: str = Task.DependencyMode.ALL.value

    def as_yaml(self) -> Any:
        """As short as it can be said."""
        if set(self.ends.values()) <= {Dependency.On.SUCCESS.value}:
            names = sorted(self.ends)
            return names if self.mode == Task.DependencyMode.ALL else {"tasks": names, "mode": self.mode}
        entry: dict[str, Any] = {"tasks": dict(sorted(self.ends.items()))}
        return entry if self.mode == Task.DependencyMode.ALL else entry | {"mode": self.mode}


def of(tasks: Iterable[Task]) -> dict[str, After]:
    """What those tasks run after, by key; in one query."""
    rows = {task.pk: task for task in tasks if task.pk}
    ends: dict[int, dict[str, str]] = {}
    found = Dependency.objects.filter(task_id__in=rows).values_list("task_id", "upstream__key", "on")
    for task_id, upstream, on in found:
        ends.setdefault(task_id, {})[upstream] = on
    return {task.key: After(ends.get(pk, {}), task.dependency_mode) for pk, task in rows.items()}


def read(entry: Entry, problems: list[Problem]) -> After:
    """What the entry says; nothing said: it runs after nothing. Faults become problems at their line."""
    value = entry.values.get("after")
    if value is None:
        return After()
    faults: list[str] = []
    on, mode, tasks = Dependency.On.SUCCESS.value, Task.DependencyMode.ALL.value, value
    if isinstance(value, dict):
        for name in value:
            if name not in KEYS:
                faults.append(quoted(name) + " " + _("is not known.") + did_you_mean(name, KEYS))
        tasks = value.get("tasks")
        on, mode = value.get("on", on), value.get("mode", mode)
        if mode not in Task.DependencyMode.values:
            faults.append(_one_of("mode", mode, Task.DependencyMode.values))
    ends = _ends(tasks, on, faults)
    if len(ends) > dependencies.MOST:
        faults.append(_("At most %d tasks can be waited for.") % dependencies.MOST)
    problems += [entry.problem("after", fault) for fault in faults]
    return After(ends, str(mode))


def _ends(tasks: Any, on: Any, faults: list[str]) -> dict[str, str]:
    if isinstance(tasks, list):
        tasks = dict.fromkeys((key if isinstance(key, str) else quoted(key) for key in tasks), on)
    if not isinstance(tasks, dict) or not tasks:
        faults.append(_("A list of keys is needed, or tasks: with a list, or with key: end."))
        return {}
    for key, end in tasks.items():
        if end not in Dependency.On.values:
            faults.append(_one_of(key, end, Dependency.On.values))
    return {str(key): str(end) for key, end in tasks.items()}


def _one_of(name: str, value: Any, allowed: list[str]) -> str:
    return f"{name}: {quoted(value)} " + _("is not known.") + did_you_mean(str(value), allowed)


def faults(said: Mapping[str, After], new: set[str]) -> dict[str, str]:
    """What cannot be, by the key of the task that says it: an upstream that is not there, or a circle, with its path.

    ``said``: of the tasks that the file sets; ``new``: those of its tasks that do not exist yet. What is refused is
    there for nobody else.
    """
    found: dict[str, str] = {}
    wanted = {upstream for after in said.values() for upstream in after.ends}
    stored = set(Task.objects.present().filter(key__in=wanted).values_list("key", flat=True))
    said = dict(said)
    while said:
        there = stored | new
        refused = {}
        for key, after in said.items():
            missing = sorted(after.ends.keys() - there)
            if missing:
                refused[key] = _("There is no task %(key)r.") % {"key": missing[0]} + did_you_mean(
                    missing[0], sorted(there)[:2_000]
                )
        refused = refused or _circles(said)
        if not refused:
            break
        found |= refused
        new = new - refused.keys()
        said = {key: after for key, after in said.items() if key not in refused}
    return found


def _circles(said: Mapping[str, After]) -> dict[str, str]:
    graph = _graph() | {key: set(after.ends) for key, after in said.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        paths = {key: dependencies.path_back(key, graph) for key in said}
        return {
            key: _("It would go round in a circle: %s.") % " → ".join(reversed(path))
            for key, path in paths.items()
            if path
        }
    return {}


def _graph() -> dict[str, set[str]]:
    """What is stored, by keys."""
    graph: dict[str, set[str]] = {}
    rows = Dependency.objects.filter(task__deleted_at=None).values_list("task__key", "upstream__key")
    for key, upstream in rows:
        graph.setdefault(key, set()).add(upstream)
    return graph
