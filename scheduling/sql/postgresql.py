"""PostgreSQL's spelling."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from scheduling.sql.base import CONSTANT, EXECUTION, FINISHED, LIVE_ROW, NAMED, Batch, Row, Statements

SET_TIMEOUT = "SELECT set_config('statement_timeout', %s, true)"

RECORDS = "jsonb_array_elements(%s::jsonb) AS v(value)"

#: Rows of executions that are over and not cleaned up: so many, and this share of what is there, are usual. At 3 000
#: runs a second a minute leaves 360 000; a vacuum comes when it is a fiftieth (migrations).
MOST_DEAD_ROWS = 500_000
MOST_DEAD_SHARE = 0.05
#: A transaction that is open for so long is named as what keeps them.
LONG_SECONDS = 300.0

#: As parameters, and as what is read from a batch.
TYPES = {
    "bigint": "bigint",
    "int": "int",
    "text": "text",
    "json": "jsonb",
    "moment": "timestamptz",
    "bool": "bool",
}


class PostgreSQL(Statements):
    moment_mark = "%s::timestamptz"

    def value(self, batch: Batch, column: str) -> str:
        text = "%s" if column in batch.shared else f"(v.value->>{batch.place(column)})"
        return f"{text}::{TYPES[batch.columns[column]]}"

    def moment(self, value: datetime) -> str:
        return value.isoformat()

    def boolean(self, value: bool) -> Any:
        return value

    def now(self) -> datetime:
        # clock_timestamp, since now() stands still within a transaction.
        moment: datetime = self.query("SELECT clock_timestamp()")[0][0]
        return moment

    def insert(self, batch: Batch) -> None:
        self.execute(
            f"INSERT INTO {EXECUTION} ({self.names(batch.columns)}, {self.names(CONSTANT)})"
            f" SELECT {self.selected(batch)}, {self.constants()} FROM {RECORDS}"
            " ON CONFLICT (task_id, scheduled_for, slot) DO NOTHING",
            *batch.shared.values(),
            batch.json,
        )

    def move(self, batch: Batch) -> None:
        self.execute(
            f"UPDATE {LIVE_ROW} j SET next_run_time = {self.value(batch, 'next_run_time')}"
            f" FROM {RECORDS} WHERE j.id = {self.value(batch, 'id')}",
            *batch.shared.values(),
            batch.json,
        )

    def finish_executions(self, rows: list[Row]) -> set[int]:
        batch = Batch(self, rows, NAMED | FINISHED)
        # Locks in the order of ids, as every writer of many executions does, so that two cannot deadlock. The state
        # is looked at afterwards: asked for what runs, the planner goes through all that ever ran since the last
        # vacuum (of 3 000 runs a second, 180 000 in a minute).
        accepted = self.query(
            f"WITH l AS (SELECT id, attempt, state FROM {EXECUTION} WHERE id = ANY(%s) ORDER BY id FOR UPDATE)"
            f" UPDATE {EXECUTION} e SET {self.assignments(batch)}"
            f" FROM {RECORDS} JOIN l ON l.id = {self.value(batch, 'id')}"
            f" AND l.attempt = {self.value(batch, 'attempt')} AND l.state = 'running'"
            " WHERE e.id = l.id RETURNING e.id",
            batch.values["id"],
            *batch.shared.values(),
            batch.json,
        )
        return {id for (id,) in accepted}

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

    def upkeep_trouble(self) -> str:
        [(dead, live, autovacuum)] = self.query(
            "SELECT pg_stat_get_dead_tuples(t), pg_stat_get_live_tuples(t), current_setting('autovacuum')"
            " FROM CAST(%s AS regclass) t",
            EXECUTION,
        )
        if dead < MOST_DEAD_ROWS + MOST_DEAD_SHARE * live:
            return ""
        text = f"PostgreSQL has not cleaned up {EXECUTION} for long, which slows each claim"
        if autovacuum == "off":
            return f"{text}: autovacuum is off"
        oldest = self.query(
            "SELECT pid, xact_start FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND datname ="
            " current_database() AND xact_start < clock_timestamp() - %s * interval '1 second'"
            " ORDER BY xact_start LIMIT 1",
            LONG_SECONDS,
        )
        for pid, since in oldest:
            text += f": process {pid} has a transaction open since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        return text

    def why_no_writes(self) -> str:
        # Also "on" while the server is a replica.
        ((read_only,),) = self.query("SELECT current_setting('transaction_read_only')")
        return "the database is read-only" if read_only == "on" else ""
