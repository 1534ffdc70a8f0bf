"""The runs this node has in hand: handed to executors, watched, and brought back as results."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from django.db import connections

from scheduling import clock, context, executors
from scheduling.engine.recorder import Recorder
from scheduling.engine.run import run, run_coroutine
from scheduling.executors import Executor, Outcome, RunOrder
from scheduling.models import Origin, Reason, idempotency_key
from scheduling.runlog import Drained, RunLog
from scheduling.services import chains
from scheduling.services.claims import Candidate
from scheduling.services.results import Result

logger = logging.getLogger(__name__)

Key = tuple[int, int]


class Runs:
    """All executors of this node. ``ended`` is called, in any thread, after a run has ended."""

    def __init__(
        self,
        node_id: uuid.UUID,
        seats: int,
        recorder: Recorder,
        ended: Callable[[], None],
        *,
        seats_of: Mapping[str, int] | None = None,
    ) -> None:
        """``seats`` are those of the threads, and of each executor that is not named in ``seats_of``."""
        self.node_id = node_id
        self._seats = seats
        self._seats_of = dict(seats_of or {})
        self._recorder = recorder
        self._ended = ended
        self._executors: dict[str, Executor] = {}
        # Held while logs are taken and stored, by the tick or by who records results.
        self.logs_in_hand = Lock()
        # Logs drained but not stored yet, of running and of ended runs.
        self._unstored: dict[Key, Drained] = {}
        self._ended_logs: dict[Key, RunLog] = {}

    # --- what is there

    def running(self) -> dict[Key, RunOrder]:
        return {order.key: order for executor in self._executors.values() for order in executor.running()}

    def number(self, name: str | None = None) -> int:
        """How many run, on that executor or on all of them."""
        return sum(
            len(executor.running()) for key, executor in self._executors.items() if name in (None, key)
        )

    def some_are_full(self) -> bool:
        """Whether an executor has no seat left, so that the end of a run makes room for another."""
        return any(executor.running() and not executor.free_seats for executor in self._executors.values())

    def seats_of(self, name: str) -> int:
        """How many runs of that executor this node has at the same time."""
        return self._seats_of.get(name, self._seats)

    def free(self) -> dict[str, int]:
        """The free seats of each executor; one that has not been needed yet has all of its.

        One whose workers claim by themselves (celery) has none.
        """
        free = {
            name: 0 if executors.executor_class(name).is_remote else self.seats_of(name)
            for name in executors.paths()
        }
        return free | {name: executor.free_seats for name, executor in self._executors.items()}

    def free_of(self, name: str) -> int:
        """The free seats of one executor that has been needed."""
        return self._executors[name].free_seats if name in self._executors else self.seats_of(name)

    @property
    def free_seats(self) -> int:
        """All of them together."""
        return sum(self.free().values())

    def overdue(self, now: datetime) -> list[RunOrder]:
        """Runs past their deadline that nobody can end for them."""
        return [
            order
            for executor in self._executors.values()
            if not executor.can_kill
            for order in executor.overdue(now)
        ]

    def trouble(self) -> str:
        """What keeps executors from taking more although they have seats; empty while nothing does."""
        return "; ".join(executor.trouble for executor in self._executors.values() if executor.trouble)

    # --- what is done

    def begin(self, candidates: Iterable[Candidate], now: datetime) -> None:
        """Hands claimed executions to their executors. One that cannot be handed over ends failed, at once.

        What is in hand already is left alone, so that a claim may be read back more than once.
        """
        running = self.running()
        candidates = list(candidates)
        after = [candidate.id for candidate in candidates if candidate.origin == Origin.DEPENDENCY]
        upstream = chains.upstream_of(after) if after else {}
        for candidate in candidates:
            order = order_of(candidate, now, self.node_id, upstream)
            if order.key in running:
                continue
            try:
                self._executor(order.executor).submit(order)
            except Exception as error:
                logger.exception("a run could not begin", extra={"execution": order.execution_id})
                detail = f"{type(error).__name__}: {error}"[:500]
                self._done(order, Outcome("failed", Reason.EXCEPTION, detail, message=detail))

    def cancel(self, key: Key, reason: str, detail: str = "") -> None:
        for executor in self._executors.values():
            if executor.cancel(*key, reason, detail):
                return

    def shutdown(self, wait_seconds: float) -> None:
        for executor in self._executors.values():
            executor.shutdown(wait_seconds)

    # --- logs and progress

    def logs(self) -> dict[Key, Drained]:
        """What runs have said and nobody has stored: kept until ``log_stored``."""
        for key, log in self._open_logs().items():
            self._drain(key, log)
        return dict(self._unstored)

    def last_words(self, results: Iterable[Result]) -> dict[Key, Drained]:
        """What the logs of runs that have ended still hold, to be stored with their results."""
        words = {}
        for result in results:
            key, log = result.order.key, result.outcome.log
            if log is not None and self._drain(key, log):
                self._ended_logs[key] = log
            if key in self._unstored:
                words[key] = self._unstored[key]
        return words

    def logs_stored(self, keys: Iterable[Key]) -> None:
        """Those are stored; logs of ended runs are let go once nothing is left in them."""
        for key in keys:
            self._unstored.pop(key, None)
            if key in self._ended_logs and not self._drain(key, self._ended_logs[key]):
                del self._ended_logs[key]

    def _open_logs(self) -> dict[Key, RunLog]:
        return {run.key: run.log_buffer for run in context.active_runs()} | self._ended_logs

    def _drain(self, key: Key, log: RunLog) -> bool:
        """Whether something of it is to be stored. What was drained before is stored before more is drained."""
        if key not in self._unstored and (drained := log.drain()):
            self._unstored[key] = drained
        return key in self._unstored

    # --- inside

    def _executor(self, name: str) -> Executor:
        """Started when it is first needed. Raises UnknownExecutor."""
        if name not in self._executors:
            executor = executors.executor_class(name)(self.seats_of(name))
            call = run_coroutine if executor.runs_coroutines else run
            executor.start(call, self._done, leave=connections.close_all)
            # Never changed in place: another thread may just be going through it.
            self._executors = self._executors | {name: executor}
        return self._executors[name]

    def _done(self, order: RunOrder, outcome: Outcome) -> None:
        self._recorder.put(Result(order, outcome, clock.now()))
        self._ended()


def order_of(
    candidate: Candidate, now: datetime, node_id: uuid.UUID, upstream: Mapping[int, Any]
) -> RunOrder:
    """The order of a candidate that has just been claimed; ``upstream`` by execution."""
    timeout = candidate.timeout_seconds
    return RunOrder(
        execution_id=candidate.id,
        attempt=candidate.attempt + 1,
        task_id=candidate.task_id,
        task_key=candidate.task_key,
        function=candidate.function,
        parameters=candidate.parameters,
        scheduled_for=candidate.scheduled_for,
        origin=candidate.origin,
        deadline_at=now + timedelta(seconds=timeout) if timeout else None,
        timeout_seconds=timeout,
        idempotency_key=idempotency_key(candidate.task_id, candidate.scheduled_for, candidate.slot),
        executor=candidate.executor,
        node_id=node_id,
        memory_limit_mb=candidate.memory_limit_mb,
        cpu_limit_seconds=candidate.cpu_limit_seconds,
        upstream=upstream.get(candidate.id, {}),
    )
