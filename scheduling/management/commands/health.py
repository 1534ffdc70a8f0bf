"""Says whether the scheduling works; exit code 1 when it does not."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils.translation import gettext as _

from scheduling.services import health

#: A status file older than this, or a tick that long ago, is a node that does not work.
STANDSTILL_SECONDS = 30


class Command(BaseCommand):
    help = _("Says whether the scheduling works, from the rows of the database; fails when it does not.")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--node",
            action="store_true",
            help=_("Look at the nodes of this machine instead, by their status files."),
        )

    def handle(self, *, node: bool, **_options: Any) -> None:
        if node:
            self._nodes_here()
            return
        try:
            found = health.check()
        except DatabaseError as error:
            raise CommandError(_("The database does not answer: %(error)s") % {"error": error}) from error
        as_of = found.as_of.isoformat(timespec="seconds")
        self.stdout.write(_("as of %(at)s: %(nodes)d nodes beat") % {"at": as_of, "nodes": found.nodes})
        for text in found.warnings:
            self.stdout.write(_("warning: %(text)s") % {"text": text})
        if not found.is_healthy:
            raise CommandError("\n".join(found.reasons))
        self.stdout.write(_("healthy"))

    def _nodes_here(self) -> None:
        files = sorted((settings.VAR_DIR / "nodes").glob("*.json"))
        if not files:
            raise CommandError(
                _("No node of this machine has a status file in %(folder)s.") % {"folder": settings.VAR_DIR}
            )
        faults = []
        for path in files:
            try:
                entry = json.loads(path.read_text())
                still = entry["last_tick_seconds_ago"] + time.time() - entry["at"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                faults.append(f"{path.name}: {error}")
                continue
            line = f"{entry['node']} pid {entry['pid']}: {entry['state']}, tick {still:.0f} s ago"
            self.stdout.write(line)
            if still > STANDSTILL_SECONDS or entry["state"] != "running":
                faults.append(line)
        if faults:
            raise CommandError("\n".join(faults))
