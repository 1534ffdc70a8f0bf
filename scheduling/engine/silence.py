"""Ends the wait for a server that takes every word and says none: frozen, or behind a proxy that holds on to it.

TCP's own timeouts do not see it, since the other side's kernel acknowledges. MariaDB's driver bounds its reads
and SQLite has no server; PostgreSQL's would wait for ever, and the tick or the beat with it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, Error, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

#: Longer than a statement may take (the session's own timeout), shorter than the standstill that ends the process.
LONGEST_SECONDS = 25.0
LOOK_SECONDS = 1.0

_lock = threading.Lock()
#: Thread → its connection, and since when (monotonic) it has been talking.
_talking: dict[int, tuple[BaseDatabaseWrapper, float]] = {}


@contextmanager
def bounded() -> Iterator[None]:
    """Within the block, which must not last long otherwise, this thread's connection is cut when it hangs."""
    me = threading.get_ident()
    with _lock:
        # The connection itself: ``django.db.connection`` would be another one in another thread.
        _talking[me] = (connections[DEFAULT_DB_ALIAS], time.monotonic())
    try:
        yield
    finally:
        with _lock:
            _talking.pop(me, None)


def watch() -> None:
    """Starts the thread that looks after all bounded connections of this process."""
    if connection.vendor == "postgresql":
        threading.Thread(target=_watch, name="silence", daemon=True).start()


def _watch() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        cut_silent(LONGEST_SECONDS)


def cut_silent(longest_seconds: float) -> int:
    """Cuts the connections that have talked for longer, and returns how many; their statements then fail."""
    at = time.monotonic()
    cut = 0
    with _lock:
        for thread, (talking, since) in _talking.items():
            if at - since > longest_seconds:
                _talking[thread] = (talking, at)
                cut += _cut(talking)
    return cut


def _cut(talking: BaseDatabaseWrapper) -> bool:
    """Shuts the socket under the driver, whose wait then ends as if the server had closed it."""
    raw = talking.connection
    if raw is None:  # just connecting, which has a timeout of its own
        return False
    try:
        with socket.socket(fileno=os.dup(raw.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)
    except (OSError, Error, _driver_error(talking)) as error:  # it has ended meanwhile
        logger.debug("connection could not be cut", extra={"cause": str(error)})
        return False
    logger.warning("connection cut: the database server has been silent", extra={"seconds": LONGEST_SECONDS})
    return True


def _driver_error(talking: BaseDatabaseWrapper) -> type[Exception]:
    """The driver's own: what is asked of it directly passes Django's translation by."""
    error: type[Exception] = talking.Database.Error  # type: ignore[attr-defined]
    return error
