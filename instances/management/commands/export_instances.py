"""Writes instances as CSV or YAML."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from instances.models import Instance
from instances.services import exchange


class Command(BaseCommand):
    help = _("Writes all instances, without any password, for import_instances to read back.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help=_("Where to; none: standard output."))
        parser.add_argument(
            "--format", choices=exchange.FORMATS, help=_("Default: as the file is called, or csv.")
        )

    def handle(self, *, file: Path | None, **options: Any) -> None:
        rows = Instance.objects.present().select_related("credential").order_by("name")
        rows = rows.prefetch_related("tags", "restricted_to")
        text = exchange.export(rows, options["format"] or format_of(file))
        if file is None:
            self.stdout.write(text, ending="")
            return
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error


def format_of(file: Path | None) -> str:
    return "yaml" if file is not None and file.suffix in (".yaml", ".yml") else "csv"
