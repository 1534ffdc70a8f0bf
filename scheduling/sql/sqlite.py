"""SQLite's spelling. It has one writer at a time, so there are no lock clauses: a transaction begins as a writer."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from django.db import connection

from scheduling.sql.base import (
    CLAIMED,
    CONSTANT,
    EXECUTION,
    FINISHED,
    INSERTED,
    LIVE_ROW,
    NAMED,
    Row,
    Statements,
)  # fmt: skip

#: Steps of SQLite's machine between two looks at the time: some milliseconds.
STEPS_BETWEEN_LOOKS = 100_000
#: A disk with less than this takes no transaction that is worth the name.
LEAST_FREE_BYTES = 256 * 1024


class SQLite(Statements):
    false = "0"

    def value(self, column: str) -> str:
        return f"v.value->>'{column}'"

    def now(self) -> datetime:
        return datetime.now(UTC)

    @cached_property
    def insert_statement(self) -> str:
        # "WHERE true" tells the parser that ON CONFLICT is not a join's ON.
        values = ", ".join(self.value(column) for column in INSERTED)
        return (
            f"INSERT INTO {EXECUTION} ({self.names(INSERTED)}, {self.names(CONSTANT)})"
            f" SELECT {values}, {self.constants()} FROM json_each(%s) v WHERE true"
            " ON CONFLICT (task_id, scheduled_for, slot) DO NOTHING"
        )

    @cached_property
    def move_statement(self) -> str:
        return (
            f"UPDATE {LIVE_ROW} SET next_run_time = {self.value('next_run_time')} FROM json_each(%s) v"
            f" WHERE {LIVE_ROW}.id = {self.value('id')}"
        )

    @cached_property
    def _claim(self) -> str:
        return (
            f"UPDATE {EXECUTION} SET state = 'running', node_id = %s, claim_id = %s, attempt = attempt + 1,"
            f" started_at = %s, deadline_at = {self.value('deadline_at')}, overdue = 0 FROM json_each(%s) v"
            f" WHERE {EXECUTION}.id = {self.value('id')}"
        )

    def claim_executions(self, rows: list[Row], node: Any, claim: Any, at: datetime) -> None:
        self.execute(self._claim, node.hex, claim.hex, self.moment(at), self.encode(rows, CLAIMED))

    @cached_property
    def _finish(self) -> str:
        assignments = ", ".join(
            f"{self.name(column)} = "
            + (
                f"COALESCE({self.value(column)}, {column})"
                if column == "available_at"
                else self.value(column)
            )
            for column in FINISHED
        )
        return (
            f"UPDATE {EXECUTION} SET {assignments} FROM json_each(%s) v WHERE {EXECUTION}.id = {self.value('id')}"
            f" AND attempt = {self.value('attempt')} AND state = 'running' RETURNING {EXECUTION}.id"
        )

    def finish_executions(self, rows: list[Row]) -> set[int]:
        return {id for (id,) in self.query(self._finish, self.encode(rows, NAMED | FINISHED))}

    def prepare_engine_session(self) -> None:
        """Nothing to bound: a frozen writer is waited for, and the waiting says so."""

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

    @property
    def folder(self) -> Path:
        return Path(connection.settings_dict["NAME"]).parent

    def why_no_writes(self) -> str:
        if not os.access(connection.settings_dict["NAME"], os.W_OK):
            return "the database's file is read-only"
        if shutil.disk_usage(self.folder).free < LEAST_FREE_BYTES:
            return "the disk that holds the database is full"
        return ""
