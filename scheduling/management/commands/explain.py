"""Says why a task did, or did not, run at a moment."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from scheduling.management.arguments import moment, task_by_key
from scheduling.services import explain


class Command(BaseCommand):
    help = _("Says why a task did, or did not, run at a moment, or what stands against it now.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("key", help=_("The task's key."))
        parser.add_argument(
            "--at", metavar="TIME", help=_("The moment, with its zone: 2026-06-01T12:00:00+08:00.")
        )
        parser.add_argument("--json", action="store_true", help=_("One JSON object."))

    def handle(self, **options: Any) -> None:
        answer = explain.explain(task_by_key(options["key"]), moment("--at", options["at"]))
        if options["json"]:
            self.stdout.write(json.dumps(asdict(answer), ensure_ascii=False))
            return
        self.stdout.write(answer.answer)
        for fact in answer.facts:
            self.stdout.write(f"  - {fact}")
