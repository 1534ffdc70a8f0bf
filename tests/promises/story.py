"""What the promises' tests share: many tasks due at one moment, and the checker of rows and lines."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from scheduling import clock
from scheduling.models import Execution, Task
from scheduling.services import liverows
from tests.conftest import Nodes, new_task
from tests.faults import checker


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
    """Asserts P1 to P5 from rows and lines; returns how many executions ended in which state."""
    verdict = checker.judge(lines_file(nodes), until=clock.refresh())
    assert verdict.violations == []
    assert Execution.objects.values("task_id").distinct().count() == tasks, "an occurrence is missing"
    return verdict.states
