"""MySQL's and MariaDB's spelling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import connection

from scheduling.sql.base import CONSTANT, EXECUTION, FINISHED, LIVE_ROW, NAMED, Batch, Row, Statements, marks

TYPES = {"bigint": "BIGINT", "int": "INT", "moment": "DATETIME(6)", "bool": "TINYINT"}
#: Texts up to this length are not LONGTEXT, which a temporary table has to keep on the disk.
SHORT = 500


class MySQL(Statements):
    # InnoDB's purge waits while there is other work: half a microsecond for each claimed row that it has left behind.
    steps_over_claimed = True
    quote = "`"
    false = "0"
    kept = ""

    def records(self, batch: Batch) -> str:
        typed = ", ".join(
            f"{self.name(column)} {self._type(batch, column)} PATH '$[{place}]'"
            for place, column in enumerate(batch.differing)
        )
        return f"JSON_TABLE(%s, '$[*]' COLUMNS ({typed})) v"

    def _type(self, batch: Batch, column: str) -> str:
        kind = batch.columns[column]
        if kind in TYPES:
            return TYPES[kind]
        return f"VARCHAR({SHORT})" if batch.longest(column) <= SHORT else "LONGTEXT"

    def value(self, batch: Batch, column: str) -> str:
        return "%s" if column in batch.shared else f"v.{self.name(column)}"

    def now(self) -> datetime:
        moment: datetime = self.query("SELECT UTC_TIMESTAMP(6)")[0][0]
        return moment.replace(tzinfo=UTC)

    def insert(self, batch: Batch) -> None:
        # The duplicate clause changes nothing; INSERT IGNORE would hide other faults too.
        self.execute(
            f"INSERT INTO {EXECUTION} ({self.names(batch.columns)}, {self.names(CONSTANT)})"
            f" SELECT {self.selected(batch)}, {self.constants()} FROM {self.records(batch)}"
            f" ON DUPLICATE KEY UPDATE task_id = {EXECUTION}.task_id",
            *batch.shared.values(),
            batch.json,
        )

    def move(self, batch: Batch) -> None:
        self.execute(
            f"UPDATE {LIVE_ROW} j JOIN {self.records(batch)} ON v.id = j.id"
            f" SET j.next_run_time = {self.value(batch, 'next_run_time')}",
            batch.json,
            *batch.shared.values(),
        )

    def finish_executions(self, rows: list[Row]) -> set[int]:
        # There is no UPDATE … RETURNING: lock and look first, in the order of ids, then write what is still ours.
        held = dict(
            self.query(
                f"SELECT id, attempt FROM {EXECUTION} WHERE id IN ({marks(rows)}) AND state = 'running'"
                " ORDER BY id FOR UPDATE",
                *[row["id"] for row in rows],
            )
        )
        ours = [row for row in rows if held.get(row["id"]) == row["attempt"]]
        if ours:
            self._write(Batch(self, ours, NAMED | FINISHED))
        return {row["id"] for row in ours}

    def _write(self, batch: Batch) -> None:
        """Writes results onto rows that are held. With a join the rows would go through a temporary table first."""
        ids = batch.values["id"]
        assignments, values = [], []
        for column in FINISHED:
            if column in batch.shared:
                text, given = "%s", [batch.shared[column]]
            else:
                text = f"CASE id {'WHEN %s THEN %s ' * len(ids)}END"
                given = [each for pair in zip(ids, batch.values[column], strict=True) for each in pair]
            assignments.append(self.assignment(column, text))
            values += given
        self.execute(
            f"UPDATE {EXECUTION} SET {', '.join(assignments)} WHERE id IN ({marks(ids)})"
            " AND state = 'running'",
            *values,
            *ids,
        )

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
