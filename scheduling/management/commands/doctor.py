"""Looks for broken promises in the live database."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from scheduling.sentences import in_words
from scheduling.services import doctor
from scheduling.services.actor import Actor


class Command(BaseCommand):
    help = _("Looks for broken promises in the live database; exit code 1 when it finds any.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help=_("One JSON object a line."))
        parser.add_argument("--evidence", action="store_true", help=_("The statements that were asked, too."))

    def handle(self, **options: Any) -> None:
        examination = doctor.examine(actor=Actor(source="command"))
        for finding in doctor.findings(examination):
            if options["json"]:
                self.stdout.write(json.dumps(_as_json(finding), ensure_ascii=False))
                continue
            words = {"kept": _("good"), "broken": _("BAD"), "unknown": _("?")}
            kind = finding.kind
            self.stdout.write(
                f"{words[finding.state]:<5} {kind.promise:<3} {finding.name:<13} {kind.looked_at}"
            )
            for found in finding.found:
                self.stdout.write(f"            - {in_words(found.text)}")
            if finding.more:
                self.stdout.write("            " + _("and %d more") % finding.more)
            if options["evidence"]:
                for statement in finding.statements:
                    self.stdout.write(f"            {statement.ms:8.1f} ms  {statement.sql}")
        if not examination.is_healthy:
            self.stdout.flush()
            sys.exit(1)


def _as_json(finding: doctor.Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "promise": finding.kind.promise,
        "looked_at": str(finding.kind.looked_at),
        "healthy": finding.is_healthy,
        "state": finding.state,
        "found": [found.text for found in finding.found],
        "more": finding.more,
        "statements": [statement.sql for statement in finding.statements],
    }
