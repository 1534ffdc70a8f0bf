"""The page of an execution: what it says, that it lives, its log by cursor, and what can be done from it."""

from __future__ import annotations

import json
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
from scheduling.admin.execution import log
from scheduling.models import Attempt, Execution, ExecutionLog, Node, Task
from scheduling.services import nodes, queues, tasks
from tests.conftest import TESTER

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
LIST = "/admin/scheduling/execution/"


@pytest.fixture
def running(make_task: MakeTask, clock: clocks.SettableClock) -> Execution:
    task = make_task(
        "daily", name="Daily", function="echo", parameters={"values": {"password": "hunter2", "rows": [1]}}
    )
    node = nodes.register(
        clock.now(), queues=["default"], functions=["echo"], seats={"thread": 4}, lease_seconds=15
    )
    nodes.set_state(node.pk, node.State.ACTIVE, clock.now())
    execution = tasks.run_now(task.pk, actor=TESTER)
    Execution.objects.update(
        state="running", node=node, started_at=clock.now(), attempt=1, progress_done=20, progress_total=80,
        progress_text="rows",
    )  # fmt: skip
    execution.refresh_from_db()
    return execution


def at(execution: Execution, part: str = "change") -> str:
    return f"{LIST}{execution.pk}/{part}" + ("" if part.endswith(".txt") else "/")


def say(execution: Execution, *texts: str, attempt: int = 1, level: str = "INFO", seq: int = 1) -> None:
    for number, text in enumerate(texts, start=seq):
        ExecutionLog.objects.create(
            execution_id=execution.pk, attempt=attempt, seq=number, at=clocks.now(), level=level, text=text
        )


def login(*permissions: str) -> Client:
    user = get_user_model().objects.create_user(f"user{len(permissions)}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_execution", *permissions)))
    client = Client()
    client.force_login(user)
    return client


def said(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_a_running_one_with_progress_and_without_secrets(
    admin_client: Client, running: Execution, clock: clocks.SettableClock
) -> None:
    say(running, "<b>first</b>", "second")
    clock.move(seconds=30)
    page = admin_client.get(at(running)).content.decode()
    for part in (
        "Daily",
        "&lt;b&gt;first&lt;/b&gt;",
        "25 %",
        "20 / 80",
        "rows",
        'data-cursor="1.2"',
    ):
        assert part in page
    assert "hunter2" not in page
    ends_at = running.started_at + timedelta(seconds=120)  # type: ignore[operator]
    assert ends_at.isoformat() in page


def test_time_left_from_history_when_it_says_no_progress(
    admin_client: Client, running: Execution, clock: clocks.SettableClock
) -> None:
    Execution.objects.update(progress_done=None, progress_total=None)
    earlier = tasks.run_now(running.task_id, actor=TESTER, force=True)
    Execution.objects.filter(pk=earlier.pk).update(state="succeeded", run_ms=90_000, finished_at=clock.now())
    clock.move(seconds=30)
    page = admin_client.get(at(running)).content.decode()
    assert "usually 1 min 30 s" in page
    assert 'max="90000"' in page
    clock.move(seconds=90)
    assert "longer than usual" in admin_client.get(at(running)).content.decode()


def test_the_state_follows_by_cursor_and_stops_at_the_end(admin_client: Client, running: Execution) -> None:
    cursor = admin_client.get(at(running)).context["part_cursor"]
    same = admin_client.get(at(running, "state"), {"cursor": cursor})
    assert (same.status_code, same.content, same.headers.get("X-Ended")) == (204, b"", None)
    Execution.objects.update(progress_done=40)
    news = admin_client.get(at(running, "state"), {"cursor": cursor})
    assert news.status_code == 200
    assert "50 %" in news.content.decode()
    assert news["X-Cursor"] != cursor
    Execution.objects.update(state="failed", reason="exception", finished_at=clocks.now())
    assert admin_client.get(at(running, "state"), {"cursor": cursor})["X-Ended"] == "1"
    assert 'data-ended="1"' in admin_client.get(at(running)).content.decode()


def test_the_log_follows_by_cursor(admin_client: Client, running: Execution, monkeypatch: Any) -> None:
    monkeypatch.setattr(log, "ADDED", 2)
    say(running, *(f"line {number}" for number in range(1, 6)))
    seen, cursor = "", "1.1"
    for _turn in range(3):
        answer = admin_client.get(at(running, "log"), {"cursor": cursor})
        seen, cursor = seen + answer.content.decode(), answer["X-Cursor"]
    assert (answer.status_code, cursor) == (204, "1.5")
    assert [f"line {number}" in seen for number in range(1, 7)] == [False, True, True, True, True, False]
    say(running, "again", attempt=2, level="ERROR")
    answer = admin_client.get(at(running, "log"), {"cursor": cursor})
    assert "attempt 2" in answer.content.decode()
    assert "level-error" in answer.content.decode()
    Execution.objects.update(state="succeeded", finished_at=clocks.now())
    answer = admin_client.get(at(running, "log"), {"cursor": answer["X-Cursor"]})
    assert (answer.status_code, answer["X-Ended"]) == (204, "1")
    assert admin_client.get(at(running, "log"), {"cursor": "<x>"}).status_code == 200


def test_a_long_log_is_shown_by_its_end_and_downloaded_whole(
    admin_client: Client, running: Execution, monkeypatch: Any
) -> None:
    monkeypatch.setattr(log, "SHOWN", 3)
    say(running, *(f"line {number}\nand more" for number in range(1, 6)))
    page = admin_client.get(at(running))
    assert [row.text.split("\n")[0] for row in page.context["lines"]] == ["line 3", "line 4", "line 5"]
    assert "the end of a long log" in page.content.decode()
    answer = admin_client.get(at(running, "log.txt"))
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert text.count("\n") == 10
    assert text.startswith("2026-06-01T12:00:00.000+00:00 1 INFO     line 1\n")
    assert answer["Content-Disposition"] == f'attachment; filename="daily-{running.pk}.log"'
    monkeypatch.setattr(log, "MOST_CHARACTERS", 20)
    assert len(admin_client.get(at(running)).context["lines"]) == 1


def test_a_failed_one_says_why_and_leads_on(admin_client: Client, running: Execution) -> None:
    Execution.objects.update(
        state="failed", reason="exception", finished_at=clocks.now(), run_ms=1234, error_class="OSError",
        message="no route to mysql://root:hunter3@db", traceback="Traceback <x>", detail="OSError: hunter3",
        rerun_of_id=7_777, attempt=2, result={"answer": 42},
    )  # fmt: skip
    Attempt.objects.create(
        execution_id=running.pk, attempt=1, state="lost", reason="node_died", detail="password=hunter4",
        late_state="succeeded", late_at=clocks.now(),
    )  # fmt: skip
    later = tasks.run_now(running.task_id, actor=TESTER)
    Execution.objects.filter(pk=later.pk).update(rerun_of_id=running.pk)
    page = admin_client.get(at(running)).content.decode()
    for part in (
        "the function raised an exception", "Traceback &lt;x&gt;", "OSError", "1.23 s", "the node died",
        "#7777", f"#{later.pk}", "&quot;answer&quot;: 42", "/taskversion/", "reported succeeded too late",
    ):  # fmt: skip
        assert part in page, part
    assert "hunter" not in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "waiting", "reason": "overlap", "detail": "waits"}, "as many as allowed run already"),
        ({"state": "waiting", "reason": "retry", "detail": "try 1 of 2"}, "Try again now"),
        (
            {"state": "queued", "reason": "", "queue": "nobody"},
            "It cannot start: no live node takes from the queue nobody.",
        ),
        (
            {"state": "queued", "reason": "", "function": "gone"},
            "It cannot start: no live node of the queue default has the function gone.",
        ),
        (
            {"state": "queued", "reason": "", "queue": "resting"},
            "It cannot start: the queue resting is paused since",
        ),
        ({"state": "queued", "reason": ""}, "It waits for a free seat of a node."),
        ({"state": "skipped", "reason": "overlap", "detail": "enough"}, "enough"),
        ({"state": "missed", "reason": "coalesced", "covers_count": 7}, "stands for 7 times"),
    ],
)
def test_what_it_waits_for_and_why_it_did_not_run(
    admin_client: Client, running: Execution, clock: clocks.SettableClock, fields: dict[str, Any], words: str
) -> None:
    ahead = tasks.run_now(running.task_id, actor=TESTER, force=True)
    ended = {"finished_at": clock.now()} if fields["state"] in ("skipped", "missed") else {}
    Execution.objects.filter(pk=running.pk).update(**fields, **ended, started_at=None)
    Execution.objects.filter(pk=ahead.pk).delete()
    Execution.objects.update(available_at=clock.now() + timedelta(minutes=5))
    queues.pause("resting", actor=TESTER)
    Node.objects.update(queues=["default", "resting"])
    clock.move(seconds=10)
    assert words in admin_client.get(at(running)).content.decode()


def test_cancel_and_run_again_from_the_page(admin_client: Client, running: Execution) -> None:
    answer = admin_client.post(at(running, "cancel"), follow=True)
    assert said(answer) == "Asked to end."
    running.refresh_from_db()
    assert running.cancel_requested_at is not None
    assert "asked to end" in answer.content.decode()
    assert "has not ended yet" in said(admin_client.post(at(running, "again"), follow=True))
    Execution.objects.update(state="cancelled", reason="cancel_requested", finished_at=clocks.now())
    assert "has ended already" in said(admin_client.post(at(running, "cancel"), follow=True))
    for _pressed_twice in range(2):
        answer = admin_client.post(at(running, "again"), {"key": "k" * 32}, follow=True)
    again = Execution.objects.get(rerun_of_id=running.pk)
    assert answer.redirect_chain[-1][0] == at(again)
    assert (again.state, again.parameters, again.origin) == ("queued", running.parameters, "manual")


def test_run_again_with_other_parameters_keeps_what_was_masked(
    admin_client: Client, running: Execution
) -> None:
    Execution.objects.update(state="failed", reason="exception", finished_at=clocks.now())
    page = admin_client.get(at(running, "edit"))
    shown = page.context["form"].initial["parameters"]
    assert "hunter2" not in page.content.decode()
    shown["values"]["rows"] = [1, 2]
    sent = {"parameters": json.dumps(shown), "key": "one"}
    assert admin_client.post(at(running, "edit"), sent).status_code == 302
    again = Execution.objects.get(rerun_of_id=running.pk)
    assert again.parameters == {"values": {"password": "hunter2", "rows": [1, 2]}}
    for wrong, fault in (('{"nope": 1}', "no such parameter"), ("{", "valid JSON")):
        answer = admin_client.post(at(running, "edit"), {"parameters": wrong})
        assert answer.status_code == 200
        assert fault in answer.content.decode()
    assert Execution.objects.filter(rerun_of_id=running.pk).count() == 1


def test_permissions_and_tokens(running: Execution) -> None:
    looker = login()
    page = looker.get(at(running)).content.decode()
    assert "cancel-button" not in page
    assert "again-button" not in page
    for part in ("cancel", "again", "edit"):
        assert looker.post(at(running, part)).status_code == 403, part
    doer = login("cancel_execution", "run_task")
    assert "cancel-button" in doer.get(at(running)).content.decode()
    for part in ("cancel", "again"):
        assert doer.get(at(running, part)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = doer.cookies
    for part in ("cancel", "again", "edit"):
        assert strict.post(at(running, part)).status_code == 403
    running.refresh_from_db()
    assert running.cancel_requested_at is None
    nobody = login("view_task", "view_node", "run_task")
    nobody_user = get_user_model().objects.get(username="user3")
    nobody_user.user_permissions.remove(*Permission.objects.filter(codename="view_execution"))
    for part in ("change", "state", "log", "log.txt"):
        assert nobody.get(at(running, part)).status_code == 403, part
        assert Client().get(at(running, part)).status_code == 302
        assert doer.get(at(Execution(pk=10**12), part)).status_code == 404


def test_few_questions(admin_client: Client, running: Execution) -> None:
    say(running, "one", "two")
    for address, most in ((at(running), 14), (at(running, "state"), 9), (at(running, "log"), 4)):
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get(address).status_code == 200
        assert len(queries) <= most, address
