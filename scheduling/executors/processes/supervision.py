"""Watches one run's processes from the scheduler's side: output, limits, deadline, end. Ends them whole.

Whatever the run does, the thread that supervises it holds a bounded amount of memory and comes back within the
grace and a few seconds of the moment at which the run should end.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from scheduling import clock, runlog
from scheduling.context import LOST, Progress, RunContext
from scheduling.executors.processes import frames, warden
from scheduling.executors.processes.client import NoProcess, Pipes, fork_server
from scheduling.executors.processes.guard import guard
from scheduling.executors.processes.usage import FRESH_SECONDS, meter
from scheduling.sentences import of_runs

logger = logging.getLogger(__name__)

#: What is asked to end gets this long before it is killed.
GRACE_SECONDS = 5.0
#: How often use is measured, and how soon a deadline is noticed.
LOOK_SECONDS = 0.2
#: A process that was killed and has not ended after this long cannot be killed (it hangs in the kernel).
KILL_SECONDS = 4.0
#: The server may have to load Django first.
START_SECONDS = 60.0
#: After the end: what still comes through the pipes, which something left behind may hold open, gets this long.
LAST_WORDS_SECONDS = 1.0
#: Processes that one run may have at the same time.
MOST_PROCESSES = 256
READ_BYTES = 64 * 1024
#: The end of stdout that is kept beside the log.
TAIL_CHARACTERS = 4 * 1024

MEMORY_LIMIT, CPU_LIMIT, PROCESS_LIMIT = "memory_limit", "cpu_limit", "process_limit"


@dataclass(slots=True)
class Ended:
    """How a run's processes ended."""

    exit_code: int | None = None  # below zero: the signal; None: it cannot be known
    outcome: dict[str, Any] | None = None  # what a task function's process reported last
    refused: str = ""  # why there was nothing to supervise
    broken_limit: str = ""
    detail: str = ""  # of the limit, or of what else went wrong
    killed: bool = False
    output: str = ""  # the end of what it wrote to stdout
    # Of all its processes together, as far as it was seen (docs/executors.md); None: nothing was seen.
    cpu_ms: int | None = None
    peak_memory_bytes: int | None = None

    @property
    def described(self) -> str:
        """The exit code in words."""
        code = self.exit_code
        if code is None or code >= 0:
            return of_runs.EXIT_CODE(code=code)
        try:
            return of_runs.SIGNAL(signal=signal.Signals(-code).name, number=-code)
        except ValueError:
            return of_runs.SIGNAL_WITHOUT_NAME(number=-code)


def grace_seconds() -> float:
    return float(getattr(settings, "SCHEDULER", {}).get("kill_grace_seconds", GRACE_SECONDS))


class Supervision:
    """One run. ``ask_to_end`` is called once, when it should end, before it is killed after the grace."""

    def __init__(
        self,
        run: RunContext,
        *,
        memory_limit_mb: int | None,
        cpu_limit_seconds: int | None,
        ask_to_end: Callable[[Supervision], None],
    ) -> None:
        self._run = run
        self._memory_bytes = memory_limit_mb * 1024 * 1024 if memory_limit_mb else None
        self._cpu_seconds = cpu_limit_seconds
        self._ask_to_end = ask_to_end
        self._limits = {"memory_limit_mb": memory_limit_mb, "cpu_limit_seconds": cpu_limit_seconds}
        self._selector = selectors.DefaultSelector()
        self._readers: dict[int, Callable[[bytes], None]] = {}
        self._messages = frames.Reader()
        self._status = b""
        self._kill_at: float | None = None
        self._give_up_at: float | None = None
        self._over = False
        self._stdout = _Lines(run, "INFO")
        self._is_program = False
        # A program is a copy of the fork server until it has taken that one's place: what that uses is not its use.
        self._itself_since: float | None = None
        self.ended = Ended()
        self.pid: int | None = None

    def supervise(self, order: Mapping[str, Any]) -> Ended:
        """Has a process made, gives it the order, and returns when it and all that it made have ended."""
        with contextlib.ExitStack() as closing:
            closing.enter_context(self._selector)
            # All that it needs before the process is made, which without it would be nobody's.
            wake_r, wake_w = os.pipe()
            closing.callback(os.close, wake_r)
            closing.callback(os.close, wake_w)
            os.set_blocking(wake_w, False)
            try:
                pipes = fork_server.ask(self._limits)
            except NoProcess as error:
                return Ended(refused=str(error))
            closing.callback(pipes.close)
            closing.callback(self._end_whole)
            self.commands = pipes.commands
            self._is_program = "program" in order
            self._itself_since = None if self._is_program else -FRESH_SECONDS
            self._listen(pipes, wake_r)
            with self._run.told_of_cancel(lambda: _poke(wake_w)):
                self._watch(frames.encode(order))
        return self.ended

    def _end_whole(self) -> None:
        """Nothing of the run goes on, whatever has ended its supervision."""
        if self.pid is not None:
            if not self._over:
                warden.kill(self.pid)
            guard.release(self.pid)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Sends a command to the run's process, if it still listens."""
        with contextlib.suppress(OSError):
            frames.write(self.commands, frames.encode(message))

    # --- the loop

    def _listen(self, pipes: Pipes, wake: int) -> None:
        self._readers = {
            pipes.report: self._take_report,
            pipes.stdout: self._stdout,
            pipes.stderr: _Lines(self._run, "WARNING"),
            pipes.status: self._take_status,
            wake: lambda data: None,
        }
        self._outputs = {pipes.report, pipes.stdout, pipes.stderr}
        self._report_pipe, self._status_pipe = pipes.report, pipes.status
        for descriptor in self._readers:
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, selectors.EVENT_READ)

    def _watch(self, order: bytes) -> None:
        start_by = time.monotonic() + START_SECONDS
        begun = False
        while not self._over:
            for key, _events in self._selector.select(self._patience()):
                self._read(key.fd)
            if self.pid is not None and not begun:
                begun = True
                guard.watch(self.pid)  # before it does anything
                with contextlib.suppress(OSError):
                    frames.write(self.commands, order)
            if self.pid is None and time.monotonic() > start_by:
                self.ended.refused = of_runs.NO_PROCESS()
                return
            self._look()
        self._take_last_words()

    def _patience(self) -> float:
        return LOOK_SECONDS if self._kill_at is None else min(LOOK_SECONDS, 0.05)

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._readers[descriptor](data)
            return
        self._selector.unregister(descriptor)
        self._outputs.discard(descriptor)
        if descriptor == self._report_pipe:
            self._itself_since = time.monotonic()  # it is closed by the program's coming, or by the end
        if descriptor == self._status_pipe:
            self._over = True  # said, or the server has died

    def _take_last_words(self) -> None:
        """What is still in the pipes. Everything in the run's family is dead, or about to be."""
        if self.pid is not None:
            warden.kill(self.pid)
        end = time.monotonic() + LAST_WORDS_SECONDS
        while self._outputs and time.monotonic() < end:
            for key, _events in self._selector.select(0.05):
                if key.fd in self._outputs:
                    self._read(key.fd)
        for reader in self._readers.values():
            if isinstance(reader, _Lines):
                reader.flush()
        self.ended.output = self._stdout.tail

    # --- what comes in

    def _take_status(self, data: bytes) -> None:
        self._status += data
        while b"\n" in self._status:
            line, _, self._status = self._status.partition(b"\n")
            told = json.loads(line)
            if "pid" in told:
                self.pid = int(told["pid"])
            elif "refused" in told:
                self.ended.refused, self._over = told["refused"], True
            else:
                self.ended.exit_code, self._over = told["exit_code"], True
                self._note_use(told["cpu_seconds"], 0 if self._is_program else told["peak_memory_bytes"])

    def _take_report(self, data: bytes) -> None:
        try:
            for message in self._messages.feed(data):
                self._take(message)
        except (frames.Nonsense, KeyError, TypeError, ValueError) as error:
            self._break("nonsense", of_runs.NONSENSE(cause=str(error)[:300]))

    def _take(self, message: Mapping[str, Any]) -> None:
        if "log" in message:
            level, text = message["log"]
            self._run.log_buffer.append(clock.now(), level if level in runlog.LEVELS else "INFO", str(text))
        elif "progress" in message:
            done, total, text = message["progress"]
            self._run.take_progress(Progress(int(done), None if total is None else int(total), str(text)))
        elif "outcome" in message:
            self.ended.outcome = dict(message["outcome"])
        elif "refused" in message:
            self.ended.refused = str(message["refused"])

    # --- what is to be done about it

    def _look(self) -> None:
        at = time.monotonic()
        if self._give_up_at is not None:
            if at > self._give_up_at:
                self.ended.detail = of_runs.NOT_KILLED()
                logger.error("a run's process cannot be killed", extra={"pid": self.pid})
                self._over = True
            return
        if self.pid is None:
            return
        if self._run.cancelled and self._kill_at is None:
            lost = self._run.cancel_reason == LOST
            self._kill_at = at + (0.0 if lost else grace_seconds())
            if not lost:
                self._ask_to_end(self)
        if self._kill_at is not None and at >= self._kill_at:
            self._kill()
            return
        self._look_at_usage()

    def _look_at_usage(self) -> None:
        assert self.pid is not None  # noqa: S101
        used = meter.of(self.pid)
        since = self._itself_since
        if used.processes and since is not None and time.monotonic() - since > FRESH_SECONDS:
            self._note_use(used.cpu_seconds, used.resident_bytes)
        if self._memory_bytes and used.resident_bytes > self._memory_bytes:
            megabytes, most = used.resident_bytes >> 20, self._memory_bytes >> 20
            self._break(MEMORY_LIMIT, of_runs.MEMORY_LIMIT(number=megabytes, most=most))
        elif self._cpu_seconds and used.cpu_seconds > self._cpu_seconds:
            self._break(CPU_LIMIT, of_runs.CPU_LIMIT(seconds=self._cpu_seconds))
        elif used.processes > MOST_PROCESSES:
            self._break(PROCESS_LIMIT, of_runs.PROCESS_LIMIT(number=used.processes, most=MOST_PROCESSES))

    def _note_use(self, cpu_seconds: float, resident_bytes: int) -> None:
        """The most that was seen; none of the ways to see it sees all."""
        ended = self.ended
        ended.cpu_ms = max(ended.cpu_ms or 0, round(cpu_seconds * 1000))
        ended.peak_memory_bytes = max(ended.peak_memory_bytes or 0, resident_bytes) or None

    def _break(self, limit: str, detail: str) -> None:
        self.ended.broken_limit, self.ended.detail = limit, detail
        self._kill()

    def _kill(self) -> None:
        assert self.pid is not None  # noqa: S101
        self.ended.killed = True
        self._give_up_at = time.monotonic() + KILL_SECONDS
        warden.kill(self.pid)


class _Lines:
    """Output on its way into the run's log: whole lines where they come as such, bounded pieces where not."""

    def __init__(self, run: RunContext, level: str) -> None:
        self._run = run
        self._level = level
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self.tail = ""

    def __call__(self, data: bytes) -> None:
        said = self._decoder.decode(data)
        self.tail = (self.tail + said)[-TAIL_CHARACTERS:]
        text = self._rest + said
        whole, newline, self._rest = text.rpartition("\n")
        if newline:
            self._append(whole)
        if len(self._rest) > runlog.CHUNK_BYTES:
            self._append(self._rest)
            self._rest = ""

    def flush(self) -> None:
        rest = self._rest + self._decoder.decode(b"", final=True)
        if rest:
            self._append(rest)
        self._rest = ""

    def _append(self, text: str) -> None:
        self._run.log_buffer.append(clock.now(), self._level, text)


def _poke(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # full: it has been poked already
        os.write(descriptor, b".")
