"""Lists statements of people's own that were run on instances, newest first."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from instances.management import choosing
from instances.models import Instance, StatementRun
from scheduling.management.arguments import MOST_LISTED, add_listing, bounded, moment
from scheduling.management.json_rows import line

#: What the API tells of each, beside its number, who ran it and the execution.
FIELDS = (
    "at", "source", "statement", "writes", "database", "instances", "outcome", "errors", "rows", "changed",
    "duration_seconds",
)  # fmt: skip
#: Characters of a statement in a line of words.
SHOWN = 80


class Command(BaseCommand):
    help = _(
        "Lists statements of people's own that were run on instances, newest first: who, when, where, what."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        choosing.add_arguments(parser)
        parser.add_argument("--by", default="", metavar="USER", help=_("Only those of this user."))
        parser.add_argument("--source", choices=StatementRun.Source.values, default="")
        parser.add_argument("--outcome", choices=StatementRun.Outcome.values, default="")
        parser.add_argument(
            "--writes", action="store_true", help=_("Only those that may have changed something.")
        )
        parser.add_argument("--since", metavar="TIME", help=_("Not before this time."))
        parser.add_argument("--until", metavar="TIME", help=_("Not after this time."))
        add_listing(parser)

    def handle(self, **options: Any) -> None:
        bounded("--limit", options["limit"], 1, MOST_LISTED)
        wanted = {
            "by__username": options["by"],
            "source": options["source"],
            "writes": options["writes"],
            "at__gte": moment("--since", options["since"]),
            "at__lte": moment("--until", options["until"]),
        }
        rows = StatementRun.objects.filter(**{name: value for name, value in wanted.items() if value})
        if options["outcome"]:
            rows = rows.ended_as(options["outcome"])
        instances = choosing.chosen(options)
        if instances is not None:
            rows = rows.of(Instance.objects.filter(pk__in=[instance.pk for instance in instances]))
        newest = rows.select_related("by").order_by("-id")[: options["limit"]]
        for row in newest.iterator(chunk_size=1_000):
            self.stdout.write(_as_json(row) if options["json"] else _in_words(row))


def _as_json(row: StatementRun) -> str:
    values = {name: getattr(row, name) for name in FIELDS}
    by = row.by.get_username() if row.by else None
    return line({"id": row.pk, "by": by, "execution": row.execution_id, **values})


def _in_words(row: StatementRun) -> str:
    by = row.by.get_username() if row.by else "-"
    statement = " ".join(row.statement.split())
    if len(statement) > SHOWN:
        statement = statement[:SHOWN] + "…"
    where = ",".join(row.instances)
    return f"#{row.pk:<6} {row.at.isoformat(timespec='seconds')} {by} ({row.source}) {row.outcome} {where}: {statement}"
