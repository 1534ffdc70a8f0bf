"""Loading: adds what is new, updates what nobody has touched, keeps what a person has edited, and says which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Q
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.exceptions import Refused
from scheduling.models import Group, Pool, Task, TaskVersion
from scheduling.services import liverows, tasks
from scheduling.services.actor import Actor
from scheduling.services.definitions.fields import References, fill, normalise
from scheduling.services.definitions.reading import Entry, File, Problem, read
from scheduling.sql.transactions import in_transaction

BATCH = 500
DELETED_KEY = re.compile(r"^(.*)~\d+$")


@dataclass(slots=True)
class Summary:
    """What a load did (or, on a dry run, would do), by the tasks' keys."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # edited or deleted by a person
    warnings: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)  # each refused


def load(text: str, *, force: bool = False, dry_run: bool = False) -> Summary:
    """Loads the tasks of a YAML text. What is refused is told in ``problems``; the rest is loaded all the same.

    ``force`` overwrites what people have edited and brings back what they have deleted. ``dry_run`` writes nothing.
    """
    file = read(text)
    summary = Summary(problems=file.problems)
    entries = _distinct([entry for entry in file.tasks if normalise(entry, summary.problems)], summary)
    with transaction.atomic():
        _make_named(file, summary)
        loader = _Loader(entries, summary, force)
        loader.sort_out()
        if dry_run:
            transaction.set_rollback(True)
    if not dry_run:
        loader.write()
    summary.problems.sort(key=lambda problem: problem.line)
    return summary


def _distinct(entries: list[Entry], summary: Summary) -> list[Entry]:
    seen: dict[object, int] = {}
    distinct = []
    for entry in entries:
        key = entry.values.get("key")
        if isinstance(key, str) and key in seen:
            message = _("This key stands in line %(line)d already.") % {"line": seen[key]}
            summary.problems.append(entry.problem("key", message))
            continue
        if isinstance(key, str):
            seen[key] = entry.line
        distinct.append(entry)
    return distinct


def _make_named(file: File, summary: Summary) -> None:
    """Makes the groups and pools of the file that do not exist; those that do are left as they are."""
    for entries, model in ((file.groups, Group), (file.pools, Pool)):
        allowed = {"key", "name", "description"} if model is Group else {"key", "name", "capacity"}
        for entry in entries:
            unknown = entry.values.keys() - allowed
            if unknown:
                message = _("This is not known. Allowed are %(allowed)s.") % {
                    "allowed": ", ".join(sorted(allowed))
                }
                summary.problems += [entry.problem(name, message) for name in sorted(unknown)]
                continue
            if model.objects.filter(key=entry.values.get("key")).exists():
                continue
            made = model(**{"name": str(entry.values.get("key", ""))} | entry.values)
            try:
                made.full_clean()
            except ValidationError as error:
                summary.problems += [
                    entry.problem(name, text) for name, texts in error.message_dict.items() for text in texts
                ]
            else:
                made.save()


class _Loader:
    """The tasks of one file on their way: first sorted out, then written in transactions of their own."""

    def __init__(self, entries: list[Entry], summary: Summary, force: bool) -> None:
        self.entries = entries
        self.summary = summary
        self.force = force
        self.now = clock.refresh()
        self.new: list[Task] = []
        self.changed: list[tuple[Task, Entry]] = []

    def sort_out(self) -> None:
        keys = [entry.values["key"] for entry in self.entries if isinstance(entry.values.get("key"), str)]
        present = {task.key: task for task in _present(keys)}
        edited = set() if self.force else _edited_by_people(task.pk for task in present.values())
        deleted = set() if self.force else _deleted_keys()
        references = References.read(self.entries)
        for entry in self.entries:
            key = entry.values.get("key")
            stored = present.get(key) if isinstance(key, str) else None
            if stored is None and key in deleted:
                self.summary.kept.append(str(key))
            elif stored is None:
                self._sort_new(entry, references)
            else:
                self._sort_stored(stored, entry, references, is_edited=stored.pk in edited)

    def _sort_new(self, entry: Entry, references: References) -> None:
        task = Task()
        tasks.prepare_new(task, self.now)
        found: list[Problem] = []
        fill(task, entry, references, found, is_new=True)
        self.summary.problems += found
        if not found:
            tasks.prepare_new(task, self.now)
            self._warn_if_ended(task, entry)
            self.new.append(task)
            self.summary.added.append(task.key)

    def _sort_stored(self, task: Task, entry: Entry, references: References, *, is_edited: bool) -> None:
        before = (task.definition(), task.built_in)
        found: list[Problem] = []
        fill(task, entry, references, found, is_new=False)
        self.summary.problems += found
        if found:
            return
        if (task.definition(), task.built_in) == before:
            self.summary.unchanged.append(task.key)
        elif is_edited:
            self.summary.kept.append(task.key)
        else:
            self._warn_if_ended(task, entry)
            self.changed.append((task, entry))
            self.summary.updated.append(task.key)

    def _warn_if_ended(self, task: Task, entry: Entry) -> None:
        if task.build_trigger().next_after(self.now) is None:
            message = _("The schedule has no time after now: the task is stored, but has ended.")
            self.summary.warnings.append(entry.problem("trigger_params", message))

    def write(self) -> None:
        actor = Actor(source="yaml")
        for start in range(0, len(self.new), BATCH):
            batch = self.new[start : start + BATCH]
            in_transaction(lambda batch=batch: self._insert(batch, actor))  # type: ignore[misc]
        for task, entry in self.changed:
            try:
                tasks.edit(task, actor=actor, allow_past=True)
            except (Refused, ValidationError) as error:  # somebody was faster
                self.summary.updated.remove(task.key)
                self.summary.problems.append(entry.problem("", str(error)))

    def _insert(self, batch: list[Task], actor: Actor) -> None:
        Task.objects.bulk_create(batch)
        if batch[0].pk is None:  # MySQL does not say which ids it gave
            ids = dict(Task.objects.filter(key__in=[task.key for task in batch]).values_list("key", "pk"))
            for task in batch:
                task.pk = ids[task.key]
        TaskVersion.objects.bulk_create(
            TaskVersion(
                task=task, version=1, verb=TaskVersion.Verb.CREATE, source=actor.source, at=self.now,
                definition=task.definition(),
            )
            for task in batch
        )  # fmt: skip
        liverows.create_many((task.pk, task.next_time(self.now)) for task in batch)


def _present(keys: list[str]) -> Iterator[Task]:
    for start in range(0, len(keys), BATCH):
        rows = Task.objects.present().filter(key__in=keys[start : start + BATCH])
        yield from rows.select_related("group", "pool", "owner")


def _edited_by_people(task_ids: Iterable[int]) -> set[int]:
    """Those of the tasks whose definition somebody has changed since a file last had its say."""
    ids = list(task_ids)
    rows = (
        TaskVersion.objects.filter(task_id__in=ids)
        .exclude(verb__in=(TaskVersion.Verb.PAUSE, TaskVersion.Verb.RESUME))
        .order_by()
        .values_list("task_id")
        .annotate(
            file=Max("version", filter=Q(source="yaml")), person=Max("version", filter=~Q(source="yaml"))
        )
    )
    return {task_id for task_id, file, person in rows if person is not None and person > (file or 0)}


def _deleted_keys() -> set[str]:
    """The keys that deleted tasks had."""
    keys = Task.objects.exclude(deleted_at=None).values_list("key", flat=True)
    return {match[1] for key in keys if (match := DELETED_KEY.match(key))}
