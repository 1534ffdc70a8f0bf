"""A rush: more is due than the tick takes in one go. The rest is admitted beside it.

A database with one writer at a time (SQLite) gains nothing from that, and has no rush.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue

from scheduling import clock
from scheduling.engine.companion import Companion
from scheduling.services import admission
from scheduling.services.admission import Admitted

#: Live rows that the tick takes by itself, so that the first of many start at once. As many are a rush.
FIRST_ROWS = 100
#: Batches that the tick has not asked for yet. With as many a rush is over, so that they do not fill the memory.
MOST_UNTOLD = 20


class Rush(Companion[Admitted]):
    """One node's. It begins when it is told to, and is over when nothing is due any more.

    What is left then, because the tick stood still, is the tick's again.
    """

    name = "rush"

    def __init__(self, told: Callable[[], None]) -> None:
        super().__init__(told)
        self._orders: SimpleQueue[set[str]] = SimpleQueue()
        self._strangers: set[str] = set()
        self.at_work = False

    def begin(self, strangers: set[str]) -> None:
        """Admits batch after batch; leaves the live rows alone that are no task's."""
        self.at_work = True
        self._orders.put(set(strangers))
        self.start()

    def _await_work(self, seconds: float) -> bool:
        try:
            self._strangers = self._orders.get(timeout=seconds)
        except Empty:
            return False
        return True

    def _wake(self) -> None:
        self._orders.put(set())

    def _work(self) -> None:
        def batch() -> Admitted:
            return admission.admit_due(clock.refresh(), limit=admission.BATCH, strangers=self._strangers)

        try:
            more = True
            while more and not self._stop_asked.is_set():
                admitted = self._step(batch)
                self._strangers |= set(admitted.strangers)
                more = admitted.taken == admission.BATCH and self._news.qsize() < MOST_UNTOLD
        finally:
            self.at_work = False
            self._told()  # what comes due next is the tick's again
