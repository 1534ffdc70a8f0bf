"""Says whether the scheduling works; exit code 1 when it does not."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
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
        entries, faults = self._entries(files)
        for entry in entries:
            still = entry["last_tick_seconds_ago"] + time.time() - entry["at"]
            line = f"{entry['node']} pid {entry['pid']}: {entry['state']}, tick {still:.0f} s ago"
            line += "".join(
                f", {name} {of['used']}/{of['total']}" for name, of in entry.get("seats", {}).items()
            )
            trouble = entry.get("trouble")
            self.stdout.write(f"{line}; {trouble}" if trouble else line)
            if still > STANDSTILL_SECONDS or entry["state"] not in ("running", "draining"):
                faults.append(line)
        if faults:
            raise CommandError("\n".join(faults))

    def _entries(self, files: list[Path]) -> tuple[list[dict[str, Any]], list[str]]:
        """What the nodes wrote last, and what cannot be read.

        A killed node leaves its file behind; one with the same process id has taken its place, as in a
        container. Of those of processes that are gone, only the newest is told, and only if there is no other.
        """
        newest: dict[int, dict[str, Any]] = {}
        faults = []
        for path in files:
            try:
                entry = json.loads(path.read_text())
                pid, at = int(entry["pid"]), float(entry["at"])
                entry["last_tick_seconds_ago"] += 0.0
                if pid not in newest or newest[pid]["at"] < at:
                    newest[pid] = entry | {"pid": pid, "at": at}
            except FileNotFoundError:
                continue  # its node has just stopped
            except (OSError, ValueError, KeyError, TypeError) as error:
                faults.append(f"{path.name}: {error}")
        by_age = sorted(newest.values(), key=lambda entry: entry["at"])
        return [entry for entry in by_age if _runs(entry["pid"])] or by_age[-1:], faults


def _runs(pid: int) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
