"""One run, from order to outcome: resolve, validate, call, classify. Nothing a task does gets past it."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Set
from contextvars import copy_context
from types import TracebackType
from typing import Any

from django.db import Error as DatabaseError
from django.db import close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from scheduling import clock, registry, runlog
from scheduling.context import TIMEOUT, RunCancelled, RunContext, entered
from scheduling.exceptions import ParametersInvalid, UnknownFunction, Unstorable
from scheduling.executors.base import Outcome, OutcomeState, RunOrder
from scheduling.registry import RegisteredFunction
from scheduling.runlog import RunLog
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

logger = logging.getLogger(__name__)


def run(order: RunOrder, log: RunLog | None = None) -> Outcome:
    """Runs the order's function in this thread and says how it ended; ``log`` takes what it says.

    ``hand_back`` (function_missing) when this process does not have the function. Raises nothing, but for a
    KeyboardInterrupt in the main thread.
    """
    try:
        function = registry.get(order.function)
    except UnknownFunction as error:
        return Outcome.hand_back("function_missing", _detail(str(error)))
    _recycle_connections()
    entangled = _aliases_in_transaction()
    context = RunContext.of(order, log or runlog.open_new())
    try:
        # In a copy of the context variables, so that a language, a time zone or a decimal precision that the
        # task sets is gone with it.
        return copy_context().run(_Run(function, context).outcome)
    finally:
        _end_transactions(context, entangled)
        _recycle_connections()


class _Run:
    """The steps of one run, and what they leave behind."""

    def __init__(self, function: RegisteredFunction, context: RunContext) -> None:
        self.function = function
        self.context = context
        self.began = self.ended = time.monotonic()

    def outcome(self) -> Outcome:
        try:
            arguments = self.function.validate(self.context.parameters)
        except ParametersInvalid as error:
            return self._failed("parameters_invalid", error)
        try:
            with entered(self.context):
                self.context.check_cancelled()  # it may have been asked to end before it began
                result, altered = storable_json(self._call(arguments))
        except RunCancelled as error:
            return self._cancelled(error)
        except Unstorable as error:
            return self._failed("result_unstorable", error)
        except SystemExit as error:
            return self._failed("exited", error)
        except BaseException as error:
            # The engine's one broad except: a task may raise anything, and its run must end all the same.
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise
            return self._failed("exception", error)
        if self._is_late:
            return self._ended("timed_out", TIMEOUT, _("It returned after its deadline."))
        return self._ended("succeeded", result=result, result_altered=altered)

    def _call(self, arguments: dict[str, Any]) -> object:
        self.began = time.monotonic()
        try:
            return self.function.call(**arguments)
        finally:
            self.ended = time.monotonic()

    @property
    def _is_late(self) -> bool:
        deadline = self.context.deadline_monotonic
        return deadline is not None and self.ended >= deadline

    def _cancelled(self, error: RunCancelled) -> Outcome:
        if error.reason == TIMEOUT:
            return self._ended("timed_out", TIMEOUT, error.detail or _("It was ended at its deadline."))
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
            **more,
        )


def _detail(sentence: str) -> str:
    return storable_characters(sentence, DETAIL_CHARACTERS)


def _class_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _traceback(error: BaseException) -> str:
    """From the task function on; the frames that led to it are the same for every run."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    lines = traceback.format_exception(type(error), error, frames)
    return storable_middle("".join(lines), TRACEBACK_BYTES)


# --- The thread's database connections -----------------------------------------------------------------


def _recycle_connections() -> None:
    """Costs next to nothing in a thread that has opened none."""
    try:
        close_old_connections()
    except DatabaseError:
        # A connection that cannot even be closed is gone; the run's outcome must not go with it.
        logger.warning("A database connection could not be closed", exc_info=True)


def _aliases_in_transaction() -> Set[str]:
    return {
        connection.alias
        for connection in connections.all(initialized_only=True)
        if connection.in_atomic_block
    }


def _end_transactions(context: RunContext, before: Set[str]) -> None:
    """Throws away connections on which the task left a transaction open: the next run would work inside it.

    Not those that were in one before the run: then the caller called it from inside a transaction (tests).
    """
    for alias in _aliases_in_transaction() - before:
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
