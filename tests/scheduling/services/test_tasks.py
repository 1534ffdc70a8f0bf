"""Changes of tasks: what they write, what follows, and what they never do (P3, P6, P7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django_apscheduler.models import DjangoJob

from scheduling.clock import SettableClock
from scheduling.exceptions import EditedMeanwhile, Refused
from scheduling.models import Execution, Group, Pool, State, Task, TaskVersion
from scheduling.services import admission, tasks
from scheduling.services.actor import Actor
from tests.conftest import new_task

pytestmark = pytest.mark.django_db
ACTOR = Actor(source="admin", reason="because")
MakeTask = Callable[..., Task]


def next_time(task: Task) -> datetime | None:
    return DjangoJob.objects.get(pk=str(task.pk)).next_run_time


def states(task: Task) -> list[str]:
    return list(Execution.objects.filter(task=task).order_by("id").values_list("state", flat=True))


def test_a_new_task_has_a_version_and_a_live_row(clock: SettableClock) -> None:
    task = tasks.create(new_task(), actor=ACTOR)
    version = TaskVersion.objects.get(task=task)
    assert (version.version, version.verb, version.source, version.reason) == (
        1,
        "create",
        "admin",
        "because",
    )
    assert version.definition["trigger_params"] == {"expression": "* * * * *"}
    assert next_time(task) == clock.at + timedelta(minutes=1)


def test_a_refused_task_leaves_nothing(clock: SettableClock) -> None:
    with pytest.raises(ValidationError):
        tasks.create(new_task(function="no_such"), actor=ACTOR)
    assert [model.objects.count() for model in (Task, DjangoJob, TaskVersion)] == [0, 0, 0]


def test_all_faults_are_told_at_once(clock: SettableClock) -> None:
    with pytest.raises(ValidationError) as raised:
        tasks.create(
            new_task(
                key="Bad Key", function="no_such", trigger_params={"expression": "61 * * * *"}, weight=0
            ),
            actor=ACTOR,
        )
    assert raised.value.message_dict.keys() == {"key", "function", "trigger_params", "weight"}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("trigger_params", {"trigger": "date", "trigger_params": {"run_date": "2020-01-01T00:00:00Z"}}),
        ("end_at", {"end_at": datetime(2026, 1, 1, tzinfo=UTC)}),
    ],
)
def test_a_schedule_without_a_future_is_refused(
    clock: SettableClock, field: str, values: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError) as raised:
        tasks.create(new_task(**values), actor=ACTOR)
    assert raised.value.message_dict.keys() == {field}
    task = tasks.create(new_task(**values), actor=ACTOR, allow_past=True)
    assert next_time(task) is None


def test_an_edit_counts_from_now(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task()
    clock.move(seconds=30)
    task.trigger_params = {"expression": "*/10 * * * * *"}
    edited = tasks.edit(task, actor=ACTOR)
    assert edited.version == 2
    assert next_time(task) == clock.at + timedelta(seconds=10)
    assert not Execution.objects.exists()
    changes = TaskVersion.objects.get(task=task, version=2).changes
    assert changes == {"trigger_params": [{"expression": "* * * * *"}, {"expression": "*/10 * * * * *"}]}


def test_an_edit_that_changes_nothing_writes_nothing(clock: SettableClock, make_task: MakeTask) -> None:
    assert tasks.edit(make_task(), actor=ACTOR).version == 1
    assert TaskVersion.objects.count() == 1


def test_what_was_due_before_an_edit_is_decided_under_the_old_definition(
    clock: SettableClock, make_task: MakeTask
) -> None:
    """P3: nobody ticked for ten minutes; the edit does not make those instants vanish."""
    task = make_task()
    clock.move(minutes=10)
    task.description = "only words"
    tasks.edit(task, actor=ACTOR)
    assert sorted(states(task)) == ["missed", "queued"]
    assert next_time(task) == clock.at + timedelta(minutes=1)


def test_who_edits_what_somebody_else_has_changed_is_told(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task()
    mine, theirs = Task.objects.get(pk=task.pk), Task.objects.get(pk=task.pk)
    theirs.description = "theirs"
    tasks.edit(theirs, actor=ACTOR)
    mine.description = "mine"
    with pytest.raises(EditedMeanwhile, match="version 2"):
        tasks.edit(mine, actor=ACTOR)
    task.refresh_from_db()
    assert task.description == "theirs"


def test_an_interval_keeps_its_anchor_through_other_edits(clock: SettableClock, make_task: MakeTask) -> None:
    """Pain 15."""
    task = make_task(trigger="interval", trigger_params={"hours": 1})
    first = next_time(task)
    clock.move(minutes=40)
    task.description = "only words"
    tasks.edit(task, actor=ACTOR)
    assert next_time(task) == first


@pytest.mark.parametrize(("rest", "go"), [(tasks.pause, tasks.resume), (tasks.disable, tasks.enable)])
def test_going_on_makes_nothing_up_and_never_fires(
    clock: SettableClock, make_task: MakeTask, rest: Callable[..., Task], go: Callable[..., Task]
) -> None:
    """P7, pain 14."""
    task = make_task()
    rest(task.pk, actor=ACTOR)
    assert next_time(task) is None
    admission.admit_due(clock.move(hours=5))
    go(task.pk, actor=ACTOR)
    assert states(task) == []
    assert next_time(task) == clock.at + timedelta(minutes=1)


def test_pause_holds_scheduled_runs_and_lets_manual_ones_go(
    clock: SettableClock, make_task: MakeTask
) -> None:
    task = make_task(max_concurrent=2)
    admission.admit_due(clock.move(minutes=1))
    tasks.run_now(task.pk, actor=ACTOR)
    tasks.pause(task.pk, actor=ACTOR)
    assert states(task) == ["waiting", "queued"]
    assert admission.promote(clock.move(days=400), [task.pk]) == 0
    tasks.resume(task.pk, actor=ACTOR)
    admission.promote(clock.at, [task.pk])
    assert states(task) == ["queued", "queued"]


@pytest.mark.parametrize(
    ("verb", "reason"), [(tasks.disable, "task_disabled"), (tasks.delete, "task_deleted")]
)
def test_disable_and_delete_cancel_what_has_not_started(
    clock: SettableClock, make_task: MakeTask, verb: Callable[..., Task], reason: str
) -> None:
    task = make_task(overlap_policy="queue_all")
    for _ in range(2):
        admission.admit_due(clock.move(minutes=1))
    running = Execution.objects.filter(task=task).earliest("id")
    node = _node(clock)
    Execution.objects.filter(pk=running.pk).update(state=State.RUNNING, node=node, started_at=clock.at)
    verb(task.pk, actor=ACTOR)
    assert list(Execution.objects.order_by("id").values_list("state", "reason")) == [
        ("running", ""),
        ("cancelled", reason),
    ]
    assert next_time(task) is None


def _node(clock: SettableClock) -> Any:
    from scheduling.services import nodes

    return nodes.register(clock.at, queues=["default"], functions=[], seats={"thread": 1}, lease_seconds=15)


def test_delete_frees_the_key_and_keeps_the_history(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task()
    admission.admit_due(clock.move(minutes=1))
    tasks.delete(task.pk, actor=ACTOR)
    again = make_task()
    assert again.pk != task.pk
    assert Execution.objects.get(task=task).task_key == "task"
    with pytest.raises(Refused):
        tasks.enable(task.pk, actor=ACTOR)


def test_a_built_in_task_cannot_be_deleted(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task(built_in=True)
    with pytest.raises(Refused, match="only disabled"):
        tasks.delete(task.pk, actor=ACTOR)
    tasks.disable(task.pk, actor=ACTOR)


def test_queued_runs_keep_the_parameters_of_their_birth(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task(function="sleep", parameters={"seconds": 1})
    admission.admit_due(clock.move(minutes=1))
    task.parameters = {"seconds": 2}
    tasks.edit(task, actor=ACTOR)
    admission.admit_due(clock.move(minutes=1))
    assert list(Execution.objects.order_by("id").values_list("parameters", "task_version")) == [
        ({"seconds": 1}, 1),
        ({"seconds": 2}, 2),
    ]


def test_a_deleted_task_lets_go_of_its_group_and_pool(clock: SettableClock, make_task: MakeTask) -> None:
    group, pool = Group.objects.create(key="night", name="Night"), Pool.objects.create(key="db", capacity=2)
    task = make_task(group=group, pool=pool)
    tasks.delete(task.pk, actor=ACTOR)
    group.delete()
    pool.delete()
    assert TaskVersion.objects.latest("version").changes["pool"] == ["db", None]


def test_a_task_heavier_than_its_pool_is_refused(clock: SettableClock, make_task: MakeTask) -> None:
    task = make_task(pool=Pool.objects.create(key="db", capacity=2))
    task.weight = 3
    with pytest.raises(ValidationError, match="2 at the most"):
        tasks.edit(task, actor=ACTOR)


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({"executor": "thread", "memory_limit_mb": 512}, ["memory_limit_mb"]),
        (
            {"executor": "thread", "memory_limit_mb": 64, "cpu_limit_seconds": 5},
            ["cpu_limit_seconds", "memory_limit_mb"],
        ),
        ({"executor": "process", "memory_limit_mb": 512, "cpu_limit_seconds": 5}, []),
        ({"executor": "command"}, ["executor"]),
        ({"function": "run_command", "parameters": {"command": ["ls"]}, "memory_limit_mb": 512}, []),
    ],
)
def test_a_limit_that_no_executor_would_hold_is_refused(
    settings: Any, make_task: MakeTask, values: dict[str, Any], faults: list[str]
) -> None:
    """Pain 18: whoever sets a limit relies on it."""
    settings.JOBSITE_ALLOW_COMMANDS = True
    if not faults:
        assert make_task(**values).pk
        return
    with pytest.raises(ValidationError) as caught:
        make_task(**values)
    assert sorted(caught.value.message_dict) == faults
    if "memory_limit_mb" in faults:
        assert "process, command" in caught.value.message_dict["memory_limit_mb"][0]
