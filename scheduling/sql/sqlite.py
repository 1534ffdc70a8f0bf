"""SQLite's spelling. It has one writer at a time, so there are no lock clauses: a transaction begins as a writer."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import connection

from jobsite.sqlite import JOURNAL_PAGES
from scheduling.sql.base import CONSTANT, EXECUTION, FINISHED, LIVE_ROW, NAMED, Batch, Row, Statements

logger = logging.getLogger(__name__)

#: A journal as long as this gets a checkpoint at once, and one a quarter as long when there is nothing else to do.
JOURNAL_BYTES = JOURNAL_PAGES * 4_096
RESTING_BYTES = JOURNAL_BYTES // 4
#: Steps of SQLite's machine between two looks at the time: some milliseconds.
STEPS_BETWEEN_LOOKS = 100_000
#: Of the engine's own connections each; SQLite's own rule is 2 000.
CACHE_KIB = 16 * 1024
#: A disk with less than this takes no transaction that is worth the name.
LEAST_FREE_BYTES = 256 * 1024


class SQLite(Statements):
    one_writer = True
    false = "0"
    kept = ""

    def value(self, batch: Batch, column: str) -> str:
        return "%s" if column in batch.shared else f"v.value->>'$[{batch.place(column)}]'"

    def now(self) -> datetime:
        return datetime.now(UTC)

    def insert(self, batch: Batch) -> None:
        # "WHERE true" tells the parser that ON CONFLICT is not a join's ON.
        self.execute(
            f"INSERT INTO {EXECUTION} ({self.names(batch.columns)}, {self.names(CONSTANT)})"
            f" SELECT {self.selected(batch)}, {self.constants()} FROM json_each(%s) v WHERE true"
            " ON CONFLICT (task_id, scheduled_for, slot) DO NOTHING",
            *batch.shared.values(),
            batch.json,
        )

    def move(self, batch: Batch) -> None:
        self.execute(
            f"UPDATE {LIVE_ROW} SET next_run_time = {self.value(batch, 'next_run_time')} FROM json_each(%s) v"
            f" WHERE {LIVE_ROW}.id = {self.value(batch, 'id')}",
            *batch.shared.values(),
            batch.json,
        )

    def finish_executions(self, rows: list[Row]) -> set[int]:
        batch = Batch(self, rows, NAMED | FINISHED)
        # The sign keeps the planner from the index of claims: it would go through all that runs for each row.
        accepted = self.query(
            f"UPDATE {EXECUTION} SET {self.assignments(batch)} FROM json_each(%s) v"
            f" WHERE {EXECUTION}.id = {self.value(batch, 'id')} AND attempt = {self.value(batch, 'attempt')}"
            f" AND +state = 'running' RETURNING {EXECUTION}.id",
            *batch.shared.values(),
            batch.json,
        )
        return {id for (id,) in accepted}

    def prepare_engine_session(self) -> None:
        """Nothing to bound: a frozen writer is waited for, and the waiting says so.

        But the engine writes the same pages again and again, more of them than SQLite keeps by itself.
        """
        self.execute(f"PRAGMA cache_size = -{CACHE_KIB}")

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        # No transaction: one of SQLite's would keep every writer out for as long as this reads.
        connection.ensure_connection()
        driver: Any = connection.connection
        end = time.monotonic() + seconds
        driver.set_progress_handler(lambda: time.monotonic() > end, STEPS_BETWEEN_LOOKS)
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)

    def keep_journal_short(self, resting: bool) -> None:
        """A checkpoint, once the journal is that long, with the writer's lock held.

        So nobody can begin the journal anew meanwhile: that is when versions with the WAL-reset bug lose commits.

        Where somebody writes at this moment, the next tick tries again.
        """
        name = connection.settings_dict["NAME"]
        if _size_of(f"{name}-wal") < (RESTING_BYTES if resting else JOURNAL_BYTES):
            return
        with closing(_opened(name)) as writer, closing(_opened(name)) as keeper:
            try:
                writer.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                logger.debug("no checkpoint now", extra={"cause": str(error)})
                return
            keeper.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            writer.execute("ROLLBACK")

    @property
    def folder(self) -> Path:
        return Path(connection.settings_dict["NAME"]).parent

    def why_no_writes(self) -> str:
        if not os.access(connection.settings_dict["NAME"], os.W_OK):
            return "the database's file is read-only"
        if shutil.disk_usage(self.folder).free < LEAST_FREE_BYTES:
            return "the disk that holds the database is full"
        return ""


def _size_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _opened(name: str) -> sqlite3.Connection:
    """A connection of its own that waits for nobody and begins no transaction by itself."""
    return sqlite3.connect(name, timeout=0, isolation_level=None)
