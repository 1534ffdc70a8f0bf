"""Single fields of a stored task, said as in a file: for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scheduling.models import Task
from scheduling.services.definitions.fields import MOMENTS, References, normalise, set_moment, value_of
from scheduling.services.definitions.reading import Entry, Problem, Unreadable, compose, plain

#: Said by other means: verbs, ``dependencies``, or the installation's own files.
ELSEWHERE = {"enabled", "after", "built_in"}


def give(task: Task, said: Mapping[str, str]) -> None:
    """Gives the task, in memory, the fields that are said; a service stores it then.

    The names and the values are those of a file, a value being a piece of YAML; an empty one is null. Raises
    ValidationError keyed by field, all faults at once.
    """
    problems: list[Problem] = []
    entry = Entry(1, _values(said, problems), dict.fromkeys(said, 1))
    if normalise(entry, problems):
        problems += [
            entry.problem(name, _("This is not changed in this way."))
            for name in sorted(ELSEWHERE & entry.values.keys())
        ]
    if not problems:
        _give(task, entry, problems)
    faults: dict[str, list[str]] = {}
    for problem in problems:
        faults.setdefault(problem.field, []).append(problem.message)
    if faults:
        raise ValidationError(faults)


def _values(said: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, text in said.items():
        try:
            values[name] = plain(compose(text)) if text.strip() else None
        except Unreadable as error:
            problems.append(Problem(1, "", name, str(error)))
    return values


def _give(task: Task, entry: Entry, problems: list[Problem]) -> None:
    references = References.read([entry])
    for name, value in entry.values.items():
        try:
            setattr(task, name, value_of(name, value, references))
        except ValidationError as error:
            problems += [entry.problem(name, message) for message in error.messages]
    if not problems:  # a moment without an offset is in the task's zone, which may just have been said
        for name in MOMENTS:
            if name in entry.values:
                problems += set_moment(task, name, entry)
