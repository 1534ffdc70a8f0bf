"""Collections and what came of them, for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from instances.models import SyncRecord, SyncSession
from jobsite.admin_base import HistoryAdmin

if TYPE_CHECKING:
    Records = admin.TabularInline[SyncRecord, SyncSession]
else:
    Records = admin.TabularInline


class RecordInline(Records):
    model = SyncRecord
    fields = ("instance", "state", "created", "updated", "unchanged", "error", "started_at", "finished_at")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("instance")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


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
