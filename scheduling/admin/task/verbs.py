"""What is done to chosen tasks, or to all that match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import ServiceAdmin, actor_of, key_of
from scheduling.admin.task.bulk import TaskBulk
from scheduling.admin.task.bulk_run import BulkRun
from scheduling.models import Task
from scheduling.services import tasks
from scheduling.services.actor import Actor

#: Called with the key of the request: what runs by it does so once, however often it is sent.
Service = Callable[[int, Actor, str], object]


def run(task_id: int, actor: Actor, key: str) -> object:
    return tasks.run_now(task_id, actor=actor, idempotency_key=key)


def clone(task_id: int, actor: Actor, _key: str) -> object:
    """A copy under the next free key."""
    key = Task.objects.filter(pk=task_id).values_list("key", flat=True).first() or ""
    return tasks.clone(task_id, tasks.copied_key(key), actor=actor)


class TaskVerbs(ServiceAdmin[Task]):
    """The actions of the list, each with the permission of its verb."""

    actions = ("run", "run_with", "pause", "resume", "enable", "disable", "clone", "delete_selected")

    def do(
        self, request: HttpRequest, queryset: QuerySet[Task], name: str, service: Service
    ) -> HttpResponse | None:
        """At once for the chosen rows; all that match are asked about first, with their number."""

        def verb(task: Task, key: str) -> object:
            return service(task.pk, actor_of(request), key)

        if request.POST.get("select_across") == "1":
            title = getattr(self, name).short_description
            return TaskBulk(self, request, queryset, name, title, verb).respond()
        self.each(request, queryset, lambda task: verb(task, key_of(request)))
        return None

    def has_run_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.run_task"))

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.pause_task"))

    def has_enable_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.enable_task"))

    @admin.action(description=_("Run now"), permissions=["run"])
    def run(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        return self.do(request, queryset, "run", run)

    @admin.action(description=_("Run with parameters"), permissions=["run"])
    def run_with(self, request: HttpRequest, queryset: QuerySet[Task]) -> HttpResponse:
        return BulkRun(self, request, queryset, "run_with", _("Run with parameters")).respond()

    @admin.action(description=_("Pause"), permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        return self.do(request, queryset, "pause", lambda id, actor, _key: tasks.pause(id, actor=actor))

    @admin.action(description=_("Resume"), permissions=["pause"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        return self.do(request, queryset, "resume", lambda id, actor, _key: tasks.resume(id, actor=actor))

    @admin.action(description=_("Enable"), permissions=["enable"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        return self.do(request, queryset, "enable", lambda id, actor, _key: tasks.enable(id, actor=actor))

    @admin.action(description=_("Disable"), permissions=["enable"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        return self.do(request, queryset, "disable", lambda id, actor, _key: tasks.disable(id, actor=actor))

    @admin.action(description=_("Clone"), permissions=["add"])
    def clone(self, request: HttpRequest, queryset: QuerySet[Task]) -> Any:
        return self.do(request, queryset, "clone", clone)
