"""Loads tasks from a YAML file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from scheduling.services import definitions
from scheduling.services.definitions.reading import MOST_BYTES


class Command(BaseCommand):
    help = _(
        "Loads tasks from a YAML file: adds new ones, updates those nobody has edited, keeps the others as they are."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--reload", action="store_true", help=_("The same as without: loading again always merges.")
        )
        parser.add_argument(
            "--force", action="store_true", help=_("Overwrite what people have edited or deleted.")
        )
        parser.add_argument(
            "--dry-run", action="store_true", help=_("Say what would be done, and do nothing.")
        )

    def handle(self, *, file: Path, force: bool, dry_run: bool, **_options: Any) -> None:
        summary = definitions.load(self._read(file), force=force, dry_run=dry_run)
        for problem in summary.warnings:
            self.stderr.write(f"{file}:{problem}", self.style.WARNING)
        for problem in summary.problems:
            self.stderr.write(f"{file}:{problem}", self.style.ERROR)
        for key in summary.kept:
            self.stdout.write(_("kept as edited by a person: %(key)s") % {"key": key})
        for key in summary.left_deleted:
            self.stdout.write(_("not added, because a person deleted it: %(key)s") % {"key": key})
        self.stdout.write((_("dry run: ") if dry_run else "") + self._counts(summary))
        if summary.problems:
            raise CommandError(_("%(refused)d refused.") % {"refused": summary.refused})

    def _counts(self, summary: definitions.Summary) -> str:
        text = _(
            "%(added)d added, %(updated)d updated, %(unchanged)d unchanged, %(kept)d kept, %(refused)d refused"
        )
        return text % {
            "added": len(summary.added),
            "updated": len(summary.updated),
            "unchanged": len(summary.unchanged),
            "kept": len(summary.kept) + len(summary.left_deleted),
            "refused": summary.refused,
        }

    def _read(self, file: Path) -> str:
        try:
            with file.open("rb") as opened:
                content = opened.read(MOST_BYTES + 1)
            return content.decode("utf-8-sig")  # some editors begin with a mark
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise CommandError(
                _("%(file)s: byte %(at)d is not UTF-8.") % {"file": file, "at": error.start}
            ) from error
