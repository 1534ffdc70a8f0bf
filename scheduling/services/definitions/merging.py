"""Loading: adds what is new, updates what nobody has touched, keeps what a person has edited, and says which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import Max, Q
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.exceptions import Refused
from scheduling.models import Calendar, Group, Pool, Task, TaskVersion
from scheduling.services import calendars, dependencies, liverows, permits, tasks
from scheduling.services.actor import Actor
from scheduling.services.definitions import after as following
from scheduling.services.definitions.after import After
from scheduling.services.definitions.fields import References, build, normalise
from scheduling.services.definitions.reading import Entry, Problem, read
from scheduling.sql.transactions import in_transaction
from scheduling.words import did_you_mean

BATCH = 500
#: What may be said of groups, pools and calendars.
NAMED_FIELDS: dict[type, tuple[str, ...]] = {
    Group: ("key", "name", "description"),
    Pool: ("key", "name", "capacity", "tokens_per_minute"),
    Calendar: calendars.EDITABLE,
}
YAML = Actor(source="yaml")


@dataclass(slots=True)
class Summary:
    """What a load did (or, on a dry run, would do), by the tasks' keys."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # edited by a person
    left_deleted: list[str] = field(default_factory=list)  # deleted by a person
    warnings: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)  # each refused

    @property
    def refused(self) -> int:
        """Entries, however much is wrong with each; what is wrong with the file as a whole counts as one."""
        return len({problem.entry for problem in self.problems})


def load(
    text: str,
    *,
    force: bool = False,
    dry_run: bool = False,
    actor: Actor = YAML,
    trusted: bool = True,
) -> Summary:
    """Loads the tasks of a YAML text. What is refused is told in ``problems``; the rest is loaded all the same.

    Whoever asks, the changes are the file's own and are overwritten by its next edition.
    Not ``trusted``: the file is a person's, who is bound by the same rules as in a form.
    ``force`` overwrites what people have edited and brings back what they have deleted. ``dry_run`` writes nothing.
    Everything is checked before a transaction begins, so that a long file holds no locks.
    """
    file = read(text)
    summary = Summary(problems=file.problems)
    entries = _distinct([entry for entry in file.tasks if normalise(entry, summary.problems)], summary)
    made = [
        *_new_named(file.groups, Group, summary),
        *_new_named(file.pools, Pool, summary),
        *_new_named(file.calendars, Calendar, summary),
    ]
    if not dry_run:
        for each in made:
            each.save()
    loader = _Loader(entries, summary, force, replace(actor, source=YAML.source), trusted=trusted)
    loader.sort_out(made)
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


def _new_named(
    entries: list[Entry], model: type[Group] | type[Pool] | type[Calendar], summary: Summary
) -> list[Group | Pool | Calendar]:
    """The groups, pools or calendars of the file that do not exist yet, unsaved; those that do are left as they are."""
    allowed = NAMED_FIELDS[model]
    existing = set(model._default_manager.values_list("key", flat=True))
    made: list[Group | Pool | Calendar] = []
    for entry in entries:
        unknown = [name for name in entry.values if name not in allowed]
        for name in unknown:
            summary.problems.append(
                entry.problem(name, _("This is not known.") + did_you_mean(name, allowed))
            )
        if unknown or entry.values.get("key") in existing:
            continue
        each = model(**{"name": str(entry.values.get("key", ""))} | entry.values)
        if isinstance(each, Calendar):
            each.updated_at = clock.now()
        try:
            each.full_clean()
        except ValidationError as error:
            summary.problems += [
                entry.problem(name, text) for name, texts in error.message_dict.items() for text in texts
            ]
        else:
            made.append(each)
            existing.add(each.key)
    return made


class _Loader:
    """The tasks of one file on their way: first sorted out, then written in transactions of their own."""

    def __init__(
        self, entries: list[Entry], summary: Summary, force: bool, actor: Actor, *, trusted: bool
    ) -> None:
        self.entries = entries
        self.summary = summary
        self.force = force
        self.actor = actor
        self.trusted = trusted
        self.now = clock.refresh()
        self.new: list[tuple[Task, Entry]] = []
        self.changed: list[tuple[Task, Entry]] = []
        # What tasks run after and shall run after, by key, where these differ.
        self.after: dict[str, tuple[After, After]] = {}
        self.entry_of: dict[str, Entry] = {}

    def sort_out(self, made: list[Group | Pool | Calendar]) -> None:
        keys = [entry.values["key"] for entry in self.entries if isinstance(entry.values.get("key"), str)]
        present = {task.key: task for task in _present(keys)}
        edited = set() if self.force else _edited_by_people(task.pk for task in present.values())
        deleted = set() if self.force else _deleted_keys()
        references = References.read(self.entries, made)
        sound: list[tuple[Task, Entry]] = []
        said: dict[str, After] = {}
        for entry in self.entries:
            found: list[Problem] = []
            after = following.read(entry, found)
            task = build(entry, references, self.now, found)
            found = found or self._forbidden(task, present.get(task.key), entry)
            if found:
                self.summary.problems += found
                continue
            sound.append((task, entry))
            stored = present.get(task.key)
            if (stored.pk not in edited) if stored else (task.key not in deleted):
                said[task.key], self.entry_of[task.key] = after, entry
        faults = following.faults(said, said.keys() - present.keys())
        before = following.of(present.values())
        for task, entry in sound:
            if task.key in faults:
                self.summary.problems.append(entry.problem("after", faults[task.key]))
            elif task.key in present:
                stored = present[task.key]
                now, wanted = before[task.key], said.get(task.key, before[task.key])
                if wanted != now:
                    self.after[task.key] = (now, wanted)
                self._sort_stored(stored, task, entry, is_edited=stored.pk in edited)
            elif task.key in deleted:
                self.summary.left_deleted.append(task.key)
            else:
                self._warn_if_ended(task, entry)
                self.new.append((task, entry))
                self.summary.added.append(task.key)
                if said[task.key] != After():
                    self.after[task.key] = (After(), said[task.key])

    def _forbidden(self, task: Task, stored: Task | None, entry: Entry) -> list[Problem]:
        """What a person may not say in a file."""
        if self.trusted:
            return []
        built_in = stored is not None and stored.built_in
        if task.built_in and not built_in:
            return [entry.problem("built_in", _("Only the installation's own files may say this."))]
        if stored is not None and built_in and task.function != stored.function:
            return [entry.problem("function", _("This is fixed in a built-in task."))]
        try:
            permits.check(task.function, *([stored.function] if stored else []), actor=self.actor)
        except ValidationError as error:
            return [entry.problem("function", text) for text in error.messages]
        return []

    def _sort_stored(self, stored: Task, task: Task, entry: Entry, *, is_edited: bool) -> None:
        """Leaves the stored task as it is, or gives it what the file says."""
        if "built_in" not in entry.values:
            task.built_in = stored.built_in
        if not tasks.difference(stored, task).keys() - {"paused"}:
            told = self.summary.updated if stored.key in self.after else self.summary.unchanged
            told.append(stored.key)
        elif is_edited:
            self.summary.kept.append(stored.key)
        else:
            self._warn_if_ended(task, entry)
            for name in (*Task.DEFINITION, "built_in"):
                setattr(stored, name, getattr(task, name))
            self.changed.append((stored, entry))
            self.summary.updated.append(stored.key)

    def _warn_if_ended(self, task: Task, entry: Entry) -> None:
        trigger = task.build_trigger()
        if trigger.timed and trigger.next_after(self.now) is None:
            message = _("The schedule has no time after now: the task is stored, but has ended.")
            self.summary.warnings.append(entry.problem("trigger_params", message))

    def write(self) -> None:
        for start in range(0, len(self.new), BATCH):
            self._add(self.new[start : start + BATCH])
        for start in range(0, len(self.changed), BATCH):
            batch = {task.pk: (task, entry) for task, entry in self.changed[start : start + BATCH]}
            for late in tasks.edit_many([task for task, _entry in batch.values()], actor=self.actor):
                task, entry = batch[late.pk]
                message = _("Somebody has changed the task meanwhile. Load the file again.")
                self._withdraw(self.summary.updated, task, entry, message)
        self._write_after()

    def _write_after(self) -> None:
        """Once all tasks are there. First what falls away: nothing that is there on the way goes round in a circle."""
        keys = {
            key for pair in self.after.values() for after in pair for key in after.ends
        } | self.after.keys()
        ids = {task.key: task.pk for task in _present(sorted(keys))}
        for key, (now, wanted) in self.after.items():
            kept = {upstream: on for upstream, on in now.ends.items() if upstream in wanted.ends}
            if kept != now.ends:
                self._save_after(key, After(kept, now.mode), ids)
        for key, (_now, wanted) in self.after.items():
            self._save_after(key, wanted, ids)

    def _save_after(self, key: str, wanted: After, ids: Mapping[str, int]) -> None:
        entry = self.entry_of[key]
        try:
            after = {ids[upstream]: on for upstream, on in wanted.ends.items()}
            dependencies.save(ids[key], after, mode=wanted.mode, actor=self.actor)
        except KeyError as error:
            message = _("There is no task %(key)r.") % {"key": error.args[0]}
            self.summary.problems.append(entry.problem("after", message))
        except (ValidationError, Refused) as error:
            texts = error.messages if isinstance(error, ValidationError) else [str(error)]
            self.summary.problems += [entry.problem("after", text) for text in texts]

    def _add(self, batch: list[tuple[Task, Entry]]) -> None:
        try:
            in_transaction(lambda: self._insert([task for task, _entry in batch]))
        except IntegrityError:
            # Another load, or a person, has made one of them meanwhile: that one is refused, the rest goes in.
            taken = {task.key for task in _present([task.key for task, _entry in batch])}
            if not taken:
                raise
            for task, entry in batch:
                task.pk = None
                if task.key in taken:
                    message = _("A task of this key was made meanwhile. Load the file again.")
                    self._withdraw(self.summary.added, task, entry, message)
            self._add([(task, entry) for task, entry in batch if task.key not in taken])

    def _withdraw(self, claimed: list[str], task: Task, entry: Entry, message: str) -> None:
        claimed.remove(task.key)
        self.after.pop(task.key, None)
        self.summary.problems.append(entry.problem("", message))

    def _insert(self, batch: list[Task]) -> None:
        for task in batch:
            task.pk = None  # the transaction may be a repetition
        Task.objects.bulk_create(batch)
        if any(task.pk is None for task in batch):  # MySQL does not say which ids it gave
            ids = dict(Task.objects.filter(key__in=[task.key for task in batch]).values_list("key", "pk"))
            for task in batch:
                task.pk = ids[task.key]
        TaskVersion.objects.bulk_create(
            TaskVersion(
                task=task, version=1, verb=TaskVersion.Verb.CREATE, source=self.actor.source, at=self.now,
                definition=task.definition(), by_id=self.actor.user_id,
            )
            for task in batch
        )  # fmt: skip
        liverows.create_many((task.pk, task.next_time(self.now)) for task in batch)


def _present(keys: list[str]) -> Iterator[Task]:
    for start in range(0, len(keys), BATCH):
        rows = Task.objects.present().filter(key__in=keys[start : start + BATCH])
        yield from rows.select_related("group", "pool", "owner", "calendar")


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
    """The keys that deleted tasks had: a deletion frees the key and notes what it was."""
    changes = TaskVersion.objects.filter(verb=TaskVersion.Verb.DELETE, task__deleted_at__isnull=False)
    return {change["key"][0] for change in changes.values_list("changes", flat=True) if "key" in change}
