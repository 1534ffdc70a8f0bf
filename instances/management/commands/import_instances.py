"""Creates instances from a CSV or YAML file."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from instances.exceptions import FileNotUnderstood
from instances.management.commands.export_instances import format_of
from instances.services import exchange
from scheduling.services.actor import Actor


class Command(BaseCommand):
    help = _("Creates instances from a file, and says of each row what became of it.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--format", choices=exchange.FORMATS, help=_("Default: as the file is called, or csv.")
        )
        parser.add_argument(
            "--dry-run", action="store_true", help=_("Say what would be done, and do nothing.")
        )
        parser.add_argument("--update", action="store_true", help=_("Change instances that exist already."))

    def handle(self, *, file: Path, dry_run: bool, **options: Any) -> None:
        try:
            fates = exchange.load(
                file.read_text(encoding="utf-8"), options["format"] or format_of(file), dry_run=dry_run,
                update=options["update"], actor=Actor(source="command"),
            )  # fmt: skip
        except (OSError, UnicodeDecodeError, FileNotUnderstood) as error:
            raise CommandError(f"{file}: {error}") from error
        for fate in fates:
            line = f"{file}:{fate.number}: {fate.name}: {fate.fate}" + "".join(
                f"\n    {text}" for text in fate.problems
            )
            self.stdout.write(line, self.style.ERROR if fate.fate == exchange.REFUSED else None)
        numbers = Counter(fate.fate for fate in fates)
        self.stdout.write(", ".join(f"{numbers[word]} {word}" for word in sorted(numbers)) or _("no rows"))
        if dry_run:
            self.stdout.write(_("Nothing was changed: this was a dry run."))
        if numbers[exchange.REFUSED]:
            raise CommandError(_("%d rows were refused.") % numbers[exchange.REFUSED])
