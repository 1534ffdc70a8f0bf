"""The page of the queues: what each has to do, who takes from it, and pausing it by POST."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scheduling.clock import SettableClock
from scheduling.models import Execution, PausedQueue, Task
from scheduling.services import queues
from tests.scheduling.views.conftest import JSON, login, new_execution, new_node, said

pytestmark = pytest.mark.django_db
MakeTask = Callable[..., Task]
PAGE = "/scheduler/queues/"


def rows(answer: Any) -> dict[str, str]:
    """Queue → its row in words."""
    text = answer.content.decode().split("<tbody>")[1].split("</tbody>")[0]
    words = [
        re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", row))).strip() for row in text.split("</tr>")
    ]
    return {row.split()[0]: row for row in words if row}


def test_what_each_has_to_do(make_task: MakeTask, clock: SettableClock) -> None:
    fast, _slow, now = make_task("a", queue="fast"), make_task("b", queue="slow"), clock.now()
    make_task("c", queue="fast")
    node = new_node("fast", "idle")
    Execution.objects.bulk_create(
        [new_execution(fast, "running", now, node=node)]
        + [new_execution(fast, state, now) for state in ("queued", "queued", "succeeded")]
        + [new_execution(fast, "waiting", now, reason="retry") for _number in range(3)]
    )
    client = login(superuser=True)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(PAGE)
    assert len(queries) <= 16
    found = rows(answer)
    assert list(found) == ["fast", "idle", "slow"]
    assert re.search(rf"active 2 3 2 1 {re.escape(str(node))}", found["fast"])
    assert re.search(rf"active 0 0 0 0 {re.escape(str(node))}", found["idle"])
    assert "1 0 0 0 No live node takes from it." in found["slow"]
    assert f'href="{PAGE}"' in client.get("/admin/").content.decode()


def test_paused_and_resumed_with_the_reason(make_task: MakeTask) -> None:
    make_task("a", queue="fast")
    client = login(superuser=True)
    answer = client.post(f"{PAGE}fast/pause/", {"reason": "night & day", "next": PAGE}, follow=True)
    assert said(answer) == ["The queue fast is paused: nothing of it starts; what runs goes on."]
    assert "anna: night & day" in rows(answer)["fast"]
    assert queues.paused() == {"fast"}
    answer = client.post(f"{PAGE}fast/resume/", {"next": PAGE}, follow=True)
    assert said(answer) == ["The queue fast goes on."]
    assert queues.paused() == set()
    answer = client.post(f"{PAGE}fast/resume/", **JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "queue_not_paused")


def test_it_needs_permission_a_token_and_post(make_task: MakeTask) -> None:
    make_task("a", queue="fast")
    client = login("view_task", "change_task")
    page = client.get(PAGE)
    assert page.status_code == 200
    assert "/pause/" not in page.content.decode()
    address = f"{PAGE}fast/pause/"
    assert client.post(address, **JSON).status_code == 403
    assert client.get(address).status_code == 405
    assert Client(enforce_csrf_checks=True).post(address).status_code == 403
    assert not PausedQueue.objects.exists()
    assert Client().get(PAGE).status_code == 302
