"""Results on their way to the database: kept in memory until it has taken them, however long that lasts."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from django.db import DatabaseError

from scheduling.executors import Outcome
from scheduling.sentences import of_runs
from scheduling.services.results import Recorded, Result
from scheduling.sql.transactions import Fault, classify

logger = logging.getLogger(__name__)

#: Results written in one transaction, and the bytes of text they may carry together.
GROUP_ROWS = 500
GROUP_BYTES = 1024 * 1024
#: A result waits at most this long for others to share its transaction.
GROUP_SECONDS = 0.05
#: How often who waits for a group looks whether it is ripe.
LOOK_SECONDS = 0.005


class Recorder:
    """Takes results from the runs' threads, gives them in groups to the one thread that writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: deque[tuple[float, Result]] = deque()
        self._in_hand: list[Result] = []
        self._some = threading.Event()  # there is something, or somebody must look

    def put(self, result: Result) -> None:
        with self._lock:
            self._pending.append((time.monotonic(), result))
        if not self._some.is_set():
            self._some.set()

    def __len__(self) -> int:
        with self._lock:
            return len(self._pending) + len(self._in_hand)

    def ripe_in(self, running: int) -> float | None:
        """Seconds until a group should be written: 0 now, None when there is nothing.

        A group is ripe when its oldest result has waited ``GROUP_SECONDS``, when nothing still runs that could
        join it, or when it is at least as large as what still runs.
        """
        with self._lock:
            if not self._pending:
                return None
            if len(self._pending) >= min(running, GROUP_ROWS):
                return 0.0
            return max(0.0, self._pending[0][0] + GROUP_SECONDS - time.monotonic())

    def await_ripe(self, running: Callable[[], int], seconds: float) -> bool:
        """Waits until a group should be written; while there is nothing at all, no longer than that: then False."""
        if not len(self) and not self._some.wait(seconds):
            return False
        self._some.clear()
        while ripe := self.ripe_in(running()):
            time.sleep(min(ripe, LOOK_SECONDS))
        return True

    def wake(self) -> None:
        """Ends the wait of whoever waits for a group."""
        self._some.set()

    def take(self) -> list[Result]:
        """The next group, oldest first; ``done`` or ``give_back`` must follow."""
        with self._lock:
            size = 0
            while (
                self._pending
                and len(self._in_hand) < GROUP_ROWS
                and (size < GROUP_BYTES or not self._in_hand)
            ):
                _at, result = self._pending.popleft()
                self._in_hand.append(result)
                outcome = result.outcome
                size += len(outcome.result or "") + len(outcome.traceback) + len(outcome.message)
            return list(self._in_hand)

    def done(self) -> None:
        """The group in hand is stored."""
        with self._lock:
            self._in_hand.clear()

    def give_back(self) -> None:
        """The group in hand may not be stored: it is tried again. Storing it twice would change nothing."""
        with self._lock:
            at = time.monotonic()
            self._pending.extendleft((at, result) for result in reversed(self._in_hand))
            self._in_hand.clear()

    def keys(self) -> set[tuple[int, int]]:
        """(execution, attempt) of all that is not stored yet."""
        with self._lock:
            results = [*self._in_hand, *(result for _at, result in self._pending)]
        return {result.order.key for result in results}

    def unstored(self) -> list[Result]:
        with self._lock:
            return [*self._in_hand, *(result for _at, result in self._pending)]


def isolate(results: list[Result], store: Callable[[list[Result]], Recorded]) -> Recorded:
    """Stores a group that the database refused as a whole: halves it until the one at fault stands alone.

    That one ends failed(result_unstorable), and nothing of the others is lost. Raises what says that the database
    is away or busy: then the values are not at fault.
    """
    try:
        return store(results)
    except DatabaseError as error:
        if classify(error) is not Fault.OTHER:
            raise
        if len(results) == 1:
            return _store_bare(results[0], error, store)
    middle = len(results) // 2
    first, second = isolate(results[:middle], store), isolate(results[middle:], store)
    return Recorded(
        first.accepted | second.accepted, first.refused + second.refused, first.task_ids | second.task_ids
    )


def _store_bare(result: Result, error: DatabaseError, store: Callable[[list[Result]], Recorded]) -> Recorded:
    logger.error("a result cannot be stored", extra={"execution": result.id, "cause": str(error)[:500]})
    bare = Outcome(
        "failed",
        "result_unstorable",
        of_runs.REFUSED_BY_DATABASE(state=result.outcome.state),
        message=ascii(str(error))[:2_000],
        run_ms=result.outcome.run_ms,
    )
    return store([replace(result, outcome=bare)])
