"""From text to entries that know their lines. Nothing is executed, nothing is expanded, everything is bounded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

import yaml
from django.utils.translation import gettext as _
from yaml.constructor import SafeConstructor

from scheduling.words import did_you_mean

MOST_BYTES = 2 * 1024 * 1024
MOST_TASKS = 20_000
MOST_DEPTH = 20

#: Sections of a file. ``default_tasks`` and ``tasks`` mean the same.
TASK_SECTIONS = ("default_tasks", "tasks")
SECTIONS = (*TASK_SECTIONS, "groups", "pools", "calendars")

MAP_TAG = "tag:yaml.org,2002:map"
SEQUENCE_TAG = "tag:yaml.org,2002:seq"

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where: a line of the file, the task's key and the field, as far as they are known."""

    line: int
    key: str
    field: str
    message: str
    # The line at which the refused entry begins; 0: it is about the file as a whole.
    entry: int = 0

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.line), self.key, self.field, self.message) if part)


@dataclass(slots=True)
class Entry:
    """One mapping of a section: its values, and the line of each."""

    line: int
    values: dict[str, Any]
    lines: dict[str, int]

    def problem(self, field: str, message: str) -> Problem:
        key = str(self.values.get("key", self.values.get("id", "")))
        return Problem(self.lines.get(field, self.line), key, field, message, self.line)


@dataclass(slots=True)
class File:
    tasks: list[Entry] = field(default_factory=list)
    groups: list[Entry] = field(default_factory=list)
    pools: list[Entry] = field(default_factory=list)
    calendars: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Unreadable(Exception):
    """The value at a line cannot be taken; the message says why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def read(text: str) -> File:
    """The entries of a file. What cannot be read at all is a problem; the other entries stand."""
    file = File()
    try:
        root = compose(text)
        for name, line, node in _pairs(root, "file"):
            if name not in SECTIONS:
                message = _("%(name)r is not a section.") % {"name": name} + did_you_mean(name, SECTIONS)
                file.problems.append(Problem(line, "", "", message))
            elif not isinstance(node, yaml.SequenceNode):
                file.problems.append(
                    Problem(line, "", name, _("A list is needed here, each item with a '-'."))
                )
            else:
                section = file.tasks if name in TASK_SECTIONS else getattr(file, name)
                _read_section(node, section, file.problems)
    except Unreadable as error:
        file.problems.append(Problem(error.line, "", "", str(error)))
    if len(file.tasks) > MOST_TASKS:
        message = _("%(found)d tasks are too many: %(most)d at the most in one file.")
        file.problems.append(Problem(1, "", "", message % {"found": len(file.tasks), "most": MOST_TASKS}))
        file.tasks = []
    if not (file.tasks or file.groups or file.pools or file.calendars or file.problems):
        message = _("There are no tasks in it: a list under 'tasks:' or 'default_tasks:' is needed.")
        file.problems.append(Problem(1, "", "", message))
    return file


def compose(text: str) -> yaml.Node:
    size = len(text.encode(errors="surrogatepass"))
    if size > MOST_BYTES:
        message = _("The file has %(size)d bytes: %(most)d at the most.")
        raise Unreadable(1, message % {"size": size, "most": MOST_BYTES})
    try:
        depth = 0
        for event in yaml.parse(text, Loader=Loader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise Unreadable(line, _("Anchors (&) and aliases (*) are not allowed. Write the value out."))
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MOST_DEPTH:
                    raise Unreadable(
                        line, _("Nested too deeply: %(most)d levels at the most.") % {"most": MOST_DEPTH}
                    )
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        node: yaml.Node | None = yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(mark.line + 1 if mark else 1, _("This is not YAML: %s.") % error.problem) from error
    except yaml.YAMLError as error:  # characters that YAML does not allow
        raise Unreadable(1, _("This is not YAML: %s.") % " ".join(str(error).split())) from error
    if node is None:
        raise Unreadable(1, _("The file is empty: a list under 'tasks:' or 'default_tasks:' is needed."))
    return node


def _read_section(section: yaml.SequenceNode, entries: list[Entry], problems: list[Problem]) -> None:
    for item in section.value:
        entry = Entry(item.start_mark.line + 1, {}, {})
        try:
            for name, line, node in _pairs(item, "item"):
                entry.values[name], entry.lines[name] = plain(node), line
            entries.append(entry)
        except Unreadable as error:
            problems.append(replace(entry.problem("", str(error)), line=error.line))


def _pairs(node: yaml.Node, what: str) -> Iterator[tuple[str, int, yaml.Node]]:
    """The (key, line, value) of a mapping; keys are text and stand once."""
    if not isinstance(node, yaml.MappingNode) or node.tag != MAP_TAG:
        message = _("The %(what)s must be a mapping (key: value).") % {"what": what}
        raise Unreadable(node.start_mark.line + 1, message)
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise Unreadable(line, _("A key must be text."))
        if key.value in seen:
            raise Unreadable(line, _("%(key)r stands twice.") % {"key": key.value})
        _check_text(key.value, line)
        seen.add(key.value)
        yield key.value, line, value


def plain(node: yaml.Node) -> Any:
    """A node as plain JSON values; moments become ISO text. Raises Unreadable."""
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode) and node.tag == SEQUENCE_TAG:
        return [plain(item) for item in node.value]
    return {name: plain(value) for name, _line, value in _pairs(node, "value")}


def _scalar(node: yaml.ScalarNode, line: int) -> Any:
    try:
        value = SafeConstructor().construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise Unreadable(line, _("%(value)r cannot be understood.") % {"value": node.value[:80]}) from error
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str):
        _check_text(value, line)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Unreadable(line, _("%(value)r is no number that can be stored.") % {"value": node.value})
    elif value is not None and not isinstance(value, bool | int | float):
        raise Unreadable(line, _("%(value)r is no text, number, yes or no.") % {"value": node.value[:80]})
    return value


def _check_text(value: str, line: int) -> None:
    """Refuses what no database takes, so that one text cannot end the whole load."""
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Unreadable(line, _("%(value)r has characters that cannot be stored.") % {"value": value[:80]})
