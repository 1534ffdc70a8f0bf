"""The box "Why?": a moment in the task's zone, or an execution, and the answer on a page that needs no script."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from scheduling.clock import SettableClock
from scheduling.models import Execution, Task
from tests.scheduling.views.conftest import login, new_execution, new_node

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


def address(task: Task) -> str:
    return f"/admin/scheduling/task/{task.pk}/explain/"


def test_a_moment_is_read_in_the_tasks_zone(make_task: MakeTask, clock: SettableClock) -> None:
    task, client = make_task(time_zone="Asia/Shanghai"), login(superuser=True)
    run = new_execution(task, "succeeded", clock.at - timedelta(hours=2), node=new_node())
    run.admitted_at = run.queued_at = run.scheduled_for
    run.save()
    box = client.get(f"/admin/scheduling/task/{task.pk}/change/").content.decode()
    assert f'<form method="get" action="{address(task)}"' in box
    assert "In the time zone Asia/Shanghai; empty: now." in box
    page = client.get(address(task), {"at": "2026-06-01T18:00"}).content.decode()
    assert f"It ran (#{run.pk}): succeeded." in page
    assert f"/admin/scheduling/execution/{run.pk}/change/" in page
    assert "2026-06-01 18:00:00 CST" in page
    assert 'value="2026-06-01T18:00"' in page, "what was asked stays in the field"
    assert "Where the time went" in page
    assert "did not exist yet" in client.get(address(task), {"at": "2026-06-01T09:00"}).content.decode()
    # An offset of its own, as for an hour that a zone has twice.
    page = client.get(address(task), {"at": "2026-06-01T12:00:00+02:00"}).content.decode()
    assert f"It ran (#{run.pk}): succeeded." in page


def test_without_a_moment_it_tells_of_now(make_task: MakeTask, clock: SettableClock) -> None:
    page = login(superuser=True).get(address(make_task())).content.decode()
    assert "no live node takes from the queue default" in page


def test_a_wrong_moment_is_told_at_the_field(make_task: MakeTask) -> None:
    task, client = make_task(time_zone="Europe/Berlin"), login(superuser=True)
    for wrong in ("yesterday", "2026-03-29T02:30", "2026-10-25T02:30", "9" * 30):
        page = client.get(address(task), {"at": wrong}).content.decode()
        assert 'id="why-at_error"' in page
        assert 'class="answer"' not in page


def test_from_the_page_of_an_execution(make_task: MakeTask, clock: SettableClock) -> None:
    task, client = make_task(), login(superuser=True)
    node = new_node()
    twins = [new_execution(task, "succeeded", clock.at - timedelta(hours=2), node=node) for _ in range(2)]
    for twin in twins:
        twin.save()
    for twin in twins:
        link = f"{address(task)}?execution={twin.pk}"
        assert (
            f'href="{link}"' in client.get(f"/admin/scheduling/execution/{twin.pk}/change/").content.decode()
        )
        assert f"It ran (#{twin.pk})" in client.get(link).content.decode()
    other = new_execution(make_task("other"), "succeeded", clock.at)
    other.save()
    for number in (str(other.pk), "0", "-1", "x", "9" * 40):
        assert client.get(address(task), {"execution": number}).status_code == 404


def test_who_may_ask(make_task: MakeTask) -> None:
    task = make_task()
    client = login("view_task")
    assert client.get(address(task)).status_code == 403
    assert "Why did it run" not in client.get(f"/admin/scheduling/task/{task.pk}/change/").content.decode()
    assert login("view_task", "view_execution", name="berta").post(address(task)).status_code == 405
    assert not Execution.objects.exists()
