"""Runs orders in daemon threads of this process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from scheduling import context
from scheduling.exceptions import ExecutorClosed
from scheduling.executors.base import Done, Executor, Outcome, Run, RunOrder
from scheduling.sentences import of_runs
from scheduling.text import (
    DETAIL_CHARACTERS,
    ERROR_CLASS_CHARACTERS,
    MESSAGE_BYTES,
    said_by,
    storable,
    storable_characters,
)

logger = logging.getLogger(__name__)

#: An idle thread leaves after this long, and its database connections with it.
IDLE_SECONDS = 60.0


class ThreadExecutor(Executor):
    """Threads are made when there are more orders than threads, up to ``seats``, and used again while idle.

    They are daemons: a task that never returns cannot keep the process from ending. A thread cannot be
    killed; a cancelled run ends when its task asks (``current_run()``) or returns.
    """

    def __init__(self, seats: int = 64, *, idle_seconds: float = IDLE_SECONDS) -> None:
        super().__init__(seats)
        self._idle_seconds = idle_seconds
        self._queue: SimpleQueue[RunOrder | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._orders: dict[tuple[int, int], RunOrder] = {}  # in hand: waiting for a thread, or in one
        self._threads: set[threading.Thread] = set()
        self._emptied = threading.Condition(self._lock)
        self._hired = 0
        self._open = False
        self._abandoned = False  # what has not begun will not begin any more
        self._run: Run | None = None
        self._done: Done | None = None
        self._leave: Callable[[], None] | None = None

    def start(self, run: Run, done: Done, leave: Callable[[], None] | None = None) -> None:
        self._run, self._done, self._leave = run, done, leave
        self._open = True

    def submit(self, order: RunOrder) -> None:
        key = order.key
        with self._lock:
            if not self._open:
                raise ExecutorClosed
            if key in self._orders:
                raise ValueError(
                    f"execution {order.execution_id}, attempt {order.attempt} is in hand already"
                )
            self._orders[key] = order
            if len(self._orders) > len(self._threads) < self.seats:
                self._hire(order)
        self._queue.put(order)

    def cancel(self, execution_id: int, attempt: int, reason: str, detail: str = "") -> bool:
        with self._lock:
            # Under the lock, so that the order cannot be given back, and its request forgotten, in between.
            if (execution_id, attempt) not in self._orders:
                return False
            context.cancel(execution_id, attempt, reason, detail)
            return True

    def running(self) -> tuple[RunOrder, ...]:
        with self._lock:
            return tuple(self._orders.values())

    @property
    def free_seats(self) -> int:
        return max(0, self.seats - len(self._orders))

    def shutdown(self, wait_seconds: float) -> tuple[RunOrder, ...]:
        end = time.monotonic() + wait_seconds
        with self._emptied:
            self._open = False
            self._emptied.wait_for(lambda: not self._orders, timeout=max(0.0, wait_seconds))
            self._abandoned = True
            left, threads = tuple(self._orders.values()), tuple(self._threads)
        for _ in threads:
            self._queue.put(None)
        if not left:
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
        return left

    def _hire(self, order: RunOrder) -> None:
        """Starts one more thread. Called with the lock held."""
        self._hired += 1
        thread = threading.Thread(target=self._work, name=f"run-{self._hired}", daemon=True)
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads: those there are will do
            self._threads.discard(thread)
            if not self._threads:
                del self._orders[order.key]
                raise
            logger.warning("No more threads can be started", extra={"threads": len(self._threads)})

    def _work(self) -> None:
        """One thread's life."""
        try:
            while (order := self._next()) is not None:
                self._serve(order)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
            if self._leave is not None:
                self._leave()

    def _next(self) -> RunOrder | None:
        """The next order; None when this thread should end."""
        while True:
            try:
                order = self._queue.get(timeout=self._idle_seconds)
            except Empty:
                with self._lock:
                    # Decided under submit's lock: it either sees this thread gone or does not need it.
                    if len(self._orders) < len(self._threads):
                        self._threads.discard(threading.current_thread())
                        return None
                continue
            return None if self._abandoned else order

    def _serve(self, order: RunOrder) -> None:
        outcome = self._outcome(order)
        try:
            assert self._done is not None  # noqa: S101  (start has set it before any thread was made)
            self._done(order, outcome)
        except BaseException:  # the engine's own fault; the thread and the seat must survive it
            logger.critical(
                "An outcome could not be handed on", extra={"execution": order.execution_id}, exc_info=True
            )
        finally:
            with self._lock:
                del self._orders[order.key]
                if not self._orders:
                    self._emptied.notify_all()
            context.forget(*order.key)

    def _outcome(self, order: RunOrder) -> Outcome:
        """``run`` answers for all that a task may do; this is the net below it, so that no order is lost."""
        try:
            assert self._run is not None  # noqa: S101
            return self._run(order)
        except BaseException as error:  # noqa: BLE001
            return _fallen(error)


def _fallen(error: BaseException) -> Outcome:
    """The outcome of a run that got past ``run``, memory permitting with words."""
    try:
        logger.error("A run broke its worker", exc_info=error)
        name, said = type(error).__qualname__, said_by(error)
        return Outcome(
            "failed",
            "worker_failed",
            storable_characters(f"{name}: {said}", DETAIL_CHARACTERS),
            error_class=storable_characters(name, ERROR_CLASS_CHARACTERS),
            message=storable(said, MESSAGE_BYTES),
        )
    except BaseException:  # noqa: BLE001  (most likely out of memory)
        return Outcome("failed", "worker_failed", of_runs.WORKER_BROKE())
