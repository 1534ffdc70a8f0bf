"""What the databases have in common: the columns, the kinds of their values, and how a row becomes JSON."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from django.db import DataError, connection

Row = dict[str, Any]

#: Kinds of values: each database file says how it spells them.
KINDS = ("bigint", "int", "text", "json", "moment", "bool")

#: Of these a value is its own spelling.
AS_THEY_ARE = {"bigint", "int", "text"}

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
MOVED: dict[str, str] = {"id": "text", "next_run_time": "moment"}
#: What tells a row from the others: it travels with the row, also in a batch of one.
NAMES = {"id", "task_id", "attempt"}

EXECUTION = "scheduling_execution"
LIVE_ROW = "django_apscheduler_djangojob"


class Batch:
    """Rows for one statement: what all of them share is said once, the rest travels as one JSON text.

    Each row has a value for every column, None where there is none.

    Most columns are alike in all rows of a batch. To say them again for each row costs more than to write them.
    """

    def __init__(self, statements: Statements, rows: list[Row], columns: dict[str, str]) -> None:
        self.columns = columns
        #: Column → its value in every row.
        self.shared: dict[str, Any] = {}
        #: The other columns, with their kinds, and their values from row to row.
        self.differing: dict[str, str] = {}
        self.values: dict[str, list[Any]] = {}
        for column, kind in columns.items():
            values = list(map(itemgetter(column), rows))
            if kind == "json":  # as texts, since True and 1 are equal but not alike
                values = [statements.encode(value, kind) for value in values]
            if column not in NAMES and values.count(values[0]) == len(values):
                self.shared[column] = statements.encode(values[0], kind)
            else:
                self.differing[column] = kind
                self.values[column] = (
                    values if kind in AS_THEY_ARE else [statements.encode(value, kind) for value in values]
                )

    @property
    def json(self) -> str:
        """A list for each row: the values of the differing columns, in their order.

        JSON values travel as text inside the text, since not every database hands on an object whole.
        """
        return json.dumps(list(zip(*self.values.values(), strict=True)), separators=(",", ":"))

    def place(self, column: str) -> int:
        """Where a differing column stands in a row of ``json``."""
        return list(self.values).index(column)

    def longest(self, column: str) -> int:
        """The length of the longest text in a differing column, in characters."""
        return max(len(value or "") for value in self.values[column])


class Statements(ABC):
    """The statements of one database. ``quote`` is its quoting of names, ``false`` its word for it."""

    one_writer: ClassVar[bool] = False
    #: See ``sql.steps_over_claimed``.
    steps_over_claimed: ClassVar[bool] = False
    quote: ClassVar[str] = '"'
    false: ClassVar[str] = "false"
    #: A parameter that is a moment, and what tells an execution's own column from a record's.
    moment_mark: ClassVar[str] = "%s"
    kept: ClassVar[str] = "e."

    @abstractmethod
    def now(self) -> datetime: ...

    @abstractmethod
    def insert(self, batch: Batch) -> None:
        """Inserts executions of ``INSERTED``; one whose occurrence exists leaves that one untouched."""

    @abstractmethod
    def move(self, batch: Batch) -> None:
        """Sets the next times of live rows, of ``MOVED``."""

    def count_active(self, task_ids: list[int]) -> list[tuple[Any, ...]]:
        """(task, state, reason, number) of those tasks' active executions."""
        return self.query(
            f"SELECT task_id, state, reason, COUNT(*) FROM {EXECUTION} WHERE task_id IN ({marks(task_ids)})"
            " AND outcome IS NULL GROUP BY task_id, state, reason",
            *task_ids,
        )

    @abstractmethod
    def finish_executions(self, rows: list[Row]) -> set[int]: ...

    @abstractmethod
    def prepare_engine_session(self) -> None: ...

    @abstractmethod
    def at_most(self, seconds: float) -> AbstractContextManager[None]:
        """Within the block, which only reads, a statement that takes longer is ended and raises DatabaseError."""

    def keep_journal_short(self, resting: bool) -> None:  # noqa: B027  (servers see to it themselves)
        """See ``sql.keep_journal_short``."""

    def upkeep_trouble(self) -> str:
        """See ``sql.upkeep_trouble``."""
        return ""

    @abstractmethod
    def why_no_writes(self) -> str: ...

    @property
    def folder(self) -> Path | None:
        return None

    @abstractmethod
    def value(self, batch: Batch, column: str) -> str:
        """Where a column's value comes from: a parameter, where it is shared, or the batch's records ``v``."""

    # --- shared by them

    def insert_executions(self, rows: list[Row]) -> None:
        self.insert(Batch(self, rows, INSERTED))

    def move_live_rows(self, moves: list[tuple[str, datetime | None]]) -> None:
        self.move(Batch(self, [{"id": id, "next_run_time": at} for id, at in moves], MOVED))

    def claim_executions(
        self, ids: list[int], deadlines: dict[int, datetime], node: UUID, claim: UUID, at: datetime
    ) -> None:
        deadline = "CASE timeout_seconds " + f"WHEN %s THEN {self.moment_mark} " * len(deadlines) + "END"
        self.execute(
            f"UPDATE {EXECUTION} SET state = 'running', node_id = %s, claim_id = %s, attempt = attempt + 1,"
            f" started_at = {self.moment_mark}, overdue = {self.false},"
            f" deadline_at = {deadline if deadlines else 'NULL'}"
            f" WHERE id IN ({marks(ids)})",
            uuid_value(node),
            uuid_value(claim),
            self.moment(at),
            *(value for seconds, moment in deadlines.items() for value in (seconds, self.moment(moment))),
            *ids,
        )

    def name(self, column: str) -> str:
        return f"{self.quote}{column}{self.quote}"

    def names(self, columns: dict[str, str]) -> str:
        return ", ".join(map(self.name, columns))

    def constants(self) -> str:
        return ", ".join(literal.format(false=self.false) for literal in CONSTANT.values())

    def moment(self, value: datetime) -> str:
        """A moment as this database reads it from text: as Django itself stores it."""
        return value.astimezone(UTC).isoformat(" ").removesuffix("+00:00")

    def boolean(self, value: bool) -> Any:
        return int(value)

    def selected(self, batch: Batch) -> str:
        return ", ".join(self.value(batch, column) for column in batch.columns)

    def assignments(self, batch: Batch) -> str:
        return ", ".join(self.assignment(column, self.value(batch, column)) for column in FINISHED)

    def assignment(self, column: str, value: str) -> str:
        """``available_at`` keeps its value unless the row brings one (a retry does)."""
        kept = f"COALESCE({value}, {self.kept}{column})" if column == "available_at" else value
        return f"{self.name(column)} = {kept}"

    def encode(self, value: Any, kind: str) -> Any:
        """A value as JSON and as a parameter."""
        if value is None:
            return None
        if kind == "moment":
            return self.moment(value)
        if kind == "bool":
            return self.boolean(value)
        if kind == "json" and not isinstance(value, str):
            return json.dumps(value)
        return value

    def execute(self, sql: str, *values: Any) -> None:
        with self._executed(sql, values):
            pass

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._executed(sql, values) as cursor:
            return list(cursor.fetchall())

    @contextmanager
    def _executed(self, sql: str, values: tuple[Any, ...]) -> Iterator[Any]:
        with connection.cursor() as cursor:
            try:
                cursor.execute(sql, values)
            except ValueError as error:
                # The driver itself refuses NUL or lone surrogates: a fault of the value, as if the server had.
                raise DataError(str(error)) from error
            yield cursor


def marks(values: Sequence[Any]) -> str:
    """A place for each of them in a list of parameters."""
    return ", ".join(["%s"] * len(values))


def uuid_value(value: UUID) -> str:
    """A UUID as the connection's database stores it."""
    return str(value) if connection.features.has_native_uuid_field else value.hex
