"""The list of tasks: what is read beside its rows, a query each, however many tasks there are."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django_apscheduler.models import DjangoJob

from jobsite.admin_base import ChangeList
from scheduling import clock
from scheduling.alarm import alarm_of
from scheduling.models import Task
from scheduling.services import health, stats

#: What a person needs for each button.
BUTTONS = {
    "run": "scheduling.run_task",
    "pause": "scheduling.pause_task",
    "enable": "scheduling.enable_task",
    "clone": "scheduling.add_task",
    "change": "scheduling.change_task",
    "delete": "scheduling.delete_task",
}


def lacks_function(task: Task, functions: dict[str, set[str]]) -> bool:
    """Whether nodes take from the task's queue, and none of them has its function (P6)."""
    return task.queue in functions and task.function not in functions[task.queue]


def buttons_of(request: HttpRequest) -> set[str]:
    """The buttons that this person gets; the others are not there."""
    return {name for name, permission in BUTTONS.items() if request.user.has_perm(permission)}


def look(tasks: list[Task], request: HttpRequest) -> None:
    """Sets on each task what its page says beside it: next time, missing function, last runs, buttons."""
    rows: list[Any] = list(tasks)
    ids = [task.pk for task in rows]
    times = dict(DjangoJob.objects.filter(pk__in=[str(id) for id in ids]).values_list("pk", "next_run_time"))
    functions = health.functions_of(alarm_of(request, detailed=True).beating(clock.now()))
    strips = stats.strips(ids)
    buttons = buttons_of(request)
    for task in rows:
        task.live_time = times.get(str(task.pk))
        task.lacks_function = lacks_function(task, functions)
        task.strip = strips[task.pk]
        task.buttons = buttons


class TaskChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        look(self.result_list, request)
