"""Runs a statement on instances, and prints what it gave."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from instances.exceptions import InstancesError
from instances.services import instances as fleet
from instances.services import statements
from scheduling.services.actor import Actor


class Command(BaseCommand):
    help = _(
        "Runs one statement that reads on instances, or with --write a script as one transaction on each."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("statement", help=_("The statement; “-”: read it from standard input."))
        parser.add_argument("--instance", action="append", required=True, metavar="NAME")
        parser.add_argument("--database", default="")
        parser.add_argument("--write", action="store_true", help=_("Let it change something."))
        parser.add_argument(
            "--rows", type=int, default=1_000, help=_("Rows of each instance (at most 10000).")
        )
        parser.add_argument("--seconds", type=float, default=30, help=_("Seconds on each instance."))
        parser.add_argument("--json", action="store_true", help=_("One JSON object an instance; else CSV."))

    def handle(self, *, statement: str, **options: Any) -> None:
        if not 1 <= options["rows"] <= statements.MOST_ROWS:
            raise CommandError(f"--rows: 1–{statements.MOST_ROWS}")
        if not 0 < options["seconds"] <= statements.MOST_SECONDS:
            raise CommandError(f"--seconds: 0–{statements.MOST_SECONDS:g}")
        try:
            answers = statements.run(
                fleet.named(options["instance"]), sys.stdin.read() if statement == "-" else statement,
                database=options["database"], writes=options["write"], most_rows=options["rows"],
                seconds=options["seconds"], actor=Actor(source="command"),
            )  # fmt: skip
        except InstancesError as error:
            raise CommandError(str(error)) from error
        for answer in answers:
            self._tell(answer, options["json"])
        if failed := [answer for answer in answers if answer.table is None]:
            raise CommandError("\n".join(f"{answer.instance}: {answer.error}" for answer in failed))

    def _tell(self, answer: statements.Answer, as_json: bool) -> None:
        table = answer.table
        if table is None:
            return
        if as_json:
            row = {
                "instance": answer.instance.name, "columns": table.columns, "rows": table.rows, "cut": table.cut,
                "changed": table.changed,
            }  # fmt: skip
            self.stdout.write(json.dumps(row, ensure_ascii=False))
            return
        self.stderr.write(
            f"# {answer.instance}: "
            + (_("%d rows") % len(table.rows) if table.columns else _("%d rows changed") % table.changed)
            + (_(", cut") if table.cut else "")
        )
        if table.columns:
            self.stdout.write(statements.as_csv(table), ending="")
