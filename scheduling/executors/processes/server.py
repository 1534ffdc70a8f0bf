"""The fork server: a program that has Django and all task functions loaded, and forks one process for each run.

It has one thread and no database connection, so that forking it is safe and quick. Asked through a socket; each
request brings the run's pipes. At end of file, when the scheduler has ended, it kills what is left and ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import logging
import os
import selectors
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from scheduling.executors.processes import child, warden

logger = logging.getLogger(__name__)

REQUEST_BYTES = 4096
#: Linux: orphans of a process's descendants become its own children instead of init's.
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> bool:
    """Whether from now on orphaned descendants become children of this process."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def preload() -> None:
    """Loads what every run needs, and leaves no connection open: its children would share it."""
    import django

    django.setup()
    from django.db import connections

    from scheduling import registry

    registry.autodiscover()
    registry.functions()
    __import__("scheduling.engine.run")
    connections.close_all()
    _keep_console()
    child.preloaded_in = os.getpid()
    if threading.active_count() > 1:
        logger.warning(
            "a module has started threads while the fork server loaded it: they are not in the runs"
        )
    gc.collect()
    gc.freeze()  # what is shared with the children is not copied only because their collector looks at it


def _keep_console() -> None:
    """The console's log handlers keep the server's own stderr: that of a run goes into the run's log."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stderr, sys.stdout):
            handler.setStream(os.fdopen(os.dup(handler.stream.fileno()), "w", buffering=1))


class Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._status: dict[int, int] = {}  # run's pid → where its end is told
        self._adopts = adopt_orphans()
        self._children_file = Path(f"/proc/self/task/{threading.get_native_id()}/children")

    def serve(self) -> None:
        wake_r, wake_w = os.pipe()
        os.set_blocking(wake_w, False)
        os.set_blocking(wake_r, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(wake_r, selectors.EVENT_READ)
            self._forget = (self._control.fileno(), wake_r, wake_w, selector.fileno())
            while True:
                ready = {key.fileobj for key, _events in selector.select()}
                if wake_r in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(wake_r, 65536)
                    self._reap()
                if self._control in ready and not self._take():
                    break
        for pid in self._status:
            warden.kill(pid)

    def _take(self) -> bool:
        """Forks for one request; False at end of file."""
        data, descriptors, _flags, _address = socket.recv_fds(self._control, REQUEST_BYTES, child.PIPES)
        if not data:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # a program that a run starts gets none of them
        *run_pipes, status = descriptors
        try:
            pid = os.fork()
        except OSError as error:  # no more processes
            _tell(status, {"refused": f"{type(error).__name__}: {error}"})
            for descriptor in descriptors:
                os.close(descriptor)
            return True
        if pid == 0:
            self._become_child(run_pipes, status, json.loads(data))
        for descriptor in run_pipes:
            os.close(descriptor)
        self._status[pid] = status
        _tell(status, {"pid": pid})
        return True

    def _become_child(self, run_pipes: list[int], status: int, limits: dict[str, Any]) -> None:
        """Never returns: whatever happens, this copy of the server ends here."""
        code = child.BROKEN
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (*self._forget, status, *self._status.values()):
                os.close(descriptor)
            if self._adopts:
                adopt_orphans()
            code = child.main(run_pipes, limits)
        except BaseException:  # noqa: BLE001  a fork must never go on as the server
            child.report_crash()
        finally:
            os._exit(code)

    def _reap(self) -> None:
        """Tells how runs have ended, and ends what they have left behind."""
        while (pid := self._next_ended()) is not None:
            status = self._status.pop(pid, None)
            if status is not None:
                # Still a zombie, so its id, which is also its group's, is not anybody else's.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
            _pid, code, used = os.wait4(pid, 0)
            if status is not None:
                told = {
                    "exit_code": os.waitstatus_to_exitcode(code),
                    # Its own and that of all its descendants that somebody has waited for.
                    "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
                    # Of the largest of them. A fresh program has it from what it was before: worthless there.
                    "peak_memory_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
                }
                _tell(status, told)
                os.close(status)
            self._kill_left_behind()

    def _next_ended(self) -> int | None:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:
            return None
        return ended.si_pid if ended else None

    def _kill_left_behind(self) -> None:
        """Children that are no runs were orphaned by a run that has ended; their own come here in their turn."""
        if not self._adopts:
            return
        try:
            children = self._children_file.read_text().split()
        except OSError:
            return
        for pid in map(int, children):
            if pid not in self._status:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)


def _tell(status: int, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(status, json.dumps(message).encode() + b"\n")


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    preload()
    Server(control).serve()


if __name__ == "__main__":
    # Under its importable name, so that what it sets is seen by what it forks.
    from scheduling.executors.processes import server

    server.main()
