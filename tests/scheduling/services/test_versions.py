"""Copies of tasks, and the way back to what a task was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django_apscheduler.models import DjangoJob

from scheduling.clock import SettableClock
from scheduling.exceptions import EditedMeanwhile, Refused
from scheduling.models import Group, Pool, Task, TaskVersion
from scheduling.services import groups, tasks, versions
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


def edit(task: Task, **values: Any) -> Task:
    task = Task.objects.get(pk=task.pk)
    for name, value in values.items():
        setattr(task, name, value)
    return tasks.edit(task, actor=TESTER)


def next_time(task: Task) -> datetime | None:
    return DjangoJob.objects.get(pk=str(task.pk)).next_run_time


def test_a_rollback_gives_everything_back_as_a_new_version(make_task: MakeTask, clock: SettableClock) -> None:
    group, pool = Group.objects.create(key="night", name="Night"), Pool.objects.create(key="db", capacity=3)
    owner = get_user_model().objects.create_user("anna")
    start = clock.now() + timedelta(hours=1)
    first = {
        "group": group, "pool": pool, "owner": owner, "weight": 2, "start_at": start, "function": "sleep",
        "parameters": {"seconds": 1}, "trigger_params": {"expression": "30 3 * * *"}, "retries": 2,
    }  # fmt: skip
    task = make_task(**first)
    was, due = task.definition(), next_time(task)
    nothing = {"group": None, "pool": None, "owner": None, "weight": 1, "start_at": None, "function": "noop"}
    edit(task, parameters={}, trigger_params={"expression": "* * * * *"}, retries=0, **nothing)
    tasks.disable(task.pk, actor=TESTER)
    back = versions.rollback(task.pk, 1, actor=TESTER, seen_version=3)
    assert (back.version, back.enabled) == (4, False)  # whether it runs at all stays as it was
    assert back.definition() | {"enabled": True} == was
    assert tasks.enable(task.pk, actor=TESTER).definition() == was
    assert next_time(task) == due
    entry = TaskVersion.objects.get(task=task, version=4)
    assert (entry.verb, entry.changes["retries"]) == ("rollback", [0, 2])


def test_a_rollback_is_refused_with_the_reason(make_task: MakeTask, clock: SettableClock) -> None:
    task = make_task(group=Group.objects.create(key="night", name="Night"))
    run_date = (clock.now() + timedelta(minutes=1)).isoformat()
    edit(task, group=None, trigger="date", trigger_params={"run_date": run_date})
    edit(task, trigger="cron", trigger_params={"expression": "* * * * *"}, retries=1)
    for version, code in ((9, "version_unknown"), (3, "nothing_differs")):
        with pytest.raises(Refused) as refused:
            versions.rollback(task.pk, version, actor=TESTER)
        assert refused.value.code == code
    with pytest.raises(EditedMeanwhile):
        versions.rollback(task.pk, 2, actor=TESTER, seen_version=2)
    groups.delete(Group.objects.get(), actor=TESTER)
    clock.move(minutes=2)
    for version, field in ((1, "group"), (2, "trigger_params")):
        with pytest.raises(ValidationError) as invalid:
            versions.rollback(task.pk, version, actor=TESTER)
        assert list(invalid.value.message_dict) == [field]
    assert TaskVersion.objects.count() == 3
    tasks.delete(task.pk, actor=TESTER)
    with pytest.raises(Refused, match="deleted"):
        versions.rollback(task.pk, 1, actor=TESTER)


def test_the_difference_between_any_two_versions(make_task: MakeTask) -> None:
    task = make_task()
    edit(task, retries=1)
    edit(task, retries=3, name="Other")
    first, _second, third = TaskVersion.objects.order_by("version")
    assert versions.difference(first, third) == {"name": ["task", "Other"], "retries": [0, 3]}
    assert versions.difference(third, first)["retries"] == [3, 0]


def test_a_copy_is_another_task_and_does_not_run_by_itself(make_task: MakeTask) -> None:
    task = make_task(built_in=True, parameters={}, retries=2, remark="mind the gap")
    copied = tasks.clone(task.pk, "second", actor=TESTER)
    assert (copied.enabled, copied.built_in, copied.version, next_time(copied)) == (False, False, 1, None)
    same = {"name": "", "enabled": None}
    assert copied.definition() | same == task.definition() | same
    assert copied.name == "task (copy)"
    for key, field in (("second", "key"), ("Bad Key", "key")):
        with pytest.raises(ValidationError) as invalid:
            tasks.clone(task.pk, key, actor=TESTER)
        assert field in invalid.value.message_dict
    tasks.delete(copied.pk, actor=TESTER)
    with pytest.raises(Refused, match="deleted"):
        tasks.clone(copied.pk, "third", actor=TESTER)


def test_what_a_built_in_task_is_stays(make_task: MakeTask) -> None:
    task = make_task(built_in=True)
    for name, value in (("key", "other"), ("function", "fail")):
        with pytest.raises(ValidationError) as invalid:
            edit(task, **{name: value})
        assert list(invalid.value.message_dict) == [name]
    assert edit(task, retries=3).retries == 3
