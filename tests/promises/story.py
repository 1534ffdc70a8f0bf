"""What the promises' tests share: many tasks due at one moment, and the checker of rows and lines."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.test import Client

from scheduling import clock
from scheduling.models import Execution, Origin, State, Task
from scheduling.services import liverows, tasks
from tests.conftest import TESTER, Nodes, await_, new_task
from tests.faults import checker

SECOND = timedelta(seconds=1)


def lines_file(nodes: Nodes) -> Any:
    return nodes.scratch / "lines"


def make_due(number: int, due: datetime, nodes: Nodes, **values: Any) -> list[int]:
    """That many tasks, due once at that moment; each run appends "<execution> <attempt>" to a file."""
    now = clock.refresh()
    parameters = {"path": str(lines_file(nodes)), "text": "{execution_id} {attempt}"}
    made = [
        new_task(
            f"due-{due:%H%M%S%f}-{index}",
            **{"function": "append_line", "parameters": parameters} | values,
            trigger="date",
            trigger_params={"run_date": due.isoformat()},
            anchor_at=now,
            created_at=now,
            updated_at=now,
        )
        for index in range(number)
    ]
    made[0].full_clean()
    # In one, or a node finds tasks without live rows and mends them: what is past is not due any more.
    with transaction.atomic():
        Task.objects.bulk_create(made, batch_size=500)
        ids = list(Task.objects.filter(key__startswith=f"due-{due:%H%M%S%f}-").values_list("pk", flat=True))
        liverows.create_many((pk, due) for pk in ids)
    return ids


def steady_task(nodes: Nodes, seconds: int = 1, key: str = "steady") -> Task:
    """A task that is due every so many seconds, and writes lines as those of ``make_due`` do."""
    parameters = {"path": str(lines_file(nodes)), "text": "{execution_id} {attempt}"}
    every = {"trigger": "cron", "trigger_params": {"expression": f"*/{seconds} * * * * *"}}
    return tasks.create(new_task(key, function="append_line", parameters=parameters, **every), actor=TESTER)


def await_another(task: Task, seconds: float = 10) -> None:
    """Until one more run of the task, admitted from now on, has succeeded."""
    known = Execution.objects.filter(task=task).order_by("-id").values_list("id", flat=True).first() or 0
    later = Execution.objects.filter(task=task, state="succeeded", id__gt=known)
    await_(later.exists, seconds, "work goes on")


def trouble(nodes: Nodes) -> str:
    """What the only node's status file says, once there is one."""
    files = list((nodes.folder / "var" / "nodes").glob("*.json"))
    return str(json.loads(files[0].read_text())["trouble"]) if files else ""


def probe() -> str:
    """What a monitor is told."""
    return Client().get("/healthz/scheduler").content.decode()


def count(**filters: Any) -> int:
    return Execution.objects.filter(**filters).count()


def check(nodes: Nodes, number: int) -> Counter[str]:
    """Asserts P1 to P5 from rows and lines; ``number`` of tasks; returns how many executions ended in which state."""
    # What comes due between the end of the last node and this moment has nobody to admit it yet.
    scheduled = Execution.objects.filter(origin=Origin.SCHEDULE)
    admitted = scheduled.aggregate(last=Max("scheduled_for"))["last"]
    if admitted:
        # Nor has what was admitted last, and not claimed any more, anybody to run it: it is ended by hand.
        last = scheduled.filter(state=State.QUEUED, scheduled_for__gte=admitted - 2 * SECOND)
        for task_id in set(last.values_list("task_id", flat=True)):
            tasks.disable(task_id, actor=TESTER)
    verdict = checker.judge(lines_file(nodes), until=admitted or clock.refresh())
    assert not verdict.violations, verdict.violations
    assert Execution.objects.values("task_id").distinct().count() == number, "an occurrence is missing"
    return verdict.states


def assert_each_once(task: Task, step: timedelta) -> None:
    """P1, P3: every instant from the first to the last one has one row, or lies in the range of one missed row."""
    covered: Counter[datetime] = Counter()
    for row in Execution.objects.filter(task=task):
        at = row.scheduled_for
        while at <= (row.covers_until or row.scheduled_for):
            covered[at] += 1
            at += step
    first, last = min(covered), max(covered)
    assert set(covered.values()) == {1}, "an instant is accounted for twice"
    assert len(covered) == (last - first) // step + 1, "an instant is accounted for nowhere"
