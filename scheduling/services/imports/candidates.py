"""What an import would make: a task, and what its times are where it comes from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from scheduling import clock, triggers
from scheduling.exceptions import InvalidTrigger, Refused
from scheduling.models import Task
from scheduling.services import tasks
from scheduling.services.actor import Actor

YEAR = timedelta(days=366)
#: Occurrences compared at the most: enough for a year of every half hour.
COMPARED = 20_000
SHOWN = 20

#: The times in (after, until], oldest first, at most so many, as the source computes them.
Meaning = Callable[[datetime, datetime, int], list[datetime]]


@dataclass(slots=True)
class Candidate:
    """One entry of a source."""

    source: str  # where it stands there, for people
    key: str
    values: dict[str, Any]  # fields of the Task
    meaning: Meaning | None = None  # None: it has no times of its own there
    problems: list[str] = field(default_factory=list)  # why it cannot be imported
    notes: list[str] = field(default_factory=list)  # what a person should know


@dataclass(frozen=True, slots=True)
class Comparison:
    """A year of times under the source's meaning, and under ours."""

    after: datetime
    until: datetime  # earlier than a year when there are very many
    same: int
    only_there: list[datetime]
    only_here: list[datetime]

    @property
    def is_equal(self) -> bool:
        return not self.only_there and not self.only_here


def compare(candidate: Candidate, after: datetime | None = None) -> Comparison:
    """Compares a year from ``after`` (now) on. Raises InvalidTrigger when our schedule cannot be built."""
    after = after or clock.now()
    until = after + YEAR
    trigger = built(candidate, after)
    ours = trigger.between(after, until, COMPARED)
    theirs = candidate.meaning(after, until, COMPARED) if candidate.meaning else []
    for found in (ours, theirs):
        if len(found) == COMPARED:
            until = min(until, found[-1])
    here, there = ({at for at in found if at <= until} for found in (ours, theirs))
    return Comparison(after, until, len(here & there), sorted(there - here), sorted(here - there))


def built(candidate: Candidate, now: datetime) -> triggers.Trigger:
    """Our schedule for the entry."""
    return _task(candidate, now).build_trigger()


def _task(candidate: Candidate, now: datetime) -> Task:
    task = Task(key=candidate.key, **candidate.values)
    tasks.prepare_new(task, now)
    return task


def write(candidates: Iterable[Candidate], *, actor: Actor) -> tuple[list[Task], list[tuple[Candidate, str]]]:
    """Stores those that have no problem, disabled if they are so there; returns them, and the refused ones with why.

    A schedule without a future time is stored, ended. A key that is taken is refused.
    """
    stored: list[Task] = []
    refused: list[tuple[Candidate, str]] = []
    for candidate in candidates:
        if candidate.problems:
            refused.append((candidate, " ".join(candidate.problems)))
            continue
        try:
            task = _task(candidate, clock.now())
            stored.append(tasks.create(task, actor=actor, allow_past=True))
        except ValidationError as error:
            refused.append((candidate, " ".join(error.messages)))
        except (InvalidTrigger, Refused) as error:
            refused.append((candidate, str(error)))
    return stored, refused


def keys(names: Iterable[str]) -> list[str]:
    """A key for each name: of the characters that keys have, and each only once."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        key = re.sub(r"[^a-z0-9_.-]+", "-", name.lower()).strip("-._")[:90] or "imported"
        unique, number = key, 2
        while unique in taken:
            unique, number = f"{key}-{number}", number + 1
        taken.add(unique)
        found.append(unique)
    return found


def unknown_function(name: str) -> str:
    text = _("No function stands for “%(name)s”: say which one with --map %(name)s=FUNCTION.")
    return text % {"name": name}
