"""Groups, pools and nodes in the admin: what they hold now, and their buttons by POST."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scheduling.clock import SettableClock
from scheduling.models import Execution, Group, Node, Pool, Task
from scheduling.services import nodes
from tests.scheduling.views.conftest import JSON, login, new_execution, new_node, said

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]


@pytest.fixture
def group(make_task: MakeTask) -> Group:
    made = Group.objects.create(key="nightly", name="Nightly")
    for key in ("a", "b"):
        make_task(key, group=made)
    return made


def test_a_group_is_paused_and_resumed_with_the_number_named(group: Group) -> None:
    client = login(superuser=True)
    page = client.get("/admin/scheduling/group/").content.decode()
    assert "Pause all 2 tasks" in page
    answer = client.post(
        f"/scheduler/groups/{group.pk}/pause/", {"next": "/admin/scheduling/group/"}, follow=True
    )
    assert said(answer) == ["Nightly: 2 tasks paused."]
    assert Group.objects.get().paused
    page = client.get(f"/admin/scheduling/group/{group.pk}/change/").content.decode()
    assert "Resume all 2 tasks" in page
    assert page.count("state-paused") == 3  # the group and its tasks
    answer = client.post(f"/scheduler/groups/{group.pk}/resume/", **JSON)
    assert answer.json() == {"message": "Nightly: 2 tasks resumed.", "tasks": 2}
    assert not Group.objects.get().paused
    assert client.post("/scheduler/groups/999/pause/", **JSON).status_code == 404


def test_pausing_a_group_needs_permission_token_and_post(group: Group) -> None:
    address = f"/scheduler/groups/{group.pk}/pause/"
    client = login("view_group", "change_group")
    assert "Pause all" not in client.get("/admin/scheduling/group/").content.decode()
    assert "Pause all" not in client.get(f"/admin/scheduling/group/{group.pk}/change/").content.decode()
    assert client.post(address).status_code == 403
    assert client.get(address).status_code == 405
    assert Client(enforce_csrf_checks=True).post(address).status_code == 403
    assert not Group.objects.get().paused


def test_a_pool_says_what_it_holds(make_task: MakeTask, clock: SettableClock) -> None:
    pool, empty = Pool.objects.create(key="db", capacity=5), Pool.objects.create(key="other", capacity=2)
    task, node, now = make_task(pool=pool, weight=3), new_node(), clock.now()
    Execution.objects.bulk_create(
        [
            new_execution(task, "running", now, node=node, pool_id=pool.pk, weight=3),
            new_execution(task, "queued", now, pool_id=pool.pk, weight=3),
            new_execution(task, "queued", now, pool_id=pool.pk, weight=3),
            new_execution(task, "succeeded", now, pool_id=pool.pk, weight=3),
        ]
    )
    client = login(superuser=True)
    with CaptureQueriesContext(connection) as queries:
        page = client.get("/admin/scheduling/pool/").content.decode()
    assert len(queries) <= 12
    assert "3 of 5 seats" in page
    assert "0 of 2 seats" in page
    assert '?state=queued">2</a>' in page
    assert "3 of 5 seats" in client.get(f"/admin/scheduling/pool/{pool.pk}/change/").content.decode()
    form = {"key": "other", "name": "", "capacity": "7"}
    assert client.post(f"/admin/scheduling/pool/{empty.pk}/change/", form).status_code == 302
    assert Pool.objects.get(pk=empty.pk).capacity == 7


def test_a_pool_is_paused_by_row_and_in_bulk(make_task: MakeTask) -> None:
    db, other = Pool.objects.create(key="db", capacity=5), Pool.objects.create(key="other", capacity=2)
    client = login(superuser=True)
    place = "/admin/scheduling/pool/"
    assert "Nothing of the pool starts until it is resumed" in client.get(place).content.decode()
    answer = client.post(f"/scheduler/pools/{db.pk}/pause/", {"next": place}, follow=True)
    assert said(answer) == ["The pool db is paused: nothing of it starts; what runs goes on."]
    assert "Resume the pool db" in answer.content.decode()
    assert client.post(f"/scheduler/pools/{db.pk}/resume/", **JSON).json() == {
        "message": "The pool db goes on."
    }
    chosen = {"action": "pause", "_selected_action": [db.pk, other.pk]}
    assert said(client.post(place, chosen, follow=True)) == ["Done for 2."]
    assert Pool.objects.filter(paused=True).count() == 2
    answer = client.post("/scheduler/pools/999/pause/", **JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "pool_deleted")


def test_pausing_a_pool_needs_permission_token_and_post() -> None:
    pool = Pool.objects.create(key="db", capacity=5)
    address = f"/scheduler/pools/{pool.pk}/pause/"
    client = login("view_pool", "pause_task", "pause_queue")
    page = client.get("/admin/scheduling/pool/")
    assert page.status_code == 200
    assert "formaction" not in page.content.decode()
    assert client.post(address).status_code == 403
    chosen = {"action": "pause", "_selected_action": [pool.pk]}
    assert client.post("/admin/scheduling/pool/", chosen).status_code == 403
    assert client.get(address).status_code == 405
    assert Client(enforce_csrf_checks=True).post(address).status_code == 403
    assert not Pool.objects.get().paused


def test_nodes_show_who_lives_and_are_asked_to_drain(make_task: MakeTask, clock: SettableClock) -> None:
    node, task = new_node("default", "fast", seats={"asyncio": 500, "thread": 4}), make_task()
    Execution.objects.bulk_create([new_execution(task, "running", clock.now(), node=node)])
    client = login(superuser=True)
    with CaptureQueriesContext(connection) as queries:
        page = client.get("/admin/scheduling/node/").content.decode()
    assert len(queries) <= 12
    for text in (
        "thread: 1 of 4 seats",
        "asyncio: 0 of 500 seats",
        "default, fast",
        "state-active",
        "lets its 1 run end",
    ):
        assert text in page
    page = client.get(f"/admin/scheduling/node/{node.pk}/change/").content.decode()
    assert "Running on this node" in page
    assert ">task</a>" in page
    assert "thread: 1 of 4 seats" in page
    answer = client.post(
        f"/scheduler/nodes/{node.pk}/drain/", {"next": "/admin/scheduling/node/"}, follow=True
    )
    assert "was asked to drain" in said(answer)[0]
    assert nodes.is_drain_asked(node.pk)
    assert "asked to drain</span>" in answer.content.decode()
    clock.move(seconds=16)
    assert "state-silent" in client.get("/admin/scheduling/node/").content.decode()
    nodes.set_state(node.pk, Node.State.STOPPED, clock.now())
    answer = client.post(f"/scheduler/nodes/{node.pk}/drain/", **JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "node_ended")


def test_draining_needs_its_permission_a_token_and_post() -> None:
    node = new_node()
    address = f"/scheduler/nodes/{node.pk}/drain/"
    client = login("view_node", "change_node")
    assert "Drain" not in client.get("/admin/scheduling/node/").content.decode()
    assert client.post(address, **JSON).status_code == 403
    assert client.get(address).status_code == 405
    assert Client(enforce_csrf_checks=True).post(address).status_code == 403
    assert not nodes.is_drain_asked(node.pk)
