"""The list of executions: filters and pages by the address, few questions, and all that match, asked about first."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scheduling import clock as clocks
from scheduling.admin.execution import bulk
from scheduling.models import Execution, Task
from scheduling.services import tasks
from tests.conftest import TESTER
from tests.scheduling.history.test_history import NODES, fill

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
LIST = "/admin/scheduling/execution/"


@pytest.fixture
def history(make_task: MakeTask, clock: clocks.SettableClock) -> list[Task]:
    made = [make_task(f"task-{number}", function="echo") for number in range(3)]
    fill([task.pk for task in made], 300)
    return made


def ids(page: Any) -> list[int]:
    assert page.status_code == 200
    return [row.pk for row in page.context["cl"].result_list]


def found(**conditions: Any) -> list[int]:
    return list(Execution.objects.filter(**conditions).order_by("-id").values_list("id", flat=True))


def test_filters_by_the_address(admin_client: Client, history: list[Task]) -> None:
    hour_ago = clocks.now() - timedelta(hours=1)
    for query, conditions in (
        ({}, {}),
        ({"state": ["failed", "lost"]}, {"state__in": ["failed", "lost"]}),
        ({"state__exact": "failed"}, {"state": "failed"}),
        ({"task": " task-1 ", "state": "succeeded"}, {"task": history[1], "state": "succeeded"}),
        ({"q": "task-2"}, {"task": history[2]}),
        ({"task__id__exact": history[0].pk, "origin": "manual"}, {"task": history[0], "origin": "manual"}),
        ({"node": str(NODES[0])}, {"node_id": NODES[0]}),
        ({"within": "1h"}, {"admitted_at__gte": hour_ago}),
        (
            {"to": (hour_ago - timedelta(hours=3)).isoformat()},
            {"admitted_at__lt": hour_ago - timedelta(hours=3)},
        ),
        (
            {"from": hour_ago.strftime("%Y-%m-%dT%H:%M:%S")},
            {"admitted_at__gte": hour_ago},
        ),  # in UTC: no zone chosen
    ):
        page = admin_client.get(LIST, query)
        assert ids(page) == found(**conditions)[:50], query
        assert page.context["cl"].chosen.faults == []


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ({"state": "broken"}, "broken"),
        ({"task": "no-such"}, "no-such"),
        ({"node": "7"}, "7"),
        ({"from": "yesterday"}, "yesterday"),
        ({"within": "1y"}, "1y"),
        ({"origin": "<script>"}, "&lt;script&gt;"),
    ],
)
def test_what_is_not_understood_is_said(
    admin_client: Client, history: list[Task], query: dict[str, str], fault: str
) -> None:
    page = admin_client.get(LIST, query)
    assert len(page.context["cl"].chosen.faults) == 1
    assert fault in page.content.decode()


def test_pages_lead_to_each_other_and_keep_the_filters(admin_client: Client, history: list[Task]) -> None:
    expected = found(state="succeeded")
    page, seen = admin_client.get(LIST, {"state": "succeeded"}), []
    for _turn in range(10):
        seen += ids(page)
        if not page.context["cl"].older_url:
            break
        page = admin_client.get(LIST + page.context["cl"].older_url)
    assert seen == expected
    page = admin_client.get(LIST + page.context["cl"].newer_url)
    assert ids(page)[-1] == expected[len(expected) // 50 * 50 - 1]
    assert b'rel="next"' in page.content
    for odd in ("x", "-1", "9" * 30):
        assert ids(admin_client.get(LIST, {"before": odd, "after": odd})) == found()[:50]


def test_few_questions_and_no_offset(admin_client: Client, history: list[Task]) -> None:
    everything = {
        "task": "task-1", "state": ["failed", "lost"], "origin": "manual", "node": str(NODES[0]), "within": "1h",
    }  # fmt: skip
    for query in ({}, {"state": ["failed", "lost", "skipped"], "within": "7d"}, everything):
        with CaptureQueriesContext(connection) as queries:
            ids(admin_client.get(LIST, query))
        assert len(queries) <= 12
        assert not [each["sql"] for each in queries if "OFFSET" in each["sql"]]


def login(*permissions: str) -> Client:
    user = get_user_model().objects.create_user(f"user{len(permissions)}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_execution", *permissions)))
    client = Client()
    client.force_login(user)
    return client


def hidden(page: Any) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\d*)"', page.content.decode()))


def carry_on(client: Client, address: str, fields: dict[str, str]) -> Any:
    """Presses the button, and "Go on" until the list comes back."""
    answer = client.post(f"{LIST}all/{address}", fields)
    while answer.status_code == 200:
        answer = client.post(f"{LIST}all/{address}", hidden(answer))
    return answer


def test_all_that_match_are_cancelled_after_the_question(make_task: MakeTask, monkeypatch: Any) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)
    one, other = make_task("one"), make_task("other")
    for _number in range(5):
        tasks.run_now(one.pk, actor=TESTER)
    tasks.run_now(other.pk, actor=TESTER)
    client = login("cancel_execution")
    question = client.post(f"{LIST}all/cancel/?task=one")
    assert "Cancel: 5 executions?" in question.content.decode()
    assert not Execution.objects.filter(state="cancelled").exists()
    later = tasks.run_now(one.pk, actor=TESTER)  # while the person reads the question
    answer = carry_on(client, "cancel/?task=one", hidden(question))
    assert Execution.objects.filter(task=one, state="cancelled").count() == 5
    later.refresh_from_db()
    assert later.state == "waiting"
    assert Execution.objects.get(task=other).state == "queued"
    told = [str(message) for message in client.get(answer.url).context["messages"]]
    assert told == ["Cancel: done for 5 executions."]


def test_all_that_failed_run_again_once(history: list[Task]) -> None:
    client = login("run_task")
    bad = Execution.objects.filter(state__in=("failed", "timed_out", "lost"), task=history[0])
    number = bad.count()
    assert number > 2
    for _press in range(2):  # a second press is another question, about later ones too: those are no failures
        last = Execution.objects.order_by("-id").values_list("id", flat=True)[0]
        fields = {"confirmed": "1", "last": str(last), "place": "0", "total": str(number)}
        for _sent_twice in range(2):
            carry_on(client, "again/?task=task-0", fields)
    assert Execution.objects.filter(rerun_of_id__in=bad.values("id")).count() == 2 * number


def test_a_question_is_bounded(history: list[Task], monkeypatch: Any) -> None:
    monkeypatch.setattr(bulk.ExecutionBulk, "MOST", 3)
    page = login("run_task").post(f"{LIST}all/again/?state=succeeded").content.decode()
    assert "Run again: 3 executions?" in page
    assert "only the newest 3" in page


def test_all_that_match_needs_post_permission_and_token(history: list[Task]) -> None:
    looker = login()
    page = looker.get(LIST)
    assert b"all that match" not in page.content
    for name in ("cancel", "again"):
        assert looker.post(f"{LIST}all/{name}/", {"confirmed": "1", "total": "1"}).status_code == 403
    client = login("cancel_execution", "run_task")
    assert b"Cancel all that match" in client.get(LIST).content
    assert client.get(f"{LIST}all/cancel/").status_code == 405
    assert client.post(f"{LIST}all/delete/").status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(f"{LIST}all/cancel/").status_code == 403


def test_a_filter_that_is_not_understood_means_nothing(history: list[Task]) -> None:
    """Never everything: "cancel all that match" with a misspelt key cancels nothing."""
    page = login("run_task").post(f"{LIST}all/again/?task=task-9").content.decode()
    assert "Run again: 0 executions?" in page
    assert 'class="button main' not in page.partition("</h2>")[2]


def test_empty_states_teach(admin_client: Client) -> None:
    assert b"Nothing has run yet" in admin_client.get(LIST).content
    assert b"No execution matches" in admin_client.get(LIST, {"state": "failed"}).content
