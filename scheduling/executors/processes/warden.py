"""The warden: kills every run's processes at once when the scheduler's end of its pipe closes, even by kill -9.

A program of its own, started by path and without Django: it imports the standard library alone, so that it is
small, starts at once and survives whatever ends the scheduler. It reads lines ``+<pid>`` and ``-<pid>``, where
the pid leads a session.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def read_stat(pid: int) -> tuple[int, int] | None:
    """(parent, session) of a process; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[3])


def family(leader: int) -> set[int]:
    """The processes of the leader's session and all its descendants, also those that have left the session."""
    if not os.path.isdir("/proc"):
        return set()
    known = {
        int(name): stat
        for name in os.listdir("/proc")
        if name.isdecimal() and (stat := read_stat(int(name))) is not None
    }
    members = {pid for pid, (_parent, session) in known.items() if pid == leader or session == leader}
    found = members
    while found:
        found = {pid for pid, (parent, _session) in known.items() if parent in found} - members
        members |= found
    return members


def kill(leader: int) -> None:
    """Ends the leader's process group and family, without asking. One that is gone already is no error."""
    try:
        members = family(leader)
    except OSError:  # no descriptor is left to look with: the group goes all the same
        members = set()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)  # atomic: what is just being forked in the group goes too
    for pid in members:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its scheduler has ended, and not before
    leaders: set[int] = set()
    for line in sys.stdin:
        sign, pid = line[0], int(line[1:])
        leaders.add(pid) if sign == "+" else leaders.discard(pid)
    for leader in leaders:
        kill(leader)


if __name__ == "__main__":
    main()
