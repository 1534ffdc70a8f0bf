"""Hosts the scheduler. The only face that enters the engine."""

from __future__ import annotations

import argparse
import os
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from scheduling.engine.process import Options, main
from scheduling.models.names import queue_validator


class Command(BaseCommand):
    help = _(
        "Runs the scheduler in this process until SIGTERM or Ctrl-C. Any number may run on one database."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--queues", help=_("The queues this node takes work from, separated by commas."))
        parser.add_argument("--threads", type=int, help=_("Runs in threads at the same time: 1 to 1000."))
        parser.add_argument(
            "--processes", type=int, help=_("Runs in processes of their own at the same time: 0 to 500.")
        )
        parser.add_argument(
            "--drain-seconds", type=float, help=_("How long runs may go on after SIGTERM: 0 to 86400.")
        )
        parser.add_argument(
            "--once", action="store_true", help=_("Run what is due and queued now, then end.")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        given = Options.from_settings(
            queues=self._queues(options["queues"]),
            threads=self._bounded("--threads", options["threads"], 1, 1_000),
            processes=self._bounded("--processes", options["processes"], 0, 500),
            drain_seconds=self._bounded("--drain-seconds", options["drain_seconds"], 0, 86_400),
            once=options["once"],
        )
        code = main(given)
        if code:
            # Not SystemExit: threads that cannot be stopped must not keep the process.
            self.stdout.flush()
            self.stderr.flush()
        os._exit(code)

    def _queues(self, text: str | None) -> list[str] | None:
        if text is None:
            return None
        queues = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
        if not queues:
            raise CommandError(_("--queues: name at least one queue."))
        for queue in queues:
            try:
                queue_validator(queue)
            except ValidationError as error:
                raise CommandError(f"--queues: {queue!r}: {queue_validator.message}") from error
        return queues

    def _bounded(self, name: str, value: float | None, least: float, most: float) -> float | None:
        if value is None or least <= value <= most:
            return value
        raise CommandError(
            _("%(name)s: %(value)s is out of range: %(least)g to %(most)g is allowed.")
            % {"name": name, "value": value, "least": least, "most": most}
        )
