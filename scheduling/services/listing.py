"""What lists of tasks say beside the tasks' own rows. Reads only, a bounded number of statements a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django_apscheduler.models import DjangoJob

from scheduling import clock
from scheduling.models import Task
from scheduling.services import health


def with_live_values(tasks: Sequence[Task]) -> list[Any]:
    """The same tasks, each with ``live_time`` (its next time) and ``lacks_function`` (P6)."""
    rows: list[Any] = list(tasks)
    times = dict(
        DjangoJob.objects.filter(pk__in=[str(task.pk) for task in rows]).values_list("pk", "next_run_time")
    )
    functions = health.functions_of(health.beating(clock.now()))
    for task in rows:
        task.live_time = times.get(str(task.pk))
        task.lacks_function = task.queue in functions and task.function not in functions[task.queue]
    return rows
