"""The buttons of tasks: POST only, each with its own permission, with a message or an answer for scripts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from scheduling.models import Execution, Task, TaskVersion
from scheduling.views.verbs import VERBS
from tests.scheduling.views.conftest import JSON, login, said

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


def address(task: Task, verb: str) -> str:
    return f"/scheduler/tasks/{task.pk}/{verb}/"


def test_each_verb_does_what_it_says_and_goes_back(make_task: MakeTask) -> None:
    task = make_task()
    client = login(superuser=True)
    for verb, field, value in (
        ("disable", "enabled", False), ("enable", "enabled", True),
        ("pause", "paused", True), ("resume", "paused", False),
    ):  # fmt: skip
        answer = client.post(address(task, verb), {"next": "/admin/"}, follow=True)
        assert answer.redirect_chain == [("/admin/", 302)]
        assert any(text.startswith("task: ") for text in said(answer))
        assert getattr(Task.objects.get(), field) is value
    answer = client.post(address(task, "run"), {"next": "https://evil.example/"})
    assert answer["Location"] == "/scheduler/"
    execution = Execution.objects.get()
    assert (execution.origin, execution.requested_by.get_username()) == ("manual", "anna")
    client.post(address(task, "delete"))
    assert Task.objects.get().deleted_at is not None
    assert set(TaskVersion.objects.values_list("source", flat=True)) == {"command", "admin"}


def test_scripts_get_json(make_task: MakeTask) -> None:
    task = make_task(function="echo", parameters={"values": 1})
    client = login(superuser=True)
    answer = client.post(address(task, "run"), {"parameters": '{"values": [2]}'}, **JSON)
    execution = Execution.objects.get()
    assert answer.json()["execution"] == {
        "id": execution.pk, "state": "queued", "url": f"/admin/scheduling/execution/{execution.pk}/change/",
    }  # fmt: skip
    assert execution.parameters == {"values": [2]}
    assert f"#{execution.pk}: queued" in answer.json()["message"]
    answer = client.post(address(task, "run"), **JSON)
    assert "waits behind" in answer.json()["message"]
    answer = client.post(address(task, "pause"), **JSON)
    assert answer.json() == {"message": "task: paused."}


@pytest.mark.parametrize(
    ("verb", "data", "status", "code"),
    [
        ("run", {"parameters": "{"}, 400, "invalid"),
        ("run", {"parameters": "[1]"}, 400, "invalid"),
        ("run", {"parameters": '{"nonsense": 1}'}, 400, "invalid"),
        ("run", {"idempotency_key": "k" * 65}, 400, "invalid"),
        ("delete", {}, 409, "built_in"),
    ],
)
def test_what_is_refused_is_said(
    make_task: MakeTask, verb: str, data: dict[str, str], status: int, code: str
) -> None:
    task = make_task(built_in=True)
    client = login(superuser=True)
    answer = client.post(address(task, verb), data, **JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    page = client.post(address(task, verb), data | {"next": "/admin/"}, follow=True)
    assert answer.json()["error"]["message"] in said(page)
    assert not Execution.objects.exists()
    assert Task.objects.get().deleted_at is None


def test_a_task_that_is_gone_is_not_found(make_task: MakeTask) -> None:
    task = make_task()
    client = login(superuser=True)
    client.post(address(task, "delete"))
    for verb in VERBS:
        answer = client.post(address(task, verb), **JSON)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "task_deleted")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_its_own_permission(make_task: MakeTask, verb: str) -> None:
    task = make_task()
    others = {other.permission for other in VERBS.values()} - {VERBS[verb].permission}
    client = login("view_task", "change_task", *others)
    assert client.post(address(task, verb)).status_code == 403
    answer = client.post(address(task, verb), **JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")
    assert (TaskVersion.objects.count(), Execution.objects.count()) == (1, 0)


def test_running_beside_itself_has_a_permission_of_its_own(make_task: MakeTask) -> None:
    task = make_task()
    client = login("view_task", "run_task")
    assert client.post(address(task, "run"), {"force": "1"}).status_code == 403
    assert client.post(address(task, "run")).status_code == 302
    assert Execution.objects.count() == 1


def test_nobody_gets_in_without_a_login_or_a_token_and_nothing_happens_by_get(make_task: MakeTask) -> None:
    task = make_task()
    for verb in VERBS:
        answer = Client().post(address(task, verb))
        assert answer["Location"] == "/admin/login/?next=/scheduler/"
        assert Client().post(address(task, verb), **JSON).status_code == 401
    plain = get_user_model().objects.create_user("bob")
    client = Client()
    client.force_login(plain)
    assert client.post(address(task, "run"), **JSON).status_code == 401
    client = login(superuser=True, csrf=True)
    for verb in VERBS:
        assert client.post(address(task, verb)).status_code == 403
        assert client.get(address(task, verb)).status_code == 405
    assert (TaskVersion.objects.count(), Execution.objects.count()) == (1, 0)
