"""Stops claiming while this machine is not fit for it: its disk is full, or its clock is not the database's."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from scheduling import clock, sql
from scheduling.engine.keepers.base import Keeper, hold, warn
from scheduling.engine.state import NodeState

#: Below this, journals, logs and an embedded database cannot be counted on.
LEAST_FREE_MB = 64
#: Seconds by which this machine's clock may differ from the database's: beyond the first it is said, beyond the
#: second runs would be given times that are wrong.
WARN_SKEW_SECONDS = 2.0
MOST_SKEW_SECONDS = 30.0


class Guards(Keeper):
    """What it finds is shown with the node; claims go on by themselves when it has passed.

    A database that is full or read-only needs no guard: the tick that cannot write ends, says why (status file)
    and comes again.
    """

    every_seconds = 5.0

    def keep(self, node: NodeState, now: datetime) -> None:
        free = free_mb()
        least = int(settings.SCHEDULER.get("least_free_mb", LEAST_FREE_MB))
        text = f"claims nothing: {free} MB are free where it keeps its files, {least} MB are needed"
        hold(node, "disk", text if free < least else "", now)
        skew = (host_now() - clock.refresh()).total_seconds()
        text = f"claims nothing: its clock differs from the database's by {skew:+.0f} s"
        hold(node, "clock", text if abs(skew) > MOST_SKEW_SECONDS else "", now)
        # In whole seconds: one that wavers by less is no news.
        text = f"its clock differs from the database's by {skew:+.0f} s"
        warn(node, "clock", text if WARN_SKEW_SECONDS < abs(skew) <= MOST_SKEW_SECONDS else "")


def free_mb() -> int:
    """Free space where the program writes its files, in MiB, for somebody who is not root.

    The least of them: beside its own folder that of an embedded database, which may lie elsewhere.
    """
    return min(_free_bytes(folder) for folder in (settings.VAR_DIR, sql.folder()) if folder) // 2**20


def _free_bytes(folder: Path) -> int:
    while not folder.exists():  # whoever writes first makes it
        folder = folder.parent
    return shutil.disk_usage(folder).free


def host_now() -> datetime:
    """What this machine itself takes the time to be: only here is it asked."""
    return datetime.now(UTC)
