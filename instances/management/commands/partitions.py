"""Looks after the partitions of the size tables by hand."""

from __future__ import annotations

import argparse
import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from instances.services import partitions, sizes
from scheduling import clock


class Command(BaseCommand):
    help = _("Tells how the size tables are partitioned; makes, drops and upgrades partitions.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("verb", choices=("status", "health", "create", "cleanup", "upgrade"))
        parser.add_argument(
            "--ahead", type=int, default=partitions.AHEAD, help=_("Months beyond this one (default 3).")
        )
        parser.add_argument(
            "--keep-months", type=int, default=settings.JOBSITE_KEEP_SIZES_MONTHS,
            help=_("Months that sizes stay (default: JOBSITE_KEEP_SIZES_MONTHS)."),
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help=_("The whole answer as JSON."))

    def handle(self, *, verb: str, ahead: int, keep_months: int, **options: Any) -> None:
        for name, number, most in (("--ahead", ahead, 60), ("--keep-months", keep_months, 1_200)):
            if not 1 <= number <= most:
                raise CommandError(f"{name}: 1–{most}")
        today = sizes.day_of(clock.now())
        found: Any
        if verb == "status":
            found = partitions.status(today=today)
        elif verb == "health":
            found = partitions.check(today=today, ahead=ahead).as_result()
        elif verb == "create":
            found = partitions.create_ahead(today=today, ahead=ahead).as_result()
        elif verb == "upgrade":
            found = partitions.upgrade(today=today, ahead=ahead).as_result()
        else:
            found = partitions.cleanup(today=today, keep_months=keep_months).as_result()
        refused = verb != "status" and found.get("refused", [])
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False))
        elif verb == "status":
            self._status(found)
        else:
            self._report(found)
        if verb == "health" and found["state"] == partitions.CRITICAL:
            raise CommandError(" ".join(found["problems"]))
        if verb in ("create", "upgrade") and refused:
            raise CommandError(_("The database's user may not do this."))

    def _status(self, tables: list[dict[str, Any]]) -> None:
        for table in tables:
            self.stdout.write(
                f"{table['table']}: {table['message'] or _('%d partitions') % len(table['partitions'])}"
            )
            for one in table["partitions"]:
                span = f"{one['start'] or '…'} – {one['end'] or '…'}"
                self.stdout.write(
                    f"  {one['name']:<40} {span:<25} {one['when']:<8} {one['rows']:>12} {one['bytes']:>15}"
                )

    def _report(self, found: dict[str, Any]) -> None:
        statements, refused = found.pop("statements"), found.pop("refused", [])
        for sentence in refused:
            self.stdout.write(sentence)
        for name, value in found.items():
            if value or name == "state":
                self.stdout.write(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
        if statements:
            self.stdout.write(_("These statements would let the database's user change partitions:"))
            self.stdout.write("\n".join(f"  {one}" for one in statements))
