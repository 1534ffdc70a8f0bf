"""A task that enters or leaves a paused group is held, or goes on, as if it had been paused or resumed itself (P3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scheduling.clock import SettableClock
from scheduling.models import Execution, Group, Task
from scheduling.services import admission, groups, tasks
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


@pytest.fixture
def paused(clock: SettableClock) -> Group:
    group = groups.save(Group(key="night", name="Night"), actor=TESTER)
    groups.pause(group.pk, actor=TESTER)
    return Group.objects.get(pk=group.pk)


def came_due(task: Task, clock: SettableClock) -> Execution:
    """Its queued scheduled run."""
    clock.move(seconds=60)
    admission.admit_due(clock.at)
    return Execution.objects.get(task=task)


def states(task: Task) -> list[tuple[str, str]]:
    return list(Execution.objects.filter(task=task).values_list("state", "reason"))


def move(task: Task, group: Group | None) -> None:
    task = Task.objects.get(pk=task.pk)
    task.group = group
    tasks.edit(task, actor=TESTER)


def test_what_was_held_with_the_group_goes_on_when_the_task_leaves_it(
    clock: SettableClock, make_task: MakeTask
) -> None:
    group = groups.save(Group(key="night", name="Night"), actor=TESTER)
    task = make_task(group=group)
    came_due(task, clock)
    groups.pause(group.pk, actor=TESTER)
    assert states(task) == [("waiting", "paused")]
    move(task, None)
    admission.promote(clock.at, [task.pk])
    assert states(task) == [("queued", "")]


def test_what_is_queued_is_held_when_the_task_enters_it(
    clock: SettableClock, make_task: MakeTask, paused: Group
) -> None:
    task = make_task()
    came_due(task, clock)
    move(task, paused)
    assert states(task) == [("waiting", "paused")]
    groups.resume(paused.pk, actor=TESTER)
    admission.promote(clock.at, [task.pk])
    assert states(task) == [("queued", "")]


def test_from_one_paused_group_to_another_it_stays_held(
    clock: SettableClock, make_task: MakeTask, paused: Group
) -> None:
    task = make_task()
    came_due(task, clock)
    move(task, paused)
    other = groups.save(Group(key="other", name="Other"), actor=TESTER)
    groups.pause(other.pk, actor=TESTER)
    move(task, Group.objects.get(pk=other.pk))
    assert states(task) == [("waiting", "paused")]


def test_a_task_paused_by_itself_stays_so_when_it_leaves(
    clock: SettableClock, make_task: MakeTask, paused: Group
) -> None:
    task = make_task()
    came_due(task, clock)
    tasks.pause(task.pk, actor=TESTER)
    move(task, paused)
    move(task, None)
    assert states(task) == [("waiting", "paused")]
