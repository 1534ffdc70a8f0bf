"""Events are counted by kind on each node, with listeners and without, and told by any process (S1-21)."""

from __future__ import annotations

from typing import Any

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED, EVENT_SCHEDULER_PAUSED, SchedulerEvent

from scheduling.models import Node
from scheduling.services import tasks
from tests.api.conftest import Api
from tests.conftest import TESTER, new_task
from tests.scheduling.engine.conftest import YEARLY, HandNode
from tests.scheduling.views.conftest import login


@pytest.mark.parametrize("listens", [False, True])
def test_each_kind_is_counted(node: HandNode, admin_user: Any, listens: bool) -> None:
    heard: list[Any] = []
    if listens:
        node.scheduler.add_listener(heard.append, EVENT_JOB_EXECUTED)
    good = tasks.create(new_task("good", **YEARLY), actor=TESTER)
    bad = tasks.create(new_task("bad", function="fail", parameters={"message": "no"}, **YEARLY), actor=TESTER)
    for task in (good, bad, bad):
        tasks.run_now(task.pk, actor=TESTER)
    node.settle()
    node.scheduler._dispatch_event(SchedulerEvent(EVENT_SCHEDULER_PAUSED))
    assert len(heard) == listens
    node.tick()
    counts = Node.objects.get(pk=node.id).events
    assert {kind: counts[kind] for kind in ("job_submitted", "job_executed", "job_error", "scheduler_paused")} == {
        "job_submitted": 3, "job_executed": 1, "job_error": 2, "scheduler_paused": 1,
    }  # fmt: skip
    told = Api(admin_user).get("stats/events/").data
    assert (told["nodes"], told["events"]["job_error"]) == (1, 2)
    assert Api(admin_user).get(f"nodes/{node.id}/").data["events"]["job_executed"] == 1
    page = login(superuser=True).get(f"/admin/scheduling/node/{node.id}/change/").content.decode()
    assert "job_error: 2" in page


def test_the_nodes_are_added_up(node: HandNode, admin_user: Any) -> None:
    Node.objects.filter(pk=node.id).update(events={"job_executed": 3, "job_missed": 1})
    other = HandNode()
    Node.objects.filter(pk=other.id).update(events={"job_executed": 4})
    told = Api(admin_user).get("stats/events/").data
    assert (told["nodes"], told["events"]) == (2, {"job_executed": 7, "job_missed": 1})
    other.runs.shutdown(1)
