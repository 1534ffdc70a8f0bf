"""The changes of all tasks: who changed what, when and why."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from jobsite.admin_base import HistoryAdmin
from jobsite.templatetags.jobsite import moment
from scheduling.admin.task.difference import readable
from scheduling.models import TaskVersion


@admin.register(TaskVersion)
class TaskVersionAdmin(HistoryAdmin[TaskVersion]):
    teaches = _("Each change of a task appears here: who made it, when, from where and why.")
    list_display = ("when", "of", "version", "verb", "source", "by", "reason", "what")
    list_display_links = ("version",)
    list_filter = ("verb", "source")
    list_select_related = ("task", "by")
    search_fields = ("=task__key",)
    ordering = ("-pk",)

    class Media:
        css = {"all": ("css/forms.css", "css/tasks.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskVersion]:
        return super().get_queryset(request).defer("definition")

    @admin.display(description=_("at"))
    def when(self, version: TaskVersion) -> SafeString | str:
        return moment(version.at)

    @admin.display(description=_("task"))
    def of(self, version: TaskVersion) -> SafeString | str:
        task = version.task
        if task.deleted_at is not None:
            return task.name
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:scheduling_task_history", args=[task.pk]), task.name
        )

    @admin.display(description=_("changes"))
    def what(self, version: TaskVersion) -> SafeString:
        changes = readable(version.changes)
        return SafeString(render_to_string("scheduling/task/changes.html", {"changes": changes, "none": "–"}))
