"""Keeps a few programs running side by side: starts them, awaits them, restarts the dead, stops all.

It knows nothing of what the programs do. Signals are taken in the main thread: run it there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

#: Signals that ask for a clean stop; a second one asks for an end without delay.
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: A program that lived this long has recovered: its next death is counted as the first.
STEADY_SECONDS = 60.0
#: Deaths in a row after which restarting is given up.
MAX_DEATHS = 8
LONGEST_PAUSE_SECONDS = 30.0
#: A log that has grown past this is set aside (one is kept) when its program starts.
LOG_LIMIT_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Program:
    """Something to keep running."""

    #: For people.
    name: str
    command: Sequence[str]
    #: Both output streams are appended to this file.
    log: Path
    #: Whether the process with this id does its work by now; asked until it says yes for the first time.
    ready: Callable[[int], bool]
    #: How long it may take to become ready, and to end when asked.
    start_seconds: float
    stop_seconds: float
    #: File descriptors it inherits.
    descriptors: Sequence[int] = ()


class StartFailed(Exception):
    """A program ended, or did not become ready in time, before everything had started."""


@dataclass
class Child:
    """A program and its process."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    restart_at: float = 0.0

    def start(self) -> None:
        self.started = time.monotonic()
        with open_log(self.program.log) as log:
            self.process = subprocess.Popen(
                self.program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self.program.descriptors,
                # A group of its own: Ctrl-C reaches the supervisor alone, which then asks for a clean stop.
                start_new_session=True,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
            )

    def exit_code(self) -> int | None:
        return self.process.poll() if self.process else None

    def send(self, number: int) -> None:
        """Signal the program; a kill goes to its whole group: nothing that it started may live on."""
        if self.process is None or self.process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)

    def count_death(self) -> None:
        lived = time.monotonic() - self.started
        self.deaths = 1 if lived >= STEADY_SECONDS else self.deaths + 1
        self.restart_at = time.monotonic() + min(2.0 ** (self.deaths - 1), LONGEST_PAUSE_SECONDS)
        self.process = None


@dataclass
class Supervisor:
    """Runs programs until it is told to stop; ``say`` gets one sentence for each thing that happens."""

    programs: Sequence[Program]
    say: Callable[[str], None]
    children: list[Child] = field(init=False)
    signals: Signals = field(init=False)

    def __post_init__(self) -> None:
        self.children = [Child(program) for program in self.programs]

    def run(self, when_ready: Callable[[], None]) -> int:
        """Start everything, call ``when_ready`` once, and stay until a signal comes.

        Returns 0 after a clean stop, 1 when a program had to be killed or kept dying.
        Raises StartFailed, with all programs stopped, when one does not get ready the first time.
        """
        with Signals() as self.signals:
            try:
                self.start_all()
                if not self.signals.received:
                    when_ready()
                while not self.signals.received and not self.hopeless():
                    self.signals.wait(self.look_after())
            finally:
                killed = self.stop_all()
        return 1 if killed or self.hopeless() else 0

    def start_all(self) -> None:
        for child in self.children:
            child.start()
        waiting = list(self.children)
        while waiting and not self.signals.received:
            for child in list(waiting):
                if is_ready(child):
                    waiting.remove(child)
            if waiting:
                self.signals.wait(0.1)

    def look_after(self) -> float:
        """Restart what has died and paused long enough; return for how long nothing has to be done."""
        pause = 60.0
        for child in self.children:
            code = child.exit_code()
            if code is not None:
                child.count_death()
                self.say(death(child, code))
            if child.process is None:
                remaining = child.restart_at - time.monotonic()
                if remaining > 0:
                    pause = min(pause, remaining)
                elif not self.hopeless():
                    child.start()
        return 0.0 if self.hopeless() else pause

    def hopeless(self) -> bool:
        return any(child.deaths >= MAX_DEATHS for child in self.children)

    def stop_all(self) -> bool:
        """Ask every program to end, wait for them, kill what is left; whether something had to be killed."""
        began, asked = time.monotonic(), len(self.signals.received)
        for child in self.children:
            child.send(signal.SIGTERM)
        killed = False
        while running := [child for child in self.children if child.process and child.exit_code() is None]:
            impatient = len(self.signals.received) > max(asked, 1)
            for child in running:
                if impatient or time.monotonic() - began > child.program.stop_seconds:
                    child.send(signal.SIGKILL)
                    killed = True
            self.signals.wait(0.2)
        return killed


class Signals:
    """Collects signals while it is entered, and lets the main thread sleep until one comes."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        self._writer = writer
        self._previous_wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            self._previous[number] = signal.signal(number, lambda found, frame: self.received.append(found))
        # Needs a handler of its own to wake the sleeper: the death of a child is looked into at once.
        self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float) -> None:
        """Sleep until a signal has come, at most so long."""
        if select.select([self._reader], [], [], max(seconds, 0))[0]:
            os.read(self._reader, 1024)


def is_ready(child: Child) -> bool:
    program = child.program
    code = child.exit_code()
    if code is not None:
        raise StartFailed(complaint(program, ending(code)))
    if child.process is not None and program.ready(child.process.pid):
        return True
    if time.monotonic() - child.started > program.start_seconds:
        raise StartFailed(complaint(program, _("got no further in %d seconds") % program.start_seconds))
    return False


def complaint(program: Program, what: str) -> str:
    text = _("While starting, %(name)s %(what)s. The end of %(log)s:")
    return text % {"name": program.name, "what": what, "log": program.log} + f"\n{last_words(program)}"


def death(child: Child, code: int) -> str:
    """What has happened, what comes next, and where to read more."""
    if child.deaths >= MAX_DEATHS:
        text = _("%(name)s %(what)s, %(deaths)d times in a row: all is stopped. Log: %(log)s")
    else:
        text = _("%(name)s %(what)s; it is started again in %(pause)d s. Log: %(log)s")
    return text % {
        "name": child.program.name,
        "what": ending(code),
        "deaths": child.deaths,
        "pause": round(child.restart_at - time.monotonic()),
        "log": child.program.log,
    }


def ending(code: int) -> str:
    if code >= 0:
        return _("ended with exit code %d") % code
    with contextlib.suppress(ValueError):
        return _("was ended by %s") % signal.Signals(-code).name
    return _("was ended by signal %d") % -code


def end_with_parent() -> None:
    """In the new process: ask the kernel for SIGTERM when the supervisor dies, however it dies."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)  # loaded before any fork: loading is not safe after one


@contextlib.contextmanager
def open_log(path: Path) -> Iterator[Any]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        yield log


def last_words(program: Program, lines: int = 15) -> str:
    text = program.log.read_bytes()[-16_384:].decode(errors="replace") if program.log.exists() else ""
    return "\n".join(text.splitlines()[-lines:])
