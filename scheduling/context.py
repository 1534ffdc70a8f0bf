"""What a task function may ask about its own run, and say about it: ``current_run()``.

The engine's side is here too: which runs are active in this process, to cancel them, and to read their
progress and logs. Knows no database.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from scheduling import clock
from scheduling.runlog import LEVELS, RunLog, open_log
from scheduling.sentences import of_runs
from scheduling.text import storable_characters

if TYPE_CHECKING:
    from scheduling.executors.base import RunOrder

logger = logging.getLogger(__name__)

#: The reason of a run that was asked to end because its deadline has passed.
TIMEOUT = "timeout"
#: The reason of a run whose row another node has declared lost: whatever it does is no longer recorded.
LOST = "lost"

PROGRESS_TEXT_CHARACTERS = 200
_MOST_PROGRESS = 2**63 - 1


class RunCancelled(BaseException):
    """The run was asked to end, or is no longer this process's to finish; ``reason`` says which.

    Not an ``Exception``, as asyncio's CancelledError is not: tasks wrap single steps of a loop in
    ``except Exception``, and one of those must not turn "stop" into "go on with the next one".
    Cleaning up in ``finally`` works as ever; whoever catches it and goes on is told again at the next check.
    """

    def __init__(self, reason: str = "by_task", detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason
        self.detail = detail


class RetryAsked(BaseException):
    """The task function wants to be tried again at ``at``; raised by ``current_run().retry_at``.

    As with RunCancelled, ``except Exception`` around a single step does not swallow it.
    """

    def __init__(self, at: datetime, why: str = "") -> None:
        super().__init__(why)
        self.at = at


class Progress(NamedTuple):
    done: int
    total: int | None
    text: str


class _Cancel(NamedTuple):
    reason: str
    detail: str


class RunContext:
    """One attempt at one execution, as its task function sees it. Safe to use from any thread."""

    __slots__ = (
        "_cancel",
        "_deadline",
        "_deadline_detail",
        "_on_cancel",
        "_progress",
        "_wake",
        "attempt",
        "cpu_limit_seconds",
        "cpu_ms",
        "deadline_at",
        "execution_id",
        "function",
        "idempotency_key",
        "log_buffer",
        "memory_limit_mb",
        "origin",
        "parameters",
        "peak_memory_bytes",
        "scheduled_for",
        "task_key",
        "upstream",
    )

    def __init__(
        self,
        *,
        execution_id: int,
        attempt: int,
        task_key: str,
        function: str,
        parameters: Mapping[str, Any],
        scheduled_for: datetime,
        deadline_at: datetime | None,
        timeout_seconds: float | None,
        idempotency_key: str,
        origin: str,
        log_buffer: RunLog,
        memory_limit_mb: int | None = None,
        cpu_limit_seconds: int | None = None,
        upstream: Mapping[str, Any] | None = None,
    ) -> None:
        self.execution_id = execution_id
        self.attempt = attempt
        self.task_key = task_key
        self.function = function
        self.parameters = parameters  # as they are stored: JSON values
        self.scheduled_for = scheduled_for
        self.deadline_at = deadline_at
        self.idempotency_key = idempotency_key
        self.origin = origin
        self.log_buffer = log_buffer
        # Of the programs that the run starts.
        self.memory_limit_mb = memory_limit_mb
        self.cpu_limit_seconds = cpu_limit_seconds
        # What the programs that it has started have used, as far as it was seen.
        self.cpu_ms: int | None = None
        self.peak_memory_bytes: int | None = None
        # What the run runs after: key of the task → {"execution_id": …, "state": …, "result": …}.
        self.upstream: Mapping[str, Any] = upstream or {}
        self._deadline = _monotonic_deadline(deadline_at, timeout_seconds)
        self._deadline_detail = ""
        self._cancel: _Cancel | None = None
        self._wake: threading.Event | None = None  # made when somebody sleeps: most runs never do
        self._on_cancel: Callable[[], None] | None = None
        self._progress: Progress | None = None

    @classmethod
    def of(cls, order: RunOrder, log: RunLog) -> RunContext:
        return cls(
            execution_id=order.execution_id,
            attempt=order.attempt,
            task_key=order.task_key,
            function=order.function,
            parameters=order.parameters,
            scheduled_for=order.scheduled_for,
            deadline_at=order.deadline_at,
            timeout_seconds=order.timeout_seconds,
            idempotency_key=order.idempotency_key,
            origin=order.origin,
            log_buffer=log,
            memory_limit_mb=order.memory_limit_mb,
            cpu_limit_seconds=order.cpu_limit_seconds,
            upstream=order.upstream,
        )

    @property
    def key(self) -> tuple[int, int]:
        return self.execution_id, self.attempt

    # --- For the task ----------------------------------------------------------------------------------

    def log(self, message: object, level: str = "INFO") -> None:
        """Adds a line to the run's log; then raises RunCancelled when the run should end."""
        if level not in LEVELS:
            raise ValueError(f"{level!r} is no level; allowed are {', '.join(LEVELS)}")
        self._write(level, str(message))
        self.check_cancelled()

    def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """Says how far the run is, for pages to show. Raises RunCancelled when the run should end."""
        whole = None if total is None else _count(total)
        self._progress = Progress(
            _count(done), whole, storable_characters(str(text), PROGRESS_TEXT_CHARACTERS)
        )
        self.check_cancelled()

    def check_cancelled(self) -> None:
        """Raises RunCancelled when the run was asked to end, is lost, or is past its deadline."""
        if self.cancelled:
            raise RunCancelled(*self.cancel_request)

    @property
    def cancelled(self) -> bool:
        """Whether the run should end: asked to, lost, or past its deadline."""
        return self._cancel is not None or self.past_deadline

    def sleep(self, seconds: float) -> None:
        """Sleeps that long, but raises RunCancelled at once when the run should end meanwhile."""
        end = time.monotonic() + seconds
        wake = self._awakening()  # before the look: whoever cancels looks for it after having said so
        while True:
            self.check_cancelled()
            wait = end - time.monotonic()
            if wait <= 0:
                return
            if self._deadline is not None:
                wait = min(wait, max(self._deadline - time.monotonic(), 0))
            wake.wait(min(wait, threading.TIMEOUT_MAX))

    def retry_at(self, at: datetime, why: str = "") -> NoReturn:
        """Ends this attempt and asks for another one at ``at`` (aware); past the times allowed, it has failed.

        Granted whatever the task's own retries say, up to 100 attempts of one execution.
        """
        if at.tzinfo is None:
            raise ValueError("retry_at needs a time with a time zone")
        raise RetryAsked(at.astimezone(UTC), why or of_runs.AGAIN_IF_ASKED())

    def retry_in(self, seconds: float, why: str = "") -> NoReturn:
        """As ``retry_at``, that many seconds from now."""
        self.retry_at(clock.now() + timedelta(seconds=seconds), why)

    def remaining_seconds(self) -> float | None:
        """Until the deadline; negative when it has passed, None when there is none."""
        return None if self._deadline is None else self._deadline - time.monotonic()

    @property
    def deadline_monotonic(self) -> float | None:
        """The deadline on the scale of ``time.monotonic()``."""
        return self._deadline

    # --- For the engine --------------------------------------------------------------------------------

    @property
    def past_deadline(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def end_within(self, seconds: float, why: str) -> None:
        """Gives a run without a deadline one, that long from now, with what is said when it has passed."""
        if self._deadline is None:
            self._deadline, self._deadline_detail = time.monotonic() + seconds, why

    @property
    def cancel_reason(self) -> str:
        """Why the run was asked to end; empty when it was not."""
        return self._cancel.reason if self._cancel else ""

    @property
    def progress_made(self) -> Progress | None:
        """The last progress the task has told; None when it has told none."""
        return self._progress

    def cancel(self, reason: str, detail: str = "") -> None:
        """Asks the run to end. The first reason stays, except that ``lost`` goes before any."""
        if self._cancel is None or reason == LOST:
            self._cancel = _Cancel(reason, detail)
        if self._wake is not None:
            self._wake.set()
        if self._on_cancel is not None:
            self._on_cancel()

    @property
    def cancel_request(self) -> tuple[str, str]:
        """(reason, detail) of why the run should end; both empty when it should not."""
        if self._cancel is not None:
            return self._cancel
        return (TIMEOUT, self._deadline_detail) if self.past_deadline else ("", "")

    @contextmanager
    def told_of_cancel(self, call: Callable[[], None]) -> Iterator[None]:
        """Within the block ``call`` is made, in any thread, when the run is asked to end; at once if it was."""
        self._on_cancel = call
        try:
            if self._cancel is not None:
                call()
            yield
        finally:
            self._on_cancel = None

    def take_progress(self, progress: Progress) -> None:
        """Notes the progress that the run has told in another process."""
        self._progress = progress

    def note_use(self, cpu_ms: int | None, peak_memory_bytes: int | None) -> None:
        """Adds what a program of the run has used: the time together, of the memory the most."""
        if cpu_ms is not None:
            self.cpu_ms = (self.cpu_ms or 0) + cpu_ms
        if peak_memory_bytes is not None:
            self.peak_memory_bytes = max(self.peak_memory_bytes or 0, peak_memory_bytes)

    def _awakening(self) -> threading.Event:
        with active_lock:  # threads of one run may fall asleep at the same time
            if self._wake is None:
                self._wake = threading.Event()
            return self._wake

    def _write(self, level: str, text: str) -> None:
        self.log_buffer.append(clock.now(), level, text)


class NullRun(RunContext):
    """What ``current_run()`` gives outside a run, so that task functions can be called by hand and in tests.

    Its log goes to standard ``logging``; nothing ever cancels it.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(
            execution_id=0,
            attempt=0,
            task_key="",
            function="",
            parameters=MappingProxyType({}),
            scheduled_for=clock.now(),
            deadline_at=None,
            timeout_seconds=None,
            idempotency_key="",
            origin="manual",
            log_buffer=RunLog(0),
        )

    def cancel(self, reason: str, detail: str = "") -> None:
        """Does nothing: there is no run."""

    def _write(self, level: str, text: str) -> None:
        logger.log(LEVELS[level], "%s", text)


_current: ContextVar[RunContext | None] = ContextVar("current_run", default=None)


def current_run() -> RunContext:
    """The run this code works for; outside a run, one that does nothing but log.

    A thread that a task starts belongs to the run when it is started with a copy of the context:
    ``Thread(target=contextvars.copy_context().run, args=(function,))``.
    """
    return _current.get() or NullRun()


# --- The runs of this process --------------------------------------------------------------------------

Key = tuple[int, int]  # execution id, attempt


#: The runs whose task functions this process is inside of; guarded by ``active_lock``.
active: dict[Key, RunContext] = {}
active_lock = threading.Lock()
_cancelled_early: dict[Key, _Cancel] = {}


@contextmanager
def entered(run: RunContext) -> Iterator[None]:
    """Within the block ``run`` is active, and the current one of this thread."""
    with active_lock:
        active[run.key] = run
        early = _cancelled_early.pop(run.key, None)
    if early is not None:
        run.cancel(*early)
    run_token, log_token = _current.set(run), open_log.set(run.log_buffer)
    try:
        yield
    finally:
        open_log.reset(log_token)
        _current.reset(run_token)
        with active_lock:
            active.pop(run.key, None)


def abandon(execution_id: int, attempt: int) -> None:
    """Takes a run for over that cannot say so any more: the loop of its coroutine has broken down."""
    with active_lock:
        active.pop((execution_id, attempt), None)


def active_runs() -> list[RunContext]:
    with active_lock:
        return list(active.values())


def cancel(execution_id: int, attempt: int, reason: str, detail: str = "") -> None:
    """Asks a run to end, also one that an executor holds but has not begun; then it is told when it begins.

    For executors, about orders they hold: each calls ``forget`` when it gives the order back.
    """
    with active_lock:
        run = active.get((execution_id, attempt))
        if run is None:
            _cancelled_early.setdefault((execution_id, attempt), _Cancel(reason, detail))
    if run is not None:
        run.cancel(reason, detail)


def forget(execution_id: int, attempt: int) -> None:
    """Drops a request to cancel that came too late for its run to see."""
    if _cancelled_early:
        with active_lock:
            _cancelled_early.pop((execution_id, attempt), None)


def _monotonic_deadline(deadline_at: datetime | None, timeout_seconds: float | None) -> float | None:
    if deadline_at is not None:
        return time.monotonic() + (deadline_at - clock.now()).total_seconds()
    return None if timeout_seconds is None else time.monotonic() + timeout_seconds


def _count(number: float) -> int:
    """A whole number that fits its column; progress is a hint and never worth failing a run for."""
    try:
        return max(0, min(int(number), _MOST_PROGRESS))
    except (OverflowError, ValueError):  # infinite, or no number
        return 0
