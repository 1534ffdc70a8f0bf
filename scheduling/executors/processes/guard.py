"""The scheduler's side of the warden: tells it which runs' processes there are."""

from __future__ import annotations

import atexit
import contextlib
import logging
import subprocess
import sys
import threading

from scheduling.executors.processes import warden

logger = logging.getLogger(__name__)


class Guard:
    """Starts the warden when there is something to watch, and anew should it have died. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._warden: subprocess.Popen[bytes] | None = None
        self._leaders: set[int] = set()

    def watch(self, leader: int) -> None:
        """From now on that session is killed when this process ends, by whatever."""
        with self._lock:
            self._leaders.add(leader)
            self._tell(f"+{leader}\n")

    def release(self, leader: int) -> None:
        """It has ended, and stays so: where no new warden can be started, that is for the next run to need."""
        with self._lock:
            self._leaders.discard(leader)
            try:
                self._tell(f"-{leader}\n")
            except OSError as error:
                logger.error("runs under way are without a warden", extra={"cause": str(error)})

    def close(self) -> None:
        """Lets the warden go, which kills what is still watched."""
        with self._lock:
            self._end()

    @property
    def pid(self) -> int | None:
        return self._warden.pid if self._warden else None

    def _tell(self, line: str) -> None:
        if self._warden is None or self._warden.poll() is not None:
            self._start()
            return
        try:
            self._write(line)
        except BrokenPipeError:
            self._start()

    def _start(self) -> None:
        if self._warden is not None:
            logger.warning("the warden has ended and is started again", extra={"pid": self._warden.pid})
            self._end()
        # Isolated (-I) and without site-packages (-S): it starts in milliseconds and depends on nothing.
        # A session of its own: what is sent to the scheduler's group does not reach it.
        self._warden = subprocess.Popen(
            [sys.executable, "-I", "-S", warden.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={},
        )
        atexit.register(self.close)
        self._write("".join(f"+{leader}\n" for leader in self._leaders))

    def _end(self) -> None:
        if self._warden is not None:
            assert self._warden.stdin is not None  # noqa: S101
            with contextlib.suppress(OSError):
                self._warden.stdin.close()
            self._warden.wait()
            self._warden = None

    def _write(self, text: str) -> None:
        assert self._warden is not None  # noqa: S101
        assert self._warden.stdin is not None  # noqa: S101
        self._warden.stdin.write(text.encode())
        self._warden.stdin.flush()


guard = Guard()
