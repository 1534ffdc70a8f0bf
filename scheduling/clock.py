"""What time it is: one clock for the whole process, so that tests can set it and nodes agree (design: time and units).

The time is the database's, read now and then and carried on in between by a clock that nobody sets, so that a
stepped or skewed host clock neither repeats nor loses an occurrence. Nobody else asks the host.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar


def elapsed() -> float:
    """Seconds of a clock that nobody sets; where there is one, of one that goes on while the machine sleeps.

    The monotonic clock of Linux does not: carried on by it, the time would be hours behind when the machine wakes up.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


#: So long the engine goes by a time that was read before, but for what is due.
CARRIED_SECONDS = 1.0


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC; never asks a database, so it may be called for each line of a log."""

    def refresh(self, older_than: float = 0.0) -> datetime:
        """The same, read anew from where the time comes from if that was done so many seconds ago or longer.

        May ask the database, and raise its errors.
        """


AnyClock = TypeVar("AnyClock", bound=Clock)


class DatabaseClock:
    """``read`` gives the database's UTC time. Before the first reading it is the host's."""

    def __init__(self, read: Callable[[], datetime]) -> None:
        self._read = read
        self._sample: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        sample = self._sample
        if sample is None:
            return datetime.now(UTC)
        at, mark = sample
        return at + timedelta(seconds=elapsed() - mark)

    def refresh(self, older_than: float = 0.0) -> datetime:
        if self._sample is not None and elapsed() - self._sample[1] < older_than:
            return self.now()
        at = self._read()
        # It was true at some moment before the answer came. Taken for the last one it may be late by the way of the
        # answer, but is never ahead: who reads under a lock finds no earlier time than whoever held it before.
        self._sample = (at, elapsed())
        return self.now()

    def set_forward(self, at: datetime, mark: float) -> None:
        """Goes on from a time that another process of this machine read when ``elapsed`` was ``mark``."""
        self._sample = (at, mark)


class SettableClock:
    """A clock for tests: it stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def refresh(self, older_than: float = 0.0) -> datetime:
        return self.at

    def move(self, **delta: float) -> datetime:
        """Forwards by ``timedelta(**delta)``; gives the new time."""
        self.at += timedelta(**delta)
        return self.at


class HostClock:
    """The host's own time, until the application has installed a better clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def refresh(self, older_than: float = 0.0) -> datetime:
        return self.now()


_clock: Clock = HostClock()


def install(clock: Clock) -> None:
    """From now on, this is the process's clock."""
    global _clock
    _clock = clock


@contextmanager
def use(clock: AnyClock) -> Iterator[AnyClock]:
    """The process's clock within the block (tests)."""
    before = _clock
    install(clock)
    try:
        yield clock
    finally:
        install(before)


def set_forward(at: datetime, mark: float) -> None:
    """Goes on from the time of another process of this machine, which has read it from where it comes from."""
    if isinstance(_clock, DatabaseClock):
        _clock.set_forward(at, mark)


def now() -> datetime:
    """The process's time, aware UTC, without asking a database."""
    return _clock.now()


def refresh(older_than: float = 0.0) -> datetime:
    """The process's time, read anew unless it was within so many seconds (0: in any case).

    What every decision that is written down begins with.
    """
    return _clock.refresh(older_than)
