"""Shows what a task runs after and what runs after it; changes the former."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from scheduling.management.arguments import task_by_key
from scheduling.models import Dependency
from scheduling.services import dependencies
from scheduling.services.actor import Actor


class Command(BaseCommand):
    help = _("Shows what a task runs after, and what runs after it; sets the former.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("key", help=_("The task's key."))
        parser.add_argument(
            "--after",
            action="append",
            metavar="KEY[:END]",
            help=_(
                "It runs after that task's success, failure or end (success if not said); may be repeated."
            ),
        )
        parser.add_argument("--mode", help=_("After all of them, or after any of them."))
        parser.add_argument("--clear", action="store_true", help=_("It runs after nothing any more."))

    def handle(self, **options: Any) -> None:
        task = task_by_key(options["key"])
        if options["after"] and options["clear"]:
            raise CommandError(_("--after and --clear: say one of them."))
        if options["after"] or options["clear"] or options["mode"]:
            after = {each.upstream_id: each.on for each in dependencies.of(task.pk)}
            if options["after"] or options["clear"]:
                after = dict(map(_upstream, options["after"] or ()))
            try:
                dependencies.save(task.pk, after, mode=options["mode"], actor=Actor(source="command"))
            except ValidationError as error:
                raise CommandError("; ".join(error.messages)) from error
        task.refresh_from_db(fields=["dependency_mode"])
        after_rows, before_rows = dependencies.around(task.pk)
        if after_rows:
            self.stdout.write(
                _("%(key)s runs after %(mode)s of:") % {"key": task.key, "mode": task.dependency_mode}
            )
        for row in after_rows:
            self.stdout.write(f"  {row.upstream.key} ({row.on})")
        if before_rows:
            self.stdout.write(_("After %s run:") % task.key)
        for row in before_rows:
            self.stdout.write(f"  {row.task.key} ({row.on})")
        if not after_rows and not before_rows:
            self.stdout.write(_("%s runs after nothing, and nothing after it.") % task.key)


def _upstream(text: str) -> tuple[int, str]:
    key, _colon, on = text.partition(":")
    return task_by_key(key).pk, on or Dependency.On.SUCCESS
