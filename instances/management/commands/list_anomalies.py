"""Lists jumps in the size of databases, newest first."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from instances.management import choosing
from instances.models import SizeAnomaly
from instances.services import growth
from scheduling.management.arguments import MOST_LISTED, add_listing, bounded
from scheduling.management.json_rows import line

#: What the API tells of each, beside its number and its instance.
FIELDS = (
    "database", "date", "before_date", "before_bytes", "after_bytes", "daily_bytes", "usual_bytes", "tolerance_bytes",
    "found_at",
)  # fmt: skip


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(_("%r is no day: give one such as 2026-01-31.") % text) from None


class Command(BaseCommand):
    help = _("Lists jumps in the size of databases beyond what is usual for them, newest first.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        choosing.add_arguments(parser)
        parser.add_argument("--database", default="", help=_("Only of databases of this name."))
        parser.add_argument("--jump", choices=growth.JUMPS, help=_("Only to more, or to less."))
        parser.add_argument("--since", type=day, metavar="DAY", help=_("Not before this day."))
        parser.add_argument("--until", type=day, metavar="DAY", help=_("Not after this day."))
        add_listing(parser)

    def handle(self, **options: Any) -> None:
        bounded("--limit", options["limit"], 1, MOST_LISTED)
        wanted = {
            "database": options["database"], "date__gte": options["since"], "date__lte": options["until"],
        }  # fmt: skip
        rows = SizeAnomaly.objects.filter(**{name: value for name, value in wanted.items() if value})
        if options["jump"]:
            rows = rows.filter(growth.jumped(options["jump"]))
        instances = choosing.chosen(options)
        if instances is not None:
            rows = rows.filter(instance__in=[instance.pk for instance in instances])
        newest = rows.order_by("-date", "-instance", "-id").prefetch_related("instance")
        for row in newest[: options["limit"]].iterator(chunk_size=1_000):
            self.stdout.write(self._told(row, as_json=options["json"]))

    def _told(self, row: SizeAnomaly, *, as_json: bool) -> str:
        if as_json:
            values = {name: getattr(row, name) for name in FIELDS}
            return line({"id": row.pk, "instance": row.instance.name, **values})
        sizes = f"{row.before_bytes} → {row.after_bytes}"
        usual = f"{row.daily_bytes:+} ({row.usual_bytes:+} ± {row.tolerance_bytes})"
        return f"{row.date} {row.instance.name:<40} {row.database:<30} {sizes} {usual}"
