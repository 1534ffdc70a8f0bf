"""The list of tasks: what it says of each, what it is narrowed by, and one verb for all that match."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import unquote_plus

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scheduling import clock as clocks
from scheduling.admin.task import bulk
from scheduling.clock import SettableClock
from scheduling.models import Execution, Group, Task, TaskVersion
from scheduling.services import groups, nodes, tasks
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
LIST = "/admin/scheduling/task/"


def keys(answer: Any) -> list[str]:
    return [task.key for task in answer.context["cl"].result_list]


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def all_that_match(client: Client, action: str, narrowed: str = "", **form: Any) -> Any:
    data = {"action": action, "select_across": "1", "_selected_action": "0"}
    return client.post(LIST + narrowed, data | form, follow=True)


def go_on(client: Client, page: Any, narrowed: str = "", **form: Any) -> Any:
    """What the form of the page before sends, by its button or by itself."""
    progress = page.context["progress"]
    names = ("key", "place", "last", "total", "done", "refused", "told")
    carried = {name: getattr(progress, name) for name in names}
    return all_that_match(
        client, dict(page.context["fields"])["action"], narrowed, confirmed="1", **carried, **form
    )


def end_run(execution: Execution, state: str, reason: str = "") -> None:
    Execution.objects.filter(pk=execution.pk).update(
        state=state, reason=reason, started_at=clocks.now(), finished_at=clocks.now(), run_ms=1_250
    )


def test_a_row_says_when_it_runs_how_it_went_and_what_can_be_done(
    admin_client: Client, make_task: MakeTask, clock: SettableClock
) -> None:
    task = make_task("nightly", time_zone="Asia/Shanghai", trigger_params={"expression": "30 3 * * *"})
    for number, (state, reason) in enumerate([("succeeded", ""), ("failed", "exception")]):
        end_run(tasks.run_now(task.pk, actor=TESTER, idempotency_key=str(number)), state, reason)
    page = unescape(admin_client.get(LIST).content.decode())
    for part in (
        "Every day at 03:30:00",
        'datetime="2026-06-01T19:30:00+00:00"',
        "2026-06-02 03:30:00 CST",
        'aria-label="1 succeeded, 1 failed"',
        "failed (exception) · 2026-06-01 12:00:00 UTC · 1.25 s",
        'role="switch" data-title="Disable nightly?"',
        'aria-checked="true"',
        f"/tasks/{task.pk}/run/",
        f"/tasks/{task.pk}/pause/",
        f"{LIST}{task.pk}/run/",
        f"{LIST}{task.pk}/clone/",
    ):
        assert part in page, part


def test_who_may_only_look_gets_no_button(client: Client, make_task: MakeTask) -> None:
    task = make_task()
    user = get_user_model().objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_task"))
    client.force_login(user)
    for address in (LIST, f"{LIST}{task.pk}/change/", f"{LIST}{task.pk}/history/"):
        page = client.get(address)
        assert page.status_code == 200
        text = page.content.decode()
        assert "formaction" not in text
        assert f"{LIST}{task.pk}/run/" not in text
        assert f"{LIST}{task.pk}/clone/" not in text
    for verb in ("run", "clone", "rollback"):
        for method in (client.get, client.post):
            assert method(f"{LIST}{task.pk}/{verb}/").status_code == 403, verb
    for verb in ("run", "pause", "clone", "delete_selected"):
        assert all_that_match(client, verb).status_code == 403, verb
    assert (TaskVersion.objects.count(), Execution.objects.count()) == (1, 0)


def test_the_list_is_narrowed_by_state_and_by_what_tasks_have(
    admin_client: Client, make_task: MakeTask
) -> None:
    group = Group.objects.create(key="night", name="Night")
    make_task("plain", category="sync", queue="slow")
    make_task("grouped", group=group)
    tasks.pause(make_task("paused").pk, actor=TESTER)
    tasks.disable(make_task("disabled", trigger="interval", trigger_params={"hours": 1}).pk, actor=TESTER)
    make_task("missing", function="fail")
    groups.pause(group.pk, actor=TESTER)
    nodes.register(
        clocks.now(), queues=["default"], functions=["noop"], seats={"thread": 1}, lease_seconds=15
    )
    for narrowed, found in (
        ("state=enabled", ["missing", "plain"]),
        ("state=paused", ["grouped", "paused"]),
        ("state=disabled", ["disabled"]),
        ("state=broken", ["missing"]),
        ("category=sync&queue=slow", ["plain"]),
        ("queue=slow", ["plain"]),
        (f"group={group.pk}", ["grouped"]),
        ("trigger__exact=interval", ["disabled"]),
        ("q=plai", ["plain"]),
        ("q=fail", ["missing"]),
        ("o=-1", ["plain", "paused", "missing", "grouped", "disabled"]),
        ("o=-3.5", ["disabled", "grouped", "missing", "paused", "plain"]),  # no index: left alone
    ):
        assert keys(admin_client.get(f"{LIST}?{narrowed}")) == found, narrowed


def test_all_that_match_are_named_asked_about_and_done_in_parts(
    admin_client: Client, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)
    for number in range(5):
        make_task(f"one-{number}", category="one")
    make_task("other", category="two")
    question = all_that_match(admin_client, "pause", "?category=one")
    assert "Pause: 5 tasks?" in question.content.decode()
    assert not Task.objects.filter(paused=True).exists()
    page = go_on(admin_client, question, "?category=one")
    assert Task.objects.filter(paused=True).count() == 2
    assert "2 of 5 tasks." in page.content.decode()
    make_task("one-late", category="one")  # after the question: not asked about
    page = go_on(admin_client, page, "?category=one")
    page = go_on(admin_client, page, "?category=one")
    assert said(page) == "Pause: done for 5 tasks."
    assert set(Task.objects.filter(paused=False).values_list("key", flat=True)) == {"other", "one-late"}


def test_copies_of_all_do_not_copy_themselves(admin_client: Client, make_task: MakeTask) -> None:
    for key in ("one", "two", "one-copy"):
        make_task(key)
    answer = go_on(admin_client, all_that_match(admin_client, "clone"))
    assert said(answer) == "Clone: done for 3 tasks."
    made = Task.objects.filter(enabled=False).order_by("key").values_list("key", flat=True)
    assert list(made) == ["one-copy-2", "one-copy-copy", "two-copy"]


def test_refusals_are_summed_up_and_stop_nobody_else(
    admin_client: Client, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk.TaskBulk, "TOLD", 1)
    make_task("plain")
    for key in ("first", "second"):
        make_task(key, built_in=True)
    question = all_that_match(admin_client, "delete_selected")
    assert "3 tasks?" in question.content.decode()
    text = said(go_on(admin_client, question))
    assert "Delete: done for 1 task." in text
    assert "2 tasks were refused: first: A built-in task cannot be deleted" in text
    assert set(Task.objects.present().values_list("key", flat=True)) == {"first", "second"}


def test_a_work_in_parts_can_be_stopped(admin_client: Client, make_task: MakeTask) -> None:
    make_task()
    answer = go_on(admin_client, all_that_match(admin_client, "disable"), stop="1")
    assert said(answer) == "Nothing was done."
    assert Task.objects.get().enabled


def test_no_question_reads_every_task(admin_client: Client, make_task: MakeTask) -> None:
    """P9: counts and values of filters are bounded, whatever is asked."""
    for number in range(3):
        end_run(tasks.run_now(make_task(f"task-{number}").pk, actor=TESTER), "succeeded")
    for narrowed in ("", "?state=enabled", "?q=task", "?o=-1", "?category=x"):
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(LIST + narrowed).status_code == 200
        over_all = [
            query["sql"] for query in queries if "COUNT(" in query["sql"] or "DISTINCT" in query["sql"]
        ]
        assert over_all
        assert all("LIMIT" in sql for sql in over_all), narrowed
        assert len(queries) <= 12, [query["sql"] for query in queries]


def test_many_tasks_run_with_parameters_that_are_typed_once(
    admin_client: Client, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each keeps what is not given; those whose function does not take them are refused by name."""
    monkeypatch.setattr(bulk, "BATCH", 2)
    for number in range(3):
        make_task(f"sleeper-{number}", function="sleep", parameters={"seconds": number}, category="one")
    make_task("plain", function="noop", category="one")
    make_task("other", function="sleep", parameters={"seconds": 9})
    question = all_that_match(admin_client, "run_with", "?category=one")
    asked = question.content.decode()
    assert "Run with parameters: 4 tasks?" in asked
    assert "several functions" in asked
    assert not Execution.objects.exists()
    given = '{"seconds": 0.5}'
    page = go_on(admin_client, question, "?category=one", parameters=given)
    assert "2 of 4 tasks." in page.content.decode()
    for _sent_twice in range(2):  # the same part again asks for nothing more
        last = go_on(
            admin_client, page, "?category=one", parameters=dict(page.context["fields"])["parameters"]
        )
    last = go_on(admin_client, last, "?category=one", parameters=given)
    text = said(last)
    assert "Run with parameters: done for 3 tasks." in text
    assert "1 task was refused: plain: " in text
    assert "seconds" in text
    ran = Execution.objects.order_by("task__key").values_list("task__key", "parameters")
    assert list(ran) == [(f"sleeper-{number}", {"seconds": 0.5}) for number in range(3)]
    assert Task.objects.get(key="sleeper-2").parameters == {"seconds": 2}, "the task stays as it is"


def test_chosen_tasks_of_one_function_are_asked_about_with_its_fields(
    admin_client: Client, make_task: MakeTask
) -> None:
    chosen = [make_task(f"log-{number}", function="cleanup_old_logs").pk for number in range(2)]
    make_task("left-alone", function="cleanup_old_logs")
    sent = {"action": "run_with", "_selected_action": chosen, "select_across": "0"}
    question = admin_client.post(LIST, sent, follow=True)
    asked = question.content.decode()
    assert "Run with parameters: 2 tasks?" in asked
    assert 'data-parameter="keep_days"' in asked
    assert "Left empty:" not in asked, "what is left empty stays as the task has it"
    carried = [(name, value) for name, value in question.context["fields"] if name != "_selected_action"]
    form = dict(carried) | {"_selected_action": chosen, "confirmed": "1"}
    wrong = admin_client.post(LIST, form | {"parameters": "[7]"}, follow=True)
    assert "The parameters must be an object" in wrong.content.decode()
    assert not Execution.objects.exists()
    answer = admin_client.post(LIST, form | {"parameters": '{"keep_days": 7}'}, follow=True)
    assert said(answer) == "Run with parameters: done for 2 tasks."
    assert {
        task_id: values["keep_days"]
        for task_id, values in Execution.objects.values_list("task_id", "parameters")
    } == (dict.fromkeys(chosen, 7))


def test_who_may_not_run_cannot_run_with_parameters(make_task: MakeTask) -> None:
    make_task()
    user = get_user_model().objects.create_user("looker", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_task", "change_task")))
    client = Client()
    client.force_login(user)
    sent = {"action": "run_with", "_selected_action": "0", "select_across": "1", "confirmed": "1"}
    assert client.post(LIST, sent).status_code == 403
    assert not Execution.objects.exists()


def test_filters_offer_the_values_that_there_are(admin_client: Client, make_task: MakeTask) -> None:
    """The first forty of them: found one after the other, so that neither doubles nor gaps matter."""
    for number in range(45):
        make_task(f"task-{number}", queue=f"q{number:02}", category="日报 ’50%’" if number % 2 else "")
    make_task("again", queue="q00", category="Audit")
    page = unquote_plus(unescape(admin_client.get(LIST).content.decode()))
    assert {f"q{number:02}" for number in range(40)} == set(re.findall(r"[?&]queue=(\w+)", page))
    assert set(re.findall(r"[?&]category=([^&\"]+)", page)) == {"Audit", "日报 ’50%’"}
