"""What the promises' tests share: many tasks due at one moment, and the checker of rows and lines."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count

from scheduling import clock
from scheduling.models import Execution, Task
from scheduling.services import liverows
from tests.conftest import Nodes, new_task


def lines_file(nodes: Nodes) -> Any:
    return nodes.scratch / "lines"


def make_due(number: int, due: datetime, nodes: Nodes, **values: Any) -> list[int]:
    """That many tasks, due once at that moment; each run appends "<execution> <attempt>" to a file."""
    now = clock.refresh()
    parameters = {"path": str(lines_file(nodes)), "text": "{execution_id} {attempt}"}
    tasks = [
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
    tasks[0].full_clean()
    Task.objects.bulk_create(tasks, batch_size=500)
    ids = list(Task.objects.filter(key__startswith=f"due-{due:%H%M%S%f}-").values_list("pk", flat=True))
    liverows.create_many((pk, due) for pk in ids)
    return ids


def count(**filters: Any) -> int:
    return Execution.objects.filter(**filters).count()


def check(nodes: Nodes, tasks: int) -> Counter[str]:
    """Asserts P1 to P3 from rows and lines; returns how many executions ended in which state."""
    path = lines_file(nodes)
    lines = [tuple(map(int, line.split())) for line in path.read_text().splitlines()] if path.exists() else []
    rows = {row[0]: row[1:] for row in Execution.objects.values_list("id", "state", "attempt", "task_id")}
    ran = Counter(execution for execution, _attempt in lines)
    assert [execution for execution, times in ran.items() if times > 1] == [], "an execution ran twice"
    assert ran.keys() <= rows.keys(), "something ran that has no row"
    succeeded = {id for id, (state, _attempt, _task) in rows.items() if state == "succeeded"}
    assert succeeded <= ran.keys(), "a succeeded row did not run"
    assert {id for id in ran if rows[id][0] not in ("succeeded", "lost")} == set(), (
        "a line's row tells otherwise"
    )
    assert len({task for _state, _attempt, task in rows.values()}) == tasks, "an occurrence is missing"
    twice = (
        Execution.objects.values("task_id", "scheduled_for", "slot").annotate(n=Count("id")).filter(n__gt=1)
    )
    assert not twice.exists(), "an occurrence has two rows"
    return Counter(state for state, _attempt, _task in rows.values())


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
