"""The history of tasks: who changed what, when and why."""

from __future__ import annotations

from django.contrib import admin

from jobsite.admin_base import HistoryAdmin
from scheduling.models import TaskVersion


@admin.register(TaskVersion)
class TaskVersionAdmin(HistoryAdmin[TaskVersion]):
    list_display = ("task", "version", "verb", "source", "by", "at", "reason", "changes")
    list_display_links = ("version",)
    list_filter = ("verb", "source")
    list_select_related = ("task", "by")
    search_fields = ("=task__key",)
    ordering = ("-pk",)
