"""A double click, a reload, a tab that sends its form again: what was asked for once runs once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from scheduling.admin.task import bulk
from scheduling.models import Execution, Task
from scheduling.services import executions, tasks
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
LIST = "/admin/scheduling/task/"
BOARD = "/scheduler/"
EXECUTIONS = "/admin/scheduling/execution/"


def fields(page: Any, form: str) -> dict[str, str]:
    """What a form of the page sends by itself, less what guards against forgery."""
    html = re.search(rf'<form id="{form}".*?</form>|<form[^>]*id="{form}".*?</form>', text(page), re.DOTALL)
    assert html, form
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html[0])
    return {name: value for name, value in found if name != "csrfmiddlewaretoken"}


def text(page: Any) -> str:
    return str(page.content.decode())


def test_chosen_tasks(admin_client: Client, make_task: MakeTask) -> None:
    chosen = [make_task(key).pk for key in ("one", "two")]
    sent = {"action": "run", "_selected_action": chosen, **fields(admin_client.get(LIST), "changelist-form")}
    for _twice in range(2):
        assert "Done for 2." in text(admin_client.post(LIST, sent, follow=True))
    assert sorted(Execution.objects.values_list("task_id", flat=True)) == chosen
    again = {**sent, **fields(admin_client.get(LIST), "changelist-form")}
    admin_client.post(LIST, again)
    assert Execution.objects.count() == 4, "asked for anew, they run anew"


def test_all_that_match(admin_client: Client, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)
    for number in range(3):
        make_task(f"one-{number}")
    sent = {"action": "run", "_selected_action": "0", "select_across": "1"}
    question = admin_client.post(LIST, sent, follow=True)
    first_part = dict(question.context["fields"]) | {"confirmed": "1"}
    for _twice in range(2):
        assert "2 of 3 tasks." in text(admin_client.post(LIST, first_part))
    assert Execution.objects.count() == 2


@pytest.mark.parametrize(
    ("page", "form"), [(LIST, "task-verbs"), (LIST + "{pk}/change/", "task-verbs"), (BOARD, "act")]
)
def test_the_button_of_one_task(page: str, form: str, admin_client: Client, make_task: MakeTask) -> None:
    task = make_task()
    address = f"/scheduler/tasks/{task.pk}/run/"
    shown = page.format(pk=task.pk)
    sent = fields(admin_client.get(shown), form)
    for _twice in range(2):
        assert admin_client.post(address, sent)["Location"] == shown
    assert Execution.objects.count() == 1
    admin_client.post(address, fields(admin_client.get(shown), form))
    assert Execution.objects.count() == 2, "asked for anew, it runs anew"


def test_a_run_with_parameters(admin_client: Client, make_task: MakeTask) -> None:
    task = make_task(function="echo", parameters={"values": 1})
    form = admin_client.get(f"{LIST}{task.pk}/run/").context["form"]
    sent = {"parameters": '{"values": 2}', "key": form["key"].value()}
    places = [admin_client.post(f"{LIST}{task.pk}/run/", sent)["Location"] for _twice in range(2)]
    assert places[0] == places[1]
    assert Execution.objects.count() == 1


def test_chosen_executions_of_the_same_task(admin_client: Client, make_task: MakeTask) -> None:
    task = make_task(max_concurrent=0)
    ended = [tasks.run_now(task.pk, actor=TESTER).pk for _each in range(2)]
    for number in ended:
        executions.cancel(number, actor=TESTER)
    page = admin_client.get(EXECUTIONS)
    sent = {"action": "again", "_selected_action": ended, **fields(page, "changelist-form")}
    for _twice in range(2):
        assert "Done for 2." in text(admin_client.post(EXECUTIONS, sent, follow=True))
    assert sorted(Execution.objects.filter(rerun_of_id__gt=0).values_list("rerun_of_id", flat=True)) == ended
