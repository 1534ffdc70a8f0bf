"""Verbs of groups: ``manage.py group pause KEY…``."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from scheduling.management.verbs import VerbCommand
from scheduling.models import Group
from scheduling.services import groups
from scheduling.words import did_you_mean


def group_by_key(key: str) -> Group:
    """The group; raises CommandError that names the nearest keys."""
    group = Group.objects.filter(key=key).first()
    if group is None:
        keys = list(Group.objects.values_list("key", flat=True)[:2_000])
        raise CommandError(_("There is no group %(key)r.") % {"key": key} + did_you_mean(key, keys))
    return group


class Command(VerbCommand):
    help = _("Pauses and resumes all tasks of groups, deletes empty groups, lists them.")
    verbs: ClassVar[dict[str, Any]] = {
        "pause": _("No task of the groups gets scheduled runs; what is queued by schedule waits."),
        "resume": _("The groups' tasks go on from now; those paused by themselves stay paused."),
        "delete": _("Remove groups without tasks."),
        "list": _("List the groups with the number of their tasks."),
    }

    def add_verb_arguments(self, verb: str, parser: argparse.ArgumentParser) -> None:
        if verb != "list":
            parser.add_argument("keys", nargs="+", metavar="KEY")

    def verb_pause(self, options: dict[str, Any]) -> None:
        self._set(options, paused=True)

    def verb_resume(self, options: dict[str, Any]) -> None:
        self._set(options, paused=False)

    def verb_delete(self, options: dict[str, Any]) -> None:
        def work(key: str) -> str:
            groups.delete(group_by_key(key), actor=self.actor(options))
            return self.show({"key": key, "deleted": True}, _("%(key)s deleted") % {"key": key}, options)

        self.each(options["keys"], work)

    def verb_list(self, options: dict[str, Any]) -> None:
        present = Count("tasks", filter=Q(tasks__deleted_at=None))
        for group in Group.objects.annotate(number=present).order_by("key"):
            self.stdout.write(self.told(group, group.number, options))

    def _set(self, options: dict[str, Any], *, paused: bool) -> None:
        verb = groups.pause if paused else groups.resume

        def work(key: str) -> str:
            group = group_by_key(key)
            number = verb(group.pk, actor=self.actor(options))
            group.paused = paused
            return self.told(group, number, options)

        self.each(options["keys"], work)

    def told(self, group: Group, number: int, options: dict[str, Any]) -> str:
        row = {"key": group.key, "name": group.name, "paused": group.paused, "tasks": number}
        state = _("paused") if group.paused else _("active")
        return self.show(row, f"{group.key:<40} {state:<10} {number}", options)
