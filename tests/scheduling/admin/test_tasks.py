"""The plain admin: every write goes through a service, by POST, with its own permission."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_apscheduler.models import DjangoJob, DjangoJobExecution

from scheduling import clock
from scheduling.models import Execution, Group, Node, Pool, Task, TaskVersion
from scheduling.services import nodes, tasks
from tests.bad_inputs.test_bad_inputs import GOOD_FORM
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
LIST = "/admin/scheduling/task/"


def login(*permissions: str, superuser: bool = False) -> Client:
    user = get_user_model().objects.create_user("anna", is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, action: str, *chosen: Any, where: str = LIST) -> Any:
    return client.post(where, {"action": action, "_selected_action": [row.pk for row in chosen]}, follow=True)


def said(answer: Any) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def test_adding_and_editing_write_versions_with_the_user() -> None:
    client = login(superuser=True)
    assert client.post(f"{LIST}add/", GOOD_FORM).status_code == 302
    task = Task.objects.get()
    change = {"seen_version": "1", "description": "new"}
    assert client.post(f"{LIST}{task.pk}/change/", GOOD_FORM | change).status_code == 302
    versions = TaskVersion.objects.order_by("version").values_list("verb", "source", "by__username")
    assert list(versions) == [("create", "admin", "anna"), ("edit", "admin", "anna")]
    assert DjangoJob.objects.get().next_run_time is not None


def test_an_old_form_is_refused_and_keeps_what_was_typed(make_task: MakeTask) -> None:
    task = make_task("good")
    client = login(superuser=True)
    task.description = "somebody else's"
    tasks.edit(task, actor=TESTER)
    answer = client.post(f"{LIST}{task.pk}/change/", GOOD_FORM | {"seen_version": "1", "description": "mine"})
    assert answer.status_code == 200
    assert "version 2" in answer.content.decode()
    assert "mine" in answer.content.decode()
    assert Task.objects.get().description == "somebody else's"


def test_the_verbs(make_task: MakeTask) -> None:
    task = make_task()
    client = login(superuser=True)
    for verb, field, value in (
        ("disable", "enabled", False),
        ("enable", "enabled", True),
        ("pause", "paused", True),
    ):
        act(client, verb, task)
        assert getattr(Task.objects.get(), field) is value
    act(client, "resume", task)
    assert not Task.objects.get().paused
    act(client, "run", task)
    execution = Execution.objects.get()
    assert (execution.origin, execution.requested_by.get_username()) == ("manual", "anna")
    act(client, "cancel", execution, where="/admin/scheduling/execution/")
    assert Execution.objects.get().state == "cancelled"


def test_who_may_only_look_sees_no_verb_and_changes_nothing(make_task: MakeTask) -> None:
    task = make_task()
    client = login("view_task", "view_execution")
    page = client.get(LIST).content.decode()
    assert "Run now" not in page
    for verb in ("run", "pause", "disable", "delete_selected"):
        act(client, verb, task)
    assert client.post(f"{LIST}{task.pk}/change/", GOOD_FORM).status_code == 403
    assert client.post(f"{LIST}add/", GOOD_FORM).status_code == 403
    assert (TaskVersion.objects.count(), Execution.objects.count()) == (1, 0)
    assert client.get(f"{LIST}{task.pk}/change/").status_code == 200


def test_each_verb_has_its_own_permission(make_task: MakeTask) -> None:
    task = make_task()
    client = login("view_task", "change_task", "run_task")
    act(client, "pause", task)
    assert not Task.objects.get().paused
    act(client, "run", task)
    assert Execution.objects.count() == 1


def test_deleting_goes_through_the_service_and_spares_built_ins(make_task: MakeTask) -> None:
    plain, built_in = make_task("plain"), make_task("built-in", built_in=True)
    client = login(superuser=True)
    client.post(f"{LIST}{plain.pk}/delete/", {"post": "yes"})
    assert Task.objects.get(pk=plain.pk).deleted_at is not None
    client.post(f"{LIST}{built_in.pk}/delete/", {"post": "yes"})
    client.post(LIST, {"action": "delete_selected", "_selected_action": [built_in.pk], "post": "yes"})
    assert Task.objects.get(pk=built_in.pk).deleted_at is None


def test_a_write_without_a_csrf_token_is_refused(make_task: MakeTask) -> None:
    task = make_task()
    user = get_user_model().objects.create_superuser("root")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    answer = client.post(LIST, {"action": "disable", "_selected_action": [task.pk]})
    assert answer.status_code == 403
    assert Task.objects.get().enabled


def test_nothing_is_written_by_get(make_task: MakeTask) -> None:
    task = make_task()
    client = login(superuser=True)
    client.get(LIST, {"action": "disable", "_selected_action": task.pk})
    client.get(f"{LIST}{task.pk}/delete/")
    client.get(f"{LIST}{task.pk}/change/")
    assert TaskVersion.objects.count() == 1


def test_the_list_asks_few_questions_however_long_it_is(make_task: MakeTask) -> None:
    """Pain 21 and 23."""
    client = login(superuser=True)
    for number in range(30):
        make_task(f"task-{number}")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = client.get(LIST).content.decode()
    assert "Every minute" in page
    assert len(queries) <= 12


def test_history_is_never_counted_in_full(make_task: MakeTask) -> None:
    """P9: the list of executions counts no further than its pages go."""
    tasks.run_now(make_task().pk, actor=TESTER)
    client = login(superuser=True)
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/admin/scheduling/execution/").status_code == 200
    counts = [
        query["sql"]
        for query in queries
        if "COUNT(" in query["sql"] and "scheduling_execution" in query["sql"]
    ]
    # What runs is counted by node, for the banner: that is no history.
    assert all("LIMIT" in sql or "'running'" in sql for sql in counts)
    assert len(queries) <= 12


@pytest.mark.parametrize("model", ["task", "execution", "group", "pool", "node", "taskversion"])
def test_every_page_opens(make_task: MakeTask, model: str) -> None:
    execution = tasks.run_now(make_task().pk, actor=TESTER)
    client = login(superuser=True)
    assert client.get(f"/admin/scheduling/{model}/").status_code == 200
    assert client.get(f"/admin/scheduling/execution/{execution.pk}/change/").status_code == 200


def test_the_pages_that_would_start_a_scheduler_in_the_web_are_gone() -> None:
    assert not {DjangoJob, DjangoJobExecution} & set(admin.site._registry)


def test_groups_and_pools_are_written_by_their_services(make_task: MakeTask) -> None:
    client = login(superuser=True)
    client.post("/admin/scheduling/group/add/", {"key": "night", "name": "Night"})
    client.post("/admin/scheduling/pool/add/", {"key": "db", "name": "", "capacity": "3"})
    group, pool = Group.objects.get(), Pool.objects.get()
    task = make_task(group=group, pool=pool, weight=3)
    act(client, "pause", group, where="/admin/scheduling/group/")
    assert DjangoJob.objects.get(pk=str(task.pk)).next_run_time is None
    act(client, "resume", group, where="/admin/scheduling/group/")
    assert DjangoJob.objects.get(pk=str(task.pk)).next_run_time is not None
    answer = client.post(
        f"/admin/scheduling/pool/{pool.pk}/change/", {"key": "db", "name": "", "capacity": "2"}
    )
    assert "at least that" in answer.content.decode()
    assert Pool.objects.get().capacity == 3


def test_a_task_whose_function_no_node_has_is_broken_until_one_has_it(make_task: MakeTask) -> None:
    """P6: computed from what the live nodes say, so it heals by itself; the task's row is not touched."""
    make_task()
    client = login(superuser=True)
    assert "broken: " not in client.get(LIST).content.decode()
    node = nodes.register(
        clock.now(), queues=["default"], functions=["other"], seats={"thread": 1}, lease_seconds=15
    )
    assert "broken: no node has the function" in client.get(LIST).content.decode()
    assert (
        "broken: no node has the function"
        in client.get(f"{LIST}{Task.objects.get().pk}/change/").content.decode()
    )
    Node.objects.filter(pk=node.pk).update(functions=["other", "noop"])
    assert "broken: " not in client.get(LIST).content.decode()
    assert TaskVersion.objects.count() == 1
