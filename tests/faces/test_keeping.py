"""What a browser may keep: what changes with the program alone, for five minutes; never how tasks and runs stand."""

from __future__ import annotations

import pytest
from django.test import Client

from scheduling.models import Task
from scheduling.services import tasks
from tests.conftest import TESTER, new_task

FIELDS = "/scheduler/function-fields/?function=cleanup_old_logs"
KEPT = (FIELDS, "/api/v1/functions/", "/api/v1/functions/noop/")


@pytest.fixture
def task(db: None) -> Task:
    return tasks.create(new_task("nightly"), actor=TESTER)


@pytest.mark.parametrize("address", KEPT)
def test_what_functions_there_are_is_kept_by_who_asked(address: str, admin_client: Client) -> None:
    answer = admin_client.get(address)
    assert answer.status_code == 200
    assert set(answer["Cache-Control"].split(", ")) == {"private", "max-age=300"}
    assert {"Authorization", "Cookie", "Accept-Language"} <= set(answer["Vary"].split(", "))
    again = admin_client.get(address, headers={"if-none-match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    chinese = admin_client.get(
        address, headers={"accept-language": "zh-hans", "if-none-match": answer["ETag"]}
    )
    assert chinese.status_code == 200, "in another language it is another answer"
    assert Client().get(address).status_code in (302, 401), "who is not logged in gets nothing of it"


@pytest.mark.parametrize(
    "address",
    [
        "/scheduler/",
        "/scheduler/cards/",
        "/admin/scheduling/task/",
        "/api/v1/tasks/",
        "/api/v1/tasks/nightly/",
    ],
)
def test_how_tasks_stand_is_kept_by_nobody(address: str, admin_client: Client, task: Task) -> None:
    answer = admin_client.get(address)
    assert answer.status_code == 200
    assert "max-age=300" not in answer.get("Cache-Control", "")
    tasks.pause(task.pk, actor=TESTER)
    tag = answer.get("ETag") or answer.get("X-Cursor", "")
    again = admin_client.get(address, headers={"if-none-match": tag})
    assert again.status_code == 200
    assert "paused" in again.content.decode()
