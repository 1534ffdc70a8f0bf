"""PostgreSQL's spelling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import transaction

from scheduling.sql.base import (
    CLAIMED,
    CONSTANT,
    EXECUTION,
    FINISHED,
    INSERTED,
    LIVE_ROW,
    MOVED,
    NAMED,
    Row,
    Statements,
)  # fmt: skip

SET_TIMEOUT = "SELECT set_config('statement_timeout', %s, true)"

TYPES = {
    "bigint": "bigint",
    "int": "int",
    "text": "text",
    "json": "text",
    "moment": "timestamptz",
    "bool": "bool",
}


class PostgreSQL(Statements):
    def records(self, columns: dict[str, str]) -> str:
        typed = ", ".join(f"{self.name(column)} {TYPES[kind]}" for column, kind in columns.items())
        return f"jsonb_to_recordset(%s::jsonb) AS v({typed})"

    def value(self, column: str, kind: str) -> str:
        return f"v.{self.name(column)}::jsonb" if kind == "json" else f"v.{self.name(column)}"

    def values(self, columns: dict[str, str]) -> str:
        return ", ".join(self.value(column, kind) for column, kind in columns.items())

    def assignments(self, columns: dict[str, str]) -> str:
        """``available_at`` keeps its value unless the row brings one (a retry does)."""
        return ", ".join(
            f"{self.name(column)} = "
            + (f"COALESCE(v.{column}, e.{column})" if column == "available_at" else self.value(column, kind))
            for column, kind in columns.items()
        )

    def moment(self, value: datetime) -> str:
        return value.isoformat()

    def boolean(self, value: bool) -> Any:
        return value

    def now(self) -> datetime:
        # clock_timestamp, since now() stands still within a transaction.
        moment: datetime = self.query("SELECT clock_timestamp()")[0][0]
        return moment

    @cached_property
    def insert_statement(self) -> str:
        return (
            f"INSERT INTO {EXECUTION} ({self.names(INSERTED)}, {self.names(CONSTANT)})"
            f" SELECT {self.values(INSERTED)}, {self.constants()} FROM {self.records(INSERTED)}"
            " ON CONFLICT (task_id, scheduled_for, slot) DO NOTHING"
        )

    @cached_property
    def move_statement(self) -> str:
        return f"UPDATE {LIVE_ROW} j SET next_run_time = v.next_run_time FROM {self.records(MOVED)} WHERE j.id = v.id"

    @cached_property
    def _claim(self) -> str:
        return (
            f"UPDATE {EXECUTION} e SET state = 'running', node_id = %s, claim_id = %s, attempt = e.attempt + 1,"
            f" started_at = %s, deadline_at = v.deadline_at, overdue = false FROM {self.records(CLAIMED)}"
            " WHERE e.id = v.id"
        )

    def claim_executions(self, rows: list[Row], node: Any, claim: Any, at: datetime) -> None:
        self.execute(self._claim, str(node), str(claim), at, self.encode(rows, CLAIMED))

    @cached_property
    def _finish(self) -> str:
        # Locks in the order of ids, as every writer of many executions does, so that two cannot deadlock.
        return (
            f"WITH v AS (SELECT * FROM {self.records(NAMED | FINISHED)}),"
            f" l AS (SELECT e.id FROM {EXECUTION} e JOIN v ON v.id = e.id AND v.attempt = e.attempt"
            "  WHERE e.state = 'running' ORDER BY e.id FOR UPDATE OF e)"
            f" UPDATE {EXECUTION} e SET {self.assignments(FINISHED)} FROM v JOIN l ON l.id = v.id"
            " WHERE e.id = v.id RETURNING e.id"
        )

    def finish_executions(self, rows: list[Row]) -> set[int]:
        return {id for (id,) in self.query(self._finish, self.encode(rows, NAMED | FINISHED))}

    def prepare_engine_session(self) -> None:
        self.execute(
            "SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '2s'; SET statement_timeout = '20s'"
        )

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        with transaction.atomic():
            [(before,)] = self.query("SELECT current_setting('statement_timeout')")
            self.execute(SET_TIMEOUT, f"{round(seconds * 1000)}ms")
            yield
            self.execute(SET_TIMEOUT, before)  # after an error the rollback does it

    def why_no_writes(self) -> str:
        # Also "on" while the server is a replica.
        ((read_only,),) = self.query("SELECT current_setting('transaction_read_only')")
        return "the database is read-only" if read_only == "on" else ""
