"""Says which accounts can read or write a database, across the fleet."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from instances.dialects.access import ACTIONS
from instances.exceptions import UnknownInstance
from instances.services import access
from instances.services import instances as fleet

#: Reasons shown on one line.
MOST_REASONS = 3


class Command(BaseCommand):
    help = _(
        "Says which accounts can read or write a database, on every instance that has it, and by which rights."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("action", choices=ACTIONS)
        parser.add_argument("database")
        parser.add_argument(
            "--instance", action="append", metavar="NAME", help=_("Only on this instance (may be repeated).")
        )
        parser.add_argument("--json", action="store_true", help=_("One JSON object a line."))

    def handle(self, **options: Any) -> None:
        try:
            chosen = fleet.named(options["instance"]) if options["instance"] else None
        except UnknownInstance as error:
            raise CommandError(str(error)) from error
        for found in access.who_can(options["action"], options["database"], chosen):
            reasons = found.sentences()
            if options["json"]:
                row = {"instance": found.instance.name, "account": found.account.name, "reasons": reasons}
                self.stdout.write(json.dumps(row, ensure_ascii=False))
                continue
            more = "; …" if len(reasons) > MOST_REASONS else ""
            line = f"{found.instance.name:<30} {found.account.name:<40} {'; '.join(reasons[:MOST_REASONS])}{more}"
            self.stdout.write(line)
