"""What the admin does when it must not, or cannot: it says so and keeps what was typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import IntegrityError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from jobsite import admin_base
from scheduling.exceptions import EditedMeanwhile, Refused
from scheduling.models import Execution, Group, Pool, Task, TaskVersion
from scheduling.services import executions, groups, pools, tasks
from scheduling.sql import transactions
from tests.bad_inputs.test_bad_inputs import GOOD_FORM
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
TASKS, EXECUTIONS = "/admin/scheduling/task/", "/admin/scheduling/execution/"


@pytest.fixture
def looker(client: Client) -> Client:
    """May look at everything and do nothing."""
    user = get_user_model().objects.create_user("eve", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def act(client: Client, where: str, action: str, *chosen: Any, **more: Any) -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in chosen], **more}
    return client.post(where, data, follow=True)


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def form_errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: list(texts) for name, texts in answer.context["adminform"].form.errors.items()}


def test_a_verb_without_its_permission_is_forbidden(looker: Client, make_task: MakeTask) -> None:
    task = make_task()
    group = Group.objects.create(key="night", name="Night")
    execution = tasks.run_now(task.pk, actor=TESTER)
    forbidden = (
        (TASKS, task, ("run", "pause", "resume", "enable", "disable", "delete_selected")),
        (EXECUTIONS, execution, ("cancel", "again")),
        ("/admin/scheduling/group/", group, ("pause", "resume", "delete_selected")),
    )
    for where, row, verbs in forbidden:
        page = looker.get(where)
        assert page.status_code == 200
        assert page.context["action_form"] is None
        for verb in verbs:
            assert act(looker, where, verb, row).status_code == 403, (where, verb)
    execution.refresh_from_db()
    assert (execution.state, TaskVersion.objects.count(), Group.objects.count()) == ("queued", 1, 1)


def test_a_form_that_says_no_version_is_refused(admin_client: Client, make_task: MakeTask) -> None:
    task = make_task("good")
    answer = admin_client.post(f"{TASKS}{task.pk}/change/", GOOD_FORM | {"description": "mine"})
    assert "changed by somebody else" in form_errors(answer)["__all__"][0]
    assert "mine" in answer.content.decode()
    assert Task.objects.get().description == ""


@pytest.mark.parametrize(
    ("refusal", "field"),
    [
        (EditedMeanwhile("edited_meanwhile", "Somebody was faster."), "__all__"),
        (admin_base.ValidationError({"weight": ["Somebody was faster."]}), "weight"),
        (admin_base.ValidationError({"anchor_at": ["Somebody was faster."]}), "__all__"),  # no such field
    ],
)
def test_what_only_the_service_sees_is_told_in_the_form(
    admin_client: Client,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    refusal: Exception,
    field: str,
) -> None:
    task = make_task("good")

    def refuse(*_args: Any, **_options: Any) -> None:
        raise refusal

    monkeypatch.setattr(tasks, "edit", refuse)
    form = GOOD_FORM | {"seen_version": "1", "description": "mine"}
    answer = admin_client.post(f"{TASKS}{task.pk}/change/", form)
    assert form_errors(answer) == {field: ["Somebody was faster."]}
    assert "mine" in answer.content.decode()


def fails_once(error: Exception, real: Callable[..., Any]) -> Callable[..., Any]:
    errors = [error]

    def call(*args: Any, **options: Any) -> Any:
        if errors:
            raise errors.pop()
        return real(*args, **options)

    return call


def test_a_key_taken_a_moment_ago_is_no_fault_of_the_page(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "create", fails_once(IntegrityError("duplicate key"), tasks.create))
    assert admin_client.post(f"{TASKS}add/", GOOD_FORM).status_code == 302
    assert Task.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_repeats_the_page(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "classify", lambda _error: transactions.Fault.REPEAT)
    monkeypatch.setattr(tasks, "create", fails_once(OperationalError("deadlock"), tasks.create))
    assert admin_client.post(f"{TASKS}add/", GOOD_FORM).status_code == 302
    assert Task.objects.count() == 1


def test_a_refused_deletion_is_told(
    admin_client: Client, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task()

    def refuse(*_args: Any, **_options: Any) -> None:
        raise Refused("task_deleted", "It is gone already.")

    monkeypatch.setattr(tasks, "delete", refuse)
    answer = admin_client.post(f"{TASKS}{task.pk}/delete/", {"post": "yes"}, follow=True)
    assert said(answer) == "It is gone already."
    assert "It is gone already." in said(act(admin_client, TASKS, "delete_selected", task, post="yes"))


def test_what_has_tasks_cannot_be_deleted(admin_client: Client, make_task: MakeTask) -> None:
    group, pool = (
        Group.objects.create(key="night", name="Night"),
        Pool.objects.create(key="db", capacity=3),
    )
    make_task(group=group, pool=pool)
    for row in (group, pool):
        page = f"/admin/scheduling/{row._meta.model_name}/"
        assert admin_client.post(f"{page}{row.pk}/delete/", {"post": "yes"}).status_code == 200
        assert act(admin_client, page, "delete_selected", row, post="yes").status_code == 200
    assert (Group.objects.count(), Pool.objects.count()) == (1, 1)


def test_one_that_is_refused_does_not_stop_the_others(admin_client: Client, make_task: MakeTask) -> None:
    first, second = (tasks.run_now(make_task(key).pk, actor=TESTER) for key in ("one", "two"))
    executions.cancel(first.pk, actor=TESTER)
    answer = act(admin_client, EXECUTIONS, "cancel", first, second)
    assert "has ended already" in said(answer)
    assert "Done for 1." in said(answer)
    assert set(Execution.objects.values_list("state", flat=True)) == {"cancelled"}


def test_an_action_is_bounded(
    admin_client: Client, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_base, "MOST_CHOSEN", 1)
    answer = act(admin_client, TASKS, "pause", make_task("one"), make_task("two"))
    assert said(answer) == "Choose at most 1."
    assert not Task.objects.filter(paused=True).exists()


def test_an_edit_leaves_alone_what_others_write(make_task: MakeTask) -> None:
    """A form was rendered; then the group was paused and the pool's bucket drained; then the form is saved."""
    group, pool = (
        Group.objects.create(key="night", name="Night"),
        Pool.objects.create(key="db", capacity=3),
    )
    Group.objects.update(paused=True)
    Pool.objects.update(tokens=0.5)
    group.name, pool.capacity = "Nights", 4
    groups.save(group, actor=TESTER)
    pools.save(pool, actor=TESTER)
    assert Group.objects.values_list("name", "paused").get() == ("Nights", True)
    assert Pool.objects.values_list("capacity", "tokens").get() == (4, 0.5)


def test_executions_are_found_by_the_key_of_their_task(admin_client: Client, make_task: MakeTask) -> None:
    old = make_task("daily")
    tasks.run_now(old.pk, actor=TESTER)
    tasks.delete(old.pk, actor=TESTER)
    tasks.run_now(make_task("daily").pk, actor=TESTER)
    tasks.run_now(make_task("daily-2").pk, actor=TESTER)
    for asked, found in ((" daily ", ["daily", "daily"]), ("dail", []), ("daily-2", ["daily-2"])):
        page = admin_client.get(EXECUTIONS, {"q": asked})
        assert [row.task_key for row in page.context["cl"].result_list] == found


def test_history_is_sorted_along_its_index_only(admin_client: Client, make_task: MakeTask) -> None:
    tasks.run_now(make_task().pk, actor=TESTER)
    with CaptureQueriesContext(connection) as queries:
        page = admin_client.get(EXECUTIONS, {"o": "4.-5"})
    assert page.status_code == 200
    orders = [query["sql"].partition("ORDER BY")[2] for query in queries]
    assert not [order for order in orders if "reason" in order or "scheduled_for" in order]


def test_an_execution_is_shown_whole(admin_client: Client, make_task: MakeTask) -> None:
    """Also when its node and its user are gone: those keys are not constrained."""
    execution = tasks.run_now(make_task().pk, actor=TESTER)
    Execution.objects.update(
        state="failed", reason="exception", finished_at=execution.queued_at, requested_by_id=987_654,
        node_id="00000000-0000-0000-0000-000000000001", traceback="<script>trace", result={"answer": 42},
    )  # fmt: skip
    execution.log.create(attempt=1, seq=1, at=execution.queued_at, level="INFO", text="<b>said</b>")
    execution.attempts.create(attempt=1, state="lost", reason="node_died")
    page = admin_client.get(f"{EXECUTIONS}{execution.pk}/change/").content.decode()
    for part in ("&lt;script&gt;trace", "&lt;b&gt;said&lt;/b&gt;", "the node died", "42"):
        assert part in page
    assert admin_client.post(f"{EXECUTIONS}{execution.pk}/change/", {}).status_code == 403


def test_a_task_leads_to_its_versions(admin_client: Client, make_task: MakeTask) -> None:
    task, _other = make_task("one"), make_task("two")
    tasks.disable(task.pk, actor=TESTER)
    page = admin_client.get(f"{TASKS}{task.pk}/change/").content.decode()
    address = f"/admin/scheduling/taskversion/?task__id__exact={task.pk}"
    assert address in page
    shown = admin_client.get(address).context["cl"].result_list
    assert [(row.version, row.verb) for row in shown] == [(2, "disable"), (1, "create")]


def test_a_page_of_a_hundred_tasks_asks_twelve_questions_at_most(
    admin_client: Client, make_task: MakeTask, django_assert_max_num_queries: Any
) -> None:
    group = Group.objects.create(key="night", name="Night")
    for number in range(100):
        make_task(f"task-{number}", group=group)
    with django_assert_max_num_queries(12):
        assert admin_client.get(TASKS).context["cl"].result_count == 100
