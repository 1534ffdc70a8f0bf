"""Writes tasks as YAML."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from scheduling.models import Task
from scheduling.services import definitions


class Command(BaseCommand):
    help = _("Writes all tasks as YAML that load_tasks reads back, to a file or to standard output.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, nargs="?")

    def handle(self, *, file: Path | None, **_options: Any) -> None:
        tasks = Task.objects.present().select_related("group", "pool", "owner", "calendar").order_by("key")
        text = definitions.export(tasks)
        if file is None:
            self.stdout.write(text, ending="")
            return
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        self.stdout.write(_("%(number)d tasks written to %(file)s") % {"number": len(tasks), "file": file})
