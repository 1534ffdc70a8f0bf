"""The admin of executions: its list, the page of each, and where its verbs are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms.widgets import Script
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from jobsite.admin_base import ChangeList, actor_of, key_of
from jobsite.exports import Batches
from scheduling.admin.execution import again_page, bulk, log, page, verbs
from scheduling.admin.execution.columns import Columns
from scheduling.admin.execution.listing import ExecutionList
from scheduling.models import Execution
from scheduling.services import executions, history, sheets


@admin.register(Execution)
class ExecutionAdmin(Columns):
    sheet = sheets.EXECUTIONS
    teaches_itself = True
    ordering = ("-id",)
    actions = ("cancel", "again")  # type: ignore[assignment]
    change_list_template = "scheduling/execution/list.html"

    class Media:
        css = {"all": ("css/forms.css", "css/executions.css")}
        js = (Script("js/parameters.js", type="module"),)

    def get_changelist(self, request: HttpRequest, **_kwargs: Any) -> type[ChangeList]:
        return ExecutionList

    def exported(self, changes: Any) -> Batches:
        chosen = changes.chosen
        return sheets.executions(history.NOTHING if chosen.faults else chosen.wanted)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        name = "scheduling_execution_{}".format

        def here(view: Any) -> Any:
            """The view, told to which admin its page belongs."""
            return lambda request, **kwargs: view(self, request, **kwargs)

        one = "<int:execution_id>/"
        return [
            path("all/<slug:name>/", wrap(require_POST(here(bulk.respond))), name=name("all")),
            path(f"{one}state/", wrap(require_GET(page.follow)), name=name("state")),
            path(f"{one}log/", wrap(require_GET(log.follow)), name=name("log")),
            path(f"{one}log.txt", wrap(require_GET(log.download)), name=name("log_text")),
            path(f"{one}cancel/", wrap(require_POST(verbs.cancel)), name=name("cancel")),
            path(f"{one}again/", wrap(require_POST(verbs.again)), name=name("again")),
            path(f"{one}edit/", wrap(here(again_page.show)), name=name("edit")),
            path(f"{one}change/", wrap(here(page.show)), name=name("change")),
            *super().get_urls(),
        ]

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.cancel_execution"))

    def has_run_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.run_task"))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        more = {
            "title": self.opts.verbose_name_plural,
            "may_cancel": self.has_cancel_permission(request),
            "may_run": self.has_run_permission(request),
        }
        return super().changelist_view(request, {**more, **(extra_context or {})})

    @admin.action(description=_("Cancel"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self.each(request, queryset, lambda row: executions.cancel(row.pk, actor=actor_of(request)))

    @admin.action(description=_("Run again"), permissions=["run"])
    def again(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        key = key_of(request)

        def verb(row: Execution) -> Execution:
            # A task's key stands for one run, and several of the chosen ones may be of the same task.
            own = f"{key}:{row.pk}" if key else ""
            return executions.retry(row.pk, actor=actor_of(request), idempotency_key=own)

        self.each(request, queryset, verb)
