"""Claims and results: order, seats, pools, retries, hand-backs, and what comes too late (P2)."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction

from scheduling.clock import SettableClock
from scheduling.exceptions import NodeIsDead
from scheduling.executors import Outcome, RunOrder
from scheduling.models import Attempt, Execution, Node, Pool, State, Task
from scheduling.services import admission, claims, executions, nodes, results, tasks
from scheduling.services.actor import Actor
from scheduling.services.claims import Candidate
from scheduling.services.results import Result

pytestmark = pytest.mark.django_db
ACTOR = Actor(source="command")
MakeTask = Callable[..., Task]


@pytest.fixture
def node(clock: SettableClock) -> Node:
    made = nodes.register(clock.at, queues=["default"], functions=[], seats={"thread": 64}, lease_seconds=15)
    nodes.set_state(made.pk, Node.State.ACTIVE, clock.at)
    return made


def claim(
    node: Node, clock: SettableClock, seats: int = 64, queues: tuple[str, ...] = ("default",)
) -> list[Candidate]:
    return claims.claim(node.pk, uuid.uuid4(), queues, seats, clock.at)


def result(
    candidate: Candidate, node: Node, clock: SettableClock, state: Any = "succeeded", **more: Any
) -> Result:
    order = RunOrder(
        execution_id=candidate.id, attempt=candidate.attempt + 1, task_id=candidate.task_id,
        task_key=candidate.task_key, function=candidate.function, parameters=candidate.parameters,
        scheduled_for=candidate.scheduled_for, origin=candidate.origin, deadline_at=None, timeout_seconds=None,
        idempotency_key="k", executor="thread", node_id=node.pk,
    )  # fmt: skip
    more.setdefault("reason", "" if state == "succeeded" else "exception")
    return Result(order, Outcome(state, **more), clock.at)


def test_higher_priority_first_then_age(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    for key, priority in (("old", 5), ("new", 5), ("last", 0), ("first", 9)):
        tasks.run_now(make_task(key, priority=priority).pk, actor=ACTOR)
    taken = [candidate.task_key for _ in range(4) for candidate in claim(node, clock, seats=1)]
    assert taken == ["first", "old", "new", "last"]


def test_a_claim_goes_on_from_where_one_ended(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    for key, priority in (("old", 5), ("new", 5), ("newer", 5), ("last", 0)):
        tasks.run_now(make_task(key, priority=priority).pk, actor=ACTOR)

    def on(past: claims.Past, seats: int = 1) -> list[Candidate]:
        return claims.claim(node.pk, uuid.uuid4(), ["default"], seats, clock.at, past=past)

    first = on({})
    assert claims.past_of(first) == {("default", "thread", 0): (first[0].rank, first[0].id)}
    Execution.objects.filter(pk=first[0].id).update(state="queued")  # it comes back to its place
    tasks.run_now(make_task("first", priority=9).pk, actor=ACTOR)
    second = on(claims.past_of(first), seats=2)
    assert [each.task_key for each in second] == ["new", "newer"]
    assert [each.task_key for each in on(claims.past_of(second), seats=9)] == ["last"]
    assert [each.task_key for each in on({}, seats=9)] == ["first", "old"]
    tasks.run_now(make_task("elsewhere", queue="reports").pk, actor=ACTOR)
    other = claims.claim(
        node.pk, uuid.uuid4(), ["default", "reports"], 9, clock.at, past=claims.past_of(second)
    )
    assert [each.task_key for each in other] == ["elsewhere"]


def test_a_node_takes_from_its_own_queues_only(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    for queue in ("default", "reports", "other"):
        tasks.run_now(make_task(queue, queue=queue).pk, actor=ACTOR)
    taken = claim(node, clock, queues=("default", "reports"))
    assert {candidate.queue for candidate in taken} == {"default", "reports"}


@pytest.mark.django_db(transaction=True)
def test_a_claim_of_one_row_waits_for_whoever_holds_it(
    clock: SettableClock, make_task: MakeTask, node: Node
) -> None:
    """A worker has one message for it: passed by, the run would lie for a minute until the next one."""
    execution = tasks.run_now(make_task().pk, actor=ACTOR)

    def ask() -> Candidate | None:
        try:
            return claims.claim_one(node.pk, uuid.uuid4(), execution.pk, clock.at)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Execution.objects.select_for_update().get(pk=execution.pk)
            asked = threads.submit(ask)
            with contextlib.suppress(TimeoutError):
                asked.result(0.5)
        taken = asked.result(20)
    assert taken is not None
    assert taken.id == execution.pk


def test_a_claim_writes_owner_attempt_and_deadline(
    clock: SettableClock, make_task: MakeTask, node: Node
) -> None:
    tasks.run_now(make_task(timeout_seconds=90).pk, actor=ACTOR)
    claim(node, clock)
    row = Execution.objects.get()
    assert (row.state, row.node_id, row.attempt, row.started_at) == ("running", node.pk, 1, clock.at)
    assert row.deadline_at == clock.at + timedelta(seconds=90)


def test_a_dead_node_cannot_claim(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    """Pain 11."""
    tasks.run_now(make_task().pk, actor=ACTOR)
    assert nodes.declare_dead(node.pk, 0, clock.at) == 0
    with pytest.raises(NodeIsDead):
        claim(node, clock)


def test_a_draining_node_claims_nothing(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    tasks.run_now(make_task().pk, actor=ACTOR)
    nodes.set_state(node.pk, Node.State.DRAINING, clock.at)
    assert claim(node, clock) == []


def test_a_pool_limits_by_weight_and_what_is_too_heavy_keeps_its_place(
    clock: SettableClock, make_task: MakeTask, node: Node
) -> None:
    pool = Pool.objects.create(key="db", capacity=3)
    for key, weight in (("a", 2), ("b", 2), ("c", 1)):
        tasks.run_now(make_task(key, pool=pool, weight=weight).pk, actor=ACTOR)
    tasks.run_now(make_task("free").pk, actor=ACTOR)
    first = claim(node, clock)
    assert {candidate.task_key for candidate in first} == {"a", "free"}
    results.record([result(candidate, node, clock) for candidate in first], clock.at)
    assert [candidate.task_key for candidate in claim(node, clock)] == ["b", "c"]


def test_a_paused_pool_starts_nothing(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    pool = Pool.objects.create(key="db", capacity=3, paused=True)
    tasks.run_now(make_task(pool=pool).pk, actor=ACTOR)
    assert claim(node, clock) == []


def test_a_claim_can_be_read_back(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    tasks.run_now(make_task().pk, actor=ACTOR)
    claim_id = uuid.uuid4()
    assert claims.claim(node.pk, claim_id, ["default"], 5, clock.at) == claims.claimed(node.pk, claim_id)


def test_a_result_is_stored_once_and_twice_is_no_harm(
    clock: SettableClock, make_task: MakeTask, node: Node
) -> None:
    tasks.run_now(make_task().pk, actor=ACTOR)
    done = result(claim(node, clock)[0], node, clock, result='{"rows": 3}', run_ms=7)
    for _ in range(2):
        recorded = results.record([done], clock.move(seconds=1))
        assert recorded.accepted == {done.id}
        assert recorded.refused == []
    row = Execution.objects.get()
    assert (row.state, row.result, row.run_ms, row.finished_at) == (
        "succeeded",
        {"rows": 3},
        7,
        done.finished_at,
    )
    assert not Attempt.objects.exists()


def test_a_late_result_is_a_note_and_changes_nothing(
    clock: SettableClock, make_task: MakeTask, node: Node
) -> None:
    """P2."""
    tasks.run_now(make_task().pk, actor=ACTOR)
    done = result(claim(node, clock)[0], node, clock)
    assert nodes.declare_dead(node.pk, 0, clock.at) == 1
    recorded = results.record([done], clock.at)
    assert (recorded.accepted, recorded.refused) == (set(), [done])
    row = Execution.objects.get()
    assert (row.state, row.reason) == ("lost", "node_died")
    assert Attempt.objects.get().late_state == "succeeded"


def test_a_stale_attempt_cannot_write(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    """P2: the task allows effects twice, so the lost run is queued again and another attempt owns the row."""
    tasks.run_now(make_task(rerun_if_lost=True).pk, actor=ACTOR)
    stale = result(claim(node, clock)[0], node, clock, result='"stale"')
    nodes.declare_dead(node.pk, 0, clock.at)
    assert Execution.objects.get().state == "queued"
    other = nodes.register(clock.at, queues=["default"], functions=[], seats={"thread": 1}, lease_seconds=15)
    nodes.set_state(other.pk, Node.State.ACTIVE, clock.at)
    fresh = result(claim(other, clock)[0], other, clock, result='"fresh"')
    assert results.record([stale], clock.at).accepted == set()
    assert results.record([fresh], clock.at).accepted == {fresh.id}
    row = Execution.objects.get()
    assert (row.state, row.attempt, row.result) == ("succeeded", 2, "fresh")
    assert list(Attempt.objects.values_list("attempt", "state", "late_state")) == [(1, "lost", "succeeded")]


@pytest.mark.parametrize("change", ["cancelled", "deleted"])
def test_what_was_cancelled_or_deleted_is_not_run_again_when_it_is_lost(
    clock: SettableClock, make_task: MakeTask, node: Node, change: str
) -> None:
    """As with retries."""
    task = make_task(rerun_if_lost=True)
    other = tasks.run_now(make_task("other", rerun_if_lost=True).pk, actor=ACTOR)
    execution = tasks.run_now(task.pk, actor=ACTOR)
    assert len(claim(node, clock)) == 2
    if change == "cancelled":
        executions.cancel(execution.pk, actor=ACTOR)
    else:
        tasks.delete(task.pk, actor=ACTOR)
    assert nodes.declare_dead(node.pk, 0, clock.at) == 2
    states = dict(Execution.objects.values_list("pk", "state"))
    assert states == {execution.pk: "lost", other.pk: "queued"}


def test_retries_wait_grow_and_end(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    task = make_task(
        retries=3, retry_delay_seconds=10, retry_backoff="exponential", retry_max_delay_seconds=30
    )
    tasks.run_now(task.pk, actor=ACTOR)
    delays = []
    for _ in range(3):
        done = result(claim(node, clock)[0], node, clock, "failed", message="no luck")
        results.record([done], clock.at)
        row = Execution.objects.get()
        assert (row.state, row.reason) == ("waiting", "retry")
        delays.append((row.available_at - clock.at).total_seconds())
        clock.at = row.available_at
        admission.promote(clock.at, [task.pk])
    assert delays == [10, 20, 30]
    results.record([result(claim(node, clock)[0], node, clock, "failed", message="no luck")], clock.at)
    row = Execution.objects.get()
    assert (row.state, row.reason, row.attempt, row.message) == ("failed", "exception", 4, "no luck")
    assert list(Attempt.objects.values_list("attempt", "state", "message")) == [
        (number, "failed", "no luck") for number in (1, 2, 3)
    ]


def test_a_cancelled_run_is_not_tried_again(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    execution = tasks.run_now(make_task(retries=3).pk, actor=ACTOR)
    candidate = claim(node, clock)[0]
    executions.cancel(execution.pk, actor=ACTOR)
    results.record([result(candidate, node, clock, "failed")], clock.at)
    assert Execution.objects.get().state == "failed"


def test_a_missing_function_waits_for_ten_minutes_and_no_longer(
    clock: SettableClock, make_task: MakeTask, node: Node
) -> None:
    task = make_task()
    tasks.run_now(task.pk, actor=ACTOR)
    start = clock.at
    while True:
        (candidate,) = claim(node, clock)
        handed = result(
            candidate, node, clock, "hand_back", reason="function_missing", detail="no such function"
        )
        results.record([handed], clock.at)
        row = Execution.objects.get()
        if row.state == "failed":
            break
        assert (row.state, row.reason) == ("waiting", "function_missing")
        clock.at = row.available_at
        admission.promote(clock.at, [task.pk])
    assert clock.at - start == timedelta(minutes=10)
    assert row.reason == "function_missing"


def test_cancel_before_the_start_and_while_running(
    clock: SettableClock, make_task: MakeTask, node: Node
) -> None:
    task = make_task(max_concurrent=0)
    running = tasks.run_now(task.pk, actor=ACTOR)
    claim(node, clock)
    queued = tasks.run_now(task.pk, actor=ACTOR)
    assert executions.cancel(queued.pk, actor=ACTOR).state == State.CANCELLED
    asked = executions.cancel(running.pk, actor=ACTOR)
    assert (asked.state, asked.cancel_requested_at) == (State.RUNNING, clock.at)
    assert executions.running_on(node.pk) == {(running.pk, 1): "cancel_requested"}
