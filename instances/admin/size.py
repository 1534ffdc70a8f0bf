"""The sizes of databases and instances, for reading."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from instances.admin.filters import OF_INSTANCE, since
from instances.admin.partitions import partitions_view
from instances.admin.visible import OfVisible
from instances.models import DatabaseSize, InstanceSize
from instances.services import sheets
from jobsite.admin_base import HistoryAdmin

TEACHES = _(
    "Sizes appear here when they have been collected from an instance: by “Collect sizes now” on its page, or "
    "each night."
)


@admin.register(DatabaseSize)
class DatabaseSizeAdmin(OfVisible, HistoryAdmin[DatabaseSize]):
    teaches = TEACHES
    sheet = sheets.DATABASE_SIZES

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(partitions_view)
        return [path("partitions/", page, name="instances_partitions"), *super().get_urls()]

    list_display = ("date", "instance", "database", "total_bytes", "data_bytes", "index_bytes", "reason")
    list_filter = (since("date"), *OF_INSTANCE)
    ordering = ("-date", "-instance")  # along the index by date


@admin.register(InstanceSize)
class InstanceSizeAdmin(OfVisible, HistoryAdmin[InstanceSize]):
    teaches = TEACHES
    sheet = sheets.INSTANCE_SIZES
    list_display = ("date", "instance", "total_bytes", "database_count", "unknown_count", "collected_at")
    list_filter = (since("date"), *OF_INSTANCE)
    ordering = ("-date", "-instance")
