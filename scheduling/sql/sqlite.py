"""SQLite's spelling. It has one writer at a time, so there are no lock clauses: a transaction begins as a writer."""

from __future__ import annotations

from datetime import UTC, datetime

from scheduling.sql.base import CONSTANT, EXECUTION, FINISHED, LIVE_ROW, NAMED, Batch, Row, Statements


class SQLite(Statements):
    false = "0"
    kept = ""

    def value(self, batch: Batch, column: str) -> str:
        return "%s" if column in batch.shared else f"v.value->>'{column}'"

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
        """Nothing to bound: a frozen writer is waited for, and the waiting says so."""
