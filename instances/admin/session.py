"""Collections and what came of them, for reading."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from instances.models import SyncRecord, SyncSession
from jobsite.admin_base import HistoryAdmin, RowsInside


class RecordInline(RowsInside):
    model = SyncRecord
    fields = ("instance", "state", "created", "updated", "unchanged", "error", "started_at", "finished_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("instance")


@admin.register(SyncSession)
class SyncSessionAdmin(HistoryAdmin[SyncSession]):
    list_display = (
        "started_at",
        "category",
        "origin",
        "status",
        "total",
        "succeeded",
        "failed",
        "finished_at",
    )
    list_filter = ("category", "status", "origin")
    ordering = ("-started_at",)
    inlines = (RecordInline,)
