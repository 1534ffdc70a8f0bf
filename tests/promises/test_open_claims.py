"""Two transactions that are open at the same time: neither keeps work from the other, neither is deceived by it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from scheduling import clock, sql
from scheduling.executors import Outcome, RunOrder
from scheduling.models import Attempt, Execution, Node, Pool, Task
from scheduling.services import admission, claims, liverows, nodes, results, tasks
from scheduling.services.results import Result
from scheduling.sql.transactions import in_transaction
from tests.conftest import TESTER, await_, new_task

Beside = Callable[[Callable[[], Any]], "Future[Any]"]


@pytest.fixture
def beside(transactional_db: None) -> Iterator[Beside]:
    """Calls something in a transaction of another connection, while the test has one open."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")

    def call(work: Callable[[], Any]) -> Any:
        try:
            sql.prepare_engine_session()
            return in_transaction(work)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        yield lambda work: threads.submit(call, work)


def new_node() -> uuid.UUID:
    made = nodes.register(
        clock.refresh(), queues=["default", "reports"], functions=[], seats={"thread": 64}, lease_seconds=15
    )
    nodes.set_state(made.pk, Node.State.ACTIVE, clock.now())
    return made.pk


def claim(node_id: uuid.UUID, seats: int) -> list[claims.Candidate]:
    return claims.claim(node_id, uuid.uuid4(), ["default", "reports"], seats, clock.now())


def queue(number: int, **values: Any) -> None:
    task = tasks.create(new_task(f"task-{uuid.uuid4()}", max_concurrent=0, **values), actor=TESTER)
    for _ in range(number):
        tasks.run_now(task.pk, actor=TESTER)


def test_two_open_claims_both_get_rows(beside: Beside) -> None:
    """Over two queues, and none of the rows twice. (A claim holds the heads of all its lines, so there are plenty.)"""
    queue(20)
    queue(20, queue="reports")
    first_node, second_node = new_node(), new_node()
    with transaction.atomic():
        first = claim(first_node, 8)
        second = beside(lambda: claim(second_node, 8)).result(10)
    assert (len(first), len(second)) == (8, 8)
    assert not {candidate.id for candidate in first} & {candidate.id for candidate in second}


def test_a_pool_that_another_claim_holds_is_served_next_time(beside: Beside) -> None:
    pool = Pool.objects.create(key="db", capacity=4)
    queue(5, pool=pool, weight=2)
    queue(5)
    first_node, second_node = new_node(), new_node()
    with transaction.atomic():
        first = claim(first_node, 2)
        assert {candidate.pool_id for candidate in first} == {pool.pk}
        second = beside(lambda: claim(second_node, 10)).result(10)
    assert [candidate.pool_id for candidate in second] == [0, 0, 0]  # the first one holds two it did not take
    left = in_transaction(lambda: claim(second_node, 10))
    assert {candidate.pool_id for candidate in left} == {0}, "the pool is full"


def test_death_waits_for_a_claim_in_flight_and_sees_its_rows(beside: Beside) -> None:
    """P5: were the node given up in the middle, the rows it is just taking would run for ever."""
    queue(5)
    node_id = new_node()
    with transaction.atomic():
        taken = claim(node_id, 5)
        death = beside(lambda: nodes.declare_dead(node_id, 0, clock.now()))
        with pytest.raises(TimeoutError):
            death.result(0.5)
    assert death.result(10) == len(taken) == 5
    assert set(Execution.objects.values_list("state", "reason")) == {("lost", "node_died")}


@pytest.mark.parametrize("retries", [0, 1])
def test_death_waits_for_results_that_are_being_stored(beside: Beside, retries: int) -> None:
    """P2: a run that has ended, or waits to be tried again, is not lost as well."""
    queue(1, rerun_if_lost=True, retries=retries)
    node_id = new_node()
    (candidate,) = in_transaction(lambda: claim(node_id, 1))
    order = RunOrder(
        execution_id=candidate.id, attempt=1, task_id=candidate.task_id, task_key=candidate.task_key,
        function=candidate.function, parameters={}, scheduled_for=candidate.scheduled_for,
        origin=candidate.origin, deadline_at=None, timeout_seconds=None, idempotency_key="", executor="thread",
        node_id=node_id,
    )  # fmt: skip
    with transaction.atomic():
        results.record([Result(order, Outcome("failed", "exception"), clock.now())], clock.now())
        death = beside(lambda: nodes.declare_dead(node_id, 0, clock.now()))
        with pytest.raises(TimeoutError):
            death.result(0.5)
    assert death.result(10) == 0
    assert Execution.objects.get().state == ("waiting" if retries else "failed")
    assert [attempt.state for attempt in Attempt.objects.all()] == ["failed"] * retries


def test_a_row_that_is_being_admitted_is_left_to_the_other(beside: Beside) -> None:
    """Pain 1: without the lock both would see room for one run, and make two of different instants."""
    task = tasks.create(new_task(trigger="interval", trigger_params={"seconds": 1}), actor=TESTER)
    now = clock.refresh() + timedelta(seconds=5)
    liverows.move({task.pk: now - timedelta(seconds=4)})
    with transaction.atomic():
        first = admission.admit_due(now)
        second = beside(lambda: admission.admit_due(now + timedelta(seconds=2))).result(10)
    assert (first.taken, second.taken) == (1, 0)
    assert admission.admit_due(now + timedelta(seconds=2)).taken == 1
    assert sorted(Execution.objects.values_list("state", flat=True)) == [
        "missed",
        "missed",
        "queued",
        "skipped",
    ]


def test_a_run_asked_for_waits_for_the_admission_in_flight(beside: Beside) -> None:
    """It then counts what was admitted, and waits behind it."""
    task = tasks.create(new_task(), actor=TESTER)
    liverows.move({task.pk: clock.refresh()})
    with transaction.atomic():
        admission.admit_due(clock.refresh())
        asked = beside(lambda: tasks.run_now(task.pk, actor=TESTER))
        with pytest.raises(TimeoutError):
            asked.result(0.5)
    assert asked.result(10).state == "waiting"


def test_an_edit_waits_for_the_admission_in_flight(beside: Beside) -> None:
    """P7: the occurrence that had come due stands, with the version it was born with; the edit follows it."""
    task = tasks.create(new_task(), actor=TESTER)
    liverows.move({task.pk: clock.refresh()})
    with transaction.atomic():
        admission.admit_due(clock.refresh())

        def edit() -> Task:
            task.priority = 9
            return tasks.edit(task, actor=TESTER)

        edited = beside(edit)
        with pytest.raises(TimeoutError):
            edited.result(0.5)
    assert edited.result(10).version == 2
    assert list(Execution.objects.values_list("state", "task_version")) == [("queued", 1)]


def test_an_edit_that_had_to_wait_begins_where_the_admission_ended(beside: Beside) -> None:
    """P1, P7, pain 14: the moment of an edit is the one at which it has the task, not the one at which it asked.

    Otherwise its next time lies before what was admitted while it waited, and comes once more.
    """
    second = {"trigger": "interval", "trigger_params": {"seconds": 1}}
    task = tasks.create(new_task(overlap_policy="queue_all", **second), actor=TESTER)
    born = clock.refresh()
    with transaction.atomic():
        liverows.lock(task.pk)

        def edit() -> Task:
            task.priority = 9
            return tasks.edit(task, actor=TESTER)

        edited = beside(edit)
        with pytest.raises(TimeoutError):
            edited.result(0.5)
        await_(lambda: clock.refresh() > born + timedelta(seconds=1.3), what="an instant passes that is due")
        now = clock.refresh()
        assert admission.admit_due(now).taken == 1
    edited.result(10)
    next_time = liverows.next_time(task.pk)
    assert next_time is not None
    assert next_time > now


def test_a_run_asked_for_that_had_to_wait_is_asked_for_when_its_turn_comes(beside: Beside) -> None:
    """P3: its moment is later than that of every row that was written before it."""
    task = tasks.create(new_task(), actor=TESTER)
    with transaction.atomic():
        liverows.lock(task.pk)
        asked = beside(lambda: tasks.run_now(task.pk, actor=TESTER))
        with pytest.raises(TimeoutError):
            asked.result(0.5)
        now = clock.refresh()
    assert asked.result(10).queued_at > now
