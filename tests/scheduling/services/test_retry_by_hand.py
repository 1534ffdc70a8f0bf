"""Runs asked for once more, with the same or other parameters, and runs asked for at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from scheduling.clock import SettableClock
from scheduling.exceptions import Refused
from scheduling.models import ENDED, Execution, Node, State, Task
from scheduling.services import admission, claims, executions, nodes, tasks
from scheduling.services.actor import Actor

pytestmark = pytest.mark.django_db
ACTOR = Actor(source="command")
MakeTask = Callable[..., Task]


def ended(clock: SettableClock, task: Task, state: str = "failed", **parameters: object) -> Execution:
    execution = tasks.run_now(task.pk, actor=ACTOR, parameters=parameters or None)
    clock.move(seconds=1)
    Execution.objects.filter(pk=execution.pk).update(state=state, reason="exception", finished_at=clock.at)
    return execution


@pytest.mark.parametrize("state", ENDED)
def test_what_has_ended_runs_again_as_a_new_row(
    clock: SettableClock, make_task: MakeTask, state: State
) -> None:
    task = make_task(function="echo", parameters={"values": 1})
    first = ended(clock, task, state, values=2)
    again = executions.retry(first.pk, actor=ACTOR)
    assert (again.state, again.rerun_of_id, again.parameters) == ("queued", first.pk, {"values": 2})
    assert again.pk != first.pk
    first.refresh_from_db()
    assert first.state == state


def test_edited_parameters_are_all_of_them_and_are_checked(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task(function="fail", parameters={"message": "the task's"})
    first = ended(clock, task, message="the run's")
    assert executions.retry(first.pk, {}, actor=ACTOR).parameters == {}
    with pytest.raises(ValidationError, match="no such parameter"):
        executions.retry(first.pk, {"massage": "?"}, actor=ACTOR)


def test_asking_twice_with_one_key_runs_once(clock: SettableClock, make_task: MakeTask) -> None:
    first = ended(clock, make_task())
    one, two = (executions.retry(first.pk, actor=ACTOR, idempotency_key="k") for _ in range(2))
    assert one.pk == two.pk


def test_it_waits_while_as_many_as_allowed_run_unless_forced(
    clock: SettableClock, make_task: MakeTask
) -> None:
    task = make_task()
    first = ended(clock, task)
    running = tasks.run_now(task.pk, actor=ACTOR)
    again = executions.retry(first.pk, actor=ACTOR)
    assert (again.state, again.reason) == ("waiting", "overlap")
    assert f"#{running.pk}" in again.detail
    assert executions.retry(first.pk, actor=ACTOR, force=True).state == "queued"


def test_what_waits_for_its_own_retry_is_tried_at_once(clock: SettableClock, make_task: MakeTask) -> None:
    execution = tasks.run_now(make_task().pk, actor=ACTOR)
    later = clock.at + timedelta(hours=1)
    Execution.objects.update(state="waiting", reason="retry", available_at=later, attempt=1)
    with pytest.raises(Refused, match="not ended"):
        executions.retry(execution.pk, {}, actor=ACTOR)
    again = executions.retry(execution.pk, actor=ACTOR)
    assert (again.pk, again.state, again.attempt) == (execution.pk, "queued", 1)
    with pytest.raises(Refused, match="not ended"):
        executions.retry(execution.pk, actor=ACTOR)


def test_what_is_gone_is_refused_by_name(clock: SettableClock, make_task: MakeTask) -> None:
    with pytest.raises(Refused, match="no such execution"):
        executions.retry(10**9, actor=ACTOR)
    task = make_task()
    first = ended(clock, task)
    tasks.delete(task.pk, actor=ACTOR)
    with pytest.raises(Refused, match="deleted"):
        executions.retry(first.pk, actor=ACTOR)


def test_a_run_at_a_time_waits_for_it(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task()
    at = clock.at + timedelta(minutes=10)
    asked = tasks.run_now(task.pk, actor=ACTOR, run_at=at)
    assert (asked.state, asked.reason, asked.scheduled_for, asked.available_at) == (
        "waiting",
        "delay",
        at,
        at,
    )
    assert tasks.run_now(task.pk, actor=ACTOR).state == "queued", "it holds nobody up meanwhile"
    admission.promote(clock.move(minutes=9), [task.pk])
    asked.refresh_from_db()
    assert asked.reason == "delay"
    admission.promote(clock.move(minutes=1), [task.pk])
    asked.refresh_from_db()
    assert (asked.state, asked.reason) == ("waiting", "overlap"), "at its time it waits as any other does"
    node = nodes.register(clock.at, queues=["default"], functions=[], seats={"thread": 1}, lease_seconds=15)
    nodes.set_state(node.pk, Node.State.ACTIVE, clock.at)
    assert len(claims.claim(node.pk, uuid.uuid4(), ["default"], 1, clock.at)) == 1
    Execution.objects.filter(state="running").update(state="succeeded", finished_at=clock.at)
    admission.promote(clock.at, [task.pk])
    asked.refresh_from_db()
    assert asked.state == "queued"


def test_a_time_past_means_now_and_an_absurd_one_is_refused(
    clock: SettableClock, make_task: MakeTask
) -> None:
    task = make_task()
    assert tasks.run_now(task.pk, actor=ACTOR, run_at=clock.at - timedelta(days=1)).scheduled_for == clock.at
    for at in (clock.at + timedelta(days=400), datetime(2026, 6, 2)):  # noqa: DTZ001
        with pytest.raises(ValidationError):
            tasks.run_now(task.pk, actor=ACTOR, run_at=at)
