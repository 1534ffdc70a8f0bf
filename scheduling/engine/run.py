"""One run, from order to outcome: resolve, validate, call, classify. Nothing a task does gets past it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import traceback
from collections.abc import Iterable, Sequence, Set
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from types import TracebackType
from typing import Any

from asgiref.sync import sync_to_async
from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _
from django.utils.translation import override

from scheduling import clock, registry, runlog
from scheduling.context import TIMEOUT, RetryAsked, RunCancelled, RunContext, entered
from scheduling.exceptions import ParametersInvalid, ProgramFailed, UnknownFunction, Unstorable
from scheduling.executors.base import Outcome, OutcomeState, RunOrder
from scheduling.registry import RegisteredFunction
from scheduling.runlog import RunLog
from scheduling.sentences import of_runs
from scheduling.text import (
    DETAIL_CHARACTERS,
    ERROR_CLASS_CHARACTERS,
    MESSAGE_BYTES,
    REASON_CHARACTERS,
    TRACEBACK_BYTES,
    said_by,
    storable,
    storable_characters,
    storable_json,
    storable_middle,
)
from scheduling.words import did_you_mean

logger = logging.getLogger(__name__)


def run(order: RunOrder, log: RunLog | None = None) -> Outcome:
    """Runs the order's function in this thread and says how it ended; ``log`` takes what it says.

    ``hand_back`` (function_missing) when this process does not have the function. Raises nothing, but for a
    KeyboardInterrupt in the main thread.
    """
    try:
        function = registry.get(order.function)
    except UnknownFunction:
        return _missing(order.function)
    opened = _opened()
    _recycle(opened)
    entangled = _in_transaction(opened)
    context = RunContext.of(order, log or runlog.open_new())
    try:
        # In a copy of the context variables, so that a language, a time zone or a decimal precision that the
        # task sets is gone with it.
        return copy_context().run(_Run(function, context).outcome)
    finally:
        opened = _opened()
        _end_transactions(context, _in_transaction(opened) - entangled)
        _recycle(opened)


async def run_coroutine(order: RunOrder, log: RunLog | None = None) -> Outcome:
    """As ``run``, for a coroutine function, in the running loop; to be awaited in a task of its own."""
    try:
        function = registry.get(order.function)
    except UnknownFunction:
        return _missing(order.function)
    if not function.is_coroutine:
        return Outcome("failed", "exception", of_runs.NO_COROUTINE(function=order.function))
    try:
        return await _Run(function, RunContext.of(order, log or runlog.open_new())).outcome_of_coroutine()
    finally:
        # Where Django's asynchronous methods do their work; one that was never used has nothing to close.
        await sync_to_async(lambda: _recycle(_opened()))()


def _missing(name: str) -> Outcome:
    """The error said it in the reader's language; a row says it in English."""
    with override("en"):
        hint = did_you_mean(name, registry.functions()).strip()
    return Outcome.hand_back("function_missing", of_runs.FUNCTION_MISSING(function=repr(name), hint=hint))


def _cancel_soon(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    with suppress(RuntimeError):  # the loop has been closed
        loop.call_soon_threadsafe(task.cancel)


class _Run:
    """The steps of one run, and what they leave behind."""

    def __init__(self, function: RegisteredFunction, context: RunContext) -> None:
        self.function = function
        self.context = context
        self.began = self.ended = time.monotonic()

    def outcome(self) -> Outcome:
        refused, arguments = self._look()
        if refused is not None:
            return refused
        try:
            with entered(self.context):
                self.context.check_cancelled()  # it may have been asked to end before it began
                result, altered = storable_json(self._call(arguments))
        except BaseException as error:  # noqa: BLE001  see _fallen
            return self._fallen(error)
        return self._returned(result, altered)

    async def outcome_of_coroutine(self) -> Outcome:
        """As ``outcome``; a cancel ends whatever the coroutine awaits."""
        refused, arguments = self._look()
        if refused is not None:
            return refused
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101
        try:
            with entered(self.context):
                self.context.check_cancelled()
                with self.context.told_of_cancel(lambda: _cancel_soon(loop, task)):
                    result, altered = storable_json(await self._await(arguments))
        except BaseException as error:  # noqa: BLE001  see _fallen
            return self._fallen(error)
        return self._returned(result, altered)

    def _look(self) -> tuple[Outcome | None, dict[str, Any]]:
        """The typed arguments, or how it ends before it has begun."""
        if not self.function.is_on:
            text = of_runs.FUNCTION_OFF(setting=self.function.setting)
            return self._ended("failed", "function_off", text), {}
        try:
            return None, self.function.validate(self.context.parameters)
        except ParametersInvalid as error:
            return self._failed("parameters_invalid", error), {}

    def _fallen(self, error: BaseException) -> Outcome:
        """The engine's one broad except: a task may raise anything, and its run must end all the same."""
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise error
        if isinstance(error, RunCancelled):
            return self._cancelled(error)
        if isinstance(error, asyncio.CancelledError):
            return self._cancelled(RunCancelled(*self.context.cancel_request))
        if isinstance(error, RetryAsked):
            return self._ended("failed", "retry_asked", str(error), message=str(error), retry_at=error.at)
        if isinstance(error, Unstorable):
            return self._failed("result_unstorable", error)
        if isinstance(error, ProgramFailed):
            return replace(self._failed(error.reason, error), exit_code=error.exit_code)
        return self._failed("exited" if isinstance(error, SystemExit) else "exception", error)

    def _returned(self, result: str | None, altered: bool) -> Outcome:
        if self._is_late:
            return self._ended("timed_out", TIMEOUT, of_runs.RETURNED_LATE())
        return self._ended("succeeded", result=result, result_altered=altered)

    def _call(self, arguments: dict[str, Any]) -> object:
        self.began = time.monotonic()
        try:
            return self.function.call(**arguments)
        finally:
            self.ended = time.monotonic()

    async def _await(self, arguments: dict[str, Any]) -> object:
        self.began = time.monotonic()
        try:
            return await self.function.call(**arguments)
        finally:
            self.ended = time.monotonic()

    @property
    def _is_late(self) -> bool:
        deadline = self.context.deadline_monotonic
        return deadline is not None and self.ended >= deadline

    def _cancelled(self, error: RunCancelled) -> Outcome:
        if error.reason == TIMEOUT:
            return self._ended("timed_out", TIMEOUT, error.detail or of_runs.ENDED_AT_DEADLINE())
        reason = storable_characters(error.reason, REASON_CHARACTERS) or "by_task"
        return self._ended("cancelled", reason, error.detail)

    def _failed(self, reason: str, error: BaseException) -> Outcome:
        """After the deadline an error is most often the deadline's doing: timed out, with the error kept."""
        late = self._is_late
        state: OutcomeState = "timed_out" if late else "failed"
        kind, said = _class_name(error), said_by(error)
        return self._ended(
            state,
            TIMEOUT if late else reason,
            f"{kind}: {said}" if said else kind,
            error_family=tuple(_class_name_of(each) for each in type(error).__mro__[:-1]),
            error_class=storable_characters(kind, ERROR_CLASS_CHARACTERS),
            message=storable(said, MESSAGE_BYTES),
            traceback=_traceback(error) if reason in ("exception", "exited") else "",
        )

    def _ended(self, state: OutcomeState, reason: str = "", detail: str = "", **more: Any) -> Outcome:
        return Outcome(
            state,
            reason,
            _detail(detail),
            run_ms=int((self.ended - self.began) * 1000),
            finished_monotonic=self.ended,
            log=self.context.log_buffer,
            progress=self.context.progress_made,
            cpu_ms=self.context.cpu_ms,
            peak_memory_bytes=self.context.peak_memory_bytes,
            **more,
        )


def _detail(sentence: str) -> str:
    return storable_characters(sentence, DETAIL_CHARACTERS)


def _class_name(error: BaseException) -> str:
    return _class_name_of(type(error))


def _class_name_of(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _traceback(error: BaseException) -> str:
    """From the task function on; the frames that led to it are the same for every run."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    lines = traceback.format_exception(type(error), error, frames)
    return storable_middle("".join(lines), TRACEBACK_BYTES)


# --- The thread's database connections -----------------------------------------------------------------


def _opened() -> Sequence[BaseDatabaseWrapper]:
    """Those of this thread. Asked for once before the function and once after it: a thread mostly has none."""
    return connections.all(initialized_only=True)


def _recycle(opened: Iterable[BaseDatabaseWrapper]) -> None:
    """Closes those that are too old or broken, as Django does around each request."""
    for connection in opened:
        try:
            connection.close_if_unusable_or_obsolete()
        except DatabaseError:
            # A connection that cannot even be closed is gone; the run's outcome must not go with it.
            logger.warning("A database connection could not be closed", exc_info=True)


def _in_transaction(opened: Iterable[BaseDatabaseWrapper]) -> Set[str]:
    return {connection.alias for connection in opened if connection.in_atomic_block}


def _end_transactions(context: RunContext, left_open: Set[str]) -> None:
    """Throws away connections on which the task left a transaction open: the next run would work inside it.

    Not those that were in one before the run: then the caller called it from inside a transaction (tests).
    """
    for alias in left_open:
        connection = connections[alias]
        del connections[
            alias
        ]  # the wrapper believes in its atomic block for ever: the next use makes a new one
        _close_raw(connection)
        text = _("The task left a transaction open on the database %s; it was rolled back.") % repr(alias)
        context.log_buffer.append(clock.now(), "WARNING", text)


def _close_raw(connection: BaseDatabaseWrapper) -> None:
    """Closes the driver's own connection; Django's ``close`` puts that off until the atomic block ends."""
    try:
        if connection.connection is not None:
            with connection.wrap_database_errors:
                connection.connection.close()
    except DatabaseError:
        logger.warning("A database connection could not be closed", exc_info=True)
