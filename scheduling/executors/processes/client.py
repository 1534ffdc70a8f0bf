"""Asks the fork server for processes; starts it when it is first needed, and anew when it has died."""

from __future__ import annotations

import atexit
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

from scheduling.exceptions import SchedulingError
from scheduling.sentences import of_runs

logger = logging.getLogger(__name__)


class NoProcess(SchedulingError):
    """The fork server could not be started, or gave no process."""


class Pipes(NamedTuple):
    """The scheduler's ends of a run's pipes."""

    report: int
    commands: int
    stdout: int
    stderr: int
    status: int

    def close(self) -> None:
        for descriptor in self:
            os.close(descriptor)


class ForkServer:
    """For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def ask(self, limits: Mapping[str, Any]) -> Pipes:
        """Asks for a process; which one it is comes through ``status``. Raises NoProcess."""
        with ExitStack() as ours, ExitStack() as theirs:
            report_r, report_w = _pipe(ours, theirs)
            commands_r, commands_w = _pipe(theirs, ours)
            out_r, out_w = _pipe(ours, theirs)
            err_r, err_w = _pipe(ours, theirs)
            status_r, status_w = _pipe(ours, theirs)
            self._send(json.dumps(limits).encode(), [report_w, commands_r, out_w, err_w, status_w])
            ours.pop_all()  # from here on they are the caller's
            return Pipes(report_r, commands_w, out_r, err_r, status_r)

    def _send(self, request: bytes, descriptors: list[int]) -> None:
        with self._lock:
            for attempt in range(2):
                try:
                    if self._control is None:
                        self._start()
                    assert self._control is not None  # noqa: S101
                    socket.send_fds(self._control, [request], descriptors)
                    return
                except OSError as error:
                    self._end()
                    if attempt:
                        raise NoProcess(of_runs.NO_SERVER(cause=error)) from error
                    logger.warning(
                        "the fork server has ended and is started again", extra={"cause": str(error)}
                    )

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as failed, theirs:
            failed.enter_context(ours)
            # A session of its own: Ctrl-C in the scheduler's terminal is the scheduler's to handle.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scheduling.executors.processes.server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
            failed.pop_all()
        self._control = ours
        atexit.register(self.close)

    def close(self) -> None:
        """Ends the server, and with it every run that it has forked."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """A pipe; each of its ends is closed with its stack."""
    ends = os.pipe()
    for stack, end in zip((reader, writer), ends, strict=True):
        stack.callback(os.close, end)
    return ends


fork_server = ForkServer()
