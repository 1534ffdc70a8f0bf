"""Lists executions, newest first."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from scheduling.management.arguments import MOST_LISTED, add_listing, bounded, one_of, task_by_key
from scheduling.management.json_rows import execution_row, line
from scheduling.models import Execution, State


class Command(BaseCommand):
    help = _("Lists executions, newest first.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--task", metavar="KEY", help=_("Only those of this task."))
        parser.add_argument("--state", help=_("Only those in this state."))
        add_listing(parser)

    def handle(self, **options: Any) -> None:
        bounded("--limit", options["limit"], 1, MOST_LISTED)
        rows = Execution.objects.order_by("-id")
        if options["task"]:
            rows = rows.filter(task_id=task_by_key(options["task"]).pk)
        if options["state"]:
            one_of("--state", options["state"], State.values)
            rows = rows.filter(state=options["state"])
        for execution in rows.defer("traceback", "result")[: options["limit"]].iterator(chunk_size=1_000):
            if options["json"]:
                self.stdout.write(line(execution_row(execution)))
            else:
                why = f" {execution.reason}: {execution.detail}" if execution.reason else ""
                at = execution.scheduled_for.isoformat(timespec="seconds")
                self.stdout.write(f"#{execution.pk:<8} {execution.task_key:<40} {at} {execution.state}{why}")
