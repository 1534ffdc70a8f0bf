"""P7, pains 13 and 14: an edit by any door is in effect from the next instant on, without a restart, and never fires.

How soon that is acted upon is measured (docs/performance.md, W4), not judged here: a busy machine is no fault.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.forms.models import model_to_dict
from django.test import Client

from scheduling.admin.task.form import TaskForm
from scheduling.models import Execution, Task, TaskVersion
from scheduling.services import tasks
from tests.conftest import TESTER, Nodes, await_, new_task

pytestmark = pytest.mark.processes

EVERY_SECOND = {"expression": "* * * * * *"}
FAR = {"expression": "0 0 1 1 *"}
EDITS_BY_EACH_DOOR = 25

Door = Callable[[list[Task], Path], None]


def by_service(edited: list[Task], _folder: Path) -> None:
    for task in edited:
        task.trigger_params = EVERY_SECOND
        tasks.edit(task, actor=TESTER)


def by_yaml(edited: list[Task], folder: Path) -> None:
    """Also the command's door: ``load_tasks --force``, since the tasks were made by a person."""
    lines = [
        f"- {{key: {task.key}, function: noop, trigger: cron, trigger_params: {{expression: '* * * * * *'}}}}"
        for task in edited
    ]
    file = folder / "tasks.yaml"
    file.write_text("tasks:\n" + "\n".join(lines))
    call_command("load_tasks", str(file), "--force", stdout=StringIO())


def by_command(edited: list[Task], _folder: Path) -> None:
    """Enabling is an edit too: the schedule begins with it."""
    for task in edited:
        tasks.disable(task.pk, actor=TESTER)
        stored = Task.objects.get(pk=task.pk)
        stored.trigger_params = EVERY_SECOND
        tasks.edit(stored, actor=TESTER)
        tasks.enable(task.pk, actor=TESTER)


def by_admin(edited: list[Task], _folder: Path) -> None:
    user = get_user_model().objects.create_superuser("editor", password="x")
    client = Client()
    client.force_login(user)
    for task in edited:
        values = {name: value for name, value in model_to_dict(task).items() if name in TaskForm.Meta.fields}
        form = {name: value for name, value in values.items() if value is not None and value is not False}
        form |= {
            "parameters": "{}",
            "trigger_params": '{"expression": "* * * * * *"}',
            "seen_version": task.version,
        }
        answer = client.post(f"/admin/scheduling/task/{task.pk}/change/", form)
        assert answer.status_code == 302, answer.content.decode()


@pytest.mark.parametrize("door", [by_service, by_yaml, by_command, by_admin])
def test_edits_are_in_effect_from_the_next_instant_on_and_never_fire(
    nodes: Nodes, tmp_path: Path, door: Door
) -> None:
    made = [
        tasks.create(new_task(f"edited-{index}", trigger_params=FAR), actor=TESTER)
        for index in range(EDITS_BY_EACH_DOOR)
    ]
    nodes.start_ready()
    door(made, tmp_path)

    def ran() -> set[int]:
        return set(Execution.objects.filter(state="succeeded").values_list("task_id", flat=True))

    await_(lambda: len(ran()) == len(made), 60, "every edited task has run")
    for task in made:
        edit = TaskVersion.objects.filter(task_id=task.pk).latest("version")
        rows = Execution.objects.filter(task_id=task.pk).order_by("scheduled_for")
        assert {row.task_version for row in rows} == {edit.version}
        assert edit.at < rows[0].scheduled_for <= edit.at + timedelta(seconds=1)
