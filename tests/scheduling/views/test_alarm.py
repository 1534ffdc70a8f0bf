"""The red banner: on every page while nothing can run, and never for strangers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scheduling.clock import SettableClock
from scheduling.models import Node, Task
from scheduling.services import health, tasks
from tests.conftest import TESTER
from tests.scheduling.views.conftest import login, new_node

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
PAGES = (
    "/admin/",
    "/admin/scheduling/group/",
    "/admin/scheduling/group/add/",
    "/scheduler/",
    "/admin/auth/user/",
)


def alarms(client: Client, page: str) -> int:
    return client.get(page).content.decode().count('class="alarm"')


def test_every_page_says_that_no_scheduler_runs(make_task: MakeTask, clock: SettableClock) -> None:
    make_task()
    client = login(superuser=True)
    for page in PAGES:
        assert "None has ever been seen" in client.get(page).content.decode()
        assert alarms(client, page) == 1
    new_node()
    assert [alarms(client, page) for page in PAGES] == [0] * len(PAGES)
    clock.move(seconds=16)
    for page in PAGES:
        shown = client.get(page).content.decode()
        assert "No scheduler is running" in shown
        assert '<time datetime="2026-06-01T12:00:00+00:00"' in shown


def test_queues_that_no_node_takes_from_are_named(make_task: MakeTask, clock: SettableClock) -> None:
    new_node("default", "fast")
    for key, queue in (
        ("a", "default"),
        ("b", "gpu"),
        ("c", "aaa"),
        ("d", "zzz"),
        ("e", "fast"),
        ("f", "emu"),
    ):
        make_task(key, queue=queue)
    assert health.alarm(clock.now()).queues == ["aaa", "emu"]  # the first two
    tasks.disable(Task.objects.get(key="c").pk, actor=TESTER)
    tasks.delete(Task.objects.get(key="f").pk, actor=TESTER)
    clock.move(seconds=6)  # until then what was found before is believed
    assert health.alarm(clock.now()).queues == ["gpu", "zzz"]
    client = login(superuser=True)
    assert "No node takes from the queue gpu" in client.get("/admin/scheduling/group/").content.decode()
    new_node("gpu", "zzz")
    assert health.alarm(clock.now()).queues == []
    assert alarms(client, "/admin/scheduling/group/") == 0


def test_workers_of_celery_alone_start_nothing(make_task: MakeTask, clock: SettableClock) -> None:
    make_task()
    new_node(kind=Node.Kind.WORKER)
    found = health.alarm(clock.now())
    assert (found.silent, found.last_seen) == (True, None)
    assert alarms(login(superuser=True), "/admin/scheduling/group/") == 1
    new_node("reports")
    assert health.alarm(clock.now()).queues == ["default"], "a worker takes only what a scheduler hands over"


def test_it_costs_a_page_three_questions_at_most(make_task: MakeTask, clock: SettableClock) -> None:
    with CaptureQueriesContext(connection) as queries:
        health.alarm(clock.now())
    assert len(queries) == 1
    new_node()
    make_task(queue="gpu")
    with CaptureQueriesContext(connection) as queries:
        health.alarm(clock.now())
    assert len(queries) == 3
    with CaptureQueriesContext(connection) as queries:
        health.alarm(clock.now())
    assert len(queries) == 1


def test_strangers_are_told_nothing() -> None:
    assert 'role="alert"' not in Client().get("/admin/login/").content.decode()
