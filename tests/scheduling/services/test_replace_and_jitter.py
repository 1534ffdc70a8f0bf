"""Overlap policy ``replace``, and starts spread by jitter."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest

from scheduling.clock import SettableClock
from scheduling.models import Execution, Node, Task
from scheduling.services import admission, claims, executions, nodes, tasks
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


@pytest.fixture
def node(clock: SettableClock) -> Node:
    made = nodes.register(clock.at, queues=["default"], functions=[], seats={"thread": 64}, lease_seconds=15)
    nodes.set_state(made.pk, Node.State.ACTIVE, clock.at)
    return made


def states(task: Task) -> list[tuple[str, str]]:
    return list(Execution.objects.filter(task=task).order_by("id").values_list("state", "reason"))


def minute(clock: SettableClock) -> None:
    admission.admit_due(clock.move(minutes=1))


def test_a_newer_one_takes_the_place_of_what_runs(
    clock: SettableClock, make_task: MakeTask, node: Node
) -> None:
    task = make_task(overlap_policy="replace")
    minute(clock)
    (running,) = claims.claim(node.pk, uuid.uuid4(), ["default"], 9, clock.at)
    minute(clock)
    assert states(task) == [("running", "replaced"), ("waiting", "overlap")]
    assert executions.running_on(node.pk) == {(running.id, 1): "replaced"}, "its node tells it to end"
    minute(clock)
    assert states(task) == [("running", "replaced"), ("cancelled", "replaced"), ("waiting", "overlap")]
    Execution.objects.filter(pk=running.id).update(state="cancelled", reason="replaced", finished_at=clock.at)
    admission.promote(clock.at, [task.pk])
    assert [state for state, _reason in states(task)] == ["cancelled", "cancelled", "queued"]


def test_what_has_not_begun_is_replaced_at_once(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task(overlap_policy="replace")
    minute(clock)
    minute(clock)
    admission.promote(clock.at, [task.pk])
    assert states(task) == [("cancelled", "replaced"), ("queued", "")]
    assert "place" in Execution.objects.earliest("id").detail


def test_only_as_many_make_way_as_are_too_many(clock: SettableClock, make_task: MakeTask, node: Node) -> None:
    task = make_task(overlap_policy="replace", max_concurrent=2)
    for _ in range(2):
        minute(clock)
    claims.claim(node.pk, uuid.uuid4(), ["default"], 9, clock.at)
    for _ in range(2):
        minute(clock)
    assert states(task) == [
        ("running", "replaced"), ("running", ""), ("cancelled", "replaced"), ("waiting", "overlap"),
    ]  # fmt: skip


def test_a_run_asked_for_by_hand_waits_and_is_never_replaced(
    clock: SettableClock, make_task: MakeTask
) -> None:
    task = make_task(overlap_policy="replace")
    first = tasks.run_now(task.pk, actor=TESTER)
    second = tasks.run_now(task.pk, actor=TESTER)
    minute(clock)
    for asked, state in ((first, "queued"), (second, "waiting")):
        asked.refresh_from_db()
        assert asked.state == state


def test_the_sweep_makes_way_for_what_a_lock_had_kept_from_it(
    clock: SettableClock, make_task: MakeTask, node: Node
) -> None:
    task = make_task(overlap_policy="replace")
    minute(clock)
    claims.claim(node.pk, uuid.uuid4(), ["default"], 9, clock.at)
    minute(clock)
    Execution.objects.filter(state="running").update(cancel_requested_at=None, reason="")
    admission.promote(clock.at, [task.pk])
    assert states(task) == [("running", "replaced"), ("waiting", "overlap")]


def test_jitter_delays_the_start_but_not_the_nominal_time(clock: SettableClock, make_task: MakeTask) -> None:
    made = [make_task(f"task-{number}", jitter_seconds=50) for number in range(8)]
    minute(clock)
    rows = list(Execution.objects.all())
    assert {row.scheduled_for for row in rows} == {clock.at}
    assert {(row.state, row.reason) for row in rows} == {("waiting", "delay")}
    delays = {row.available_at - clock.at for row in rows}
    assert len(delays) > 4, "they are spread"
    assert max(delays) <= timedelta(seconds=50)
    ids = [task.pk for task in made]
    admission.promote(clock.at, ids)
    assert not Execution.objects.filter(state="queued").exists()
    admission.promote(clock.move(seconds=50), ids)
    assert Execution.objects.filter(state="queued").count() == 8


def test_jitter_is_the_same_whoever_admits(clock: SettableClock, make_task: MakeTask) -> None:
    from scheduling.services.plans import plans

    task = make_task(jitter_seconds=60)
    plan = plans.read([task.pk])[task.pk]
    assert admission.jitter(plan, clock.at) == admission.jitter(plan, clock.at)
    assert admission.jitter(plan, clock.at) != admission.jitter(plan, clock.at + timedelta(minutes=1))
