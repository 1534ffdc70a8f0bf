"""The pages of one task: run with parameters, clone, versions with their difference and the way back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from scheduling.clock import SettableClock
from scheduling.forms.parameters import fields_of
from scheduling.models import Execution, Task, TaskVersion
from scheduling.services import tasks
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
TASKS = "/admin/scheduling/task/"


def edit(task: Task, **values: Any) -> Task:
    stored = Task.objects.get(pk=task.pk)
    for name, value in values.items():
        setattr(stored, name, value)
    return tasks.edit(stored, actor=TESTER)


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def login(*permissions: str) -> Client:
    user = get_user_model().objects.create_user("anna", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def test_run_with_parameters_is_filled_with_those_of_the_task(
    admin_client: Client, make_task: MakeTask
) -> None:
    task = make_task(function="fail", parameters={"message": "as <always>"})
    page = admin_client.get(f"{TASKS}{task.pk}/run/").content.decode()
    assert 'data-parameter="message" data-kind="text"' in page
    assert '"message": "as <always>"' in unescape(page)
    assert "<always>" not in page


def test_code_is_written_in_lines(admin_client: Client, make_task: MakeTask, settings: Any) -> None:
    settings.JOBSITE_ALLOW_COMMANDS = True
    task = make_task(function="run_code", executor="command", parameters={"code": "print(1)\nprint(2)"})
    page = admin_client.get(f"{TASKS}{task.pk}/run/").content.decode()
    code, language = (page.index(f'data-parameter="{name}"') for name in ("code", "language"))
    assert '<textarea id="parameter-code" class="input code" rows="6"' in page[code:language]
    kinds = {field.name: field.kind for field in fields_of("run_code")[0]}
    assert kinds == {"code": "lines", "language": "choice", "environment": "json"}
    assert [field.kind for field in fields_of("http_request")[0] if field.name == "url"] == ["text"]


def test_one_run_takes_other_parameters_and_the_task_stays(
    admin_client: Client, make_task: MakeTask, clock: SettableClock
) -> None:
    """The parameters given are all of them: one that was taken away is at its default."""
    task = make_task(function="fail", parameters={"message": "as always"}, time_zone="Asia/Shanghai")
    for parameters, run_at in (('{"message": "once"}', ""), ("{}", "2026-06-02T08:00")):
        data = {"parameters": parameters, "run_at": run_at}
        answer = admin_client.post(f"{TASKS}{task.pk}/run/", data, follow=True)
        assert "asked to run. #" in said(answer)
    first, second = Execution.objects.order_by("id")
    assert (first.parameters, first.state, first.requested_by.username) == (
        {"message": "once"},
        "queued",
        "admin",
    )
    assert (second.parameters, second.state, second.reason) == ({}, "waiting", "delay")
    assert second.scheduled_for == datetime(2026, 6, 2, 0, 0, tzinfo=UTC)
    assert Task.objects.get().parameters == {"message": "as always"}


@pytest.mark.parametrize(
    ("data", "at", "message"),
    [
        ({"parameters": "{"}, "parameters", "valid JSON"),
        ({"parameters": "[1]"}, "parameters", "object"),
        ({"parameters": '{"seconds": "x"}'}, "parameters", "must be a number"),
        ({"parameters": '{"seconds": 1}', "run_at": "soon"}, "run_at", "valid date/time"),
        ({"parameters": '{"seconds": 1}', "run_at": "2099-01-01T00:00"}, "run_at", "days ahead"),
    ],
)
def test_a_run_that_cannot_be_says_why_at_the_field(
    admin_client: Client, make_task: MakeTask, data: dict[str, str], at: str, message: str
) -> None:
    task = make_task(function="sleep", parameters={"seconds": 1})
    answer = admin_client.post(f"{TASKS}{task.pk}/run/", data)
    assert message in " ".join(answer.context["form"].errors[at])
    typed = data["parameters"].strip("{}[]")
    assert typed in unescape(answer.content.decode())
    assert not Execution.objects.exists()


def test_beside_others_only_with_the_permission(make_task: MakeTask) -> None:
    task = make_task()
    for _run in range(2):
        tasks.run_now(task.pk, actor=TESTER)
    client = login("view_task", "run_task", "view_execution")
    assert 'name="force"' not in client.get(f"{TASKS}{task.pk}/run/").content.decode()
    assert client.post(f"{TASKS}{task.pk}/run/", {"parameters": "{}", "force": "on"}).status_code == 403
    user = get_user_model().objects.get()
    user.user_permissions.add(Permission.objects.get(codename="force_task"))
    assert client.post(f"{TASKS}{task.pk}/run/", {"parameters": "{}", "force": "on"}).status_code == 302
    assert Execution.objects.order_by("id").last().state == "queued"


def test_a_copy_is_made_and_opened(admin_client: Client, make_task: MakeTask) -> None:
    task = make_task("daily")
    page = admin_client.get(f"{TASKS}{task.pk}/clone/").content.decode()
    assert 'value="daily-copy"' in page
    refused = admin_client.post(f"{TASKS}{task.pk}/clone/", {"key": "daily", "name": "Other"})
    assert "already exists" in " ".join(refused.context["form"].errors["key"])
    answer = admin_client.post(f"{TASKS}{task.pk}/clone/", {"key": "other", "name": "Other"})
    copied = Task.objects.get(key="other")
    assert answer.url == f"{TASKS}{copied.pk}/change/"
    assert (copied.name, copied.enabled) == ("Other", False)


def test_any_two_versions_are_compared_in_words(admin_client: Client, make_task: MakeTask) -> None:
    task = make_task(function="fail", parameters={"message": "one"})
    edit(task, parameters={"message": "two"}, overlap_policy="queue_one")
    edit(task, retries=2, overlap_policy="skip", parameters={"message": "<b>three</b>"})
    answer = admin_client.get(f"{TASKS}{task.pk}/history/?from=1&to=3")
    changes = {change.name: change for change in answer.context["difference"]}
    assert set(changes) == {"parameters", "retries"}
    assert (changes["retries"].label, changes["retries"].before, changes["retries"].after) == (
        "retries",
        "0",
        "2",
    )
    marks = [(line.mark, line.text.strip()) for line in changes["parameters"].lines if line.mark != " "]
    assert marks == [("-", '"message": "one"'), ("+", '"message": "<b>three</b>"')]
    page = answer.content.decode()
    assert "<b>three" not in page
    assert "let one wait" in page  # the list says each version's own changes
    assert "Roll back to version 1" in page
    assert (
        "There is no difference."
        in admin_client.get(f"{TASKS}{task.pk}/history/?from=2&to=2").content.decode()
    )
    for nonsense in ("?from=x&to=1", "?from=99&to=1", "?before=" + "9" * 40):
        assert admin_client.get(f"{TASKS}{task.pk}/history/{nonsense}").status_code == 200


def test_back_to_a_version_unless_somebody_was_faster(admin_client: Client, make_task: MakeTask) -> None:
    task = make_task()
    edit(task, retries=5)
    address = f"{TASKS}{task.pk}/rollback/"
    late = admin_client.post(address, {"version": "1", "seen_version": "1"}, follow=True)
    assert "changed by somebody else (version 2)" in said(late)
    assert "no version 9" in said(
        admin_client.post(address, {"version": "9", "seen_version": "2"}, follow=True)
    )
    done = admin_client.post(address, {"version": "1", "seen_version": "2"}, follow=True)
    assert "this is version 3" in said(done)
    assert Task.objects.get().retries == 0
    assert TaskVersion.objects.values_list("verb", "source", "by__username").first() == (
        "rollback",
        "admin",
        "admin",
    )
    assert admin_client.get(address).status_code == 405


def test_history_is_read_in_pages(
    admin_client: Client, make_task: MakeTask, django_assert_max_num_queries: Any
) -> None:
    task = make_task()
    for number in range(1, 33):
        edit(task, retries=number)
    with django_assert_max_num_queries(8):
        first = admin_client.get(f"{TASKS}{task.pk}/history/")
    assert [version.version for version in first.context["listed"]] == list(range(33, 3, -1))
    second = admin_client.get(f"{TASKS}{task.pk}/history/?before={first.context['older']}")
    assert [version.version for version in second.context["listed"]] == [3, 2, 1]
    assert second.context["older"] is None


@pytest.mark.parametrize("page", ["run", "clone", "history", "rollback"])
def test_pages_of_tasks_that_are_gone(admin_client: Client, make_task: MakeTask, page: str) -> None:
    task = make_task()
    tasks.delete(task.pk, actor=TESTER)
    assert admin_client.post(f"{TASKS}{task.pk}/{page}/").status_code == 404


def test_the_question_before_a_deletion_says_what_follows(admin_client: Client, make_task: MakeTask) -> None:
    page = admin_client.get(f"{TASKS}{make_task().pk}/delete/").content.decode()
    assert "its key is free for another task" in page
    assert "running ones go on" in page


def test_changes_of_all_tasks_are_read_in_words(admin_client: Client, make_task: MakeTask) -> None:
    task = make_task(name="Nightly")
    edit(task, overlap_policy="queue_one")
    page = admin_client.get("/admin/scheduling/taskversion/").content.decode()
    assert "<del>skip the new one</del>" in page
    assert f'<a href="{TASKS}{task.pk}/history/">Nightly</a>' in page
    tasks.delete(task.pk, actor=TESTER)
    page = admin_client.get("/admin/scheduling/taskversion/").content.decode()
    assert f"{TASKS}{task.pk}/history/" not in page


def test_a_version_says_what_it_did_to_the_next_days(admin_client: Client, make_task: MakeTask) -> None:
    task = make_task(trigger="cron", trigger_params={"expression": "0 9 * * *"})
    edit(task, trigger_params={"expression": "0 9,18 * * *"})
    edit(task, remark="nothing of its times")
    page = admin_client.get(f"{TASKS}{task.pk}/history/").content.decode()
    assert page.count("Occurrences of the next 7 days: 7 added, 0 removed, 0 moved.") == 1
    assert page.count("next 7 days") == 1
