"""The life of one run's process, forked from the fork server: a task function, or a fresh program in its place."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import resource
import select
import signal
import sys
import threading
import traceback
from dataclasses import dataclass, field
from datetime import datetime
from types import FrameType
from typing import Any

from scheduling import clock, context
from scheduling.context import Progress, RunCancelled
from scheduling.executors.processes import frames
from scheduling.runlog import NOTHING, Drained, RunLog, pieces
from scheduling.sentences import of_runs

#: What a request brings: report, commands, stdout, stderr, status (which the server keeps).
PIPES = 5
#: The exit code of a child that could not do its work.
BROKEN = 70
LOOK_SECONDS = 0.2
#: Beyond the memory limit, which is measured, allocation itself fails: a hog is quicker than any measuring.
HEADROOM = 2
#: The process in which Django was loaded: the server, if the preload has worked (a test asks).
preloaded_in = 0


@dataclass(slots=True)
class RelayLog(RunLog):
    """Hands each line on at once, so that a process that is killed has said all that it said."""

    report: int = -1
    _sending: threading.Lock = field(default_factory=threading.Lock)
    _sender: int = 0

    def append(self, at: datetime, level: str, text: str) -> None:
        for piece in pieces(text):
            self.send({"log": [level, piece]})

    def send(self, message: dict[str, Any]) -> None:
        me = threading.get_ident()
        if self._sender == me:  # a finaliser or a signal, in the midst of the lines below
            return
        with self._sending:
            self._sender = me
            try:
                with contextlib.suppress(OSError):  # nobody listens: the scheduler is gone, and soon this is
                    frames.write(self.report, frames.encode(message))
            finally:
                self._sender = 0

    def drain(self) -> Drained:
        return NOTHING


def main(pipes: list[int], limits: dict[str, Any]) -> int:
    """Waits for the order, does it, reports its outcome; returns the exit code."""
    report, commands, stdout, stderr = pipes
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.close(stdout)
    os.close(stderr)
    _limit(limits)
    reader = frames.Reader()
    order = _first(commands, reader)
    if order is None:
        return BROKEN
    if "program" in order:
        return _become(report, **order["program"])
    return _run(report, commands, reader, order)


def report_crash() -> None:
    """Says on stderr, which goes into the run's log, why the child broke before it could report."""
    with contextlib.suppress(BaseException):
        traceback.print_exc()
        sys.stderr.flush()


def _limit(limits: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if seconds := limits.get("cpu_limit_seconds"):
        _set(resource.RLIMIT_CPU, math.ceil(seconds), math.ceil(seconds) + 2)
    if megabytes := limits.get("memory_limit_mb"):
        most = (megabytes * HEADROOM + 256) * 1024 * 1024
        _set(resource.RLIMIT_DATA, most, most)


def _set(kind: int, soft: int, hard: int) -> None:
    """Never above what the process was given."""
    _soft, given = resource.getrlimit(kind)
    if given != resource.RLIM_INFINITY:
        soft, hard = min(soft, given), min(hard, given)
    resource.setrlimit(kind, (soft, hard))


def _first(commands: int, reader: frames.Reader) -> dict[str, Any] | None:
    """The order; None when the scheduler has ended before it gave one."""
    while data := os.read(commands, 65536):
        for message in reader.feed(data):
            return message
    return None


def _become(
    report: int, argv: list[str], environment: dict[str, str], folder: str, user: list[int] | None
) -> int:
    """Replaces this process, and all that is in its memory, by a program."""
    try:
        os.chdir(folder)
        os.umask(0o077)
        if user is not None:
            user_id, group_id = user
            os.setgroups([])
            os.setgid(group_id)
            os.setuid(user_id)
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError, ValueError):
                signal.signal(number, signal.SIG_DFL)
        # What another module has opened to be inherited is not for this program.
        for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
            if int(name) > 2:
                with contextlib.suppress(OSError):
                    os.set_inheritable(int(name), False)
        os.execvpe(argv[0], argv, environment)  # noqa: S606 (no shell is the point)
    except (OSError, ValueError) as error:
        frames.write(report, frames.encode({"refused": f"{argv[0]}: {error}"}))
    return 127


def _run(report: int, commands: int, reader: frames.Reader, message: dict[str, Any]) -> int:
    order = frames.unpack_order(message["order"])
    clock.set_forward(datetime.fromisoformat(message["now"]), message["elapsed"])
    module, _, name = message["run"].partition(":")
    run = getattr(importlib.import_module(module), name)
    log = RelayLog(report=report)
    _Obedience(order.key, commands, reader, log).start()
    outcome = run(order, log)
    sys.stdout.flush()
    sys.stderr.flush()
    _close_connections()
    log.send({"outcome": frames.pack_outcome(outcome)})
    return 0


def _close_connections() -> None:
    """Its own: the server has none."""
    from django.db import connections

    connections.close_all()


class _Obedience(threading.Thread):
    """Listens to the scheduler while the task function runs, and tells it the progress."""

    def __init__(self, key: tuple[int, int], commands: int, reader: frames.Reader, log: RelayLog) -> None:
        super().__init__(name="obedience", daemon=True)
        self._key, self._commands, self._reader, self._log = key, commands, reader, log
        self._told: Progress | None = None
        self._raised = False
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def run(self) -> None:
        self._obey(b"")  # what came together with the order
        while True:
            ready, _, _ = select.select([self._commands], [], [], LOOK_SECONDS)
            if ready:
                data = os.read(self._commands, 65536)
                if not data:  # the scheduler has ended: whatever this run does is no longer recorded
                    os.killpg(0, signal.SIGKILL)
                self._obey(data)
            self._tell_progress()

    def _obey(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            context.cancel(*self._key, *message["cancel"])
            os.killpg(0, signal.SIGTERM)  # this process too: its main thread may be in a system call

    def _tell_progress(self) -> None:
        run = context.active.get(self._key)
        if run is not None and run.progress_made is not None and run.progress_made != self._told:
            self._told = run.progress_made
            self._log.send({"progress": list(self._told)})

    def _on_sigterm(self, signum: int, frame: FrameType | None) -> None:
        """Ends what the task function is at, once, as at its own check; then it may clean up."""
        run = context.active.get(self._key)
        if run is None or self._raised:
            return
        self._raised = True
        if not run.cancel_reason:
            run.cancel("signal", of_runs.GOT_SIGTERM())
        reason, detail = run.cancel_request
        raise RunCancelled(reason, detail)
