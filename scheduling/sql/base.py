"""What the databases have in common: the columns, the kinds of their values, and how a row becomes JSON."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db import connection

Row = dict[str, Any]

#: Kinds of values: each database file says how it spells them.
KINDS = ("bigint", "int", "text", "json", "moment", "bool")

#: Columns of a new execution that differ from row to row.
INSERTED: dict[str, str] = {
    "task_id": "bigint",
    "task_key": "text",
    "task_version": "int",
    "function": "text",
    "scheduled_for": "moment",
    "slot": "text",
    "origin": "text",
    "state": "text",
    "reason": "text",
    "detail": "text",
    "executor": "text",
    "queue": "text",
    "rank": "int",
    "pool_id": "bigint",
    "weight": "int",
    "timeout_seconds": "int",
    "memory_limit_mb": "int",
    "cpu_limit_seconds": "int",
    "available_at": "moment",
    "admitted_at": "moment",
    "queued_at": "moment",
    "finished_at": "moment",
    "covers_until": "moment",
    "covers_count": "int",
    "parameters": "json",
}
#: Columns of a new execution that are always the same: column → SQL literal.
CONSTANT: dict[str, str] = {
    "attempt": "0",
    "overdue": "{false}",
    "result_altered": "{false}",
    "error_class": "''",
    "message": "''",
    "traceback": "''",
    "progress_text": "''",
}
#: Columns that a result sets (besides id and attempt, which name the row).
FINISHED: dict[str, str] = {
    "state": "text",
    "reason": "text",
    "detail": "text",
    "available_at": "moment",
    "finished_at": "moment",
    "run_ms": "bigint",
    "result": "json",
    "result_altered": "bool",
    "error_class": "text",
    "message": "text",
    "traceback": "text",
    "progress_done": "bigint",
    "progress_total": "bigint",
    "progress_text": "text",
    "exit_code": "int",
    "cpu_ms": "bigint",
    "peak_memory_bytes": "bigint",
}
NAMED: dict[str, str] = {"id": "bigint", "attempt": "int"}
CLAIMED: dict[str, str] = {"id": "bigint", "deadline_at": "moment"}
MOVED: dict[str, str] = {"id": "text", "next_run_time": "moment"}

EXECUTION = "scheduling_execution"
LIVE_ROW = "django_apscheduler_djangojob"


class Statements(ABC):
    """The statements of one database. ``quote`` is its quoting of names, ``false`` its word for it."""

    quote: ClassVar[str] = '"'
    false: ClassVar[str] = "false"

    @abstractmethod
    def now(self) -> datetime: ...

    @property
    @abstractmethod
    def insert_statement(self) -> str:
        """Inserts executions; takes rows of ``INSERTED`` as JSON."""

    @property
    @abstractmethod
    def move_statement(self) -> str:
        """Sets next times; takes rows of ``MOVED`` as JSON."""

    @abstractmethod
    def claim_executions(self, rows: list[Row], node: Any, claim: Any, at: datetime) -> None: ...

    @abstractmethod
    def finish_executions(self, rows: list[Row]) -> set[int]: ...

    @abstractmethod
    def prepare_engine_session(self) -> None: ...

    @abstractmethod
    def at_most(self, seconds: float) -> AbstractContextManager[None]:
        """Within the block, which only reads, a statement that takes longer is ended and raises DatabaseError."""

    # --- shared by them

    def insert_executions(self, rows: list[Row]) -> None:
        self.execute(self.insert_statement, self.encode(rows, INSERTED))

    def move_live_rows(self, moves: list[tuple[str, datetime | None]]) -> None:
        self.execute(
            self.move_statement, self.encode([{"id": id, "next_run_time": at} for id, at in moves], MOVED)
        )

    def name(self, column: str) -> str:
        return f"{self.quote}{column}{self.quote}"

    def names(self, columns: dict[str, str], prefix: str = "") -> str:
        return ", ".join(prefix + self.name(column) for column in columns)

    def constants(self) -> str:
        return ", ".join(literal.format(false=self.false) for literal in CONSTANT.values())

    def moment(self, value: datetime) -> str:
        """A moment as this database reads it from text: as Django itself stores it."""
        return str(value.astimezone(UTC).replace(tzinfo=None))

    def boolean(self, value: bool) -> Any:
        return int(value)

    def encode(self, rows: list[Row], columns: dict[str, str]) -> str:
        """The rows as one JSON text. A column that is None is left out, which every database reads as NULL.

        JSON values travel as text inside the text, since not every database hands on an object whole.
        """
        return json.dumps(
            [
                {
                    column: self._encode(row[column], kind)
                    for column, kind in columns.items()
                    if row.get(column) is not None
                }
                for row in rows
            ],
            separators=(",", ":"),
        )

    def _encode(self, value: Any, kind: str) -> Any:
        if kind == "moment":
            return self.moment(value)
        if kind == "bool":
            return self.boolean(value)
        if kind == "json" and not isinstance(value, str):
            return json.dumps(value)
        return value

    def execute(self, sql: str, *values: Any) -> int:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return int(cursor.rowcount)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())


def uuid_value(value: Any) -> Any:
    """A UUID as the connection's database stores it."""
    return value if connection.features.has_native_uuid_field else value.hex
