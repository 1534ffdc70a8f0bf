"""The first page of the admin: everything at 3 a.m. in a dozen questions, and again only when something is new."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scheduling.clock import SettableClock
from scheduling.models import Execution, Task
from scheduling.services import tallies, tasks
from tests.conftest import TESTER
from tests.scheduling.views.conftest import login, new_execution, new_node

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.fixture
def busy(make_task: MakeTask, clock: SettableClock) -> Task:
    """A task that usually takes 2 s, runs for 1 s now, waits behind itself and failed an hour ago."""
    task, now = make_task("backup", name="Nightly backup"), clock.now()
    node = new_node(seats={"thread": 8, "process": 2})
    Execution.objects.bulk_create(
        [
            *(new_execution(task, "succeeded", now - timedelta(hours=3)) for _ in range(3)),
            new_execution(
                task, "failed", now - timedelta(hours=1), error_class="OSError", detail="disk full"
            ),
            new_execution(task, "lost", now - timedelta(hours=30), run_ms=None),
            new_execution(task, "running", now - timedelta(seconds=1), node=node),
            new_execution(task, "queued", now),
            new_execution(task, "waiting", now, available_at=now + timedelta(minutes=5), detail="once more"),
        ]
    )
    tallies.catch_up(now)
    return task


def test_it_says_what_runs_waits_comes_next_and_failed(busy: Task) -> None:
    client = login(superuser=True)
    page = client.get("/admin/").content.decode()
    text = text_of(page)
    assert "usually 2 s" in text
    assert "thread 1/8" in text
    assert "process 0/2" in text
    assert "OSError: disk full" in text
    assert "once more" in text
    assert "No scheduler is running" not in text
    assert re.search(r"<b>1</b>running", page)
    assert re.search(r"<b>2</b>waiting and queued", page)
    assert re.search(r"<b>3</b>succeeded in 24 h", page)
    assert re.search(r"<b>1</b>failed, lost or missed in 24 h", page)
    # The next run is at the next whole minute: the clock stands at 12:00:00.
    assert '<time datetime="2026-06-01T12:01:00+00:00"' in page
    data = re.search(r'<script id="days-data" type="application/json">(.+?)</script>', page)
    assert data
    chart = json.loads(data[1])
    assert chart["days"][-1] == "2026-06-01"
    assert {row["state"]: row["numbers"][-1] for row in chart["states"]} == {
        "succeeded": 3,
        "failed": 1,
        "lost": 0,
    }


def test_days_are_those_of_the_browser(busy: Task, clock: SettableClock) -> None:
    """12:00 UTC is the next day already in Kiritimati; a cookie that names no zone is as good as none."""
    client = login(superuser=True)
    for zone, today in (
        ("Pacific/Kiritimati", "2026-06-02"),
        ("../etc/passwd", "2026-06-01"),
        ("Nowhere", "2026-06-01"),
    ):
        client.cookies["jobsite_zone"] = zone
        assert f'"{today}"]' in client.get("/scheduler/days/").content.decode()


def test_a_run_that_takes_longer_than_usual_is_said_to(busy: Task, clock: SettableClock) -> None:
    client = login(superuser=True)
    clock.move(minutes=1)
    assert "longer than usual (2 s)" in text_of(client.get("/scheduler/now/").content.decode())


def test_progress_that_the_run_tells_itself_goes_first(busy: Task, clock: SettableClock) -> None:
    Execution.objects.filter(state="running").update(
        progress_done=3, progress_total=4, progress_text="copying"
    )
    client = login(superuser=True)
    clock.move(minutes=1)
    page = client.get("/scheduler/now/").content.decode()
    assert "3 / 4 (75 %) copying" in text_of(page)
    # As on its own page: a quarter is left, and a third of the time so far, whatever is usual.
    (run,) = Execution.objects.filter(state="running")
    own = client.get(f"/admin/scheduling/execution/{run.pk}/state/").content.decode()
    assert run.started_at is not None
    ends_at = run.started_at + (clock.now() - run.started_at) * 4 / 3
    for text in (page, own):
        found = re.search(r'time left: <time datetime="([^"]+)"', text)
        assert found
        assert abs(datetime.fromisoformat(found[1]) - ends_at) < timedelta(seconds=3)


def test_nothing_new_is_204_and_something_new_comes_with_its_cursor(busy: Task, clock: SettableClock) -> None:
    client = login(superuser=True)
    page = client.get("/admin/").content.decode()
    for address in ("/scheduler/now/", "/scheduler/days/"):
        cursor = re.search(rf'data-live="{address}" (?:data-every="60" )?data-cursor="(\w+)"', page)
        assert cursor
        answer = client.get(address, {"cursor": cursor[1]})
        assert (answer.status_code, answer.content, answer["X-Cursor"]) == (204, b"", cursor[1])
    cursor_before = client.get("/scheduler/now/")["X-Cursor"]
    tasks.pause(busy.pk, actor=TESTER)
    answer = client.get("/scheduler/now/", {"cursor": cursor_before})
    assert answer.status_code == 200
    assert "Nothing is scheduled" in answer.content.decode()
    assert answer["X-Cursor"] != cursor_before


@pytest.mark.parametrize("superuser", [True, False])
def test_the_page_asks_a_dozen_questions_however_much_there_is(
    busy: Task, clock: SettableClock, make_task: MakeTask, superuser: bool
) -> None:
    now = clock.now()
    others = [make_task(f"task-{number}") for number in range(20)]
    for other in others:
        Execution.objects.bulk_create(
            [new_execution(other, "failed", now), new_execution(other, "queued", now)]
        )
    client = login("view_task", "view_execution", "view_node", superuser=superuser)
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/admin/").status_code == 200
    several = 6 if connection.vendor == "sqlite" else 0  # it cannot join limited queries
    # One more than the twelve for who has permissions row by row and a long queue at the same time.
    assert len(queries) <= 12 + several + (0 if superuser else 1)
    history = [query["sql"] for query in queries if "scheduling_execution" in query["sql"]]
    assert all("COUNT(" not in sql or "node_id" in sql for sql in history)
    assert all("OFFSET" not in sql or "fence" in sql for sql in history)


def test_who_may_not_see_executions_gets_the_list_of_apps(busy: Task) -> None:
    client = login("view_task")
    page = client.get("/admin/").content.decode()
    assert "Nightly backup" not in page
    assert client.get("/scheduler/now/").status_code == 403
    assert client.get("/scheduler/days/").status_code == 403
    assert Client().get("/scheduler/now/")["Location"].startswith("/admin/login/")


def test_an_empty_installation_is_told_how_to_begin() -> None:
    client = login(superuser=True)
    page = client.get("/admin/").content.decode()
    assert "There are no tasks yet" in page
    assert 'href="/admin/scheduling/task/add/"' in page
