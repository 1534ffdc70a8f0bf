"""The statements the ORM has no words for: set-based writes of many different rows, and the database's time.

One file per database says only what differs. What differs from row to row travels as one JSON parameter, so a
batch of any size is one statement and one round trip. Everything else in the project goes through the ORM.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection

from scheduling.sql.base import Row as Row
from scheduling.sql.base import Statements


@cache
def _statements(vendor: str) -> Statements:
    if vendor == "postgresql":
        from scheduling.sql.postgresql import PostgreSQL

        return PostgreSQL()
    if vendor == "mysql":
        from scheduling.sql.mysql import MySQL

        return MySQL()
    if vendor == "sqlite":
        from scheduling.sql.sqlite import SQLite

        return SQLite()
    raise NotImplementedError(f"Jobsite does not run on {vendor}: use PostgreSQL, MySQL, MariaDB or SQLite.")


def statements() -> Statements:
    """Those of the database in use."""
    return _statements(connection.vendor)


def has_one_writer() -> bool:
    """Whether the database takes one writer at a time, so that a second one has only to wait."""
    return statements().one_writer


def steps_over_claimed() -> bool:
    """Whether a claim has to step over all that was claimed before, until the database has cleaned up."""
    return statements().steps_over_claimed


def now() -> datetime:
    """The database's time, aware UTC (SQLite: the host's, which is the same machine)."""
    return statements().now()


def insert_executions(rows: list[Row]) -> None:
    """Inserts executions in one statement; a row whose occurrence exists already leaves that one untouched."""
    if rows:
        statements().insert_executions(rows)


def move_live_rows(moves: list[tuple[str, datetime | None]]) -> None:
    """Sets the next times of live rows, given as (id, next time), in one statement."""
    if moves:
        statements().move_live_rows(moves)


def claim_executions(
    ids: list[int], deadlines: dict[int, datetime], node: UUID, claim: UUID, at: datetime
) -> None:
    """Sets queued executions running, whose locks the caller holds. ``deadlines``: by their timeout in seconds."""
    if ids:
        statements().claim_executions(ids, deadlines, node, claim, at)


def finish_executions(rows: list[Row]) -> set[int]:
    """Writes results in one statement, each only onto a running row of the same attempt.

    Returns the ids whose row took the result; the others were no longer this attempt's to write.
    """
    return statements().finish_executions(sorted(rows, key=lambda row: row["id"])) if rows else set()


def count_active(task_ids: list[int]) -> list[tuple[Any, ...]]:
    """How many executions of those tasks are active: (task, state, reason, number)."""
    return statements().count_active(task_ids) if task_ids else []


def keep_journal_short(*, resting: bool) -> None:
    """What a scheduler does for the database after a tick, rather when it has nothing else to do (``resting``).

    SQLite: now and then a checkpoint.
    """
    statements().keep_journal_short(resting)


def upkeep_trouble() -> str:
    """What keeps the database from cleaning up after the scheduler, once that costs time; empty while nothing does."""
    return statements().upkeep_trouble()


def why_no_writes() -> str:
    """Why the database takes no writes, as far as reading can tell; empty when nothing speaks against it.

    An account that may write all the same is not known to do so: ask when writing seems to have stopped.
    """
    return statements().why_no_writes()


def folder() -> Path | None:
    """Where this machine keeps the database itself; None where a server does."""
    return statements().folder


def prepare_engine_session() -> None:
    """Bounds what this thread's connection may hold or wait for, so that a frozen node keeps no locks from others.

    Once for each connection; costs nothing while it stays the same.
    """
    connection.ensure_connection()
    if getattr(connection, "prepared_session", None) is not connection.connection:
        statements().prepare_engine_session()
        connection.prepared_session = connection.connection  # type: ignore[attr-defined]


def at_most(seconds: float) -> AbstractContextManager[None]:
    """Within the block, which only reads, a statement that takes longer is ended and raises DatabaseError."""
    return statements().at_most(seconds)
