"""Stops claiming while this machine is not fit for it: its disk is full, its clock is not the database's, or it has
more to do already than it should.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from scheduling import clock, sql
from scheduling.engine.keepers.base import Keeper, hold, warn
from scheduling.engine.state import NodeState
from scheduling.sentences import of_nodes

#: Below this, journals, logs and an embedded database cannot be counted on.
LEAST_FREE_MB = 64
#: Seconds by which this machine's clock may differ from the database's: beyond the first it is said, beyond the
#: second runs would be given times that are wrong.
WARN_SKEW_SECONDS = 2.0
MOST_SKEW_SECONDS = 30.0
#: Where Linux tells of its memory, and of the limits of containers and units.
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


class Guards(Keeper):
    """What it finds is shown with the node; claims go on by themselves when it has passed.

    A database that is full or read-only needs no guard: the tick that cannot write ends, says why (status file)
    and comes again.
    """

    every_seconds = 5.0

    def keep(self, node: NodeState, now: datetime) -> None:
        free = free_mb()
        least = int(settings.SCHEDULER.get("least_free_mb", LEAST_FREE_MB))
        text = of_nodes.DISK_FULL(free=free, least=least)
        hold(node, "disk", text if free < least else "", now)
        skew = (host_now() - clock.refresh()).total_seconds()
        text = of_nodes.CLOCK_WRONG(seconds=f"{skew:+.0f}")
        hold(node, "clock", text if abs(skew) > MOST_SKEW_SECONDS else "", now)
        # In whole seconds: one that wavers by less is no news.
        text = of_nodes.CLOCK_DIFFERS(seconds=f"{skew:+.0f}")
        warn(node, "clock", text if WARN_SKEW_SECONDS < abs(skew) <= MOST_SKEW_SECONDS else "")
        self._load(node, now)
        self._memory(node, now)

    def _load(self, node: NodeState, now: datetime) -> None:
        most = float(settings.SCHEDULER.get("most_load", 0))
        load = load_per_core() if most else 0.0
        text = of_nodes.LOAD_HIGH(load=f"{load:.1f}", most=f"{most:g}")
        hold(node, "load", text if load > most else "", now)

    def _memory(self, node: NodeState, now: datetime) -> None:
        least = int(settings.SCHEDULER.get("least_free_memory_mb", 0))
        free = free_memory_mb() if least else None
        text = of_nodes.MEMORY_SHORT(free=free, least=least)
        hold(node, "memory", text if free is not None and free < least else "", now)
        warn(node, "memory", of_nodes.MEMORY_UNKNOWN() if least and free is None else "")


def free_mb() -> int:
    """Free space where the program writes its files, in MiB, for somebody who is not root.

    The least of them: beside its own folder that of an embedded database, which may lie elsewhere.
    """
    return min(_free_bytes(folder) for folder in (settings.VAR_DIR, sql.folder()) if folder) // 2**20


def _free_bytes(folder: Path) -> int:
    while not folder.exists():  # whoever writes first makes it
        folder = folder.parent
    return shutil.disk_usage(folder).free


def load_per_core() -> float:
    """The load average of the last minute: what ran, or wanted to run, or waited for the disk; for each core."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def free_memory_mb() -> int | None:
    """Memory that programs can still have without swapping, in MiB; None where the system does not tell (not Linux).

    In a container or a systemd unit with a limit of its own (cgroup v2) no more than what is left of that.
    """
    try:
        free = _number_after("MemAvailable:", PROC / "meminfo") * 1024
    except (OSError, LookupError):
        return None
    with suppress(OSError, LookupError, ValueError):  # "max", or no such file: no limit
        name = (PROC / "self" / "cgroup").read_text().partition("0::/")[2].split("\n")[0]
        group = CGROUPS / name
        limit, used = (int((group / file).read_text()) for file in ("memory.max", "memory.current"))
        free = min(free, limit - used + _number_after("inactive_file", group / "memory.stat"))
    return max(0, free) // 2**20


def _number_after(word: str, file: Path) -> int:
    """Raises LookupError if no line begins with it."""
    for line in file.read_text().splitlines():
        if line.startswith(word + " "):
            return int(line.split()[1])
    raise LookupError(word)


def host_now() -> datetime:
    """What this machine itself takes the time to be: only here is it asked."""
    return datetime.now(UTC)
