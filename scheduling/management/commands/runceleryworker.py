"""Hosts a Celery worker whose processes are nodes. Needs requirements-celery.txt and JOBSITE_CELERY_BROKER."""

from __future__ import annotations

import argparse
import uuid
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from scheduling.management.arguments import bounded
from scheduling.models.names import queue_validator


class Command(BaseCommand):
    help = _("Runs a Celery worker for tasks with the executor celery, until SIGTERM.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--queues", help=_("The queues it takes work from, separated by commas."))
        parser.add_argument("--processes", type=int, help=_("Runs at the same time: 1 to 500."))

    def handle(self, **options: Any) -> None:
        if not settings.JOBSITE_CELERY_BROKER:
            raise CommandError(_("JOBSITE_CELERY_BROKER names no broker, such as redis://127.0.0.1:6379/0."))
        try:
            from scheduling.engine.celery import app, worker
        except ImportError as error:
            raise CommandError(_("Celery is missing: pip install -r requirements-celery.txt")) from error
        processes = options["processes"] or settings.SCHEDULER["processes"]
        bounded("--processes", processes, 1, 500)
        text = options["queues"] or ",".join(settings.SCHEDULER["queues"])
        queues = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
        for queue in queues:
            try:
                queue_validator(queue)
            except ValidationError as error:
                raise CommandError(f"--queues: {queue!r}: {queue_validator.message}") from error
        worker.take_from(queues)
        # A name of its own: with Celery's, which is the host's, RabbitMQ turns the second worker of a host away.
        name = f"jobsite-{uuid.uuid4().hex[:12]}@%h"
        arguments = [
            "worker", "--hostname", name, "--pool", "prefork", "--concurrency", str(processes),
            "--queues", ",".join(queues), "--loglevel", "WARNING", "--without-gossip", "--without-mingle",
        ]  # fmt: skip
        app.make_app().worker_main(arguments)
