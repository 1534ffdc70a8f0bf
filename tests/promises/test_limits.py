"""Limits hold at every moment, whoever admits, claims and finishes beside whom (pains 19, 24 and 41; engine: limits).

Four nodes admit, claim, finish, fail, retry and die on one database; after each claim a checker counts, in one
statement, what is active of each task and what runs of each pool. The control takes the locks away, one kind at
a time: the checker must see it.
"""

from __future__ import annotations

import itertools
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, Model, QuerySet, Sum
from django_apscheduler.models import DjangoJob
from pytest import MonkeyPatch

from scheduling import clock, sql
from scheduling.executors import Outcome, RunOrder
from scheduling.models import ACTIVE, Execution, Node, Pool, State, Task
from scheduling.services import admission, claims, liverows, nodes, results
from scheduling.services.claims import Candidate
from scheduling.services.results import Result
from scheduling.sql.prepared import Prepared
from scheduling.sql.transactions import in_transaction
from tests.conftest import new_task

NODES = 4
TASKS = 60
ADMISSIONS = 10_000
#: Without locks a violation comes within the first few hundred admissions; this many make its absence absurd.
CONTROL_ADMISSIONS = 6_000


@dataclass
class Shop:
    """The tasks, the pools, and what all four nodes share: a clock of their own that goes on with each step."""

    start: datetime
    limits: dict[int, int] = field(default_factory=dict)
    capacities: dict[int, int] = field(default_factory=dict)
    seconds: itertools.count[int] = field(default_factory=itertools.count)
    admitted: int = 0
    claimed: int = 0
    violations: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def open(cls, chance: random.Random) -> Shop:
        """Random tasks: one or two at the same time, each overlap policy, two pools and none, weights 1 and 2."""
        shop = cls(clock.refresh())
        pools = [Pool.objects.create(key=f"pool-{capacity}", capacity=capacity) for capacity in (3, 5)]
        made = [
            new_task(
                f"task-{number}",
                trigger="interval",
                trigger_params={"seconds": 1},
                anchor_at=shop.start,
                created_at=shop.start,
                updated_at=shop.start,
                max_concurrent=chance.choice((1, 2)),
                overlap_policy=chance.choice(Task.Overlap.values),
                pool=chance.choice((None, *pools)),
                weight=chance.choice((1, 2)),
                retries=chance.choice((0, 1)),
                retry_delay_seconds=0,
                rerun_if_lost=chance.choice((True, False)),
            )
            for number in range(TASKS)
        ]
        Task.objects.bulk_create(made)
        shop.limits = dict(Task.objects.values_list("pk", "max_concurrent"))
        shop.capacities = dict(Pool.objects.values_list("pk", "capacity"))
        liverows.create_many((pk, shop.start) for pk in shop.limits)
        return shop

    def next_moment(self) -> datetime:
        return self.start + timedelta(seconds=next(self.seconds))

    def count(self, *, admitted: int = 0, claimed: int = 0) -> None:
        with self.lock:
            self.admitted += admitted
            self.claimed += claimed

    def check(self) -> None:
        """One statement, so one consistent state of the database, for each kind of limit."""
        active = Execution.objects.filter(state__in=ACTIVE).counted().order_by()
        for task_id, number in active.values_list("task_id").annotate(number=Count("id")):
            if number > self.limits[task_id]:
                self.violations.append(f"task {task_id}: {number} of {self.limits[task_id]}")
        running = Execution.objects.filter(state=State.RUNNING, pool_id__gt=0).order_by()
        for pool_id, weight in running.values_list("pool_id").annotate(weight=Sum("weight")):
            if weight > self.capacities[pool_id]:
                self.violations.append(f"pool {pool_id}: {weight} of {self.capacities[pool_id]}")


class Worker:
    """One node, in a thread: what a scheduler does, at random, without a pause."""

    def __init__(self, shop: Shop, seed: int, enough: int) -> None:
        self.shop = shop
        self.enough = enough
        self.chance = random.Random(seed)
        self.held: list[tuple[Candidate, uuid.UUID]] = []

    def work(self) -> None:
        try:
            sql.prepare_engine_session()
            self.node_id = self._born()
            while self.shop.admitted < self.enough:
                self._step(self.shop.next_moment())
        finally:
            connection.close()

    def _step(self, now: datetime) -> None:
        admitted = admission.admit_due(now, limit=self.chance.randint(5, 30))
        self.shop.count(admitted=sum(row["state"] != "missed" for row in admitted.rows))
        self._claim(now)
        self.shop.check()
        self._finish(now)
        if self.chance.random() < 0.3:
            admission.promote(now, admission.tasks_waiting(now))
        if self.chance.random() < 0.02:
            nodes.declare_dead(self.node_id, 0, now)  # what it holds it will report all the same, too late
            self.node_id = self._born()

    def _born(self) -> uuid.UUID:
        made = nodes.register(
            clock.now(), queues=["default"], functions=[], seats={"thread": 64}, lease_seconds=15
        )
        nodes.set_state(made.pk, Node.State.ACTIVE, clock.now())
        return made.pk

    def _claim(self, now: datetime) -> None:
        seats = self.chance.randint(1, 20)
        taken = in_transaction(lambda: claims.claim(self.node_id, uuid.uuid4(), ["default"], seats, now))
        self.held += [(candidate, self.node_id) for candidate in taken]
        self.shop.count(claimed=len(taken))

    def _finish(self, now: datetime) -> None:
        self.chance.shuffle(self.held)
        number = self.chance.randint(0, len(self.held))
        group, self.held = self.held[:number], self.held[number:]
        if not group:
            return
        ended = [self._result(candidate, node_id, now) for candidate, node_id in group]
        recorded = in_transaction(lambda: results.record(ended, now))
        admission.promote(now, recorded.task_ids)

    def _result(self, candidate: Candidate, node_id: uuid.UUID, now: datetime) -> Result:
        order = RunOrder(
            execution_id=candidate.id, attempt=candidate.attempt + 1, task_id=candidate.task_id,
            task_key=candidate.task_key, function=candidate.function, parameters={},
            scheduled_for=candidate.scheduled_for, origin=candidate.origin, deadline_at=None,
            timeout_seconds=None, idempotency_key="", executor="thread", node_id=node_id,
        )  # fmt: skip
        failed = self.chance.random() < 0.2
        return Result(order, Outcome("failed", "exception") if failed else Outcome("succeeded"), now)


def run_shop(admissions: int) -> Shop:
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # shown when the test fails
    shop = Shop.open(random.Random(seed))
    with ThreadPoolExecutor(NODES) as threads:
        running = [
            threads.submit(Worker(shop, seed + number, admissions).work) for number in range(1, NODES + 1)
        ]
    for future in running:
        future.result()  # unhandled deadlocks would come out here
    print(f"{shop.admitted} admitted, {shop.claimed} claimed, {len(shop.violations)} violations")
    return shop


def test_ten_thousand_admissions_by_four_nodes_never_exceed_a_limit(transactional_db: None) -> None:
    """Pain 41: not once, whatever the policy, though runs fail, are tried again, and nodes die."""
    shop = run_shop(ADMISSIONS)
    assert shop.admitted >= ADMISSIONS
    assert shop.claimed > shop.admitted / 10
    assert shop.violations == []
    states = Counter(Execution.objects.order_by().values_list("state", flat=True))
    # Each policy and each end has had its turn.
    assert {"succeeded", "failed", "skipped", "lost", "waiting"} <= states.keys()


@pytest.fixture
def without_locks(monkeypatch: MonkeyPatch) -> Callable[[type[Model]], None]:
    """Takes the row locks of one model away."""
    lock = QuerySet.select_for_update

    def remove(model: type[Model]) -> None:
        def maybe(rows: QuerySet[Any], *args: Any, **options: Any) -> QuerySet[Any]:
            return rows if rows.model is model else lock(rows, *args, **options)

        monkeypatch.setattr(QuerySet, "select_for_update", maybe)
        monkeypatch.setattr(
            claims, "POOLS", Prepared(claims.POOLS._build)
        )  # was put into words with the lock

    return remove


@pytest.mark.parametrize(("model", "kind"), [(DjangoJob, "task"), (Pool, "pool")])
def test_without_the_locks_the_checker_sees_violations(
    transactional_db: None, without_locks: Callable[[type[Model]], None], model: type[Model], kind: str
) -> None:
    """The control: it is the locks that keep the limits, and the checker would know."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time and no row locks")
    without_locks(model)
    shop = run_shop(CONTROL_ADMISSIONS)
    assert [text for text in shop.violations if text.startswith(kind)]
