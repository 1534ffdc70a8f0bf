"""One verb for all chosen tasks, or all that match the list's filters, in the order of the tasks' numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.utils.translation import ngettext

from jobsite.admin_base import ServiceAdmin
from jobsite.bulk import Bulk, Part, Progress
from scheduling.models import Task

#: Tasks that one request does at most.
BATCH = 500
#: Actions that end something.
ENDING = ("disable", "delete_selected")


class TaskBulk(Bulk):
    """Comes as an action of the list, and goes on as one."""

    MOST = 1_000_000
    template = "scheduling/task/bulk.html"

    def __init__(
        self,
        page: ServiceAdmin[Task],
        request: HttpRequest,
        queryset: QuerySet[Task],
        name: str,
        title: Any,
        verb: Callable[[Task, str], object] | None = None,
    ) -> None:
        super().__init__(page, request, title, request.get_full_path())
        self.tasks = queryset.order_by("pk")
        self.name, self.verb = name, verb
        self.ends = name in ENDING
        self.across = request.POST.get("select_across") == "1"

    def count(self) -> tuple[int, int]:
        tasks = self.tasks.order_by()
        return tasks[: self.MOST].count(), tasks.aggregate(last=Max("pk"))["last"] or 0

    def part(self, progress: Progress) -> Part:
        found = self.tasks.filter(pk__gt=progress.place, pk__lte=progress.last)[:BATCH]
        self.found = {task.pk: task for task in found}
        return Part([(pk, str(task)) for pk, task in self.found.items()], len(self.found) == BATCH)

    def do(self, number: int, progress: Progress) -> object:
        assert self.verb is not None  # noqa: S101  (for mypy)
        return self.verb(self.found[number], progress.key)

    def done_words(self, number: int) -> str:
        text = ngettext("%(verb)s: done for %(number)s task.", "%(verb)s: done for %(number)s tasks.", number)
        return self.worded(text, number)

    def refused_words(self, number: int) -> str:
        text = ngettext("%(number)s task was refused:", "%(number)s tasks were refused:", number)
        return self.worded(text, number)

    def fields(self) -> list[tuple[str, str]]:
        chosen = ["0"] if self.across else self.request.POST.getlist(ACTION_CHECKBOX_NAME)
        return [
            ("action", self.name),
            ("select_across", "1" if self.across else "0"),
            *((ACTION_CHECKBOX_NAME, pk) for pk in chosen),
        ]

    def context(self) -> dict[str, Any]:
        return {"across": self.across, "narrowed": bool(self.request.GET)}
