"""A rush: more is due than the tick takes in one go. The rest is admitted on a thread and a connection of their own.

Who admits waits for the database most of the time, and so does who claims and records. One after the other the waits
add up; side by side they do not. Both are correct beside each other as they are beside other nodes: nothing is shared
but rows. A database with one writer at a time (SQLite) gains nothing, and has no rush.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue

from scheduling import clock, sql
from scheduling.engine import silence
from scheduling.services import admission
from scheduling.services.admission import Admitted
from scheduling.sql.transactions import drop_connection

logger = logging.getLogger(__name__)

#: Live rows that the tick takes by itself, so that the first of many start at once. As many are a rush.
FIRST_ROWS = 100
#: The thread's connection is closed when there was no rush for so long.
IDLE_SECONDS = 30.0


class Rush:
    """One node's. Everything but the admission itself is left to the tick, which asks what was done.

    ``batch_done`` is called, in the rush's thread, when there is something to ask for.
    """

    def __init__(self, batch_done: Callable[[], None]) -> None:
        self._batch_done = batch_done
        self._orders: SimpleQueue[set[str] | None] = SimpleQueue()
        self._done: SimpleQueue[Admitted | Exception] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._at_work = False
        self._stopping = False
        self._last_sign = 0.0  # monotonic: of life, while it is at work

    @property
    def at_work(self) -> bool:
        return self._at_work

    def seen_alive(self) -> float:
        """Monotonic; now, unless it is at work and stands still."""
        return self._last_sign if self._at_work else time.monotonic()

    def begin(self, strangers: set[str]) -> None:
        """Admits batch after batch until nothing is due; leaves the live rows alone that are no task's."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="rush", daemon=True)
            self._thread.start()
        self._last_sign = time.monotonic()
        self._at_work = True
        self._orders.put(set(strangers))

    def admitted(self) -> Iterator[Admitted]:
        """What was admitted since the last call. Raises what has ended the rush, if anything has."""
        while True:
            try:
                done = self._done.get_nowait()
            except Empty:
                return
            if isinstance(done, Exception):
                raise done
            yield done

    def stop(self) -> None:
        """Ends the thread after the batch that it is at."""
        self._stopping = True
        if self._thread is not None:
            self._orders.put(None)
            self._thread.join(IDLE_SECONDS)

    # --- its thread

    def _work(self) -> None:
        try:
            while not self._stopping:
                try:
                    strangers = self._orders.get(timeout=IDLE_SECONDS)
                except Empty:
                    drop_connection()
                    continue
                if strangers is not None:
                    self._admit_all(strangers)
        finally:
            drop_connection()

    def _admit_all(self, strangers: set[str]) -> None:
        try:
            more = True
            while more and not self._stopping:
                self._last_sign = time.monotonic()
                with silence.bounded():
                    sql.prepare_engine_session()
                    admitted = admission.admit_due(clock.refresh(), strangers=strangers)
                strangers |= set(admitted.strangers)
                more = admitted.taken == admission.BATCH
                self._done.put(admitted)
                self._batch_done()
        except Exception as error:  # noqa: BLE001  the tick raises it, and does what is to be done about it
            drop_connection()
            self._done.put(error)
        finally:
            self._at_work = False
            self._batch_done()
