"""MySQL's and MariaDB's spelling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.db import connection

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
    uuid_value,
)  # fmt: skip

TYPES = {
    "bigint": "BIGINT",
    "int": "INT",
    "text": "LONGTEXT",
    "json": "LONGTEXT",
    "moment": "DATETIME(6)",
    "bool": "TINYINT",
}


class MySQL(Statements):
    quote = "`"
    false = "0"

    def records(self, columns: dict[str, str]) -> str:
        # Identifiers of live rows are shorter than the longest text, and compared by an index.
        typed = ", ".join(
            f"{self.name(column)} {'VARCHAR(255)' if columns is MOVED and column == 'id' else TYPES[kind]}"
            f" PATH '$.{column}'"
            for column, kind in columns.items()
        )
        return f"JSON_TABLE(%s, '$[*]' COLUMNS ({typed})) v"

    def assignments(self, columns: dict[str, str]) -> str:
        return ", ".join(
            f"e.{self.name(column)} = "
            + (f"COALESCE(v.{column}, e.{column})" if column == "available_at" else f"v.{self.name(column)}")
            for column in columns
        )

    def now(self) -> datetime:
        moment: datetime = self.query("SELECT UTC_TIMESTAMP(6)")[0][0]
        return moment.replace(tzinfo=UTC)

    @cached_property
    def insert_statement(self) -> str:
        # The duplicate clause changes nothing; INSERT IGNORE would hide other faults too.
        return (
            f"INSERT INTO {EXECUTION} ({self.names(INSERTED)}, {self.names(CONSTANT)})"
            f" SELECT {self.names(INSERTED, 'v.')}, {self.constants()} FROM {self.records(INSERTED)}"
            f" ON DUPLICATE KEY UPDATE task_id = {EXECUTION}.task_id"
        )

    @cached_property
    def move_statement(self) -> str:
        return f"UPDATE {LIVE_ROW} j JOIN {self.records(MOVED)} ON v.id = j.id SET j.next_run_time = v.next_run_time"

    @cached_property
    def _claim(self) -> str:
        return (
            f"UPDATE {EXECUTION} e JOIN {self.records(CLAIMED)} ON v.id = e.id SET e.state = 'running',"
            " e.node_id = %s, e.claim_id = %s, e.attempt = e.attempt + 1, e.started_at = %s,"
            " e.deadline_at = v.deadline_at, e.overdue = 0"
        )

    def claim_executions(self, rows: list[Row], node: Any, claim: Any, at: datetime) -> None:
        self.execute(
            self._claim, self.encode(rows, CLAIMED), uuid_value(node), uuid_value(claim), self.moment(at)
        )

    @cached_property
    def _finish(self) -> str:
        return (
            f"UPDATE {EXECUTION} e JOIN {self.records(NAMED | FINISHED)} ON v.id = e.id AND v.attempt = e.attempt"
            f" SET {self.assignments(FINISHED)} WHERE e.state = 'running'"
        )

    def finish_executions(self, rows: list[Row]) -> set[int]:
        # There is no UPDATE … RETURNING: lock and look first, in the order of ids, then write what is still ours.
        marks = ", ".join(["%s"] * len(rows))
        held = dict(
            self.query(
                f"SELECT id, attempt FROM {EXECUTION} WHERE id IN ({marks}) AND state = 'running'"
                " ORDER BY id FOR UPDATE",
                *[row["id"] for row in rows],
            )
        )
        ours = [row for row in rows if held.get(row["id"]) == row["attempt"]]
        if ours:
            self.execute(self._finish, self.encode(ours, NAMED | FINISHED))
        return {row["id"] for row in ours}

    def prepare_engine_session(self) -> None:
        self.execute("SET SESSION innodb_lock_wait_timeout = 2")
        if getattr(connection, "mysql_is_mariadb", False):
            self.execute("SET SESSION idle_transaction_timeout = 5")

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        if getattr(connection, "mysql_is_mariadb", False):
            name, most = "max_statement_time", str(round(seconds, 3))
        else:
            name, most = "max_execution_time", str(round(seconds * 1000))
        [(before,)] = self.query(f"SELECT @@SESSION.{name}")
        self.execute(f"SET SESSION {name} = {most}")
        try:
            yield
        finally:
            self.execute(f"SET SESSION {name} = {before}")

    def why_no_writes(self) -> str:
        ((read_only,),) = self.query("SELECT @@global.read_only")
        return "the database is read-only" if read_only else ""
