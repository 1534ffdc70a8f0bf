"""Removes old history, as the retention settings say."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.services import retention


class Command(BaseCommand):
    help = _("Removes old executions, attempts and log lines, as the retention settings say.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help=_("Say how many, and remove nothing."))

    def handle(self, *, dry_run: bool, **_options: Any) -> None:
        pruned = retention.prune(clock.refresh(), dry_run=dry_run)
        text = _("%(executions)d executions and %(lines)d log lines") % {
            "executions": pruned.executions,
            "lines": pruned.log_lines,
        }
        self.stdout.write((_("would remove: ") if dry_run else _("removed: ")) + text)
