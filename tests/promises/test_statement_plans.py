"""What the engine asks all day long is answered in index order, however much is queued and however long the history.

The plans are those of the very statements that the services send. A claim that sorts would lock every queued row
on MariaDB, and starve the other nodes (engine: claim in index order).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from scheduling import clock, sql
from scheduling.models import Node, Pool, Task
from scheduling.services import admission, claims, executions, liverows, nodes
from scheduling.services.plans import plans
from scheduling.sql.base import FINISHED
from tests.conftest import new_task

TASKS = 2_000
HISTORY = 40_000
QUEUED = 20_000
WAITING = 5_000
BATCH = 5_000
BUSY_TABLES = ("scheduling_execution", "django_apscheduler_djangojob")

#: How the databases say that they read one from end to end.
WHOLE_TABLE = ("Seq Scan", "ALL", *(f"SCAN {table}" for table in BUSY_TABLES))

Statement = tuple[str, Any]


def fill(now: datetime, *, statistics_know: bool = True) -> list[int]:
    """A long history, a long queue over two queues and three pools, and many tasks, half of them due.

    Mostly the database's statistics are taken while nothing is queued (``statistics_know=False``).
    """
    if (
        connection.vendor == "postgresql"
    ):  # its planner reckons with the pages that earlier tests have left behind
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(BUSY_TABLES)} CASCADE")
    pools = [None, *(Pool.objects.create(key=f"pool-{number}", capacity=50) for number in range(2))]
    common = {"anchor_at": now, "created_at": now, "updated_at": now}
    Task.objects.bulk_create(
        [new_task(f"task-{number}", **common) for number in range(TASKS)], batch_size=500
    )
    known = plans.read(Task.objects.values_list("pk", flat=True))
    ids = sorted(known)

    def row(number: int, state: str, reason: str = "") -> sql.Row:
        plan = known[ids[number % TASKS]]
        at = now - timedelta(seconds=number // TASKS, microseconds=1)
        made = admission.new_row(plan, at, now, state, reason, slot=state)  # type: ignore[arg-type]
        pool = pools[number % 3]
        made |= {"queue": ("default", "reports")[number % 2], "pool_id": pool.pk if pool else 0}
        return made | ({"finished_at": now} if state == "succeeded" else {})

    class Named(str):
        """States as the service passes them: their ``value`` is what is stored."""

        __slots__ = ()

        @property
        def value(self) -> str:
            return str(self)

    def insert(rows: list[sql.Row]) -> None:
        for start in range(0, len(rows), BATCH):
            sql.insert_executions(rows[start : start + BATCH])

    liverows.create_many((id, now + timedelta(seconds=id % 2 * 3600 - 1)) for id in ids)
    insert([row(number, Named("succeeded")) for number in range(HISTORY)])
    if not statistics_know:
        take_statistics()
    insert([row(number, Named("queued")) for number in range(QUEUED)])
    insert([row(number, Named("waiting"), "overlap") for number in range(WAITING)])
    if statistics_know:
        take_statistics()
    return ids


def take_statistics() -> None:
    with connection.cursor() as cursor:
        for table in (*BUSY_TABLES, "scheduling_task"):
            cursor.execute(f"ANALYZE {'TABLE ' if connection.vendor == 'mysql' else ''}{table}")
            if connection.vendor == "mysql":
                cursor.fetchall()


@pytest.fixture
def sent() -> Iterator[Callable[[Callable[[], Any]], list[Statement]]]:
    """Calls something in a transaction that is rolled back; returns the SELECTs that it sent about busy tables."""

    def statements(work: Callable[[], Any]) -> list[Statement]:
        found: list[Statement] = []

        def note(execute: Any, text: str, params: Any, many: bool, context: Any) -> Any:
            if text.startswith("SELECT") and any(table in text for table in BUSY_TABLES):
                found.append((text, params))
            return execute(text, params, many, context)

        with transaction.atomic(), connection.execute_wrapper(note):
            work()
            transaction.set_rollback(True)
        return found

    return statements


def faults(statement: Statement) -> list[str]:
    """Sorts, temporary tables and whole tables read, in the plan of a statement."""
    found = {"postgresql": postgresql, "mysql": mysql, "sqlite": sqlite}[connection.vendor](*statement)
    # Sums over what is active, and the tasks that wait: narrow rows, once a second, without locks. To sort those
    # is no harm; to look for them in the history would be.
    if "GROUP BY" in statement[0] or "DISTINCT" in statement[0]:
        found = (fault for fault in found if fault in WHOLE_TABLE)
    return [f"{fault}: {statement[0]}" for fault in found]


def explain(prefix: str, text: str, params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"{prefix} {text}", params)
        return list(cursor.fetchall())


def postgresql(text: str, params: Any) -> Iterator[str]:
    answer = explain("EXPLAIN (FORMAT JSON)", text, params)[0][0]
    steps = [(json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]]
    while steps:
        step = steps.pop()
        steps += step.get("Plans", [])
        if "Sort" in step["Node Type"]:
            yield step["Node Type"]
        if step["Node Type"] == "Seq Scan" and step["Relation Name"] in BUSY_TABLES:
            yield "Seq Scan"


def mysql(text: str, params: Any) -> Iterator[str]:
    for _id, _select, table, kind, *_rest, extra in explain("EXPLAIN", text, params):
        if "filesort" in (extra or "") or "temporary" in (extra or ""):
            yield str(extra)
        if kind == "ALL" and table in BUSY_TABLES:
            yield "ALL"


def sqlite(text: str, params: Any) -> Iterator[str]:
    for *_ids, detail in explain("EXPLAIN QUERY PLAN", text, params):
        whole = detail.startswith("SCAN") and "INDEX" not in detail
        if "TEMP B-TREE" in detail or (whole and any(table in detail for table in BUSY_TABLES)):
            yield detail


def active_node(now: datetime) -> uuid.UUID:
    node = nodes.register(
        now, queues=["default", "reports"], functions=[], seats={"thread": 64}, lease_seconds=15
    )
    nodes.set_state(node.pk, Node.State.ACTIVE, now)
    return node.pk


@pytest.mark.parametrize("statistics_know", [True, False], ids=["fresh statistics", "of an empty queue"])
def test_no_statement_of_a_tick_sorts_or_reads_a_whole_table(
    transactional_db: None,
    sent: Callable[[Callable[[], Any]], list[Statement]],
    statistics_know: bool,
) -> None:
    now = clock.refresh()
    ids = fill(now, statistics_know=statistics_know)
    node = active_node(now)
    queues = ["default", "reports"]
    asked: dict[str, Callable[[], Any]] = {
        "claim": lambda: claims.claim(node, uuid.uuid4(), queues, 64, now),
        "claim, from where the last one ended": lambda: claims.claim(
            node, uuid.uuid4(), queues, 64, now, past={(queue, "thread", 0): (4, 50_000) for queue in queues}
        ),
        "what is queued for it": lambda: claims.queued_for(queues, {"thread": 4, "process": 1}),
        "lock what is due": lambda: liverows.lock_due(now, 500),
        "what is due next": lambda: liverows.earliest(),
        "which tasks wait": lambda: admission.tasks_waiting(now, after=ids[50]),
        "what is active": lambda: admission.count_active(ids[:200]),
        "what this node runs": lambda: executions.running_on(node),
    }
    wrong = {}
    for name, work in asked.items():
        statements = sent(work)
        assert statements, f"{name}: nothing was sent"
        wrong[name] = [fault for statement in statements for fault in faults(statement)]
    assert {name: found for name, found in wrong.items() if found} == {}


def test_what_ran_before_is_not_gone_through_again(transactional_db: None) -> None:
    """On PostgreSQL an index keeps what is over until the next vacuum: who asks for the state first reads all of it.

    So results are stored by id, and what is active of a task is asked for by task and whether it has ended.
    """
    if connection.vendor != "postgresql":
        pytest.skip("how PostgreSQL keeps what is over")
    now = clock.refresh()
    ids = fill(now, statistics_know=False)
    node = active_node(now)
    with transaction.atomic():
        taken = claims.claim(node, uuid.uuid4(), ["default"], 64, now)
    same = {column: "" if kind == "text" else None for column, kind in FINISHED.items()}
    same |= {"state": "succeeded", "finished_at": now, "result_altered": False}
    rows = [same | {"id": each.id, "attempt": each.attempt + 1} for each in taken]
    used = indexes_of(lambda: sql.finish_executions(rows)), indexes_of(lambda: sql.count_active(ids[:200]))
    assert used == ({"scheduling_execution_pkey"}, {"execution_task_outcome"})


def indexes_of(work: Callable[[], Any]) -> set[str]:
    """Through which indexes, or how else, the statements of something read executions (PostgreSQL)."""
    found: set[str] = set()

    def note(execute: Any, text: str, params: Any, many: bool, context: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.cursor.execute(f"EXPLAIN (FORMAT JSON) {text}", params)
            steps = [cursor.cursor.fetchone()[0][0]["Plan"]]
        while steps:
            step = steps.pop()
            steps += step.get("Plans", [])
            if "Index Name" in step or step["Node Type"] == "Seq Scan":
                found.add(step.get("Index Name", "Seq Scan"))
        return execute(text, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(note):
        work()
        transaction.set_rollback(True)
    return found
