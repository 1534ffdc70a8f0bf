"""Lists the tasks."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _
from django_apscheduler.models import DjangoJob

from scheduling.exceptions import InvalidTrigger
from scheduling.management.json_rows import line, task_row
from scheduling.models import Task


class Command(BaseCommand):
    help = _("Lists the tasks by key, with their next time in UTC.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help=_("One JSON object a line."))

    def handle(self, **options: Any) -> None:
        times = dict(DjangoJob.objects.values_list("id", "next_run_time"))
        for task in (
            Task.objects.present()
            .select_related("group", "pool", "owner", "calendar")
            .order_by("key")
            .iterator()
        ):
            next_time = times.get(str(task.pk))
            if options["json"]:
                self.stdout.write(line(task_row(task, next_time)))
                continue
            state = _("enabled") if task.enabled else _("disabled")
            state = _("paused") if task.enabled and task.is_at_rest else state
            shown = next_time.isoformat(timespec="seconds") if next_time else "-"
            self.stdout.write(f"{task.key:<40} {state:<10} {shown:<26} {self._schedule(task)}")

    def _schedule(self, task: Task) -> str:
        try:
            return task.build_trigger().describe()
        except InvalidTrigger as error:  # a kind or a zone that this installation no longer has
            return str(error)
