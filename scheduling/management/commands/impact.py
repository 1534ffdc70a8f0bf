"""Says what a change of a task would do to its occurrences."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.exceptions import InvalidTrigger
from scheduling.management import schedules
from scheduling.management.arguments import bounded, task_by_key
from scheduling.services import impact, previews


class Command(BaseCommand):
    help = _(
        "Says which occurrences of the next days a change of a task's schedule would add, remove or move, and how "
        "many runs wait that keep the old one. Changes nothing."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("key", metavar="KEY")
        schedules.add_arguments(parser)
        parser.add_argument("--days", type=int, default=impact.LEAST_DAYS, help=_("How far ahead, 7 to 90."))
        parser.add_argument("--json", action="store_true", help=_("One JSON object, as the API has it."))

    def handle(self, **options: Any) -> None:
        bounded("--days", options["days"], impact.LEAST_DAYS, impact.MOST_DAYS)
        task, now = task_by_key(options["key"]), clock.now()
        try:
            after = previews.as_asked(task, schedules.of_stored(task, options), now)
            found = impact.of_change(task, after, days=options["days"], now=now)
        except InvalidTrigger as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json(), ensure_ascii=False))
            return
        text = _("next %(days)d days: %(added)d added, %(removed)d removed, %(moved)d moved, %(kept)d kept")
        self.stdout.write(
            text % {name: getattr(found, name) for name in ("days", "added", "removed", "moved", "kept")}
        )
        if not found.complete:
            self.stdout.write(
                _("There are so many that only those until %s were looked at.") % found.until.isoformat()
            )
        for mark, moments in (("-", found.first_removed), ("+", found.first_added)):
            for at in moments:
                self.stdout.write(f"  {mark} {at.isoformat()}")
        for before, later in found.first_moved:
            self.stdout.write(f"  > {before.isoformat()}  {later.isoformat()}")
        words = {"retries": found.retries, "queued": found.queued}
        self.stdout.write(
            _("Runs that wait to be tried again: %(retries)d; that are queued: %(queued)d.") % words
        )
