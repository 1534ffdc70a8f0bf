"""Executions: what happened, why, and what the run said."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import HistoryAdmin, actor_of
from scheduling.models import Attempt, Execution, ExecutionLog, Task
from scheduling.services import executions

#: Pieces of the log (8 KiB at most each) that a page shows: the newest ones.
LOG_SHOWN = 130


@admin.register(Execution)
class ExecutionAdmin(HistoryAdmin[Execution]):
    list_display = (
        "id",
        "task_key",
        "state",
        "reason",
        "scheduled_for",
        "started_at",
        "seconds",
        "attempt",
        "origin",
    )
    list_filter = ("state", "origin")
    search_fields = ("=task_key",)
    search_help_text = _("The task's key, exactly.")
    ordering = ("-id",)
    actions = ("cancel",)  # type: ignore[assignment]
    fields = (
        "task_key", "function", "task_version", "state", "reason", "detail",
        "scheduled_for", "origin", "requested_by", "queue", "executor", "weight", "timeout_seconds",
        "queued_at", "started_at", "deadline_at", "finished_at", "seconds", "overdue", "cancel_requested_at",
        "covers_until", "covers_count", "node", "attempt", "attempts_made", "parameters",
        "result", "result_altered", "error_class", "message", "error_traceback", "run_log",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Execution]:
        return super().get_queryset(request).defer("traceback", "result", "message")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Execution], search_term: str
    ) -> tuple[QuerySet[Execution], bool]:
        """Those of the task that has this key, and of deleted ones that had it: along the index by task."""
        key = search_term.strip()
        if not key:
            return queryset, False
        named = Task.objects.filter(Q(key=key) | Q(key__startswith=f"{key}~")).values_list("pk", flat=True)
        return queryset.filter(task_id__in=list(named)), False

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("scheduling.cancel_execution"))

    @admin.display(description=_("duration (seconds)"))
    def seconds(self, execution: Execution) -> str:
        return "" if execution.run_ms is None else f"{execution.run_ms / 1000:.3f}"

    @admin.display(description=_("traceback"))
    def error_traceback(self, execution: Execution) -> str:
        return format_html("<pre>{}</pre>", execution.traceback) if execution.traceback else ""

    @admin.display(description=_("earlier attempts"))
    def attempts_made(self, execution: Execution) -> str:
        attempts = Attempt.objects.filter(execution_id=execution.pk).order_by("attempt")[:100]
        return format_html_join(
            "", "{}: {} {} {}<br>", ((a.attempt, a.state, a.reason, a.detail) for a in attempts)
        )

    @admin.display(description=_("log"))
    def run_log(self, execution: Execution) -> str:
        rows = ExecutionLog.objects.filter(execution_id=execution.pk).order_by("-attempt", "-seq")[:LOG_SHOWN]
        lines = ((row.at.isoformat(timespec="milliseconds"), row.level, row.text) for row in reversed(rows))
        return format_html("<pre>{}</pre>", format_html_join("\n", "{} {} {}", lines))

    @admin.action(description=_("Cancel"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Execution]) -> None:
        self.each(request, queryset, lambda row: executions.cancel(row.pk, actor=actor_of(request)))
