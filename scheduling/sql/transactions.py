"""Transactions that are run again, whole, when the database asks for it; and what an error of it means."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.utils import Error

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

#: Tries of one transaction, and the pause before the first repetition, doubled each time and jittered.
TRIES = 8
PAUSE_SECONDS = 0.02
#: No repetition begins later than this after the first try: the caller may have better ideas than to wait.
PATIENCE_SECONDS = 8.0


class Fault(Enum):
    """What to do about a database error."""

    REPEAT = "repeat"  # the whole transaction, at once: deadlock, lock timeout, serialisation
    AWAY = "away"  # the database or the connection is gone: wait, reconnect
    OTHER = "other"  # the statement or its values are at fault


#: PostgreSQL's codes: serialisation, deadlock, lock timeout.
POSTGRESQL_REPEAT = {"40001", "40P01", "55P03"}
#: Connection exceptions, shutdown, out of resources, idle-in-transaction timeout, read-only.
POSTGRESQL_AWAY = ("08", "57P", "53", "25P03", "25006", "58", "XX")
#: Deadlock, lock timeout, and either of them while waiting for the next automatic number (INSERT … SELECT).
MYSQL_REPEAT = {1213, 1205, 1467}
#: Gone, lost, refused, killed, shut down, too many, full, read-only, and an interrupted query.
MYSQL_AWAY = {1021, 1792, 1040, 1053, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1290, 1317, 1836, 1927,
              2002, 2003, 2006, 2013, 2026, 2055, 3024, 4031}  # fmt: skip
SQLITE_REPEAT = ("database is locked", "database table is locked", "database schema has changed")
SQLITE_AWAY = ("unable to open", "disk", "full", "readonly", "i/o error")


def classify(error: BaseException) -> Fault:
    """What kind of fault a database error tells of; anything that is no database error is OTHER."""
    if isinstance(error, InterfaceError):
        return Fault.AWAY
    if not isinstance(error, Error):
        return Fault.OTHER
    cause = error.__cause__ or error
    if connection.vendor == "postgresql":
        code = getattr(cause, "pgcode", None)
        if code is None:  # the driver speaks, not the server: it has lost it
            return Fault.AWAY if type(error).__name__ == "OperationalError" else Fault.OTHER
        if code in POSTGRESQL_REPEAT:
            return Fault.REPEAT
        return Fault.AWAY if code.startswith(POSTGRESQL_AWAY) else Fault.OTHER
    if connection.vendor == "mysql":
        number = error.args[0] if error.args else None
        if number in MYSQL_REPEAT:
            return Fault.REPEAT
        return Fault.AWAY if number in MYSQL_AWAY else Fault.OTHER
    text = str(error).lower()
    if any(words in text for words in SQLITE_REPEAT):
        return Fault.REPEAT
    return Fault.AWAY if any(words in text for words in SQLITE_AWAY) else Fault.OTHER


def drop_connection() -> None:
    """Closes this thread's connection, of which nothing good is known; the next statement opens a new one."""
    try:
        connection.close()
    except Error as error:
        logger.debug("connection could not be closed", extra={"cause": str(error).strip()[:300]})


def in_transaction(work: Callable[[], Result]) -> Result:
    """Calls ``work`` in one transaction and repeats both when the database says so.

    ``work`` must therefore change nothing but rows. Inside somebody else's transaction it is called once:
    only the owner of a transaction can repeat it. Raises what the database raised last.
    """
    if connection.in_atomic_block:
        with transaction.atomic():
            return work()
    end = time.monotonic() + PATIENCE_SECONDS
    for left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                return work()
        except DatabaseError as error:
            if not left or time.monotonic() > end or classify(error) is not Fault.REPEAT:
                raise
            pause = PAUSE_SECONDS * 2 ** (TRIES - 1 - left) * (0.5 + random.random())  # noqa: S311 (jitter)
            logger.info(
                "transaction repeated", extra={"cause": str(error)[:200], "pause_seconds": round(pause, 3)}
            )
            time.sleep(pause)
    raise AssertionError("unreachable")
