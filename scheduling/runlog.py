"""The log of one run, on its way to the database: bounded in memory and in rows, however much is written.

A run's task writes lines; the engine drains them now and then. Kept are the first and the last half of
``cap_bytes``; what lies between is left out, counted, and a row that says so takes its place.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import NamedTuple

from django.conf import settings
from django.utils.translation import gettext as _

from scheduling import clock
from scheduling.text import clean

RUN_LOG_BYTES = 1024 * 1024
CHUNK_BYTES = 8 * 1024
#: What a row costs beside its text, so that a million empty lines are bounded as well.
ROW_BYTES = 64
#: Lines of one level that follow each other this closely share a row.
SAME_ROW = timedelta(seconds=0.5)

LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}


class LogChunk(NamedTuple):
    """One row of a run's log: some lines of one level."""

    seq: int  # order within the attempt, from 1, with gaps
    at: datetime  # of its first line
    level: str
    text: str  # at most CHUNK_BYTES of UTF-8


@dataclass(frozen=True, slots=True)
class Drained:
    """What to do to the rows of one attempt: delete ``stale`` (sequence numbers), then insert ``chunks``.

    Doing it twice must be harmless, for the reply to the first commit may be lost.
    """

    chunks: tuple[LogChunk, ...] = ()
    stale: range = range(0)

    def __bool__(self) -> bool:
        return bool(self.chunks)


NOTHING = Drained()


@dataclass(slots=True)
class _Row:
    seq: int
    at: datetime
    level: str
    text: str  # emptied once drained: from then on only the size counts
    size: int
    drained: bool = False

    def takes(self, at: datetime, level: str, size: int) -> bool:
        """Whether another line of so many bytes may stand in the same row."""
        return level == self.level and at - self.at < SAME_ROW and self.size + size <= CHUNK_BYTES + ROW_BYTES

    def drain(self) -> LogChunk:
        chunk = LogChunk(self.seq, self.at, self.level, self.text)
        self.drained, self.text = True, ""
        return chunk


@dataclass(slots=True)
class _Gap:
    """The row that stands for what was left out."""

    seq: int
    at: datetime
    bytes: int = 0
    told: int = 0  # bytes as last drained

    def drain(self) -> LogChunk:
        self.told = self.bytes
        text = _("… %(count)s bytes left out …") % {"count": self.bytes}
        return LogChunk(self.seq, self.at, "WARNING", text)


@dataclass(slots=True)
class RunLog:
    """Takes lines from any thread, gives them to one drainer. Holds at most ``cap_bytes`` whatever comes."""

    cap_bytes: int = RUN_LOG_BYTES
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _holder: int = 0  # the thread that has the lock
    _seq: int = 0
    _fresh: bool = False  # something to drain
    _open: _Row | None = None  # the row that may take another line
    _head: list[_Row] = field(default_factory=list)  # not yet drained rows of the first half
    _head_size: int = 0  # of the first half, drained rows included
    _tail: deque[_Row] = field(default_factory=deque)  # the second half, drained rows included
    _tail_size: int = 0
    _gap: _Gap | None = None  # set from the moment the first half is full

    def append(self, at: datetime, level: str, text: str) -> None:
        """Adds a line (or several in one text). Never raises, never blocks longer than another's append."""
        me = threading.get_ident()
        if self._holder == me:
            # The garbage collector has run a finaliser in the midst of the lines below, and that one logs.
            return
        with self._lock:
            self._holder = me
            try:
                for piece in pieces(text):
                    self._add(at, level, piece)
            finally:
                self._holder = 0

    def drain(self) -> Drained:
        """What is new since the last drain; ``NOTHING``, at the price of one comparison, when nothing is.

        Keep the answer until it is stored, and do not drain again before: so an outage of the database costs
        no more memory than the cap.
        """
        if not self._fresh:
            return NOTHING
        with self._lock:
            self._holder = threading.get_ident()
            try:
                return self._news()
            finally:
                self._holder = 0

    def _news(self) -> Drained:
        self._fresh, self._open = False, None
        chunks = [row.drain() for row in self._head]
        self._head.clear()
        gap, stale = self._gap, range(0)
        if gap is not None and gap.bytes > gap.told:
            stale = range(gap.seq, self._tail[0].seq)
            chunks.append(gap.drain())
        news = list(takewhile(lambda row: not row.drained, reversed(self._tail)))
        chunks += [row.drain() for row in reversed(news)]
        return Drained(tuple(chunks), stale)

    def _add(self, at: datetime, level: str, text: str) -> None:
        self._fresh = True
        size = len(text) if text.isascii() else len(text.encode())
        row = self._open
        if row is not None and row.takes(at, level, size + 1) and self._has_room(size + 1):
            row.text += "\n" + text
            row.size += size + 1
            self._count(size + 1)
        else:
            self._add_row(at, level, text, size + ROW_BYTES)
        self._shed()

    def _has_room(self, size: int) -> bool:
        """The first half ends; the second makes itself room."""
        return self._gap is not None or self._head_size + size <= self.cap_bytes // 2

    def _count(self, size: int) -> None:
        if self._gap is None:
            self._head_size += size
        else:
            self._tail_size += size

    def _add_row(self, at: datetime, level: str, text: str, size: int) -> None:
        if self._gap is None and not self._has_room(size):
            self._gap = _Gap(self._next_seq(), at)
        row = self._open = _Row(self._next_seq(), at, level, text, size)
        if self._gap is None:
            self._head.append(row)
        else:
            self._tail.append(row)
        self._count(size)

    def _shed(self) -> None:
        """Lets the oldest rows of the second half go until it fits; the newest always stays."""
        while self._gap is not None and self._tail_size > self.cap_bytes // 2 and len(self._tail) > 1:
            oldest = self._tail.popleft()
            self._tail_size -= oldest.size
            self._gap.bytes += oldest.size - ROW_BYTES

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq


def pieces(text: str) -> Iterator[str]:
    """The text, clean, in pieces of at most ``CHUNK_BYTES`` of UTF-8."""
    step = CHUNK_BYTES if text.isascii() else CHUNK_BYTES // 4  # a character has at most four bytes
    if len(text) <= step:
        yield clean(text)
        return
    for start in range(0, len(text), step):
        yield clean(text[start : start + step])


def level_name(number: int) -> str:
    """The nearest of our five levels at or below a number of ``logging``."""
    return next((name for name, least in reversed(LEVELS.items()) if number >= least), "DEBUG")


def open_new() -> RunLog:
    """An empty log with the cap that the settings give."""
    return RunLog(int(getattr(settings, "SCHEDULER", {}).get("run_log_bytes", RUN_LOG_BYTES)))


#: The log of the run that this thread (or a thread that copied its context) works for.
open_log: ContextVar[RunLog | None] = ContextVar("open_log", default=None)

_emitting: ContextVar[bool] = ContextVar("_emitting", default=False)


class RunLogHandler(logging.Handler):
    """Copies what standard ``logging`` says inside a run into that run's log; outside a run it does nothing.

    A record that cannot be formatted becomes a line that says so: a task never fails because of its logging.
    """

    def __init__(self, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def handle(self, record: logging.LogRecord) -> bool:
        # Without the handler's own lock: each run has its own log, and one must not wait for another.
        log = open_log.get()
        if log is None or _emitting.get() or not self.filter(record):
            return False
        # Formatting calls the task's own __str__, which may log in its turn: that is not followed.
        token = _emitting.set(True)
        try:
            log.append(clock.now(), level_name(record.levelno), self._line(record))
        finally:
            _emitting.reset(token)
        return True

    def _line(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record)
        except Exception as error:  # noqa: BLE001  (whatever the task's own __str__ or __repr__ raises)
            message = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
            return f"{record.name}: {message:.200} ({type(error).__name__} while this record was formatted)"


def install(level: int | str = logging.NOTSET) -> RunLogHandler:
    """Puts one ``RunLogHandler`` on the root logger, once per process, and returns it."""
    root = logging.getLogger()
    for handler in root.handlers:
        if isinstance(handler, RunLogHandler):
            return handler
    handler = RunLogHandler(level)
    root.addHandler(handler)
    return handler
