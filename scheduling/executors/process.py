"""Runs each order in a process of its own, forked from a server that has Django and the task functions loaded."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scheduling import clock, runlog
from scheduling.context import LOST, TIMEOUT, RunContext, entered
from scheduling.executors.base import Done, Outcome, Run, RunOrder
from scheduling.executors.processes import frames
from scheduling.executors.processes.supervision import Ended, Supervision
from scheduling.executors.thread import ThreadExecutor
from scheduling.sentences import joined, of_runs
from scheduling.text import DETAIL_CHARACTERS, storable_characters


class ProcessExecutor(ThreadExecutor):
    """One thread here supervises each run. A run is ended whole, with all that it has started: at its deadline,
    when it is cancelled, beyond a limit, and when this process ends, by whatever. A crash of a run is its own.
    """

    can_kill = True
    holds_limits = True

    def start(self, run: Run, done: Done, leave: Callable[[], None] | None = None) -> None:
        self._name = f"{run.__module__}:{run.__qualname__}"  # found again by it in the other process
        super().start(self._supervise, done)

    def shutdown(self, wait_seconds: float) -> tuple[RunOrder, ...]:
        left = super().shutdown(wait_seconds)
        for order in left:
            self.cancel(*order.key, LOST, of_runs.EXECUTOR_STOPS())
        return left

    def _supervise(self, order: RunOrder) -> Outcome:
        run = RunContext.of(order, runlog.open_new())
        message = {
            "run": self._name,
            "order": frames.pack_order(order),
            "now": clock.now().isoformat(),
            "elapsed": clock.elapsed(),
        }
        began = time.monotonic()
        with entered(run):
            ended = Supervision(
                run,
                memory_limit_mb=order.memory_limit_mb,
                cpu_limit_seconds=order.cpu_limit_seconds,
                ask_to_end=lambda supervision: supervision.tell({"cancel": run.cancel_request}),
            ).supervise(message)
        outcome = _reported(ended) or _unreported(ended, run)
        if not outcome.run_ms:
            outcome = replace(outcome, run_ms=int((time.monotonic() - began) * 1000))
        return replace(
            outcome,
            log=run.log_buffer,
            progress=outcome.progress or run.progress_made,
            exit_code=ended.exit_code,
            cpu_ms=ended.cpu_ms,
            peak_memory_bytes=ended.peak_memory_bytes,
        )


def _reported(ended: Ended) -> Outcome | None:
    """What the run's process has said about its end, if it came to that."""
    if ended.outcome is None:
        return None
    try:
        return frames.unpack_outcome(ended.outcome)
    except (TypeError, ValueError, KeyError) as error:
        return Outcome("failed", "worker_failed", of_runs.NO_OUTCOME(cause=error))


def _unreported(ended: Ended, run: RunContext) -> Outcome:
    """The run's process ended without a word: by a limit, a deadline, a request, a signal, or by itself."""
    if ended.refused:
        return _outcome("failed", "worker_failed", ended.refused)
    if ended.broken_limit:
        return _outcome("failed", ended.broken_limit, ended.detail)
    if ended.killed or (run.cancelled and ended.exit_code == -signal.SIGTERM):
        reason, detail = run.cancel_request
        how = ended.detail or of_runs.KILLED()
        state = "timed_out" if reason == TIMEOUT else "cancelled"
        return _outcome(state, reason, joined((detail, how)))
    if ended.exit_code is None:
        return _outcome("failed", "worker_failed", of_runs.SERVER_DIED())
    if ended.exit_code == -signal.SIGXCPU:
        return _outcome("failed", "cpu_limit", of_runs.CPU_LIMIT_OF_KERNEL())
    return _outcome("failed", "exited", of_runs.PROCESS_ENDED(ending=ended.described))


def _outcome(state: Any, reason: str, detail: str) -> Outcome:
    text = storable_characters(detail, DETAIL_CHARACTERS)
    return Outcome(state, reason, text, message=text)
