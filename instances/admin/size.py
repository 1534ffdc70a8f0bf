"""The sizes of databases and instances, for reading."""

from __future__ import annotations

from django.contrib import admin

from instances.models import DatabaseSize, InstanceSize
from jobsite.admin_base import HistoryAdmin


@admin.register(DatabaseSize)
class DatabaseSizeAdmin(HistoryAdmin[DatabaseSize]):
    list_display = ("date", "instance", "database", "total_bytes", "data_bytes", "index_bytes", "reason")
    list_select_related = ("instance",)
    ordering = ("-date", "-instance")  # along the index by date


@admin.register(InstanceSize)
class InstanceSizeAdmin(HistoryAdmin[InstanceSize]):
    list_display = ("date", "instance", "total_bytes", "database_count", "unknown_count", "collected_at")
    list_select_related = ("instance",)
    ordering = ("-date", "-instance")
