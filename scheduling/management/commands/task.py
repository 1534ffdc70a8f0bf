"""Verbs of tasks: ``manage.py task pause KEY…``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django_apscheduler.models import DjangoJob

from scheduling.management.arguments import task_by_key
from scheduling.management.json_rows import task_row
from scheduling.management.verbs import VerbCommand
from scheduling.models import Dependency, Task, TaskVersion
from scheduling.services import definitions, dependencies, tasks, versions
from scheduling.services.actor import Actor

#: Verbs that take any number of keys, each with its service.
SIMPLE: dict[str, Callable[..., Task]] = {
    "enable": tasks.enable,
    "disable": tasks.disable,
    "pause": tasks.pause,
    "resume": tasks.resume,
    "delete": tasks.delete,
}


def _said(words: list[str]) -> dict[str, str]:
    """Name → value; raises CommandError for what is no such pair."""
    said: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or name in said:
            text = _("%(word)r: NAME=VALUE is needed, each name once, such as retries=3.")
            raise CommandError(text % {"word": word})
        said[name] = value
    return said


class Command(VerbCommand):
    help = _("Enables, disables, pauses, resumes, changes, deletes, copies or rolls back tasks.")
    verbs: ClassVar[dict[str, Any]] = {
        "enable": _("Let the schedules go on from now."),
        "disable": _("Stop the schedules and cancel what is queued; what runs goes on."),
        "pause": _("Stop the schedules; what is queued waits until they are resumed."),
        "resume": _("Let the schedules and what they hold go on from now."),
        "delete": _("Take the tasks out of every list; their history stays. Built-in ones are refused."),
        "set": _("Change fields of a task, as they are written in a file: retries=3 timeout_seconds=600."),
        "clone": _("Store a copy of a task under another key, disabled."),
        "rollback": _("Give a task the definition that it had in an earlier version."),
        "versions": _("List the versions of a task, newest first."),
        "depend": _("Let a task run after others, when they have ended in a certain way."),
        "undepend": _("Let a task no longer run after others."),
        "show": _("Show tasks with their next time."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb in SIMPLE or verb == "show":
            parser.add_argument("keys", nargs="+", metavar="KEY")
            if verb == "delete":
                parser.add_argument(
                    "--break-dependents",
                    action="store_true",
                    help=_("Also when others run after it: they then run after it no more."),
                )
            return
        parser.add_argument("key", metavar="KEY")
        if verb == "set":
            parser.add_argument("values", nargs="+", metavar="NAME=VALUE", help=_("Empty: none."))
        elif verb == "clone":
            parser.add_argument("new_key", metavar="NEW_KEY")
            parser.add_argument("--name", default="", help=_("The copy's name."))
        elif verb == "rollback":
            parser.add_argument("version", type=int, metavar="VERSION")
        elif verb in ("depend", "undepend"):
            parser.add_argument("after", nargs="+", metavar="AFTER", help=_("Keys of the other tasks."))
        if verb == "depend":
            parser.add_argument(
                "--on",
                choices=Dependency.On.values,
                default=Dependency.On.SUCCESS.value,
                help=_("The end that is waited for."),
            )
            parser.add_argument(
                "--mode", choices=Task.DependencyMode.values, help=_("Whether all of them or any of them.")
            )

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        if verb not in SIMPLE:
            super().handle(*args, verb=verb, **options)
            return
        actor = self.actor(options)

        more = {"break_dependents": options["break_dependents"]} if verb == "delete" else {}

        def work(key: str) -> str:
            return self.told(SIMPLE[verb](task_by_key(key).pk, actor=actor, **more), options)

        self.each(options["keys"], work)

    def verb_show(self, options: dict[str, Any]) -> None:
        self.each(options["keys"], lambda key: self.told(task_by_key(key), options))

    def verb_set(self, options: dict[str, Any]) -> None:
        said = _said(options["values"])

        def work(key: str) -> str:
            task = task_by_key(key)
            definitions.give(task, said)
            return self.told(tasks.edit(task, actor=self.actor(options)), options)

        self.each([options["key"]], work)

    def verb_clone(self, options: dict[str, Any]) -> None:
        def work(key: str) -> str:
            copy = tasks.clone(
                task_by_key(key).pk, options["new_key"], actor=self.actor(options), name=options["name"]
            )
            return self.told(copy, options)

        self.each([options["key"]], work)

    def verb_rollback(self, options: dict[str, Any]) -> None:
        def work(key: str) -> str:
            actor: Actor = self.actor(options)
            return self.told(versions.rollback(task_by_key(key).pk, options["version"], actor=actor), options)

        self.each([options["key"]], work)

    def verb_depend(self, options: dict[str, Any]) -> None:
        task, actor = task_by_key(options["key"]), self.actor(options)

        def work(key: str) -> str:
            ends = {"on": options["on"], "mode": options["mode"]}
            return self._after(
                task, dependencies.add(task.pk, task_by_key(key).pk, actor=actor, **ends), options
            )

        self.each(options["after"], work)

    def verb_undepend(self, options: dict[str, Any]) -> None:
        task, actor = task_by_key(options["key"]), self.actor(options)

        def work(key: str) -> str:
            return self._after(task, dependencies.remove(task.pk, task_by_key(key).pk, actor=actor), options)

        self.each(options["after"], work)

    def _after(self, task: Task, rows: list[Dependency], options: dict[str, Any]) -> str:
        after = {row.upstream.key: row.on for row in rows}
        words = ", ".join(f"{key} ({on})" for key, on in after.items()) or "-"
        return self.show({"key": task.key, "after": after}, f"{task.key:<40} {words}", options)

    def verb_versions(self, options: dict[str, Any]) -> None:
        task = task_by_key(options["key"])
        rows = TaskVersion.objects.filter(task=task).select_related("by").order_by("-version")
        for row in rows.iterator(chunk_size=500):
            by = row.by.get_username() if row.by else row.source
            known = {
                "task": task.key,
                "version": row.version,
                "verb": row.verb,
                "by": by,
                "at": row.at,
                "reason": row.reason,
                "changes": row.changes,
            }
            words = f"{row.version:>5} {row.at.isoformat(timespec='seconds')} {row.verb:<8} {by:<16} "
            self.stdout.write(self.show(known, (words + ", ".join(row.changes)).rstrip(), options))

    def told(self, task: Task, options: dict[str, Any]) -> str:
        at = DjangoJob.objects.filter(pk=str(task.pk)).values_list("next_run_time", flat=True).first()
        state = _("deleted") if task.deleted_at else _("enabled") if task.enabled else _("disabled")
        state = _("paused") if not task.deleted_at and task.enabled and task.is_at_rest else state
        shown = at.isoformat(timespec="seconds") if at else "-"
        return self.show(task_row(task, at), f"{task.key:<40} {state:<10} {shown}", options)
