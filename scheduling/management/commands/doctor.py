"""Looks for broken promises in the live database."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from scheduling.services import doctor


class Command(BaseCommand):
    help = _("Looks for broken promises in the live database; exit code 1 when it finds any.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help=_("One JSON object a line."))

    def handle(self, **options: Any) -> None:
        findings = doctor.examine()
        for finding in findings:
            if options["json"]:
                values = {name: getattr(finding, name) for name in ("name", "promise", "looked_at", "found")}
                self.stdout.write(json.dumps(values | {"healthy": finding.is_healthy}, ensure_ascii=False))
                continue
            word = _("good") if finding.is_healthy else _("BAD")
            self.stdout.write(f"{word:<5} {finding.promise:<3} {finding.name:<13} {finding.looked_at}")
            for found in finding.found:
                self.stdout.write(f"            - {found}")
        if not all(finding.is_healthy for finding in findings):
            self.stdout.flush()
            sys.exit(1)
