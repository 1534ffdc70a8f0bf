"""What the processes of runs use: resident memory, processor time, number. Measured for all runs at once."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import NamedTuple

#: A measurement younger than this serves every run that asks.
FRESH_SECONDS = 0.1


class Usage(NamedTuple):
    """Of all processes of a session together."""

    resident_bytes: int = 0
    cpu_seconds: float = 0.0  # of those that live, and of their children that have ended
    processes: int = 0


class Meter:
    """Reads /proc. Where there is none (other than Linux) everything reads as nothing used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = 0.0
        self._sessions: dict[int, Usage] = {}
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")

    def of(self, leader: int) -> Usage:
        with self._lock:
            if time.monotonic() - self._at > FRESH_SECONDS:
                # Out of descriptors nothing is seen for a while; the runs can go on.
                with contextlib.suppress(OSError):
                    self._sessions = self._measure()
                self._at = time.monotonic()
            return self._sessions.get(leader, Usage())

    def _measure(self) -> dict[int, Usage]:
        sessions: dict[int, Usage] = {}
        if not os.path.isdir("/proc"):
            return sessions
        for name in os.listdir("/proc"):
            if not name.isdecimal():
                continue
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            session = int(fields[3])
            before = sessions.get(session, Usage())
            sessions[session] = Usage(
                before.resident_bytes + int(fields[21]) * self._page,
                before.cpu_seconds + sum(map(int, fields[11:15])) / self._ticks,
                before.processes + 1,
            )
        return sessions


meter = Meter()
