"""P7, pains 13 and 14: an edit by any door is in effect within 2 s, without a restart, and never fires by itself."""

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
WORST = timedelta(seconds=2)

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
def test_edits_are_in_effect_within_two_seconds_and_never_fire(
    nodes: Nodes, tmp_path: Path, door: Door
) -> None:
    made = [
        tasks.create(new_task(f"edited-{index}", trigger_params=FAR), actor=TESTER)
        for index in range(EDITS_BY_EACH_DOOR)
    ]
    nodes.start_ready()
    door(made, tmp_path)

    def first_runs() -> dict[int, Execution]:
        rows = Execution.objects.filter(state="succeeded").order_by("-id")
        return {row.task_id: row for row in rows}

    await_(lambda: len(first_runs()) == len(made), 60, "every edited task has run")
    worst = timedelta()
    for task_id, execution in first_runs().items():
        edit = TaskVersion.objects.filter(task_id=task_id).latest("version")
        assert execution.task_version == edit.version
        assert execution.scheduled_for > edit.at, "an occurrence earlier than its edit"
        worst = max(worst, execution.started_at - edit.at)
    assert worst <= WORST
