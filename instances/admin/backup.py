"""Backups of managed databases, for reading. No page hands out their files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from instances.admin.filters import OF_INSTANCE
from instances.admin.marks import execution
from instances.admin.visible import OfVisible
from instances.models import Backup
from instances.services import sheets
from jobsite.admin_base import HistoryAdmin
from jobsite.templatetags.jobsite import duration, size


class Kept(admin.SimpleListFilter):
    title = _("file")
    parameter_name = "file"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [("kept", _("kept")), ("removed", _("removed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Backup]) -> QuerySet[Backup]:
        known = {"kept": True, "removed": False}
        wanted = known.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(removed_at__isnull=wanted)


class RestoreTested(admin.SimpleListFilter):
    title = _("restore tested")
    parameter_name = "restored"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Backup]) -> QuerySet[Backup]:
        known = {"yes": False, "no": True}
        wanted = known.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(restored_at__isnull=wanted)


@admin.register(Backup)
class BackupAdmin(OfVisible, HistoryAdmin[Backup]):
    teaches = _("Backups appear here when a task made from the template “Back up databases” has run.")
    sheet = sheets.BACKUPS
    list_display = (
        "finished_at", "instance", "database", "bytes", "length", "file", "restored_at", "removed_at",
    )  # fmt: skip
    list_filter = (Kept, RestoreTested, *OF_INSTANCE)
    ordering = ("-id",)
    fields = (
        "instance", "database", "file", "bytes", "sha256", "started_at", "finished_at", "length", "restored_at",
        "removed_at", execution,
    )  # fmt: skip
    readonly_fields = fields
    change_form_outer_before_template = "instances/backup.html"

    class Media:
        css = {"all": ("css/instances.css",)}

    @admin.display(description=_("size"))
    def bytes(self, row: Backup) -> str:
        return size(row.size_bytes)

    @admin.display(description=_("duration"))
    def length(self, row: Backup) -> str:
        return duration((row.finished_at - row.started_at).total_seconds() * 1_000)
