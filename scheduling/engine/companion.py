"""A thread beside the tick, with a connection of its own: the two wait for the database at the same time.

Nothing is shared between them but rows, as between two nodes. What a companion has done, and what has gone wrong
with it, the tick asks for; so that this process's own state, its log and its events stay the tick's alone.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from scheduling import sql
from scheduling.engine import silence
from scheduling.sql.transactions import drop_connection

News = TypeVar("News")

#: Its connection is closed when there was nothing to do for so long.
IDLE_SECONDS = 30.0
#: The first pause after a failure; doubled up to the longest.
FIRST_PAUSE_SECONDS = 0.25
#: What it is at when it is to end gets so long.
END_SECONDS = 5.0


class Companion(ABC, Generic[News]):
    """``told`` is called, in the companion's thread, when there are news."""

    name: str
    #: The most that it waits, in seconds, after a failure: its own work is still there. 0: the tick begins it again.
    longest_pause_seconds = 0.0

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told
        self._news: SimpleQueue[News] = SimpleQueue()
        self._fault: Exception | None = None  # the last one, until it is told or all is well again
        self._thread: threading.Thread | None = None
        self._stop_asked = threading.Event()
        self._busy_since: float | None = None  # monotonic: of its last sign of life while it is at work

    @property
    def started(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        """Once is enough."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._live, name=self.name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends it after the transaction that it is at."""
        self._stop_asked.set()
        if self._thread is not None:
            self._wake()
            self._thread.join(END_SECONDS)

    @property
    def has_died(self) -> bool:
        """Its thread has ended though nobody asked it to: by what no ``except`` catches."""
        return self._thread is not None and not self._thread.is_alive() and not self._stop_asked.is_set()

    def seen_alive(self) -> float:
        """Monotonic: now, unless it is at work and stands still."""
        return self._busy_since or time.monotonic()

    @property
    def has_news(self) -> bool:
        return not self._news.empty() or self._fault is not None

    def news(self) -> Iterator[News]:
        """What it has done since the last call. Raises what went wrong, if anything has."""
        while True:
            try:
                yield self._news.get_nowait()
            except Empty:
                break
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    # --- its thread

    @abstractmethod
    def _await_work(self, seconds: float) -> bool:
        """Waits for work, no longer than that; whether there is any."""

    @abstractmethod
    def _work(self) -> None:
        """Does what is there to be done, each part in ``_step``."""

    @abstractmethod
    def _wake(self) -> None:
        """Ends the wait for work early."""

    def _step(self, step: Callable[[], News]) -> News:
        """Does a part, bounded in time, and tells the tick."""
        self._busy_since = time.monotonic()
        with silence.bounded():
            sql.prepare_engine_session()
            news = step()
        self._news.put(news)
        self._told()
        return news

    def _live(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        try:
            while not self._stop_asked.is_set():
                if not self._await_work(IDLE_SECONDS):
                    drop_connection()
                    continue
                try:
                    self._busy_since = time.monotonic()
                    self._work()
                    pause, self._fault = FIRST_PAUSE_SECONDS, None
                except Exception as error:  # noqa: BLE001  the tick raises it, and does what is to be done
                    drop_connection()
                    self._busy_since = None
                    self._fault = error
                    self._told()
                    self._stop_asked.wait(pause := min(pause, self.longest_pause_seconds))
                    pause *= 2
                finally:
                    self._busy_since = None
        finally:
            drop_connection()
