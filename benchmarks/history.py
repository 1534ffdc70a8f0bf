"""Fills a database as a large team's would be after months: tasks, executions, log pieces, tallies, nodes.

Executions are written by the database itself, half a million in a statement, without their indexes, which are built
afterwards. The outcome is the same each time, but for "now", at which the newest execution ends.
"""

from __future__ import annotations

import argparse
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import contest

CHUNK = 500_000
BATCH = 2_000
QUEUES = ("default", "reports", "nightly")
#: Executions that have log pieces: the newest ones.
LOGGED = 2_000


class Words(ABC):
    """How one database says numbers in a row, moments and values."""

    false = "false"
    json = "'{}'"

    @abstractmethod
    def numbers(self, first: int, last: int) -> str:
        """A table of the column ``n``."""

    @abstractmethod
    def moment(self, start: datetime, microseconds: str) -> str:
        """``start`` and so many microseconds later, which is an expression."""


class PostgreSQL(Words):
    json = "'{}'::jsonb"

    def numbers(self, first: int, last: int) -> str:
        return f"generate_series({first}::bigint, {last}::bigint) AS s(n)"

    def moment(self, start: datetime, microseconds: str) -> str:
        return f"(TIMESTAMPTZ '{start.isoformat()}' + ({microseconds}) * INTERVAL '1 microsecond')"


class MariaDB(Words):
    false = "0"

    def numbers(self, first: int, last: int) -> str:
        return f"(SELECT seq AS n FROM seq_{first}_to_{last}) AS s"

    def moment(self, start: datetime, microseconds: str) -> str:
        return f"TIMESTAMPADD(MICROSECOND, {microseconds}, '{start:%Y-%m-%d %H:%M:%S.%f}')"


class SQLite(Words):
    false = "0"

    def numbers(self, first: int, last: int) -> str:
        more = f"SELECT {first} UNION ALL SELECT n + 1 FROM s WHERE n < {last}"
        return f"(WITH RECURSIVE s(n) AS ({more}) SELECT n FROM s) AS s"

    def moment(self, start: datetime, microseconds: str) -> str:
        seconds = f"({start.timestamp()} + ({microseconds}) / 1000000.0)"
        return f"strftime('%Y-%m-%d %H:%M:%f', {seconds}, 'unixepoch')"


WORDS: dict[str, Words] = {"postgresql": PostgreSQL(), "mysql": MariaDB(), "sqlite": SQLite()}


def fill_tasks(number: int, now: datetime) -> tuple[int, list[uuid.UUID]]:
    """Tasks with their versions and live rows, in ten groups, and four nodes of which two live.

    Returns the first task's id, and the nodes' ids.
    """
    from scheduling.models import Group, Node, Pool, Task, TaskVersion
    from scheduling.services import liverows, nodes

    names = [f"team-{number}" for number in range(10)]
    groups = Group.objects.bulk_create(Group(key=name, name=name.title()) for name in names)
    pool = Pool.objects.create(key="heavy", name="Heavy", capacity=8)
    first = 0
    for start in range(0, number, BATCH):
        tasks = [_task(at, groups[at % 10], pool, now) for at in range(start, min(start + BATCH, number))]
        Task.objects.bulk_create(tasks)
        if not tasks[0].pk:  # MySQL does not tell the keys it has given
            keys = dict(Task.objects.filter(key__in=[task.key for task in tasks]).values_list("key", "pk"))
            for task in tasks:
                task.pk = keys[task.key]
        first = first or tasks[0].pk
        TaskVersion.objects.bulk_create(
            TaskVersion(
                task=task, version=1, verb="create", source="yaml", at=now, definition=task.definition()
            )
            for task in tasks
        )
        liverows.create_many([(task.pk, task.next_time(now)) for task in tasks])
    made = [
        nodes.register(
            now, queues=list(QUEUES), functions=["noop", "sleep"], seats={"thread": 64}, lease_seconds=15
        )
        for _ in range(4)
    ]
    for node in made[:2]:
        nodes.set_state(node.pk, Node.State.ACTIVE, now)
    for node in made[2:]:
        nodes.set_state(node.pk, Node.State.STOPPED, now)
    return first, [node.pk for node in made]


def _task(at: int, group: Any, pool: Any, now: datetime) -> Any:
    from scheduling.models import Task

    return Task(
        key=f"bench.{at:06}", name=f"Benchmark task {at:,}", description="Made by benchmarks/history.py.",
        category=("backup", "report", "sync", "")[at % 4], group=group, pool=pool if at % 50 == 0 else None,
        function="noop", time_zone="Asia/Shanghai", queue=QUEUES[at % 3], trigger="cron",
        trigger_params={"expression": f"{at % 60} {at // 60 % 24} * * *"}, enabled=at % 20 != 0, paused=at % 33 == 0,
        anchor_at=now, created_at=now, updated_at=now,
    )  # fmt: skip


#: (of a thousand, state, reason), in this order; the rest succeeded.
OUTCOMES = (
    (30, "failed", "exception"), (10, "skipped", "overlap"), (5, "missed", "coalesced"), (5, "timed_out", "timeout"),
    (5, "cancelled", "cancel_requested"), (5, "lost", "node_died"),
)  # fmt: skip
#: Of the newest rows: so many of each state that has not ended.
ACTIVE = (("running", 60, ""), ("queued", 200, ""), ("waiting", 400, "delay"))


class Executions:
    """Rows number 1 to ``number``: as SQL expressions of ``n``."""

    def __init__(
        self, number: int, tasks: int, first_task: int, nodes: list[uuid.UUID], days: int, now: datetime
    ):
        from django.db import connection

        self.words = WORDS[connection.vendor]
        self.number, self.tasks, self.first_task, self.days, self.now = number, tasks, first_task, days, now
        self.nodes = nodes
        self.active = min(sum(count for _state, count, _reason in ACTIVE), number // 10)
        self.step = int(timedelta(days=days) / timedelta(microseconds=1)) // number

    def values(self) -> dict[str, str]:
        """Column → expression, for columns that have one; the others get their default."""
        start = self.now - timedelta(days=self.days)
        task = f"(n * 7919) % {self.tasks}"
        run_ms = "(200 + (n * 104729) % 60000)"
        admitted = self.words.moment(start, f"n * {self.step}")
        started = self.words.moment(start, f"n * {self.step} + 40000")
        finished = self.words.moment(start, f"n * {self.step} + 40000 + {run_ms} * 1000")
        active = f"n > {self.number - self.active}"
        ran = self._by_outcome({"skipped", "missed", "cancelled"}, "NULL", run_ms, active="NULL")
        began = self._by_outcome(
            {"skipped", "missed", "cancelled"}, "NULL", started, active="NULL", running=started
        )
        return {
            "task_id": f"{self.first_task} + {task}",
            "task_key": self._key(task),
            "task_version": "1",
            "function": "'noop'",
            "scheduled_for": admitted,
            "slot": "''",
            "origin": "CASE WHEN n % 200 = 0 THEN 'manual' WHEN n % 333 = 0 THEN 'api' ELSE 'schedule' END",
            "state": self._state(1),
            "reason": self._state(2),
            "queue": f"CASE {task} % 3 WHEN 0 THEN '{QUEUES[0]}' WHEN 1 THEN '{QUEUES[1]}' ELSE '{QUEUES[2]}' END",
            "available_at": admitted,
            "admitted_at": admitted,
            "queued_at": admitted,
            "started_at": began,
            "finished_at": f"CASE WHEN {active} THEN NULL ELSE {finished} END",
            "run_ms": ran,
            "attempt": self._by_outcome(
                {"skipped", "missed", "cancelled"}, "0", "1", active="0", running="1"
            ),
            "node_id": self._by_outcome(
                {"skipped", "missed", "cancelled"}, "NULL", self._node(), active="NULL", running=self._node()
            ),
            "error_class": "CASE WHEN n % 1000 < 30 THEN 'ValueError' ELSE '' END",
            "message": "CASE WHEN n % 1000 < 30 THEN 'a value was not what was expected' ELSE '' END",
        }

    def insert(self, first: int, last: int) -> str:
        from django.db import connection

        from scheduling.models import Execution

        given = self.values()
        columns = {
            field.column: given.get(field.column) or self._default(field)
            for field in Execution._meta.concrete_fields
            if not field.primary_key and not field.generated
        }
        names = ", ".join(connection.ops.quote_name(column) for column in columns)
        expressions = ", ".join(columns.values())
        table = connection.ops.quote_name(Execution._meta.db_table)
        return f"INSERT INTO {table} ({names}) SELECT {expressions} FROM {self.words.numbers(first, last)} ORDER BY n"

    def _default(self, field: Any) -> str:
        if field.null:
            return "NULL"
        value = field.get_default()
        if isinstance(value, bool):
            return self.words.false if not value else "true"
        if isinstance(value, dict):
            return self.words.json
        if isinstance(value, int | float):
            return str(value)
        if isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        raise TypeError(f"{field} has a default that this script cannot write: {value!r}")

    def _key(self, task: str) -> str:
        from django.db import connection

        if connection.vendor == "mysql":
            return f"CONCAT('bench.', LPAD({task}, 6, '0'))"
        if connection.vendor == "sqlite":
            return f"'bench.' || printf('%06d', {task})"
        return f"'bench.' || LPAD(({task})::text, 6, '0')"

    def _state(self, column: int) -> str:
        """The state (1) or the reason (2)."""
        parts, left = [], self.number
        for state, count, reason in ACTIVE:
            count = min(count, self.active)
            parts.append(f"WHEN n > {left - count} THEN '{(state, reason)[column - 1]}'")
            left -= count
        share = 0
        for of_thousand, *names in OUTCOMES:
            share += of_thousand
            parts.append(f"WHEN n % 1000 < {share} THEN '{names[column - 1]}'")
        rest = "succeeded" if column == 1 else ""
        return f"CASE {' '.join(parts)} ELSE '{rest}' END"

    def _by_outcome(self, states: set[str], there: str, else_: str, *, active: str, running: str = "") -> str:
        newest = f"WHEN n > {self.number - min(ACTIVE[0][1], self.active)} THEN {running or active}"
        parts, share = [newest, f"WHEN n > {self.number - self.active} THEN {active}"], 0
        for of_thousand, state, _reason in OUTCOMES:
            if state in states:
                parts.append(f"WHEN n % 1000 >= {share} AND n % 1000 < {share + of_thousand} THEN {there}")
            share += of_thousand
        return f"CASE {' '.join(parts)} ELSE {else_} END"

    def _node(self) -> str:
        from django.db import connection, models

        texts = [models.UUIDField().get_db_prep_value(node, connection) for node in self.nodes]
        cast = "::uuid" if connection.vendor == "postgresql" else ""
        parts = " ".join(f"WHEN {at} THEN '{text}'{cast}" for at, text in enumerate(texts[:-1]))
        return f"CASE n % {len(texts)} {parts} ELSE '{texts[-1]}'{cast} END"


@contextmanager
def without_indexes() -> Iterator[None]:
    """Executions without their indexes; building them afterwards is many times faster."""
    from django.db import connection, models

    from scheduling.models import Execution

    if connection.vendor == "sqlite":  # it would make the whole table anew for a constraint
        yield
        return
    unique = [each for each in Execution._meta.constraints if isinstance(each, models.UniqueConstraint)]
    with connection.schema_editor() as editor:
        for index in Execution._meta.indexes:
            editor.remove_index(Execution, index)
        for constraint in unique:
            editor.remove_constraint(Execution, constraint)
    try:
        yield
    finally:
        for constraint in unique:
            with connection.schema_editor() as editor:
                editor.add_constraint(Execution, constraint)
        for index in Execution._meta.indexes:
            with timed(f"  index {index.name}"), connection.schema_editor() as editor:
                editor.add_index(Execution, index)


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.1f} s", flush=True)


def fill_logs(number: int, now: datetime) -> None:
    from scheduling.models import Execution, ExecutionLog

    newest = list(
        Execution.objects.filter(state="succeeded").order_by("-id").values_list("pk", flat=True)[:LOGGED]
    )
    pieces = dict.fromkeys(newest, 4) | dict.fromkeys(
        newest[:3], 128
    )  # three that have said as much as is kept
    ExecutionLog.objects.bulk_create(
        (
            ExecutionLog(
                execution_id=pk, attempt=1, seq=seq, at=now, level="INFO", text="a line of some length " * 40
            )
            for pk, count in pieces.items()
            for seq in range(count)
        ),
        batch_size=BATCH,
    )


def fill_tallies(days: int, now: datetime) -> None:
    """What the housekeeping would have counted by now."""
    from scheduling.services import tallies

    quarter = tallies.quarter_of(now - timedelta(days=min(days, 30)))
    while quarter <= now:
        tallies.count(quarter, now)
        quarter += tallies.QUARTER


def analyze() -> None:
    from django.apps import apps
    from django.db import connection

    verb = {"mysql": "ANALYZE TABLE"}.get(connection.vendor, "ANALYZE")
    with connection.cursor() as cursor:
        for model in apps.get_app_config("scheduling").get_models():
            cursor.execute(f"{verb} {connection.ops.quote_name(model._meta.db_table)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--executions", type=int, default=5_000_000)
    parser.add_argument("--days", type=int, default=90, help="over how many days they lie")
    options = parser.parse_args()
    contest.set_up()
    from django.core.management import call_command
    from django.db import connection

    began = time.monotonic()
    call_command("flush", interactive=False, verbosity=0)
    now = datetime.now(UTC).replace(microsecond=0)
    with timed(f"{options.tasks:,} tasks"):
        first, nodes = fill_tasks(options.tasks, now)
    with timed(f"{options.executions:,} executions with their indexes"), without_indexes():
        rows = Executions(options.executions, options.tasks, first, nodes, options.days, now)
        for start in range(1, options.executions + 1, CHUNK):
            end = min(start + CHUNK - 1, options.executions)
            with timed(f"  rows {start:,} to {end:,}"), connection.cursor() as cursor:
                cursor.execute(rows.insert(start, end))
    with timed("log pieces"):
        fill_logs(options.executions, now)
    with timed("statistics of the database"):
        analyze()
    with timed("tallies"):
        fill_tallies(options.days, now)
    print(f"{connection.vendor}: filled in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
