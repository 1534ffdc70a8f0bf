"""Changes as people read them: the names of fields, the words of choices, and lines of JSON side by side."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.utils.translation import gettext as _

from scheduling.models import Task


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text: kept (" "), taken away ("-") or added ("+")."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """What differs in one field: two short values, or the lines of a long one."""

    name: str
    label: str
    before: str
    after: str
    lines: list[Line] = field(default_factory=list)


def readable(changes: Mapping[str, Any]) -> list[Change]:
    """Of field → [before, after], in plain JSON values."""
    return [_change(name, *pair) for name, pair in changes.items()]


def _change(name: str, before: Any, after: Any) -> Change:
    label = name
    try:
        model_field: Any = Task._meta.get_field(name)
        label = str(model_field.verbose_name)
    except FieldDoesNotExist:  # a field of an older release
        model_field = None
    first, second = (_words(model_field, value) for value in (before, after))
    lines: list[Line] = []
    if isinstance(before, dict | list) or isinstance(after, dict | list) or "\n" in first + second:
        lines = _lines(first, second)
    return Change(name, label, first, second, lines)


def _words(model_field: Any, value: Any) -> str:
    if value is None or value == "":
        return _("nothing")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict | list):
        return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    choices = dict(model_field.flatchoices) if model_field is not None else {}
    return str(choices.get(value, value))


def _lines(before: str, after: str) -> list[Line]:
    compared = difflib.ndiff(before.splitlines(), after.splitlines())
    return [Line(line[0], line[2:]) for line in compared if line[0] != "?"]
