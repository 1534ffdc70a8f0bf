"""Restores a backup into a new database of its instance."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from instances.models import Backup
from instances.services import backups, visits


class Command(BaseCommand):
    help = _("Lists backups; with a number and --into, restores one into a new database of its instance.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("number", type=int, nargs="?")
        parser.add_argument("--into", metavar="DATABASE", help=_("A database that does not exist yet."))

    def handle(self, *, number: int | None, into: str | None, **_options: Any) -> None:
        rows = Backup.objects.filter(removed_at=None).select_related("instance__credential")
        if number is None:
            for row in rows[:200]:
                at = f"{row.finished_at:%Y-%m-%d %H:%M:%SZ}"
                self.stdout.write(
                    f"{row.pk:>6} {at} {row.instance} {row.database} {row.size_bytes} {row.file}"
                )
            return
        found = rows.filter(pk=number).first()
        if found is None:
            raise CommandError(_("There is no backup %d.") % number)
        if not into:
            raise CommandError(_("Say into which new database: --into DATABASE."))
        try:
            backups.restore(found, into)
        except visits.FAILURES as error:
            raise CommandError(visits.sentence(error)) from error
        self.stdout.write(_("%(file)s is restored into %(into)s.") % {"file": found.file, "into": into})
