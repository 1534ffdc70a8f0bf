"""Asks for one run of a task."""

from __future__ import annotations

import argparse
import time
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from scheduling.exceptions import Refused
from scheduling.management.arguments import bounded, mapping, moment, task_by_key
from scheduling.management.json_rows import execution_row, line
from scheduling.models import ENDED, Execution, State
from scheduling.services import tasks
from scheduling.services.actor import Actor

POLL_SECONDS = 0.2


class Command(BaseCommand):
    help = _("Asks for one run of a task, at once; a running scheduler does it. The schedule is not touched.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("key", help=_("The task's key."))
        parser.add_argument(
            "--parameters", metavar="JSON", default="{}", help=_("Replace those of the task.")
        )
        parser.add_argument(
            "--idempotency-key", default="", help=_("Asking again within a day runs nothing more.")
        )
        parser.add_argument(
            "--at", metavar="TIME", help=_("Not before that time, with its zone: 2026-06-01T12:00:00+08:00.")
        )
        parser.add_argument("--force", action="store_true", help=_("Run beside a run of the same task."))
        parser.add_argument(
            "--wait", action="store_true", help=_("Wait for the end; fail unless it succeeds.")
        )
        parser.add_argument("--timeout", type=float, default=3_600.0, help=_("Seconds to wait at most."))
        parser.add_argument("--json", action="store_true", help=_("Print the execution as a JSON object."))

    def handle(self, **options: Any) -> None:
        bounded("--timeout", options["timeout"], 0, 30 * 86_400)
        task = task_by_key(options["key"])
        try:
            execution = tasks.run_now(
                task.pk,
                actor=Actor(source="command"),
                parameters=mapping("--parameters", options["parameters"]),
                idempotency_key=options["idempotency_key"],
                force=options["force"],
                run_at=moment("--at", options["at"]),
            )
        except ValidationError as error:
            texts = [f"--{name}: {text}" for name, all_ in error.message_dict.items() for text in all_]
            raise CommandError("\n".join(texts).replace("_", "-", 1)) from error
        except Refused as error:
            raise CommandError(str(error)) from error
        if options["wait"]:
            execution = self._await(execution.pk, options["timeout"])
        self._print(execution, as_json=options["json"])
        if options["wait"] and execution.state != State.SUCCEEDED:
            raise CommandError(
                _("It ended %(state)s: %(why)s")
                % {"state": execution.state, "why": execution.detail or execution.message}
            )

    def _await(self, pk: int, seconds: float) -> Execution:
        end = time.monotonic() + seconds
        while True:
            execution = Execution.objects.get(pk=pk)
            if execution.state in ENDED:
                return execution
            if time.monotonic() >= end:
                text = _("After %(seconds)g s execution #%(id)d is still %(state)s.")
                raise CommandError(text % {"seconds": seconds, "id": pk, "state": execution.state})
            time.sleep(POLL_SECONDS)

    def _print(self, execution: Execution, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(line(execution_row(execution) | {"result": execution.result}))
            return
        self.stdout.write(f"#{execution.pk} {execution.state} {execution.detail}".rstrip())
        if execution.result is not None:
            self.stdout.write(line({"result": execution.result}))
        if execution.traceback:
            self.stderr.write(execution.traceback)
